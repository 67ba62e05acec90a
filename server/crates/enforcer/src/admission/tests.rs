#![expect(clippy::unwrap_used, reason = "a test may panic")]
use std::time::Duration;

use proptest::prelude::*;
use spillway_api::{Action, Author, Match, OnExpiry};

use super::*;

const TTL: Duration = Duration::from_secs(5);

fn identity() -> Identity {
    Identity::new("prod", "shop", "checkout", "checkout-1")
}

fn directive(id: &str, action: Action) -> Directive {
    Directive {
        id: id.into(),
        r#match: Match {
            environment: "prod".into(),
            namespace: "shop".into(),
            service: "checkout".into(),
            ..Match::default()
        },
        action,
        ttl_ms: 5_000,
        on_expiry: OnExpiry::Admit,
        retry_after_ms: None,
        reason: "because".into(),
        by: Author::Person { person: "test".into() },
    }
}

fn with(directives: Vec<Directive>) -> (Admission, Instant) {
    let now = Instant::now();
    let admission = Admission::new(identity(), now);
    assert_eq!(admission.apply(directives, now), []);
    (admission, now)
}

/// Lets a request run and end at once. The id of the directive that turned it away.
fn pass(admission: &Admission, facts: &RequestFacts<'_>, now: Instant) -> Result<Option<Arc<str>>, String> {
    match admission.decide(facts, now) {
        Verdict::Admit { degrade, held } => {
            admission.release(held);
            Ok(degrade)
        }
        Verdict::Reject(notice) => Err(notice.id.to_string()),
    }
}

fn admitted(admission: &Admission, facts: &RequestFacts<'_>, now: Instant, of: usize) -> usize {
    (0..of).filter(|_| pass(admission, facts, now).is_ok()).count()
}

#[test]
fn without_directives_everything_passes() {
    let (admission, now) = with(vec![]);

    assert_eq!(admitted(&admission, &RequestFacts::default(), now, 1_000), 1_000);
    assert_eq!(admission.in_flight(), 0);
}

#[test]
fn a_ratio_admits_its_share_of_any_hundred_requests() {
    let (admission, now) = with(vec![directive("r", Action::AdmitRatio { ratio: 0.3 })]);

    for _ in 0..20 {
        let admitted = admitted(&admission, &RequestFacts::default(), now, 100);
        assert!((28..=32).contains(&admitted), "{admitted}");
    }
}

#[test]
fn requests_of_one_trace_share_their_fate_and_traces_are_spread_evenly() {
    let (admission, now) = with(vec![directive("r", Action::AdmitRatio { ratio: 0.3 })]);

    let mut all = 0;
    for trace in 0..2_000u128 {
        let trace_id = format!("{:032x}", trace.wrapping_mul(0x1234_5678_9abc_def0_1111));
        let facts = RequestFacts { trace_id: &trace_id, ..RequestFacts::default() };
        let admitted = admitted(&admission, &facts, now, 5);
        assert!(admitted == 0 || admitted == 5, "{admitted}");
        all += admitted / 5;
    }

    assert!((500..700).contains(&all), "{all}");
}

#[test]
fn the_strictest_directive_wins_and_is_named() {
    let (admission, now) = with(vec![
        directive("mild", Action::AdmitRatio { ratio: 0.9 }),
        directive("strict", Action::AdmitRatio { ratio: 0.0 }),
        directive("wide", Action::ConcurrencyLimit { limit: 100 }),
    ]);

    assert_eq!(pass(&admission, &RequestFacts::default(), now), Err("strict".to_owned()));
}

#[test]
fn a_class_means_itself_and_the_less_important_ones() {
    let mut shed = directive("r", Action::AdmitRatio { ratio: 0.0 });
    shed.r#match.class = Some(Criticality::SheddablePlus);
    let (admission, now) = with(vec![shed]);

    let fates =
        Criticality::ALL.map(|class| pass(&admission, &RequestFacts { class, ..RequestFacts::default() }, now).is_ok());

    assert_eq!(fates, [true, true, false, false]);
}

