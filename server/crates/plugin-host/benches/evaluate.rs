//! What a tick costs: a rule evaluates 200 signals in a fresh instance; and what the parts of that are.
//!
//! Needs the compiled guests: set `SPILLWAY_GUESTS` to the directory that `cargo xtask guests` prints.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use spillway_model::rule::record::TickRecord;
use spillway_model::rule::{Latency, Origin, Outcome, ServiceId, Signals, Snapshot, Target};
use spillway_plugin_host::{CompileWorker, Host, Kv, Limits};

fn evaluate(criterion: &mut Criterion) {
    let guests: PathBuf = std::env::var_os("SPILLWAY_GUESTS")
        .expect("set SPILLWAY_GUESTS: run `cargo xtask test`, or `cargo xtask guests`")
        .into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let host = Host::new().expect("the engine starts");
    let worker = CompileWorker::new(env!("CARGO_BIN_EXE_spillway-compile-worker"), [""; 0]);
    for rule in ["rule_goodput_guard", "rule_gradient", "rule_breaker_aware"] {
        let path = guests.join(format!("{rule}.wasm"));
        let wasm = std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let artefact = runtime.block_on(worker.compile(&wasm)).expect("the example compiles");
        let plugin = host.load(&artefact).expect("the example loads");
        for services in [0, 200] {
            let snapshot = snapshot(services);
            let run = || host.evaluate(&plugin, &snapshot, "{}", &Kv::default(), &Limits::default());
            let once = run();
            assert!(matches!(once.outcome, Outcome::Proposed { .. }), "{rule}: {:?}", once.outcome);
            println!("{rule} uses {} fuel for {services} services", once.fuel);
            criterion
                .bench_function(&format!("evaluate/{rule}/{services}"), |bencher| bencher.iter(|| black_box(run())));
        }
    }
}

fn record(criterion: &mut Criterion) {
    let mut snapshot = snapshot(200);
    snapshot.round();
    let record = TickRecord {
        tick: 1,
        now_ms: 1,
        snapshot,
        kv_at_start: Vec::new(),
        configuration: "{}".into(),
        fuel: 1,
        outcome: Outcome::Proposed { directives: Vec::new() },
    };
    let bytes = record.encode();
    assert_eq!(TickRecord::decode(&bytes).as_ref(), Ok(&record));
    criterion.bench_function("record/encode/200", |bencher| bencher.iter(|| black_box(record.encode())));
    criterion.bench_function("record/decode/200", |bencher| bencher.iter(|| black_box(TickRecord::decode(&bytes))));
}

fn snapshot(services: u32) -> Snapshot {
    let signals = (0..services).map(|at| {
        let offered_rps = 100.0 + f64::from(at);
        Signals {
            target: Target::service(ServiceId {
                environment: "production".into(),
                namespace: "shop".into(),
                name: format!("service-{at}"),
            }),
            origin: Origin::Enforcer,
            age_ms: 1_000,
            instances: 3,
            instances_enforcing: 3,
            window_ms: 5_000,
            offered_rps,
            goodput_rps: if at % 10 == 0 { offered_rps / 4.0 } else { offered_rps },
            error_ratio: if at % 10 == 0 { 0.5 } else { 0.0 },
            inflight: Some(20),
            latency: Latency { p50_ms: 12.5, p95_ms: 31.0, p99_ms: 77.0, min_ms: 2.0, samples: 500 },
            ..Signals::default()
        }
    });
    Snapshot { tick: 1, now_ms: 1_750_000_000_000, signals: signals.collect(), edges: Vec::new() }
}

criterion_group!(benches, evaluate, record);
criterion_main!(benches);
