//! Rollups, events and decisions as lines of JSON, out of a data directory and into another.
//!
//! Writing them leaves out what is there: an import may be repeated, and what the store has seen itself is not written over.

use std::path::Path;

use serde::{Deserialize, Serialize};
use spillway_store::StoreError;
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    SqliteStore, connect, error,
    events::row::{BodyColumns, columns},
    rollups::{
        self, Floors,
        transfer::{self, NewSum},
    },
};

/// Events and decisions in memory at a time.
const ROWS: i64 = 1_000;

/// One line. Times are nanoseconds since the Unix epoch where their names say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "history", rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the rows, docs/INGEST.md says what they mean")]
pub enum HistoryLine {
    /// What a node served, or what went over an edge, in one bucket.
    Rollup {
        resolution_s: u32,
        /// Begin of the bucket, in seconds since the Unix epoch.
        bucket_s: i64,
        /// The node's id, of an edge the caller's.
        node: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        protocol: Option<String>,
        /// As the caller measured it; the only sum of a node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caller: Option<SumLine>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        callee: Option<SumLine>,
    },
    /// An event.
    Event {
        received_at_ns: i64,
        at_ns: i64,
        id: String,
        kind: i64,
        environment: String,
        namespace: String,
        service: String,
        instance: String,
        target: String,
        name: String,
        state: i64,
        detail: String,
        /// Of a limit, as the three after it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guard: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        in_use: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waiting: Option<u32>,
        /// Of a change, as the one after it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    /// A decision, its body as the control plane wrote it.
    Decision { id: String, began_at_ns: i64, renewed_at_ns: i64, ended: bool, service: String, body: String },
}

/// A sum of calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumLine {
    /// Calls.
    pub count: i64,
    /// Those that failed.
    pub failed: i64,
    /// Those of which one side was seen only.
    pub provisional: i64,
    /// Those that took no time.
    pub zero: i64,
    /// What all took; as text, for it may have more than 64 bits.
    pub sum_ns: String,
    /// Index and count of each bucket of the exponential histogram (scale 4, milliseconds).
    pub buckets: Vec<(i16, i64)>,
}

/// What became of some lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportedHistory {
    /// Written.
    pub stored: u64,
    /// Left out: there already, or older than what this store still remembers.
    pub known: u64,
}

/// How every line begins.
const MARK: &[u8] = b"{\"history\":";

impl HistoryLine {
    /// Whether a line is one of these, whatever else may be wrong with it.
    pub fn is_history(line: &[u8]) -> bool {
        line.trim_ascii_start().starts_with(MARK)
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let line: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        match &line {
            Self::Rollup { .. } if line.sum().is_none() => {
                Err("a rollup of an unknown bucket, node or protocol".into())
            }
            Self::Event { kind, state, guard, .. }
                if BodyColumns { kind: *kind, state: *state, guard: *guard, ..BodyColumns::default() }
                    .body()
                    .is_none() =>
            {
                Err("an event of an unknown kind, state or guard".into())
            }
            _ => Ok(line),
        }
    }

    /// As a line, without its end.
    fn text(&self) -> String {
        serde_json::to_string(self).expect("text and numbers are JSON")
    }

    fn sum(&self) -> Option<NewSum> {
        let Self::Rollup { resolution_s, bucket_s, node, target, protocol, caller, callee } = self else { return None };
        let subject = (node.as_str(), target.as_deref(), protocol.as_deref());
        NewSum::read((*resolution_s, *bucket_s), subject, [caller.as_ref(), callee.as_ref()])
    }
}

/// Shows all lines of a data directory, whether a server has it open or not: one moment of it, but for the rollups of the last ten seconds,
/// which a server holds in memory.
///
/// # Errors
/// [`StoreError`] when it cannot be read, or what `show` says.
pub async fn export(
    dir: &Path,
    show: &mut (dyn FnMut(&str) -> Result<(), StoreError> + Send),
) -> Result<u64, StoreError> {
    let path = dir.join("history.db");
    let file = path.display().to_string();
    let failed = || error::sql(format!("read {file}"));
    let mut connection = connect::read_alone(&path).await?;
    let mut tx = connection.begin().await.map_err(failed())?;
    let mut lines = 0;
    let mut each = |line: HistoryLine| {
        lines += 1;
        show(&line.text())
    };
    transfer::export(&mut tx, &file, &mut each).await?;
    let mut after = 0_i64;
    loop {
        let page = events(&mut tx, after).await.map_err(failed())?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        page.into_iter().try_for_each(|(_, line)| each(line))?;
    }
    let mut after = (i64::MIN, String::new());
    loop {
        let page = decisions(&mut tx, &after).await.map_err(failed())?;
        let Some(HistoryLine::Decision { id, began_at_ns, .. }) = page.last() else { break };
        after = (*began_at_ns, id.clone());
        page.into_iter().try_for_each(&mut each)?;
    }
    Ok(lines)
}

