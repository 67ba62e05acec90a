//! Signals in a tick record. Bits of the mask and the order of the fields are the format: version 1 never changes them.

use super::{RecordError, class_of, get_caller, get_directives, list, put_caller, put_directives};
use crate::rule::wire::{Reader, Writer};
use crate::rule::{ClassCounts, Origin, Signals};

// The low seven bits are what differs between any two services, so that a usual mask takes two bytes.
const NAME: u64 = 1;
const OFFERED: u64 = 1 << 1;
/// Clear means "equal to offered", which is every healthy service, not "equal to the one before".
const GOODPUT: u64 = 1 << 2;
const P50: u64 = 1 << 3;
const P95: u64 = 1 << 4;
const P99: u64 = 1 << 5;
const SAMPLES: u64 = 1 << 6;
const MIN: u64 = 1 << 7;
const AGE: u64 = 1 << 8;
const ERRORS: u64 = 1 << 9;
const TIMEOUTS: u64 = 1 << 10;
const INFLIGHT: u64 = 1 << 11;
const QUEUE_WAIT: u64 = 1 << 12;
const CPU: u64 = 1 << 13;
const MEM: u64 = 1 << 14;
const BY_CLASS: u64 = 1 << 15;
const INSTANCES: u64 = 1 << 16;
const ENFORCING: u64 = 1 << 17;
const INFLIGHT_LIMIT: u64 = 1 << 18;
const ORIGIN: u64 = 1 << 19;
const ROUTE: u64 = 1 << 20;
const WINDOW: u64 = 1 << 21;
const SAMPLED: u64 = 1 << 22;
const APPLIED: u64 = 1 << 23;
const NAMESPACE: u64 = 1 << 24;
const ENVIRONMENT: u64 = 1 << 25;
const CALLER: u64 = 1 << 26;
const TENANT: u64 = 1 << 27;
const CUSTOM: u64 = 1 << 28;
const ALL: u64 = (1 << 29) - 1;

pub(super) fn put<'a>(w: &mut Writer<'a>, signals: &'a [Signals]) {
    let first = Signals::default();
    w.varint(signals.len() as u64);
    for (at, next) in signals.iter().enumerate() {
        put_one(w, at.checked_sub(1).map_or(&first, |before| &signals[before]), next);
    }
}

fn mask(before: &Signals, next: &Signals) -> u64 {
    let float = |a: f64, b: f64| a.to_bits() != b.to_bits();
    let optional = |a: Option<f64>, b: Option<f64>| a.map(f64::to_bits) != b.map(f64::to_bits);
    let (old, new) = (&before.target, &next.target);
    let (was, is) = (&before.latency, &next.latency);
    [
        (NAME, old.service.name != new.service.name),
        (OFFERED, float(before.offered_rps, next.offered_rps)),
        (GOODPUT, float(next.offered_rps, next.goodput_rps)),
        (P50, float(was.p50_ms, is.p50_ms)),
        (P95, float(was.p95_ms, is.p95_ms)),
        (P99, float(was.p99_ms, is.p99_ms)),
        (SAMPLES, was.samples != is.samples),
        (MIN, float(was.min_ms, is.min_ms)),
        (AGE, before.age_ms != next.age_ms),
        (ERRORS, float(before.error_ratio, next.error_ratio)),
        (TIMEOUTS, float(before.timeout_ratio, next.timeout_ratio)),
        (INFLIGHT, before.inflight != next.inflight),
        (QUEUE_WAIT, optional(before.queue_wait_ms, next.queue_wait_ms)),
        (CPU, optional(before.cpu, next.cpu)),
        (MEM, optional(before.mem, next.mem)),
        (BY_CLASS, !next.by_class.is_empty()),
        (INSTANCES, before.instances != next.instances),
        (ENFORCING, before.instances_enforcing != next.instances_enforcing),
        (INFLIGHT_LIMIT, before.inflight_limit != next.inflight_limit),
        (ORIGIN, before.origin != next.origin),
        (ROUTE, old.route != new.route),
        (WINDOW, before.window_ms != next.window_ms),
        (SAMPLED, float(before.sampled_share, next.sampled_share)),
        (APPLIED, !next.applied.is_empty()),
        (NAMESPACE, old.service.namespace != new.service.namespace),
        (ENVIRONMENT, old.service.environment != new.service.environment),
        (CALLER, old.caller != new.caller),
        (TENANT, old.tenant != new.tenant),
        (CUSTOM, !next.custom.is_empty()),
    ]
    .into_iter()
    .fold(0, |mask, (bit, differs)| if differs { mask | bit } else { mask })
}

fn put_one<'a>(w: &mut Writer<'a>, before: &Signals, next: &'a Signals) {
    let mask = mask(before, next);
    w.varint(mask);
    let on = |bit: u64| mask & bit != 0;
    let target = &next.target;
    for (bit, value) in [
        (NAME, &target.service.name),
        (ROUTE, &target.route),
        (NAMESPACE, &target.service.namespace),
        (ENVIRONMENT, &target.service.environment),
        (TENANT, &target.tenant),
    ] {
        if on(bit) {
            w.string(value);
        }
    }
    if on(CALLER) {
        put_caller(w, target.caller.as_ref());
    }
    for (bit, value) in [
        (OFFERED, next.offered_rps),
        (GOODPUT, next.goodput_rps),
        (P50, next.latency.p50_ms),
        (P95, next.latency.p95_ms),
        (P99, next.latency.p99_ms),
        (MIN, next.latency.min_ms),
        (ERRORS, next.error_ratio),
        (TIMEOUTS, next.timeout_ratio),
        (SAMPLED, next.sampled_share),
    ] {
        if on(bit) {
            w.float(value);
        }
    }
    for (bit, value) in [(QUEUE_WAIT, next.queue_wait_ms), (CPU, next.cpu), (MEM, next.mem)] {
        if on(bit) {
            w.optional_float(value);
        }
    }
    for (bit, value) in [
        (SAMPLES, next.latency.samples),
        (AGE, next.age_ms),
        (INSTANCES, next.instances),
        (ENFORCING, next.instances_enforcing),
        (WINDOW, next.window_ms),
        (ORIGIN, next.origin as u32),
    ] {
        if on(bit) {
            w.varint(u64::from(value));
        }
    }
    for (bit, value) in [(INFLIGHT, next.inflight), (INFLIGHT_LIMIT, next.inflight_limit)] {
        if on(bit) {
            w.optional_u32(value);
        }
    }
    put_lists(w, mask, next);
}

