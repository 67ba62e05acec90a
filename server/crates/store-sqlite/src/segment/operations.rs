//! Numbers of the operations and services of a file.

use std::fmt::Write as _;

use rustc_hash::FxHashMap;
use spillway_model::batch::{SpanBatch, StrId};
use spillway_store::StoreError;
use sqlx::SqliteConnection;

use crate::{
    block::{BlockSummary, Operations},
    error,
};

/// A sender that puts ids into span names makes a new operation a span; past this they share one number.
pub(crate) const MOST: usize = 100_000;

/// A row of the table `operation`.
struct Operation {
    id: u32,
    environment: String,
    namespace: String,
    service: String,
    name: String,
}

/// Which names are numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Table {
    /// Span names of services.
    #[default]
    Operation,
    /// Services alone.
    Service,
}

impl Table {
    fn select(self) -> &'static str {
        match self {
            Self::Operation => "SELECT id, environment, namespace, service, name FROM operation ORDER BY id",
            Self::Service => "SELECT id, environment, namespace, name, '' FROM service ORDER BY id",
        }
    }

    fn insert(self) -> &'static str {
        match self {
            Self::Operation => {
                "INSERT INTO operation (id, environment, namespace, service, name) VALUES (?, ?, ?, ?, ?)"
            }
            Self::Service => "INSERT INTO service (id, environment, namespace, name) VALUES (?, ?, ?, ?)",
        }
    }
}

#[derive(Default)]
pub(crate) struct OperationNumbers {
    table: Table,
    known: FxHashMap<Box<str>, u32>,
    /// The last number that was given: an erasure leaves holes.
    last: u32,
    /// New in this transaction.
    added: Vec<Operation>,
    key: String,
}

impl OperationNumbers {
    pub(crate) async fn load(connection: &mut SqliteConnection, table: Table, file: &str) -> Result<Self, StoreError> {
        let rows: Vec<(i64, String, String, String, String)> = sqlx::query_as(table.select())
            .fetch_all(connection)
            .await
            .map_err(error::sql(format!("read the operations of {file}")))?;
        let mut numbers = Self { table, ..Self::default() };
        for (id, environment, namespace, service, name) in rows {
            numbers.set_key(&environment, &namespace, &service, &name);
            numbers.known.insert(numbers.key.as_str().into(), id as u32);
            numbers.last = numbers.last.max(id as u32);
        }
        Ok(numbers)
    }

    /// Writes those that are new, in the transaction of the blocks that name them.
    pub(crate) async fn write_added(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for operation in &self.added {
            let insert = sqlx::query(self.table.insert())
                .bind(operation.id)
                .bind(operation.environment.as_str())
                .bind(operation.namespace.as_str())
                .bind(operation.service.as_str());
            match self.table {
                Table::Operation => insert.bind(operation.name.as_str()),
                Table::Service => insert,
            }
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }

    /// How many are new in this transaction.
    pub(crate) fn added_count(&self) -> usize {
        self.added.len()
    }

    pub(crate) fn committed(&mut self) {
        self.added.clear();
    }

    /// Forgets what the transaction that failed had added.
    pub(crate) fn rolled_back(&mut self) {
        for operation in std::mem::take(&mut self.added) {
            self.last = self.last.min(operation.id - 1);
            self.set_key(&operation.environment, &operation.namespace, &operation.service, &operation.name);
            self.known.remove(self.key.as_str());
        }
    }

    /// Lengths first, so that no two operations have one key.
    fn set_key(&mut self, environment: &str, namespace: &str, service: &str, name: &str) {
        self.key.clear();
        let (e, n, s) = (environment.len(), namespace.len(), service.len());
        write!(self.key, "{e}:{n}:{s}:{environment}{namespace}{service}{name}").expect("a string takes everything");
    }
}

impl Operations for OperationNumbers {
    fn number(&mut self, batch: &SpanBatch, resource: u32, name: StrId) -> u32 {
        let row = batch.resources[resource as usize];
        let name = match self.table {
            Table::Operation => name,
            Table::Service => StrId::EMPTY,
        };
        let [environment, namespace, service, name] =
            [row.environment, row.namespace, row.service, name].map(|id| batch.str(id));
        self.set_key(environment, namespace, service, name);
        if let Some(&number) = self.known.get(self.key.as_str()) {
            return number;
        }
        if self.last as usize >= MOST {
            return BlockSummary::OTHER;
        }
        let id = self.last + 1;
        self.last = id;
        self.known.insert(self.key.as_str().into(), id);
        self.added.push(Operation {
            id,
            environment: environment.into(),
            namespace: namespace.into(),
            service: service.into(),
            name: name.into(),
        });
        id
    }
}