#[test]
fn matchers_narrow_a_directive() {
    let mut shed = directive("r", Action::AdmitRatio { ratio: 0.0 });
    shed.r#match.route = Some("/pay".into());
    shed.r#match.caller = Some("gateway".into());
    shed.r#match.tenant = Some("acme".into());
    let (admission, now) = with(vec![shed]);
    let meant = RequestFacts { route: "/pay", caller: "gateway", tenant: "acme", ..RequestFacts::default() };

    assert!(pass(&admission, &meant, now).is_err());
    for other in [
        RequestFacts { route: "/", ..meant },
        RequestFacts { caller: "", ..meant },
        RequestFacts { tenant: "other", ..meant },
    ] {
        assert!(pass(&admission, &other, now).is_ok(), "{other:?}");
    }
}

#[test]
fn levels_at_or_above_the_threshold_are_turned_away() {
    let hour = 490_000;
    let tenant = "user-7";
    let level = level(Criticality::Critical, cohort(tenant.as_bytes(), hour));
    let facts = RequestFacts { tenant, ..RequestFacts::default() };

    for (threshold, passes) in [(level, false), (level + 1, true)] {
        let (admission, now) = with(vec![directive("l", Action::LevelThreshold { level: threshold })]);
        admission.set_hour(hour);
        assert_eq!(pass(&admission, &facts, now).is_ok(), passes, "{threshold}");
    }
}

#[test]
fn a_concurrency_limit_counts_requests_that_were_there_before_it() {
    let now = Instant::now();
    let admission = Admission::new(identity(), now);
    let facts = RequestFacts::default();
    let Verdict::Admit { held, .. } = admission.decide(&facts, now) else { panic!("admitted") };

    admission.apply(vec![directive("c", Action::ConcurrencyLimit { limit: 1 })], now);

    assert!(pass(&admission, &facts, now).is_err());
    admission.release(held);
    assert!(pass(&admission, &facts, now).is_ok());
    assert_eq!(admission.in_flight(), 0);
}

#[test]
fn a_limit_on_one_route_counts_that_route_only() {
    let mut limit = directive("c", Action::ConcurrencyLimit { limit: 1 });
    limit.r#match.route = Some("/pay".into());
    let (admission, now) = with(vec![limit]);
    let pay = RequestFacts { route: "/pay", ..RequestFacts::default() };
    let Verdict::Admit { held, .. } = admission.decide(&pay, now) else { panic!("admitted") };

    assert!(pass(&admission, &pay, now).is_err());
    assert!(pass(&admission, &RequestFacts::default(), now).is_ok());
    admission.release(held);
    assert!(pass(&admission, &pay, now).is_ok());
}

#[test]
fn a_renewed_directive_keeps_its_tokens() {
    let limit = || vec![directive("t", Action::RateLimit { per_second: 1.0, burst: 5 })];
    let (admission, now) = with(limit());

    assert_eq!(admitted(&admission, &RequestFacts::default(), now, 10), 5);
    admission.apply(limit(), now);
    assert_eq!(admitted(&admission, &RequestFacts::default(), now, 10), 0);
    assert_eq!(admitted(&admission, &RequestFacts::default(), now + Duration::from_secs(2), 10), 2);
}

#[test]
fn a_request_that_a_later_bucket_turns_away_costs_the_earlier_one_nothing() {
    let (admission, now) = with(vec![
        directive("a", Action::RateLimit { per_second: 1.0, burst: 10 }),
        directive("b", Action::RateLimit { per_second: 1.0, burst: 1 }),
    ]);
    assert_eq!(admitted(&admission, &RequestFacts::default(), now, 50), 1);

    admission.apply(vec![directive("a", Action::RateLimit { per_second: 1.0, burst: 10 })], now);

    assert_eq!(admitted(&admission, &RequestFacts::default(), now, 50), 9);
}

#[test]
fn degrade_lets_the_request_run_as_its_variant() {
    let (admission, now) = with(vec![directive("d", Action::Degrade { variant: "no-pictures".into() })]);

    assert_eq!(pass(&admission, &RequestFacts::default(), now).unwrap().as_deref(), Some("no-pictures"));
}

