//! One tick of one rule as bytes: what it was given, what it said, and how it ended.
//!
//! A record is what backtests replay and what explains a decision afterwards, so it must hold every bit of the input,
//! and hours of it must stay small: a tick a second is 86,400 records a day for each rule. The encoding is our own
//! because it must be readable by every later version: the first byte is the version, and a version never changes.
//!
//! Version 1: `1`, the table of strings, then the body. Integers are varints. A float is a decimal of up to six places
//! when that is exact (numbers that went through [`Snapshot::round`](super::Snapshot::round) take two bytes), else eight
//! raw bytes. An element of a list of signals or edges starts with a bit mask of the fields that differ from the element
//! before it, because neighbours share their environment, window and age. The record is not compressed: the store does
//! that over many of them.

use thiserror::Error;

use super::{Action, Criticality, Directive, Outcome, Rate, ServiceId, Snapshot, Target};

mod edge;
mod signals;

use super::wire::{Reader, Writer};

/// The encoding that [`TickRecord::encode`] writes.
pub const VERSION: u8 = 1;

/// Most memory that decoding one record may claim: twenty times the largest that the host's limits allow (2,000 signals,
/// 1,000 directives, 256 KiB of kv, 64 KiB of configuration), and small enough that a forged record harms nobody.
const DECODE_BUDGET_BYTES: usize = 64 << 20;

/// One evaluation, complete: the same wasm with the same record gives the same `fuel` and `outcome`.
#[derive(Clone, Debug, PartialEq)]
pub struct TickRecord {
    /// Number of the tick.
    pub tick: u64,
    /// When it was, in milliseconds since 1970.
    pub now_ms: u64,
    /// What the rule saw.
    pub snapshot: Snapshot,
    /// What the rule had stored before, by key.
    pub kv_at_start: Vec<(String, Vec<u8>)>,
    /// Its configuration, as JSON.
    pub configuration: String,
    /// Instructions it used, in the sandbox's own unit.
    pub fuel: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// Written by another version of Spillway.
    #[error("tick record has version {0}, this program reads version {VERSION}")]
    Version(u8),
    /// The bytes end too early.
    #[error("tick record ends at byte {at}, in the middle of a value")]
    Truncated {
        /// Offset of the missing byte.
        at: usize,
    },
    /// The bytes mean nothing.
    #[error("tick record holds {what} before byte {at}")]
    Invalid {
        /// What was found.
        what: &'static str,
        /// Offset behind it.
        at: usize,
    },
    /// Decoding would take more memory than any real record does.
    #[error("tick record would take more than {} MiB when decoded", DECODE_BUDGET_BYTES >> 20)]
    TooLarge,
}

impl TickRecord {
    /// The record as bytes, in the newest version.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.varint(self.tick);
        w.varint(self.now_ms);
        w.varint(self.fuel);
        w.bytes(self.configuration.as_bytes());
        w.varint(self.kv_at_start.len() as u64);
        for (key, value) in &self.kv_at_start {
            w.bytes(key.as_bytes());
            w.bytes(value);
        }
        // The snapshot repeats the tick and its time in a live record, but not in a hand-made one: flags, not trust.
        let same = u8::from(self.snapshot.tick == self.tick) | (u8::from(self.snapshot.now_ms == self.now_ms) << 1);
        w.byte(same);
        if same & 1 == 0 {
            w.varint(self.snapshot.tick);
        }
        if same & 2 == 0 {
            w.varint(self.snapshot.now_ms);
        }
        signals::put(&mut w, &self.snapshot.signals);
        edge::put(&mut w, &self.snapshot.edges);
        put_outcome(&mut w, &self.outcome);
        w.finish(VERSION)
    }

    /// Reads a record of any version that this program knows.
    ///
    /// # Errors
    /// [`RecordError`] for bytes that no version of Spillway wrote. Never panics, never takes more than a bounded
    /// amount of memory.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut r = Reader::new(bytes, VERSION, DECODE_BUDGET_BYTES)?;
        let tick = r.varint()?;
        let now_ms = r.varint()?;
        let fuel = r.varint()?;
        let configuration = r.text()?;
        let kv_at_start = list(&mut r, |r| Ok((r.text()?, r.bytes()?)))?;
        let same = r.byte()?;
        if same > 3 {
            return Err(r.invalid("unknown flags"));
        }
        let snapshot = Snapshot {
            tick: if same & 1 == 0 { r.varint()? } else { tick },
            now_ms: if same & 2 == 0 { r.varint()? } else { now_ms },
            signals: signals::get(&mut r)?,
            edges: edge::get(&mut r)?,
        };
        let outcome = get_outcome(&mut r)?;
        r.finish()?;
        Ok(Self { tick, now_ms, snapshot, kv_at_start, configuration, fuel, outcome })
    }
}

fn list<'a, T>(
    r: &mut Reader<'a>,
    mut one: impl FnMut(&mut Reader<'a>) -> Result<T, RecordError>,
) -> Result<Vec<T>, RecordError> {
    let count = r.count(size_of::<T>())?;
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        out.push(one(r)?);
    }
    Ok(out)
}

