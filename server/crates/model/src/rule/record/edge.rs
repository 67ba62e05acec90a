//! Edges in a tick record. Bits of the mask and the order of the fields are the format: version 1 never changes them.

use super::{RecordError, list};
use crate::rule::wire::{Reader, Writer};
use crate::rule::{BreakerState, Edge};

const CALLEE: u64 = 1;
const OFFERED: u64 = 1 << 1;
const P50: u64 = 1 << 2;
const P95: u64 = 1 << 3;
const P99: u64 = 1 << 4;
const SAMPLES: u64 = 1 << 5;
const MIN: u64 = 1 << 6;
// The bits from here on take a second byte of mask.
const CALLER: u64 = 1 << 7;
const ERRORS: u64 = 1 << 8;
const AGE: u64 = 1 << 9;
const BREAKER: u64 = 1 << 10;
const OPEN_SHARE: u64 = 1 << 11;
const ALL: u64 = (1 << 12) - 1;

pub(super) fn put(w: &mut Writer<'_>, edges: &[Edge]) {
    let first = Edge::default();
    w.varint(edges.len() as u64);
    for (at, next) in edges.iter().enumerate() {
        put_one(w, at.checked_sub(1).map_or(&first, |before| &edges[before]), next);
    }
}

fn put_one(w: &mut Writer<'_>, before: &Edge, next: &Edge) {
    let floats = [
        (OFFERED, before.offered_rps, next.offered_rps),
        (P50, before.latency.p50_ms, next.latency.p50_ms),
        (P95, before.latency.p95_ms, next.latency.p95_ms),
        (P99, before.latency.p99_ms, next.latency.p99_ms),
        (MIN, before.latency.min_ms, next.latency.min_ms),
        (ERRORS, before.error_ratio, next.error_ratio),
        (OPEN_SHARE, before.open_share, next.open_share),
    ];
    let integers = [
        (CALLEE, before.callee, next.callee),
        (SAMPLES, before.latency.samples, next.latency.samples),
        (CALLER, before.caller, next.caller),
        (AGE, before.age_ms, next.age_ms),
        (BREAKER, before.breaker as u32, next.breaker as u32),
    ];
    let mask = floats.iter().filter(|(_, was, is)| was.to_bits() != is.to_bits()).fold(0, |mask, (bit, ..)| mask | bit);
    let mask = integers.iter().filter(|(_, was, is)| was != is).fold(mask, |mask, (bit, ..)| mask | bit);
    w.varint(mask);
    for (bit, _, value) in floats {
        if mask & bit != 0 {
            w.float(value);
        }
    }
    for (bit, _, value) in integers {
        if mask & bit != 0 {
            w.varint(u64::from(value));
        }
    }
}

pub(super) fn get(r: &mut Reader<'_>) -> Result<Vec<Edge>, RecordError> {
    let mut before = Edge::default();
    list(r, |r| {
        before = get_one(r, before.clone())?;
        Ok(before.clone())
    })
}

fn get_one(r: &mut Reader<'_>, mut edge: Edge) -> Result<Edge, RecordError> {
    let mask = r.varint()?;
    if mask & !ALL != 0 {
        return Err(r.invalid("an edge with unknown fields"));
    }
    for (bit, value) in [
        (OFFERED, &mut edge.offered_rps),
        (P50, &mut edge.latency.p50_ms),
        (P95, &mut edge.latency.p95_ms),
        (P99, &mut edge.latency.p99_ms),
        (MIN, &mut edge.latency.min_ms),
        (ERRORS, &mut edge.error_ratio),
        (OPEN_SHARE, &mut edge.open_share),
    ] {
        if mask & bit != 0 {
            *value = r.float()?;
        }
    }
    let mut breaker = edge.breaker as u32;
    for (bit, value) in [
        (CALLEE, &mut edge.callee),
        (SAMPLES, &mut edge.latency.samples),
        (CALLER, &mut edge.caller),
        (AGE, &mut edge.age_ms),
        (BREAKER, &mut breaker),
    ] {
        if mask & bit != 0 {
            *value = r.u32()?;
        }
    }
    edge.breaker = match breaker {
        0 => BreakerState::Closed,
        1 => BreakerState::HalfOpen,
        2 => BreakerState::Open,
        3 => BreakerState::Unknown,
        _ => return Err(r.invalid("an unknown breaker state")),
    };
    Ok(edge)
}