/// Primary key.
async fn events(connection: &mut SqliteConnection, after: i64) -> Result<Vec<(i64, HistoryLine)>, sqlx::Error> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM event
         WHERE seq > ?
         ORDER BY seq
         LIMIT ?"
    ))
    .bind(after)
    .bind(ROWS)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, event_line(row)?))).collect()
}

fn event_line(row: &SqliteRow) -> Result<HistoryLine, sqlx::Error> {
    Ok(HistoryLine::Event {
        received_at_ns: row.try_get(1)?,
        at_ns: row.try_get(2)?,
        id: row.try_get(3)?,
        kind: row.try_get(4)?,
        environment: row.try_get(5)?,
        namespace: row.try_get(6)?,
        service: row.try_get(7)?,
        instance: row.try_get(8)?,
        target: row.try_get(9)?,
        name: row.try_get(10)?,
        state: row.try_get(11)?,
        detail: row.try_get(12)?,
        guard: row.try_get(13)?,
        in_use: row.try_get(14)?,
        room: row.try_get(15)?,
        waiting: row.try_get(16)?,
        version: row.try_get(17)?,
        url: row.try_get(18)?,
    })
}

type DecisionRow = (String, i64, i64, bool, String, Vec<u8>);

/// Index: decision_by_begin.
async fn decisions(connection: &mut SqliteConnection, after: &(i64, String)) -> Result<Vec<HistoryLine>, sqlx::Error> {
    let rows: Vec<DecisionRow> = sqlx::query_as(
        "SELECT id, began_at_ns, renewed_at_ns, ended, service, body
         FROM decision
         WHERE (began_at_ns, id) > (?, ?)
         ORDER BY began_at_ns, id
         LIMIT ?",
    )
    .bind(after.0)
    .bind(&after.1)
    .bind(ROWS)
    .fetch_all(connection)
    .await?;
    let line = |(id, began_at_ns, renewed_at_ns, ended, service, body): DecisionRow| HistoryLine::Decision {
        id,
        began_at_ns,
        renewed_at_ns,
        ended,
        service,
        // The control plane writes text; whatever else stands there says nothing to it either.
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    Ok(rows.into_iter().map(line).collect())
}

impl SqliteStore {
    /// Writes lines in one transaction, but for what is there already.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of these lines is written then.
    #[tracing::instrument(name = "db.history.import", skip_all, err)]
    pub async fn import_history(&self, lines: &[HistoryLine]) -> Result<ImportedHistory, StoreError> {
        let history = &self.inner.history;
        let failed = || history.failed("import history");
        let mut codec = rollups::codec()?;
        let mut connection = history.writer.lock().await;
        let mut tx = connection.begin().await.map_err(failed())?;
        let floors = Floors::read(&mut tx).await.map_err(failed())?;
        let mut imported = ImportedHistory::default();
        for line in lines {
            let stored = match line {
                HistoryLine::Rollup { .. } => match line.sum() {
                    Some(sum) => transfer::import(&mut tx, &mut codec, &floors, &sum).await,
                    None => Ok(false),
                },
                HistoryLine::Event { .. } => insert_event(&mut tx, line).await,
                HistoryLine::Decision { .. } => insert_decision(&mut tx, line).await,
            };
            match stored.map_err(failed())? {
                true => imported.stored += 1,
                false => imported.known += 1,
            }
        }
        tx.commit().await.map_err(failed())?;
        connection.committed();
        Ok(imported)
    }
}

/// Index: event_by_time. An event is known by all that it says.
async fn insert_event(tx: &mut SqliteConnection, line: &HistoryLine) -> Result<bool, sqlx::Error> {
    let HistoryLine::Event {
        received_at_ns,
        at_ns,
        id,
        kind,
        environment,
        namespace,
        service,
        instance,
        target,
        name,
        state,
        detail,
        guard,
        in_use,
        room,
        waiting,
        version,
        url,
    } = line
    else {
        return Ok(false);
    };
    let inserted = sqlx::query(
        "INSERT INTO event (received_at_ns, at_ns, id, kind, environment, namespace, service, instance, target, name, state, detail,
                            guard, in_use, room, waiting, version, url)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18
         WHERE NOT EXISTS (
             SELECT 1 FROM event
             WHERE at_ns = ?2 AND received_at_ns = ?1 AND id = ?3 AND kind = ?4 AND environment = ?5 AND namespace = ?6
               AND service = ?7 AND instance = ?8 AND target = ?9 AND name = ?10 AND state = ?11 AND detail = ?12
               AND guard IS ?13 AND in_use IS ?14 AND room IS ?15 AND waiting IS ?16 AND version IS ?17 AND url IS ?18)",
    )
    .bind(received_at_ns)
    .bind(at_ns)
    .bind(id)
    .bind(kind)
    .bind(environment)
    .bind(namespace)
    .bind(service)
    .bind(instance)
    .bind(target)
    .bind(name)
    .bind(state)
    .bind(detail)
    .bind(guard)
    .bind(in_use)
    .bind(room)
    .bind(waiting)
    .bind(version)
    .bind(url)
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

async fn insert_decision(tx: &mut SqliteConnection, line: &HistoryLine) -> Result<bool, sqlx::Error> {
    let HistoryLine::Decision { id, began_at_ns, renewed_at_ns, ended, service, body } = line else {
        return Ok(false);
    };
    let inserted = sqlx::query(
        "INSERT INTO decision (id, began_at_ns, renewed_at_ns, ended, service, body)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(id)
    .bind(began_at_ns)
    .bind(renewed_at_ns)
    .bind(ended)
    .bind(service)
    .bind(body.as_bytes())
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_history_is_told_apart_and_what_cannot_be_is_refused() {
        assert!(HistoryLine::is_history(b" {\"history\":\"event\""));
        assert!(!HistoryLine::is_history(b"{\"resourceSpans\":[]}"));
        let rollup = |rest: &str| format!("{{\"history\":\"rollup\",\"resolution_s\":60,\"bucket_s\":120,{rest}}}");

        assert!(HistoryLine::parse(rollup("\"node\":\"service:prod/shop/cart\"").as_bytes()).is_ok());
        let event = |kind: i64, state: i64, rest: &str| {
            format!(
                "{{\"history\":\"event\",\"received_at_ns\":1,\"at_ns\":1,\"id\":\"1\",\"kind\":{kind},\"environment\":\"\",\"namespace\":\"\",\"service\":\"s\",\"instance\":\"\",\"target\":\"t\",\"name\":\"n\",\"state\":{state},\"detail\":\"\"{rest}}}"
            )
        };
        assert!(HistoryLine::parse(event(0, 5, "").as_bytes()).is_ok());
        assert!(HistoryLine::parse(event(2, 1, ",\"guard\":1,\"room\":10").as_bytes()).is_ok());
        let cases = [
            rollup("\"node\":\"cart\""),
            rollup("\"node\":\"service:prod/shop/cart\",\"target\":\"service:prod/shop/db\",\"protocol\":\"smoke\""),
            rollup("\"node\":\"service:prod/shop/cart\",\"target\":\"service:prod/shop/db\""),
            "{\"history\":\"rollup\",\"resolution_s\":60,\"bucket_s\":121,\"node\":\"service:prod/shop/cart\"}"
                .to_owned(),
            "{\"history\":\"rollup\",\"resolution_s\":7,\"bucket_s\":14,\"node\":\"service:prod/shop/cart\"}"
                .to_owned(),
            "{\"history\":\"weather\"}".to_owned(),
            event(4, 0, ""),
            event(0, 6, ""),
            event(2, 0, ""),
        ];
        for line in cases {
            assert!(HistoryLine::parse(line.as_bytes()).is_err(), "{line}");
        }
    }
}
