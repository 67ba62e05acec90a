//! The record comes back bit by bit, stays small, and survives whatever is on the disk.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::rule::{BreakerState, ClassCounts, Edge, Latency, Origin, Signals};

/// Few different words, so that the table and the "same as before" bits are met.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("prod".to_owned()), Just("checkout".to_owned()), "[a-zä ]{0,12}"]
}

/// Usual numbers, and every bit pattern that equals itself (a NaN would fail `assert_eq`; wire.rs tests those).
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        (0_u32..100_000).prop_map(|value| f64::from(value) / 1000.0),
        any::<f64>().prop_filter("NaN", |value| !value.is_nan()),
    ]
}

fn class() -> impl Strategy<Value = Criticality> {
    (0_u8..4).prop_map(class_of)
}

fn service() -> impl Strategy<Value = ServiceId> {
    (word(), word(), word()).prop_map(|(environment, namespace, name)| ServiceId { environment, namespace, name })
}

fn target() -> impl Strategy<Value = Target> {
    (service(), option::of(service()), word(), word()).prop_map(|(service, caller, route, tenant)| Target {
        service,
        caller,
        route,
        tenant,
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        number().prop_map(Action::AdmitRatio),
        any::<u16>().prop_map(Action::LevelThreshold),
        any::<u32>().prop_map(Action::ConcurrencyLimit),
        (number(), any::<u32>()).prop_map(|(per_second, burst)| Action::RateLimit(Rate { per_second, burst })),
        word().prop_map(Action::Degrade),
    ]
}

fn directive() -> impl Strategy<Value = Directive> {
    (target(), class(), action(), any::<u32>(), option::of(any::<u32>()), word()).prop_map(
        |(target, class, action, ttl_ms, retry_after_ms, reason)| Directive {
            target,
            class,
            action,
            ttl_ms,
            retry_after_ms,
            reason,
        },
    )
}

fn latency() -> impl Strategy<Value = Latency> {
    (number(), number(), number(), number(), any::<u32>())
        .prop_map(|(p50_ms, p95_ms, p99_ms, min_ms, samples)| Latency { p50_ms, p95_ms, p99_ms, min_ms, samples })
}

fn signals() -> impl Strategy<Value = Signals> {
    let counts = (class(), any::<u64>(), any::<u64>(), any::<u64>())
        .prop_map(|(class, offered, admitted, shed)| ClassCounts { class, offered, admitted, shed });
    let origin = prop_oneof![Just(Origin::Enforcer), Just(Origin::Metric), Just(Origin::Span)];
    let who = (target(), origin, any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>(), number());
    let load = (number(), number(), number(), number(), latency());
    let state = (
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        option::of(number()),
        option::of(number()),
        option::of(number()),
    );
    let lists = (vec(counts, 0..4), vec(directive(), 0..3), vec((word(), number()), 0..3));
    (who, load, state, lists).prop_map(|(who, load, state, lists)| Signals {
        target: who.0,
        origin: who.1,
        age_ms: who.2,
        instances: who.3,
        instances_enforcing: who.4,
        window_ms: who.5,
        sampled_share: who.6,
        offered_rps: load.0,
        goodput_rps: load.1,
        error_ratio: load.2,
        timeout_ratio: load.3,
        latency: load.4,
        inflight: state.0,
        inflight_limit: state.1,
        queue_wait_ms: state.2,
        cpu: state.3,
        mem: state.4,
        by_class: lists.0,
        applied: lists.1,
        custom: lists.2,
    })
}

fn edge() -> impl Strategy<Value = Edge> {
    let breaker = prop_oneof![
        Just(BreakerState::Closed),
        Just(BreakerState::HalfOpen),
        Just(BreakerState::Open),
        Just(BreakerState::Unknown)
    ];
    (any::<u32>(), any::<u32>(), number(), number(), latency(), breaker, number(), any::<u32>()).prop_map(
        |(caller, callee, offered_rps, error_ratio, latency, breaker, open_share, age_ms)| Edge {
            caller,
            callee,
            offered_rps,
            error_ratio,
            latency,
            breaker,
            open_share,
            age_ms,
        },
    )
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        vec(directive(), 0..4).prop_map(|directives| Outcome::Proposed { directives }),
        word().prop_map(|message| Outcome::Refused { message }),
        word().prop_map(|message| Outcome::Trapped { message }),
        Just(Outcome::OutOfFuel),
        Just(Outcome::TimedOut),
        Just(Outcome::OutOfMemory),
        word().prop_map(|message| Outcome::Malformed { message }),
    ]
}