fn put_lists<'a>(w: &mut Writer<'a>, mask: u64, next: &'a Signals) {
    if mask & BY_CLASS != 0 {
        w.varint(next.by_class.len() as u64);
        for counts in &next.by_class {
            // Nearly always offered = admitted + shed, so the third number is one byte: what is left over.
            let left = counts.offered.wrapping_sub(counts.admitted).wrapping_sub(counts.shed);
            w.byte(counts.class.rank());
            w.varint(counts.admitted);
            w.varint(counts.shed);
            w.varint(zigzag(left));
        }
    }
    if mask & APPLIED != 0 {
        put_directives(w, &next.applied);
    }
    if mask & CUSTOM != 0 {
        w.varint(next.custom.len() as u64);
        for (name, value) in &next.custom {
            w.string(name);
            w.float(*value);
        }
    }
}

pub(super) fn get(r: &mut Reader<'_>) -> Result<Vec<Signals>, RecordError> {
    let mut before = Signals::default();
    list(r, |r| {
        let next = get_one(r, &before)?;
        // The lists are never inherited, so they are left out of the copy.
        before = Signals { by_class: Vec::new(), applied: Vec::new(), custom: Vec::new(), ..next.clone() };
        Ok(next)
    })
}

fn get_one(r: &mut Reader<'_>, before: &Signals) -> Result<Signals, RecordError> {
    let mask = r.varint()?;
    if mask & !ALL != 0 {
        return Err(r.invalid("signals with unknown fields"));
    }
    let on = |bit: u64| mask & bit != 0;
    let mut next = before.clone();
    let target = &mut next.target;
    for (bit, value) in [
        (NAME, &mut target.service.name),
        (ROUTE, &mut target.route),
        (NAMESPACE, &mut target.service.namespace),
        (ENVIRONMENT, &mut target.service.environment),
        (TENANT, &mut target.tenant),
    ] {
        if on(bit) {
            *value = r.string()?;
        } else {
            r.spend(value.len())?;
        }
    }
    if on(CALLER) {
        target.caller = get_caller(r)?;
    } else if let Some(caller) = &target.caller {
        r.spend(caller.environment.len() + caller.namespace.len() + caller.name.len())?;
    }
    if on(OFFERED) {
        next.offered_rps = r.float()?;
    }
    next.goodput_rps = if on(GOODPUT) { r.float()? } else { next.offered_rps };
    for (bit, value) in [
        (P50, &mut next.latency.p50_ms),
        (P95, &mut next.latency.p95_ms),
        (P99, &mut next.latency.p99_ms),
        (MIN, &mut next.latency.min_ms),
        (ERRORS, &mut next.error_ratio),
        (TIMEOUTS, &mut next.timeout_ratio),
        (SAMPLED, &mut next.sampled_share),
    ] {
        if on(bit) {
            *value = r.float()?;
        }
    }
    for (bit, value) in [(QUEUE_WAIT, &mut next.queue_wait_ms), (CPU, &mut next.cpu), (MEM, &mut next.mem)] {
        if on(bit) {
            *value = r.optional_float()?;
        }
    }
    for (bit, value) in [
        (SAMPLES, &mut next.latency.samples),
        (AGE, &mut next.age_ms),
        (INSTANCES, &mut next.instances),
        (ENFORCING, &mut next.instances_enforcing),
        (WINDOW, &mut next.window_ms),
    ] {
        if on(bit) {
            *value = r.u32()?;
        }
    }
    if on(ORIGIN) {
        next.origin = match r.varint()? {
            0 => Origin::Enforcer,
            1 => Origin::Metric,
            2 => Origin::Span,
            _ => return Err(r.invalid("an unknown origin")),
        };
    }
    for (bit, value) in [(INFLIGHT, &mut next.inflight), (INFLIGHT_LIMIT, &mut next.inflight_limit)] {
        if on(bit) {
            *value = r.optional_u32()?;
        }
    }
    if on(BY_CLASS) {
        next.by_class = list(r, get_counts)?;
    }
    if on(APPLIED) {
        next.applied = get_directives(r)?;
    }
    if on(CUSTOM) {
        next.custom = list(r, |r| Ok((r.string()?, r.float()?)))?;
    }
    Ok(next)
}

fn get_counts(r: &mut Reader<'_>) -> Result<ClassCounts, RecordError> {
    let rank = r.byte()?;
    if rank > 3 {
        return Err(r.invalid("an unknown class"));
    }
    let (admitted, shed) = (r.varint()?, r.varint()?);
    let offered = unzigzag(r.varint()?).wrapping_add(admitted).wrapping_add(shed);
    Ok(ClassCounts { class: class_of(rank), offered, admitted, shed })
}

/// Small differences of either sign as small numbers.
const fn zigzag(value: u64) -> u64 {
    (value << 1) ^ (((value as i64) >> 63) as u64)
}

const fn unzigzag(value: u64) -> u64 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}
