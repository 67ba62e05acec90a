//! The cost of one decision on the request path. The aim is at most 100 ns.

use std::{hint::black_box, time::Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use spillway_api::{Action, Author, Criticality, Directive, Match, OnExpiry};
use spillway_enforcer::{Admission, Identity, RequestFacts, Verdict};

fn directive(id: usize, class: Option<Criticality>, route: Option<&str>, action: Action) -> Directive {
    Directive {
        id: format!("d-{id}"),
        r#match: Match {
            environment: "production".into(),
            namespace: "shop".into(),
            service: "checkout".into(),
            class,
            route: route.map(str::to_owned),
            ..Match::default()
        },
        action,
        ttl_ms: 3_600_000,
        on_expiry: OnExpiry::Admit,
        retry_after_ms: None,
        reason: "bench".into(),
        by: Author::Person { person: "bench".into() },
    }
}

fn decide(c: &mut Criterion) {
    let ratio = || Action::AdmitRatio { ratio: 0.5 };
    let mixed = vec![
        directive(0, Some(Criticality::Sheddable), None, Action::AdmitRatio { ratio: 0.1 }),
        directive(1, Some(Criticality::Critical), None, ratio()),
        directive(2, None, Some("/other"), ratio()),
        directive(3, None, Some("/another"), Action::ConcurrencyLimit { limit: 10 }),
        directive(4, Some(Criticality::Critical), None, Action::ConcurrencyLimit { limit: 1_000 }),
        directive(5, Some(Criticality::Critical), None, Action::RateLimit { per_second: 1e9, burst: 1_000_000 }),
        directive(6, Some(Criticality::Sheddable), None, Action::Degrade { variant: "plain".into() }),
        directive(7, None, Some("/third"), Action::RateLimit { per_second: 10.0, burst: 10 }),
    ];
    let sets = [
        ("no_directives", vec![]),
        ("one_ratio", vec![directive(0, Some(Criticality::Critical), None, ratio())]),
        ("level_threshold", vec![directive(0, None, None, Action::LevelThreshold { level: 200 })]),
        ("eight_mixed", mixed),
    ];
    let facts = RequestFacts {
        class: Criticality::Critical,
        route: "/orders/{id}",
        caller: "gateway",
        tenant: "",
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    };
    for (name, directives) in sets {
        let now = Instant::now();
        let admission = Admission::new(Identity::new("production", "shop", "checkout", "checkout-1"), now);
        assert!(admission.apply(directives, now).is_empty(), "every directive of the bench is obeyed");
        c.bench_function(&format!("decide/{name}"), |b| {
            b.iter(|| match admission.decide(black_box(&facts), black_box(now)) {
                Verdict::Admit { held, .. } => admission.release(held),
                Verdict::Reject(notice) => drop(black_box(notice)),
            });
        });
    }
}

criterion_group!(benches, decide);
criterion_main!(benches);