prop_compose! {
    fn record()(
        times in (any::<u64>(), any::<u64>(), any::<u64>()),
        same_times in any::<bool>(),
        signals in vec(signals(), 0..6),
        edges in vec(edge(), 0..6),
        kv_at_start in vec((word(), vec(any::<u8>(), 0..20)), 0..4),
        configuration in word(),
        outcome in outcome(),
    ) -> TickRecord {
        let (tick, now_ms, fuel) = times;
        let snapshot = Snapshot { tick: if same_times { tick } else { !tick }, now_ms, signals, edges };
        TickRecord { tick, now_ms, snapshot, kv_at_start, configuration, fuel, outcome }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(record in record()) {
        let bytes = record.encode();

        prop_assert_eq!(bytes[0], VERSION);
        prop_assert_eq!(TickRecord::decode(&bytes), Ok(record));
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(mut bytes in vec(any::<u8>(), 0..300), versioned in any::<bool>()) {
        if versioned && let Some(first) = bytes.first_mut() {
            *first = VERSION;
        }

        // Whatever decodes must be a record again; nothing else may happen.
        if let Ok(record) = TickRecord::decode(&bytes) {
            prop_assert!(TickRecord::decode(&record.encode()).is_ok());
        }
    }

    #[test]
    fn a_damaged_record_is_read_or_refused(record in record(), at in any::<prop::sample::Index>(), bits in 1_u8..=255) {
        let mut bytes = record.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;

        // Damage may make another valid record (a checksum is the store's business), and that one must be whole.
        if let Ok(other) = TickRecord::decode(&bytes) {
            prop_assert!(TickRecord::decode(&other.encode()).is_ok());
        }
    }

    #[test]
    fn a_cut_record_is_refused(record in record(), at in any::<prop::sample::Index>()) {
        let bytes = record.encode();

        prop_assert!(TickRecord::decode(&bytes[..at.index(bytes.len())]).is_err());
    }
}

#[test]
fn a_list_that_claims_more_than_there_is_is_refused() {
    // Version, no strings, tick, time, fuel, no configuration, then a kv list of 2^62 entries.
    let bytes = [1, 0, 0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40];

    assert_eq!(TickRecord::decode(&bytes), Err(RecordError::Invalid { what: "a list longer than the record", at: 15 }));
}

#[test]
fn a_small_record_cannot_claim_much_memory() {
    let long = "x".repeat(100_000);
    let signals = vec![Signals { target: Target { tenant: long, ..Target::default() }, ..Signals::default() }; 2_000];
    let record = TickRecord { snapshot: Snapshot { signals, ..Snapshot::default() }, ..empty() };

    let bytes = record.encode();

    assert!(bytes.len() < 110_000, "200 MB of text in {} bytes", bytes.len());
    assert_eq!(TickRecord::decode(&bytes), Err(RecordError::TooLarge));
}

#[test]
fn another_version_is_named() {
    let error = TickRecord::decode(&[9, 0]).unwrap_err();

    assert_eq!(error.to_string(), "tick record has version 9, this program reads version 1");
}

/// The bytes of version 1 are on people's disks: this record must decode for as long as version 1 is read.
#[test]
fn version_1_does_not_change() {
    let record = TickRecord {
        tick: 7,
        now_ms: 1_700_000_000_000,
        snapshot: Snapshot {
            tick: 7,
            now_ms: 1_700_000_000_000,
            signals: vec![Signals {
                target: Target::service(ServiceId { environment: "e".into(), namespace: "n".into(), name: "s".into() }),
                offered_rps: 12.5,
                goodput_rps: 12.5,
                by_class: vec![ClassCounts { class: Criticality::Sheddable, offered: 5, admitted: 4, shed: 1 }],
                ..Signals::default()
            }],
            edges: vec![Edge { callee: 1, breaker: BreakerState::Open, ..Edge::default() }],
        },
        kv_at_start: vec![("k".into(), vec![1, 2])],
        configuration: "{}".into(),
        fuel: 300,
        outcome: Outcome::Proposed {
            directives: vec![Directive {
                target: Target::default(),
                class: Criticality::Critical,
                action: Action::AdmitRatio(0.5),
                ttl_ms: 5000,
                retry_after_ms: None,
                reason: "r".into(),
            }],
        },
    };

    let hex: String = record.encode().iter().map(|byte| format!("{byte:02x}")).collect();

    assert_eq!(
        hex,
        "01050173016e01650001720780d095ffbc31ac02027b7d01016b0201020301838082180001\
         02e907010304010001810801020001012903030300030388270004"
    );
}

#[test]
fn a_tick_of_200_services_stays_small() {
    let mut record = TickRecord { snapshot: shop(200), configuration: r#"{"k":2}"#.into(), fuel: 900_000, ..empty() };
    let noisy = record.encode().len();

    record.snapshot.round();
    let whole = record.encode().len();
    record.snapshot.edges.clear();
    let without_edges = record.encode().len();

    assert!(without_edges <= 8_000, "{without_edges} bytes for 200 services");
    assert!(whole <= 15_000, "{whole} bytes for 200 services and 400 edges");
    assert!(noisy > 2 * whole, "rounding pays: {noisy} bytes without it, {whole} with it");
}

fn empty() -> TickRecord {
    TickRecord {
        tick: 1,
        now_ms: 1,
        snapshot: Snapshot::default(),
        kv_at_start: Vec::new(),
        configuration: String::new(),
        fuel: 0,
        outcome: Outcome::Proposed { directives: Vec::new() },
    }
}

/// A system as it looks in production: every number differs, a fifth of the services enforce, two calls per service.
fn shop(services: u32) -> Snapshot {
    let noise = |seed: u32| f64::from(seed.wrapping_mul(2_654_435_761) % 1_000_003) / 1_000_003.0;
    let latency = |seed: u32, samples: u32| {
        let p50_ms = 3.0 + 60.0 * noise(seed);
        Latency { p50_ms, p95_ms: p50_ms * 2.3, p99_ms: p50_ms * 4.1, min_ms: p50_ms / 5.0, samples }
    };
    let signals = (0..services).map(|at| {
        let offered_rps = 500.0 * noise(at + 1);
        let enforced = at % 5 == 0;
        let samples = (offered_rps * 30.0) as u32;
        Signals {
            target: Target::service(ServiceId {
                environment: "production".into(),
                namespace: "shop".into(),
                name: format!("service-{at}"),
            }),
            origin: if enforced { Origin::Enforcer } else { Origin::Span },
            age_ms: if enforced { 1_000 } else { 2_500 },
            instances: 3,
            instances_enforcing: if enforced { 3 } else { 0 },
            window_ms: 30_000,
            offered_rps,
            goodput_rps: if at % 4 == 0 { offered_rps * 0.98 } else { offered_rps },
            error_ratio: if at % 4 == 0 { 0.02 * noise(at) } else { 0.0 },
            inflight: enforced.then_some(at),
            queue_wait_ms: enforced.then(|| noise(at + 9)),
            latency: latency(at, samples),
            by_class: if enforced {
                [Criticality::Critical, Criticality::Sheddable]
                    .map(|class| ClassCounts {
                        class,
                        offered: u64::from(samples),
                        admitted: u64::from(samples),
                        shed: 0,
                    })
                    .into()
            } else {
                Vec::new()
            },
            ..Signals::default()
        }
    });
    let edges = (0..services * 2).map(|at| Edge {
        caller: at / 2,
        callee: at.wrapping_mul(7) % services,
        offered_rps: 100.0 * noise(at + 5),
        latency: latency(at + 3, (3_000.0 * noise(at + 5)) as u32),
        breaker: BreakerState::Closed,
        age_ms: 2_500,
        ..Edge::default()
    });
    Snapshot { tick: 1, now_ms: 1, signals: signals.collect(), edges: edges.collect() }
}
