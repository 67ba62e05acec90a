//! Nodes and edges by number.

use std::sync::RwLock;

use rustc_hash::FxHashMap;
use spillway_model::{
    identity::{NodeKey, NodeKind, ServiceKey},
    observation::{EdgeKey, Protocol},
};
use sqlx::SqliteConnection;

/// What rollups are about; both sides of an edge share a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SubjectKey {
    Node(NodeKey),
    Edge(EdgeKey),
}

/// Rows that one statement reads.
const SUBJECTS_AT_A_TIME: i64 = 10_000;

/// The protocol of a node's row.
const NO_PROTOCOL: i64 = -1;

/// A row of the table, as its columns.
struct Columns<'a> {
    source: &'a NodeKey,
    /// Kind, environment, namespace and name.
    target: (i64, &'a str, &'a str, &'a str),
    protocol: i64,
}

impl SubjectKey {
    fn columns(&self) -> Columns<'_> {
        match self {
            Self::Node(node) => Columns { source: node, target: (0, "", "", ""), protocol: NO_PROTOCOL },
            Self::Edge(edge) => {
                let ServiceKey { environment, namespace, name } = &edge.target.service;
                Columns {
                    source: &edge.source,
                    target: (edge.target.kind as i64, environment, namespace, name),
                    protocol: edge.protocol as i64,
                }
            }
        }
    }
}

pub(crate) struct Subjects;

impl Subjects {
    /// The number of a subject, if it has one.
    pub(crate) async fn find(connection: &mut SqliteConnection, key: &SubjectKey) -> Result<Option<i64>, sqlx::Error> {
        let Columns { source, target, protocol } = key.columns();
        sqlx::query_scalar(
            "SELECT id
             FROM subject
             WHERE kind = ? AND environment = ? AND namespace = ? AND name = ?
               AND target_kind = ? AND target_environment = ? AND target_namespace = ? AND target_name = ? AND protocol = ?",
        )
        .bind(source.kind as i64)
        .bind(&*source.service.environment)
        .bind(&*source.service.namespace)
        .bind(&*source.service.name)
        .bind(target.0)
        .bind(target.1)
        .bind(target.2)
        .bind(target.3)
        .bind(protocol)
        .fetch_optional(connection)
        .await
    }

    /// The number of a subject; a new one when it has none.
    pub(crate) async fn insert(connection: &mut SqliteConnection, key: &SubjectKey) -> Result<i64, sqlx::Error> {
        if let Some(known) = Self::find(connection, key).await? {
            return Ok(known);
        }
        let Columns { source, target, protocol } = key.columns();
        sqlx::query_scalar(
            "INSERT INTO subject (kind, environment, namespace, name, target_kind, target_environment, target_namespace, target_name, protocol)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             RETURNING id",
        )
        .bind(source.kind as i64)
        .bind(&*source.service.environment)
        .bind(&*source.service.namespace)
        .bind(&*source.service.name)
        .bind(target.0)
        .bind(target.1)
        .bind(target.2)
        .bind(target.3)
        .bind(protocol)
        .fetch_one(connection)
        .await
    }

    /// Numbers behind `after` and what they stand for; those that only a newer program understands are left out.
    async fn read(
        connection: &mut SqliteConnection,
        after: i64,
    ) -> Result<Vec<(i64, Option<SubjectKey>)>, sqlx::Error> {
        type Row = (i64, i64, String, String, String, i64, String, String, String, i64);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, kind, environment, namespace, name,
                 target_kind, target_environment, target_namespace, target_name, protocol
             FROM subject
             WHERE id > ?
             ORDER BY id
             LIMIT ?",
        )
        .bind(after)
        .bind(SUBJECTS_AT_A_TIME)
        .fetch_all(connection)
        .await?;
        let key = |row: &Row| {
            let source = node(row.1, &row.2, &row.3, &row.4)?;
            if row.9 == NO_PROTOCOL {
                return Some(SubjectKey::Node(source));
            }
            let protocol = Protocol::from_number(u8::try_from(row.9).ok()?)?;
            Some(SubjectKey::Edge(EdgeKey { source, target: node(row.5, &row.6, &row.7, &row.8)?, protocol }))
        };
        Ok(rows.iter().map(|row| (row.0, key(row))).collect())
    }
}

/// What numbers stand for. As many as there are rows: the cardinality cap of the topology bounds it.
#[derive(Default)]
pub(crate) struct SubjectCache(RwLock<Known>);

#[derive(Default)]
struct Known {
    keys: FxHashMap<i64, SubjectKey>,
    /// Everything up to this number was read. Numbers only grow, and never mean something else.
    through: i64,
}

impl SubjectCache {
    /// Reads what is not known yet, up to a number.
    pub(crate) async fn fill(&self, connection: &mut SqliteConnection, through: i64) -> Result<(), sqlx::Error> {
        loop {
            let after = self.0.read().expect("no panic while it was held").through;
            if after >= through {
                return Ok(());
            }
            let rows = Subjects::read(connection, after).await?;
            let more = rows.len() as i64 == SUBJECTS_AT_A_TIME;
            let mut known = self.0.write().expect("no panic while it was held");
            known.through = known.through.max(rows.last().map_or(after, |(number, _)| *number));
            known.keys.extend(rows.into_iter().filter_map(|(number, key)| Some((number, key?))));
            if !more {
                return Ok(());
            }
        }
    }

    /// What each of these stands for, for as many as are known.
    pub(crate) fn names<T>(&self, of: impl Iterator<Item = (i64, T)>) -> Vec<(SubjectKey, T)> {
        let known = self.0.read().expect("no panic while it was held");
        of.filter_map(|(number, of)| Some((known.keys.get(&number)?.clone(), of))).collect()
    }
}

fn node(kind: i64, environment: &str, namespace: &str, name: &str) -> Option<NodeKey> {
    let kind = NodeKind::from_number(u8::try_from(kind).ok()?)?;
    Some(NodeKey { kind, service: ServiceKey::new(environment, namespace, name) })
}