fn put_outcome<'a>(w: &mut Writer<'a>, outcome: &'a Outcome) {
    match outcome {
        Outcome::Proposed { directives } => {
            w.byte(0);
            put_directives(w, directives);
        }
        Outcome::Refused { message } => {
            w.byte(1);
            w.bytes(message.as_bytes());
        }
        Outcome::Trapped { message } => {
            w.byte(2);
            w.bytes(message.as_bytes());
        }
        Outcome::OutOfFuel => w.byte(3),
        Outcome::TimedOut => w.byte(4),
        Outcome::OutOfMemory => w.byte(5),
        Outcome::Malformed { message } => {
            w.byte(6);
            w.bytes(message.as_bytes());
        }
    }
}

fn get_outcome(r: &mut Reader<'_>) -> Result<Outcome, RecordError> {
    Ok(match r.byte()? {
        0 => Outcome::Proposed { directives: get_directives(r)? },
        1 => Outcome::Refused { message: r.text()? },
        2 => Outcome::Trapped { message: r.text()? },
        3 => Outcome::OutOfFuel,
        4 => Outcome::TimedOut,
        5 => Outcome::OutOfMemory,
        6 => Outcome::Malformed { message: r.text()? },
        _ => return Err(r.invalid("an unknown outcome")),
    })
}

fn put_directives<'a>(w: &mut Writer<'a>, directives: &'a [Directive]) {
    w.varint(directives.len() as u64);
    for directive in directives {
        let (kind, class) = (action_kind(&directive.action), directive.class.rank());
        w.byte(kind << 2 | class);
        match &directive.action {
            Action::AdmitRatio(ratio) => w.float(*ratio),
            Action::LevelThreshold(level) => w.varint(u64::from(*level)),
            Action::ConcurrencyLimit(limit) => w.varint(u64::from(*limit)),
            Action::RateLimit(rate) => {
                w.float(rate.per_second);
                w.varint(u64::from(rate.burst));
            }
            Action::Degrade(variant) => w.string(variant),
        }
        put_target(w, &directive.target);
        w.varint(u64::from(directive.ttl_ms));
        w.optional_u32(directive.retry_after_ms);
        w.string(&directive.reason);
    }
}

fn get_directives(r: &mut Reader<'_>) -> Result<Vec<Directive>, RecordError> {
    list(r, |r| {
        let head = r.byte()?;
        let class = class_of(head & 3);
        let action = match head >> 2 {
            0 => Action::AdmitRatio(r.float()?),
            1 => Action::LevelThreshold(r.u16()?),
            2 => Action::ConcurrencyLimit(r.u32()?),
            3 => Action::RateLimit(Rate { per_second: r.float()?, burst: r.u32()? }),
            4 => Action::Degrade(r.string()?),
            _ => return Err(r.invalid("an unknown action")),
        };
        Ok(Directive {
            action,
            class,
            target: get_target(r)?,
            ttl_ms: r.u32()?,
            retry_after_ms: r.optional_u32()?,
            reason: r.string()?,
        })
    })
}

const fn action_kind(action: &Action) -> u8 {
    match action {
        Action::AdmitRatio(_) => 0,
        Action::LevelThreshold(_) => 1,
        Action::ConcurrencyLimit(_) => 2,
        Action::RateLimit(_) => 3,
        Action::Degrade(_) => 4,
    }
}

/// Total on purpose: the caller has masked two bits out of a byte, so a fifth class cannot occur.
const fn class_of(rank: u8) -> Criticality {
    Criticality::ALL[(rank & 3) as usize]
}

fn put_target<'a>(w: &mut Writer<'a>, target: &'a Target) {
    put_service(w, &target.service);
    put_caller(w, target.caller.as_ref());
    w.string(&target.route);
    w.string(&target.tenant);
}

fn get_target(r: &mut Reader<'_>) -> Result<Target, RecordError> {
    Ok(Target { service: get_service(r)?, caller: get_caller(r)?, route: r.string()?, tenant: r.string()? })
}

fn put_service<'a>(w: &mut Writer<'a>, service: &'a ServiceId) {
    w.string(&service.environment);
    w.string(&service.namespace);
    w.string(&service.name);
}

fn get_service(r: &mut Reader<'_>) -> Result<ServiceId, RecordError> {
    Ok(ServiceId { environment: r.string()?, namespace: r.string()?, name: r.string()? })
}

fn put_caller<'a>(w: &mut Writer<'a>, caller: Option<&'a ServiceId>) {
    w.byte(u8::from(caller.is_some()));
    if let Some(caller) = caller {
        put_service(w, caller);
    }
}

fn get_caller(r: &mut Reader<'_>) -> Result<Option<ServiceId>, RecordError> {
    match r.byte()? {
        0 => Ok(None),
        1 => get_service(r).map(Some),
        _ => Err(r.invalid("an unknown flag for a caller")),
    }
}

#[cfg(test)]
mod tests;
