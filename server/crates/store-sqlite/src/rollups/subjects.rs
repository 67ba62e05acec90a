//! Nodes and edges by number.

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

    /// What a number stands for; `None` when there is none or a newer program named it.
    pub(crate) async fn read(connection: &mut SqliteConnection, id: i64) -> Result<Option<SubjectKey>, sqlx::Error> {
        type Row = (i64, String, String, String, i64, String, String, String, i64);
        let row: Option<Row> = sqlx::query_as(
            "SELECT kind, environment, namespace, name, target_kind, target_environment, target_namespace, target_name, protocol
             FROM subject
             WHERE id = ?",
        )
        .bind(id)
        .fetch_optional(connection)
        .await?;
        Ok(row.and_then(|row| {
            let source = node(row.0, &row.1, &row.2, &row.3)?;
            if row.8 == NO_PROTOCOL {
                return Some(SubjectKey::Node(source));
            }
            let protocol = Protocol::from_number(u8::try_from(row.8).ok()?)?;
            Some(SubjectKey::Edge(EdgeKey { source, target: node(row.4, &row.5, &row.6, &row.7)?, protocol }))
        }))
    }
}

fn node(kind: i64, environment: &str, namespace: &str, name: &str) -> Option<NodeKey> {
    let kind = NodeKind::from_number(u8::try_from(kind).ok()?)?;
    Some(NodeKey { kind, service: ServiceKey::new(environment, namespace, name) })
}