#[test]
fn an_expired_lease_fades_within_three_seconds() {
    for action in [Action::AdmitRatio { ratio: 0.0 }, Action::LevelThreshold { level: 0 }] {
        let (admission, now) = with(vec![directive("r", action)]);
        let at = |late_ms: u64| {
            let later = now + TTL + Duration::from_millis(late_ms);
            let traces = (0..2_000u128).map(|trace| format!("{:032x}", trace.wrapping_mul(0xdead_beef_1234_5678_9abc)));
            let admitted = traces.filter(|trace_id| {
                pass(&admission, &RequestFacts { trace_id, ..RequestFacts::default() }, later).is_ok()
            });
            admitted.count()
        };

        assert_eq!(at(0), 0);
        assert!((850..1_150).contains(&at(1_500)), "{}", at(1_500));
        assert_eq!(at(3_000), 2_000);
        assert_eq!(at(1_000_000), 2_000);
    }
}

#[test]
fn what_cannot_be_obeyed_is_set_aside_with_the_reason_and_the_rest_holds() {
    let now = Instant::now();
    let admission = Admission::new(identity(), now);
    let mut elsewhere = directive("elsewhere", Action::AdmitRatio { ratio: 0.0 });
    elsewhere.r#match.environment = "staging".into();
    let mut cohorts = directive("cohorts", Action::AdmitRatio { ratio: 0.0 });
    (cohorts.r#match.cohort_from, cohorts.r#match.cohort_to) = (Some(9), Some(3));
    let mut neighbour = directive("neighbour", Action::AdmitRatio { ratio: 0.0 });
    neighbour.r#match.instance = Some("checkout-2".into());

    let ignored = admission.apply(
        vec![
            elsewhere,
            cohorts,
            neighbour,
            directive("ratio", Action::AdmitRatio { ratio: f64::NAN }),
            directive("rate", Action::RateLimit { per_second: -1.0, burst: 1 }),
            directive("level", Action::LevelThreshold { level: 513 }),
            directive("good", Action::ConcurrencyLimit { limit: 0 }),
        ],
        now,
    );

    let ids: Vec<&str> = ignored.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["elsewhere", "cohorts", "ratio", "rate", "level"]);
    assert!(ignored[0].reason.contains("staging"), "{}", ignored[0].reason);
    assert_eq!(pass(&admission, &RequestFacts::default(), now), Err("good".to_owned()));
}

fn arb_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (0.0f64..=1.0).prop_map(|ratio| Action::AdmitRatio { ratio }),
        (0u16..=512).prop_map(|level| Action::LevelThreshold { level }),
        (0u32..5).prop_map(|limit| Action::ConcurrencyLimit { limit }),
        (0.1f64..100.0, 0u32..10).prop_map(|(per_second, burst)| Action::RateLimit { per_second, burst }),
        Just(Action::Degrade { variant: "v".into() }),
    ]
}

proptest! {
    /// Whatever is in force, what was admitted and has ended leaves nothing behind.
    #[test]
    fn nothing_stays_in_flight(
        actions in proptest::collection::vec((arb_action(), 0usize..4, any::<bool>()), 0..8),
        requests in proptest::collection::vec((0usize..4, any::<u128>(), any::<bool>()), 0..50),
    ) {
        let directives = actions.into_iter().enumerate().map(|(id, (action, class, routed))| {
            let mut directive = directive(&id.to_string(), action);
            directive.r#match.class = Some(Criticality::ALL[class]);
            directive.r#match.route = routed.then(|| "/pay".to_owned());
            directive
        });
        let (admission, now) = with(directives.collect());

        let mut running = Vec::new();
        for (class, trace, routed) in requests {
            let trace_id = format!("{trace:032x}");
            let route = if routed { "/pay" } else { "" };
            let facts = RequestFacts { class: Criticality::ALL[class], trace_id: &trace_id, route, ..RequestFacts::default() };
            if let Verdict::Admit { held, .. } = admission.decide(&facts, now) {
                running.push(held);
            }
        }
        prop_assert_eq!(admission.in_flight() as usize, running.len());
        running.into_iter().for_each(|held| admission.release(held));
        prop_assert_eq!(admission.in_flight(), 0);
        let counters = admission.table.load().rules.iter().map(|rule| rule.counters.in_flight.load(Ordering::Relaxed)).sum::<u32>();
        prop_assert_eq!(counters, 0);
    }
}
