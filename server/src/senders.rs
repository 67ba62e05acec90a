//! Who sends: by protocol and by service, since the start. What a person looks at when something does not arrive.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use spillway_api as api;
use spillway_model::batch::SpanBatch;

use crate::metrics::Source;

/// Services that are told apart; the one that was silent longest makes room.
const ROWS: usize = 500;
/// Bytes of a refused body that are kept.
pub const BODY_BYTES: usize = 4 << 10;
/// Bytes of a reason.
const WHY_BYTES: usize = 1 << 10;
/// The rate is that of the last minute, in steps of ten seconds.
const STEP_NS: i64 = 10_000_000_000;
const STEPS: usize = 6;

/// The table. Names are those that senders chose: bounded, and shown as text.
#[derive(Default)]
pub struct Senders {
    hasher: RandomState,
    /// Held for a look-up and some additions, never across an await.
    rows: Mutex<HashMap<u64, Row>>,
}

struct Row {
    source: Source,
    environment: String,
    service: String,
    requests: u64,
    items: u64,
    repeated: u64,
    last_seen_ns: i64,
    recent: Recent,
    rejected: BTreeMap<&'static str, u64>,
    last_rejected: Option<Rejected>,
    /// Of the last request that could not be read: why, and the start of its body.
    unread: Option<(String, String)>,
}

/// Items in the last steps.
#[derive(Default)]
struct Recent {
    step: i64,
    items: [u64; STEPS + 1],
}

impl Recent {
    fn advance(&mut self, now_ns: i64) {
        let step = now_ns.div_euclid(STEP_NS);
        if step <= self.step {
            return;
        }
        for passed in (self.step + 1..=step).rev().take(STEPS + 1) {
            self.items[Self::place(passed)] = 0;
        }
        self.step = step;
    }

    fn place(step: i64) -> usize {
        usize::try_from(step.rem_euclid(STEPS as i64 + 1)).unwrap_or(0)
    }

    /// Items a second, without the step that has not ended.
    fn rate(&mut self, now_ns: i64) -> f64 {
        self.advance(now_ns);
        let whole = self.items.iter().sum::<u64>() - self.items[Self::place(self.step)];
        whole as f64 / (STEPS as f64 * STEP_NS as f64 / 1e9)
    }
}

#[derive(Clone, Debug)]
struct Rejected {
    at_ns: i64,
    reason: &'static str,
    why: String,
    body: String,
}

/// What became of the items of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They are stored.
    Stored(u64),
    /// They were stored before.
    Repeated,
}

