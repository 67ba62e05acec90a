//! Events of a group: one transaction, each write all or nothing.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use spillway_model::event::{Event, EventBody};
use spillway_store::{Write, WriteOutcome};
use sqlx::SqliteConnection;

use super::Failure;
use crate::{events::row::BodyColumns, store::Database};

/// An id stands for one content this long.
const ID_KEPT_NS: i64 = 24 * 3600 * 1_000_000_000;

/// Enough of a SHA-256 to tell two contents apart.
type Content = [u8; 16];

/// Outcomes of the writes that are events, in order.
pub(super) async fn commit(history: &Database, writes: &[Write]) -> Result<Vec<WriteOutcome>, Failure> {
    let failed = || Failure::sql(format!("commit events to {}", history.path.display()));
    let mut connection = history.writer.lock().await;
    let mut tx = connection.begin().await.map_err(failed())?;
    let mut outcomes = Vec::new();
    for write in writes {
        if let Write::Events { source, events, received_at_ns } = write {
            outcomes.push(store(&mut tx, source, events, *received_at_ns).await.map_err(failed())?);
        }
    }
    tx.commit().await.map_err(failed())?;
    connection.committed();
    Ok(outcomes)
}

/// Looks at all ids first, so that a conflict leaves nothing of the write behind.
async fn store(
    tx: &mut SqliteConnection,
    source: &str,
    events: &[Event],
    received_at_ns: i64,
) -> Result<WriteOutcome, sqlx::Error> {
    let mut in_write: FxHashMap<&str, Content> = FxHashMap::default();
    let mut new = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let content = content(event);
        let known = match in_write.get(&*event.id) {
            Some(known) => Some(known.to_vec()),
            None => known_content(tx, source, &event.id, received_at_ns).await?,
        };
        match known {
            Some(known) if known == content => {}
            Some(_) => return Ok(WriteOutcome::Conflict { id: Arc::clone(&event.id) }),
            None => new.push((index as u32, content)),
        }
        in_write.insert(&event.id, content);
    }
    for &(index, content) in &new {
        insert(tx, source, &events[index as usize], content, received_at_ns).await?;
    }
    let repeated = (events.len() - new.len()) as u32;
    Ok(WriteOutcome::Events { stored: new.into_iter().map(|(index, _)| index).collect(), repeated })
}

async fn known_content(
    tx: &mut SqliteConnection,
    source: &str,
    id: &str,
    received_at_ns: i64,
) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT content
         FROM event_id
         WHERE source = ? AND id = ? AND received_at_ns > ?",
    )
    .bind(source)
    .bind(id)
    .bind(received_at_ns.saturating_sub(ID_KEPT_NS))
    .fetch_optional(tx)
    .await
}

async fn insert(
    tx: &mut SqliteConnection,
    source: &str,
    event: &Event,
    content: Content,
    received_at_ns: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO event_id (source, id, received_at_ns, content)
         VALUES (?, ?, ?, ?)
         ON CONFLICT (source, id) DO UPDATE SET received_at_ns = excluded.received_at_ns, content = excluded.content",
    )
    .bind(source)
    .bind(&*event.id)
    .bind(received_at_ns)
    .bind(content.as_slice())
    .execute(&mut *tx)
    .await?;
    let body = BodyColumns::of(&event.body);
    sqlx::query(
        "INSERT INTO event (received_at_ns, at_ns, id, kind, environment, namespace, service, instance, target, name, state, detail,
                            guard, in_use, room, waiting, version, url)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(received_at_ns)
    .bind(event.at_ns)
    .bind(&*event.id)
    .bind(body.kind)
    .bind(&*event.service.environment)
    .bind(&*event.service.namespace)
    .bind(&*event.service.name)
    .bind(&*event.instance)
    .bind(body.target)
    .bind(body.name)
    .bind(body.state)
    .bind(body.detail)
    .bind(body.guard)
    .bind(body.in_use)
    .bind(body.room)
    .bind(body.waiting)
    .bind(body.version)
    .bind(body.url)
    .execute(tx)
    .await?;
    Ok(())
}

/// A fingerprint of everything but the id. Lengths stand before texts, so that no two events have the same input.
fn content(event: &Event) -> Content {
    let mut sha = Sha256::new();
    let mut text = |text: &str| {
        sha.update((text.len() as u64).to_le_bytes());
        sha.update(text);
    };
    [&event.service.environment, &event.service.namespace, &event.service.name, &event.instance]
        .into_iter()
        .for_each(|part| text(part));
    let body = BodyColumns::of(&event.body);
    // Ids of before the kinds beyond 1 came are known by what these lines made of them.
    match &event.body {
        EventBody::Breaker { target, name, .. } => [target, name].into_iter().for_each(|part| text(part)),
        EventBody::Health { detail, .. } => text(detail),
        EventBody::Limit { target, name, in_use, limit, waiting, .. } => {
            [target, name].into_iter().for_each(|part| text(part));
            [*in_use, *limit, *waiting].into_iter().for_each(|number| text(&format!("{number:?}")));
            text(&format!("{:?}", body.guard));
        }
        EventBody::Change { version, title, url, .. } => {
            [version, title, url].into_iter().for_each(|part| text(part));
        }
    }
    sha.update(event.at_ns.to_le_bytes());
    sha.update([body.kind as u8, body.state as u8]);
    *sha.finalize().first_chunk().expect("16 of 32 bytes")
}