impl Senders {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, source: Source, environment: &str, service: &str, now_ns: i64, note: impl FnOnce(&mut Row)) {
        // The hash of a secret seed: a stranger cannot make two names meet.
        let key = self.hasher.hash_one((source as u8, environment, service));
        let mut rows = self.lock();
        if rows.len() >= ROWS && !rows.contains_key(&key) {
            let silent = rows.iter().min_by_key(|(_, row)| row.last_seen_ns).map(|(key, _)| *key);
            silent.and_then(|key| rows.remove(&key));
        }
        let row = rows.entry(key).or_insert_with(|| Row {
            source,
            environment: environment.to_owned(),
            service: service.to_owned(),
            requests: 0,
            items: 0,
            repeated: 0,
            last_seen_ns: now_ns,
            recent: Recent::default(),
            rejected: BTreeMap::new(),
            last_rejected: None,
            unread: None,
        });
        row.last_seen_ns = now_ns.max(row.last_seen_ns);
        note(row);
    }

    /// Items of a service arrived in one request.
    pub fn arrived(&self, source: Source, environment: &str, service: &str, outcome: Outcome, now_ns: i64) {
        self.with(source, environment, service, now_ns, |row| {
            row.requests += 1;
            match outcome {
                Outcome::Stored(items) => {
                    row.items += items;
                    row.recent.advance(now_ns);
                    row.recent.items[Recent::place(row.recent.step)] += items;
                }
                Outcome::Repeated => row.repeated += 1,
            }
        });
    }

    /// Spans arrived, of all the services in them.
    pub fn spans(&self, source: Source, batch: &SpanBatch, repeated: bool, now_ns: i64) {
        let mut counts = vec![0_u64; batch.resources.len()];
        for scope in &batch.spans.scope {
            let resource = batch.scopes.get(*scope as usize).map(|scope| scope.resource as usize);
            if let Some(count) = resource.and_then(|resource| counts.get_mut(resource)) {
                *count += 1;
            }
        }
        for (resource, spans) in batch.resources.iter().zip(counts) {
            let outcome = if repeated { Outcome::Repeated } else { Outcome::Stored(spans) };
            self.arrived(source, batch.str(resource.environment), batch.str(resource.service), outcome, now_ns);
        }
    }

    /// A body cannot be read; its refusal comes next, with the same words.
    pub fn unread(&self, source: Source, why: &str, body: String, now_ns: i64) {
        self.with(source, "", "", now_ns, |row| row.unread = Some((cut(why), body)));
    }

    /// A request was refused. Whose it was is not known: its body was not read, or not to the end.
    pub fn refused(&self, source: Source, reason: &'static str, why: &str, now_ns: i64) {
        let why = cut(why);
        self.with(source, "", "", now_ns, |row| {
            row.requests += 1;
            *row.rejected.entry(reason).or_default() += 1;
            let body = row.unread.take().filter(|(of, _)| *of == why).map(|(_, body)| body).unwrap_or_default();
            row.last_rejected = Some(Rejected { at_ns: now_ns, reason, why, body });
        });
    }

    /// All rows, those that were heard last first.
    pub fn rows(&self, now_ns: i64) -> Vec<api::Sender> {
        let mut rows: Vec<api::Sender> = self
            .lock()
            .values_mut()
            .map(|row| api::Sender {
                source: row.source.as_str().into(),
                environment: row.environment.clone(),
                service: row.service.clone(),
                requests: row.requests,
                items: row.items,
                repeated: row.repeated,
                rate: row.recent.rate(now_ns),
                last_seen_at: api::Timestamp::from_unix_ns(row.last_seen_ns),
                rejected: row.rejected.iter().map(|(reason, times)| ((*reason).to_owned(), *times)).collect(),
                last_rejected: row.last_rejected.as_ref().map(|rejected| api::RejectedRequest {
                    at: api::Timestamp::from_unix_ns(rejected.at_ns),
                    reason: rejected.reason.into(),
                    why: rejected.why.clone(),
                    body: rejected.body.clone(),
                }),
            })
            .collect();
        rows.sort_by(|a, b| {
            let names = |row: &api::Sender| (row.source.clone(), row.service.clone(), row.environment.clone());
            b.last_seen_at.cmp(&a.last_seen_at).then_with(|| names(a).cmp(&names(b)))
        });
        rows
    }
}

fn cut(why: &str) -> String {
    why[..why.floor_char_boundary(WHY_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_225_600_000_000_000;
    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn the_rate_is_that_of_the_last_whole_minute_and_falls_to_nothing() {
        let senders = Senders::default();
        for second in 0..120 {
            senders.arrived(Source::OtlpHttp, "prod", "cart", Outcome::Stored(30), NOW + second * SECOND);
        }
        let rate = |second: i64| senders.rows(NOW + second * SECOND)[0].rate;

        assert_eq!((rate(120), rate(150), rate(180), rate(100_000)), (30.0, 15.0, 0.0, 0.0));
        assert_eq!(senders.rows(NOW)[0].items, 3_600);
    }

    #[test]
    fn refusals_are_counted_by_reason_and_the_last_is_told() {
        let senders = Senders::default();
        let last = || {
            let row = senders.rows(NOW).remove(0);
            let last = row.last_rejected.map(|last| (last.reason, last.why.len(), last.body));
            (row.rejected.into_iter().collect::<Vec<_>>(), last)
        };
        let of = |reason: &str, times: u64| (reason.to_owned(), times);

        senders.unread(Source::Webhook, "/state: is missing", "{}".into(), NOW);
        senders.refused(Source::Webhook, "malformed", "/state: is missing", NOW);
        assert_eq!(last(), (vec![of("malformed", 1)], Some(("malformed".into(), 18, "{}".into()))));
        // Another request's body is not taken for it.
        senders.unread(Source::Webhook, "/id: is missing", "{}".into(), NOW);
        senders.refused(Source::Webhook, "conflict", &"x".repeat(5_000), NOW);
        let expected =
            (vec![of("conflict", 1), of("malformed", 1)], Some(("conflict".into(), WHY_BYTES, String::new())));
        assert_eq!(last(), expected);
    }

    #[test]
    fn what_strangers_invent_is_bounded_and_the_silent_make_room() {
        let senders = Senders::default();
        for number in 0..ROWS as i64 + 10 {
            senders.arrived(Source::Zipkin, "", &number.to_string(), Outcome::Repeated, NOW + number);
        }
        let rows = senders.rows(NOW);

        assert_eq!((rows.len(), rows[0].service.as_str()), (ROWS, "509"));
        assert!(rows.iter().all(|row| row.service != "9") && rows.iter().any(|row| row.service == "10"));
    }
}
