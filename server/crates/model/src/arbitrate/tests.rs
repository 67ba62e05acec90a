#![expect(clippy::unwrap_used, reason = "a test may panic")]
use proptest::prelude::*;

use super::*;
use crate::rule::{Origin, Rate, Signals};

fn service(environment: &str, name: &str) -> ServiceId {
    ServiceId { environment: environment.into(), namespace: "shop".into(), name: name.into() }
}

fn signals(name: &str) -> Signals {
    Signals {
        target: Target::service(service("prod", name)),
        origin: Origin::Enforcer,
        instances: 2,
        instances_enforcing: 2,
        window_ms: 5_000,
        offered_rps: 1_000.0,
        goodput_rps: 100.0,
        inflight: Some(500),
        ..Signals::default()
    }
}

fn snapshot() -> Snapshot {
    Snapshot { signals: vec![signals("checkout"), signals("payments")], ..Snapshot::default() }
}

fn rule(name: &str) -> RuleRef {
    RuleRef { id: format!("id-{name}").into(), name: name.into(), version: "1".into() }
}

fn directive(name: &str, action: Action) -> Directive {
    Directive {
        target: Target::service(service("prod", name)),
        class: Criticality::Critical,
        action,
        ttl_ms: 5_000,
        retry_after_ms: None,
        reason: format!("{name} is overloaded"),
    }
}

fn proposal(mode: Mode, directives: Vec<Directive>) -> Proposal {
    Proposal { rule: rule("guard"), mode, directives }
}

fn active(directives: Vec<Directive>) -> Proposal {
    proposal(Mode::Active, directives)
}

fn ask(arbiter: &mut Arbiter, now_ms: u64, snapshot: &Snapshot, proposals: &[Proposal]) -> Answer {
    arbiter.arbitrate(&Question { now_ms, snapshot, proposals, enforcement: Enforcement::On })
}

fn ratio(answer: &Answer) -> Option<f64> {
    let only = answer.decisions.first()?;
    match (&only.action, only.state) {
        (Action::AdmitRatio(ratio), State::InForce | State::Shadow) => Some(*ratio),
        _ => None,
    }
}

#[test]
fn a_ratio_falls_by_forty_points_a_second_to_the_floor_and_rises_by_twenty() {
    let mut arbiter = Arbiter::default();
    let snapshot = snapshot();
    let none = [active(vec![directive("checkout", Action::AdmitRatio(0.0))])];

    let falling: Vec<_> = (0..5).map(|second| ratio(&ask(&mut arbiter, second * 1_000, &snapshot, &none))).collect();
    let rising: Vec<_> = (5..12).map(|second| ratio(&ask(&mut arbiter, second * 1_000, &snapshot, &[]))).collect();

    assert_eq!(falling, [Some(0.6), Some(0.2), Some(0.05), Some(0.05), Some(0.05)]);
    assert_eq!(rising, [Some(0.25), Some(0.45), Some(0.65), Some(0.85), None, None, None]);
}

#[test]
fn a_decision_keeps_its_id_while_it_lasts_and_ends_once() {
    let mut arbiter = Arbiter::default();
    let snapshot = snapshot();
    let wish = [active(vec![directive("checkout", Action::ConcurrencyLimit(10))])];

    let first = ask(&mut arbiter, 1_000, &snapshot, &wish).decisions[0].clone();
    let second = ask(&mut arbiter, 2_000, &snapshot, &wish).decisions[0].clone();
    let end = ask(&mut arbiter, 3_000, &snapshot, &[]).decisions[0].clone();
    let after = ask(&mut arbiter, 4_000, &snapshot, &[]);
    let again = ask(&mut arbiter, 5_000, &snapshot, &wish).decisions[0].clone();

    assert_eq!((&first.id, first.began_ms, first.state), (&second.id, second.began_ms, State::InForce));
    assert_eq!((&end.id, end.state), (&first.id, State::Ended));
    assert_eq!(after.decisions, []);
    assert_ne!(again.id, first.id);
}

#[test]
fn every_rail_says_what_it_changed() {
    let mut arbiter = Arbiter::default();
    let mut greedy = directive("checkout", Action::AdmitRatio(0.0));
    greedy.class = Criticality::CriticalPlus;
    greedy.ttl_ms = 3_600_000;

    let answer = ask(&mut arbiter, 0, &snapshot(), &[active(vec![greedy])]);

    let decision = &answer.decisions[0];
    assert_eq!((decision.class, decision.ttl_ms, ratio(&answer)), (Criticality::Critical, TTL_MAX_MS, Some(0.6)));
    for words in [
        "critical-plus requests are protected",
        "raised to 0.05",
        "lease of 3600000 ms",
        "admit 60 % now, on the way to admit 5 %",
    ] {
        assert!(decision.rails.iter().any(|rail| rail.contains(words)), "{words}: {:?}", decision.rails);
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let mut across = directive("checkout", Action::AdmitRatio(0.5));
    across.target.caller = Some(service("staging", "gateway"));
    let mut elsewhere = directive("checkout", Action::AdmitRatio(0.5));
    elsewhere.target.service.environment = "staging".into();
    let cases = [
        (across, "crosses environments"),
        (elsewhere, "no service checkout in environment `staging`"),
        (directive("nobody", Action::AdmitRatio(0.5)), "no service nobody"),
        (directive("checkout", Action::AdmitRatio(f64::NAN)), "NaN"),
        (directive("checkout", Action::AdmitRatio(7.0)), "not within 0 to 1"),
        (directive("checkout", Action::LevelThreshold(600)), "no level 600"),
        (directive("checkout", Action::RateLimit(Rate { per_second: f64::INFINITY, burst: 1 })), "not a rate"),
        (directive("checkout", Action::Degrade(String::new())), "no name"),
    ];
    for (wish, words) in cases {
        let answer = ask(&mut Arbiter::default(), 0, &snapshot(), &[active(vec![wish])]);
        assert_eq!(answer.decisions, []);
        assert!(answer.refused[0].reason.contains(words), "{:?}", answer.refused);
    }
}

#[test]
fn the_strictest_of_several_rules_binds_and_all_are_named() {
    let mut arbiter = Arbiter::default();
    let mild = Proposal {
        rule: rule("mild"),
        mode: Mode::Active,
        directives: vec![directive("checkout", Action::AdmitRatio(0.9))],
    };
    let mut patient = directive("checkout", Action::AdmitRatio(0.7));
    (patient.retry_after_ms, patient.ttl_ms) = (Some(9_000), 20_000);
    let strict = Proposal { rule: rule("strict"), mode: Mode::Active, directives: vec![patient] };
    let watched = Proposal {
        rule: rule("watched"),
        mode: Mode::Shadow,
        directives: vec![directive("checkout", Action::AdmitRatio(0.1))],
    };

    let answer = ask(&mut arbiter, 0, &snapshot(), &[mild, strict, watched]);

    assert_eq!(answer.decisions.len(), 1);
    let decision = &answer.decisions[0];
    assert_eq!((ratio(&answer), decision.ttl_ms, decision.retry_after_ms), (Some(0.7), 5_000, Some(9_000)));
    let parts: Vec<_> = decision.contributions.iter().map(|one| (&*one.rule.name, one.mode, one.binding)).collect();
    assert_eq!(
        parts,
        [("strict", Mode::Active, true), ("mild", Mode::Active, false), ("watched", Mode::Shadow, false)]
    );
}

#[test]
fn shadow_rules_decide_nothing() {
    let mut arbiter = Arbiter::default();
    let wish = [proposal(Mode::Shadow, vec![directive("checkout", Action::AdmitRatio(0.5))])];

    let answer = ask(&mut arbiter, 0, &snapshot(), &wish);

    assert_eq!(answer.decisions[0].state, State::Shadow);
    assert!(answer.decisions[0].id.starts_with("s-"));
    assert_eq!(arbiter.applied(&service("prod", "checkout")), []);
}

#[test]
fn the_kill_switch_ends_everything_at_once() {
    let mut arbiter = Arbiter::default();
    let snapshot = snapshot();
    let proposals = [active(vec![directive("checkout", Action::AdmitRatio(0.5))])];
    ask(&mut arbiter, 0, &snapshot, &proposals);

    let question =
        Question { now_ms: 1_000, snapshot: &snapshot, proposals: &proposals, enforcement: Enforcement::Killed };
    let answer = arbiter.arbitrate(&question);

    let states: Vec<_> = answer.decisions.iter().map(|decision| decision.state).collect();
    assert_eq!(states, [State::Ended, State::Shadow]);
    assert!(
        answer.decisions[1].rails.iter().any(|rail| rail.contains("kill switch")),
        "{:?}",
        answer.decisions[1].rails
    );
    assert_eq!(arbiter.applied(&service("prod", "checkout")), []);
}

#[test]
fn on_stale_or_thin_numbers_nothing_is_tightened_but_anything_may_be_released() {
    let (mut old, mut thin) = (snapshot(), snapshot());
    old.signals[0].age_ms = STALE_REPORT_MS + 1_000;
    thin.signals[0].offered_rps = 1.0;
    for (doubtful, words) in [(old, "6 s old"), (thin, "asked only 5 times")] {
        let mut arbiter = Arbiter::default();
        let refused = ask(&mut arbiter, 0, &doubtful, &[active(vec![directive("checkout", Action::AdmitRatio(0.8))])]);
        assert_eq!(refused.decisions, []);
        assert!(refused.refused[0].reason.contains(words), "{:?}", refused.refused);

        ask(&mut arbiter, 1_000, &snapshot(), &[active(vec![directive("checkout", Action::AdmitRatio(0.8))])]);
        let held = ask(&mut arbiter, 2_000, &doubtful, &[active(vec![directive("checkout", Action::AdmitRatio(0.5))])]);
        assert_eq!(ratio(&held), Some(0.8));
        assert!(
            held.decisions[0].rails.iter().any(|rail| rail.contains("held at admit 80 %")),
            "{:?}",
            held.decisions[0].rails
        );

        let looser =
            ask(&mut arbiter, 3_000, &doubtful, &[active(vec![directive("checkout", Action::AdmitRatio(0.9))])]);
        assert_eq!(ratio(&looser), Some(0.9));
    }
}

#[test]
fn a_limit_comes_down_from_the_load_of_today() {
    let mut arbiter = Arbiter::default();
    let wish = [active(vec![directive("checkout", Action::ConcurrencyLimit(10))])];

    let limits: Vec<_> = (0..3)
        .map(|second| ask(&mut arbiter, second * 1_000, &snapshot(), &wish).decisions[0].action.clone())
        .collect();

    assert_eq!(limits, [300, 180, 108].map(Action::ConcurrencyLimit));
}

#[test]
fn a_stall_allows_no_leap() {
    let mut arbiter = Arbiter::default();
    let wish = [active(vec![directive("checkout", Action::AdmitRatio(0.0))])];
    for second in 0..4 {
        ask(&mut arbiter, second * 1_000, &snapshot(), &wish);
    }

    let answer = ask(&mut arbiter, 3_600_000, &snapshot(), &[]);

    assert_eq!(ratio(&answer), Some(0.45));
}

#[test]
fn a_threshold_moves_by_as_many_levels_as_a_ratio_by_points() {
    let mut arbiter = Arbiter::default();
    let wish = [active(vec![directive("checkout", Action::LevelThreshold(0))])];

    let levels: Vec<_> = (0..3)
        .map(|second| ask(&mut arbiter, second * 1_000, &snapshot(), &wish).decisions[0].action.clone())
        .collect();

    assert_eq!(levels, [307, LEVEL_FLOOR, LEVEL_FLOOR].map(Action::LevelThreshold));
}

#[test]
fn more_decisions_than_the_bound_are_refused() {
    let mut wishes = Vec::new();
    for route in 0..=DIRECTIVES {
        let mut wish = directive("checkout", Action::AdmitRatio(0.9));
        wish.target.route = format!("/{route:04}");
        wishes.push(wish);
    }
    let last = wishes.pop().unwrap();

    let other = Proposal { rule: rule("other"), mode: Mode::Active, directives: vec![last] };
    let answer = ask(&mut Arbiter::default(), 0, &snapshot(), &[active(wishes), other]);

    assert_eq!(answer.decisions.len(), DIRECTIVES);
    assert!(answer.refused[0].reason.contains("in force already"), "{:?}", answer.refused);
}

fn arb_action() -> impl Strategy<Value = Action> {
    let wild = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), -1.0f64..2.0];
    prop_oneof![
        (0.0f64..=1.0).prop_map(Action::AdmitRatio),
        wild.clone().prop_map(Action::AdmitRatio),
        (0u16..600).prop_map(Action::LevelThreshold),
        (0u32..2_000).prop_map(Action::ConcurrencyLimit),
        (prop_oneof![0.0f64..5_000.0, wild], 0u32..100)
            .prop_map(|(per_second, burst)| Action::RateLimit(Rate { per_second, burst })),
        "[ab]?".prop_map(Action::Degrade),
    ]
}

fn arb_directive() -> impl Strategy<Value = Directive> {
    (prop_oneof!["checkout", "payments", "nobody"], 0usize..4, arb_action(), any::<u32>(), any::<Option<u32>>(), "[xy]")
        .prop_map(|(name, class, action, ttl_ms, retry_after_ms, reason)| Directive {
            class: Criticality::ALL[class],
            ttl_ms,
            retry_after_ms,
            reason,
            ..directive(&name, action)
        })
}

/// Three sensible wishes of one kind, for one service.
fn arb_same_kind() -> impl Strategy<Value = [(Directive, String); 3]> {
    let action = |kind: u8| match kind {
        0 => (0.0f64..=1.0).prop_map(Action::AdmitRatio).boxed(),
        1 => (0u16..=512).prop_map(Action::LevelThreshold).boxed(),
        2 => (0u32..50).prop_map(Action::ConcurrencyLimit).boxed(),
        3 => (0.0f64..50.0, 0u32..50)
            .prop_map(|(per_second, burst)| Action::RateLimit(Rate { per_second, burst }))
            .boxed(),
        _ => "[a-c]".prop_map(Action::Degrade).boxed(),
    };
    let one = move |kind| {
        (action(kind), any::<u32>(), any::<Option<u32>>(), "[xy]", "[a-c]").prop_map(
            |(action, ttl_ms, retry_after_ms, reason, name)| {
                (Directive { ttl_ms, retry_after_ms, reason, ..directive("checkout", action) }, name)
            },
        )
    };
    (0u8..5).prop_flat_map(move |kind| [one(kind), one(kind), one(kind)])
}

fn arb_proposals() -> impl Strategy<Value = Vec<Proposal>> {
    let one = ("[a-d]", any::<bool>(), proptest::collection::vec(arb_directive(), 0..6));
    let proposal = one.prop_map(|(name, obeyed, directives)| Proposal {
        rule: rule(&name),
        mode: if obeyed { Mode::Active } else { Mode::Shadow },
        directives,
    });
    proptest::collection::vec(proposal, 0..5)
}

proptest! {
    /// Neither the order of the rules, nor that of their directives, nor saying it twice changes anything.
    #[test]
    fn order_and_repetition_change_nothing(proposals in arb_proposals(), shuffled in any::<proptest::sample::Index>()) {
        let mut turned = proposals.clone();
        turned.reverse();
        for proposal in &mut turned {
            proposal.directives.reverse();
        }
        if !turned.is_empty() {
            let again = turned[shuffled.index(turned.len())].clone();
            turned.push(again);
        }

        let straight = ask(&mut Arbiter::default(), 0, &snapshot(), &proposals);
        let other_way = ask(&mut Arbiter::default(), 0, &snapshot(), &turned);

        prop_assert_eq!(straight, other_way);
    }

    /// The algebra itself.
    #[test]
    fn merging_is_associative_commutative_and_idempotent(wishes in arb_same_kind()) {
        let snapshot = snapshot();
        let facts = Facts::of(&snapshot);
        let [a, b, c] = wishes.map(|(directive, name)| {
            screen::screen(&directive, &rule(&name), Mode::Active, false, &facts).unwrap().1
        });

        prop_assert_eq!(a.clone().merge(b.clone()), b.clone().merge(a.clone()));
        prop_assert_eq!(a.clone().merge(b.clone()).merge(c.clone()), a.clone().merge(b.clone().merge(c)));
        prop_assert_eq!(a.clone().merge(a.clone()), a.clone());
    }

    /// Whatever rules ask for over time, the rails hold.
    #[test]
    fn no_rule_gets_past_the_rails(history in proptest::collection::vec((arb_proposals(), 0u64..3_000), 1..12)) {
        let mut arbiter = Arbiter::default();
        let mut now_ms = 1_000_000;
        let mut last: BTreeMap<(Target, Criticality), f64> = BTreeMap::new();
        for (tick, (proposals, gap)) in history.into_iter().enumerate() {
            now_ms += gap;
            let answer = ask(&mut arbiter, now_ms, &snapshot(), &proposals);
            let step_s = if tick == 0 { 1.0 } else { (gap as f64 / 1_000.0).min(LONGEST_STEP_S) };
            let mut ratios = BTreeMap::new();
            for decision in &answer.decisions {
                let binding = decision.contributions.first();
                prop_assert!(decision.state != State::InForce || binding.is_none_or(|binding| binding.mode == Mode::Active));
                prop_assert!(decision.class != Criticality::CriticalPlus);
                prop_assert!((TTL_MIN_MS..=TTL_MAX_MS).contains(&decision.ttl_ms));
                prop_assert!(decision.contributions.iter().filter(|one| one.binding).count() <= 1);
                match &decision.action {
                    Action::AdmitRatio(ratio) => prop_assert!((ADMIT_FLOOR..=1.0).contains(ratio)),
                    Action::LevelThreshold(level) => prop_assert!((LEVEL_FLOOR..=LEVEL_OPEN).contains(level)),
                    Action::ConcurrencyLimit(limit) => prop_assert!(*limit >= 1),
                    Action::RateLimit(rate) => prop_assert!(rate.per_second >= 1.0 && rate.per_second.is_finite() && rate.burst >= 1),
                    Action::Degrade(variant) => prop_assert!(!variant.is_empty()),
                }
                if let (Action::AdmitRatio(ratio), State::InForce) = (&decision.action, decision.state) {
                    ratios.insert((decision.target.clone(), decision.class), *ratio);
                }
            }
            for key in ratios.keys().chain(last.keys()) {
                let (was, is) = (last.get(key).copied().unwrap_or(1.0), ratios.get(key).copied().unwrap_or(1.0));
                // Half of the last digit of the rounding.
                prop_assert!(is >= was - FALL_PER_SECOND * step_s - 6e-4, "fell from {was} to {is} in {step_s} s");
                prop_assert!(is <= was + RISE_PER_SECOND * step_s + 6e-4, "rose from {was} to {is} in {step_s} s");
            }
            last = ratios;
        }
    }

    /// One more rule can only make it stricter.
    #[test]
    fn another_rule_never_loosens(proposals in arb_proposals(), more in arb_directive()) {
        let before = ask(&mut Arbiter::default(), 0, &snapshot(), &proposals);
        let mut with = proposals;
        with.push(Proposal { rule: rule("z"), mode: Mode::Active, directives: vec![more] });
        let after = ask(&mut Arbiter::default(), 0, &snapshot(), &with);

        for decision in before.decisions.iter().filter(|decision| decision.state == State::InForce) {
            let same = |other: &&Decision| (&other.target, other.class, Kind::of(&other.action)) == (&decision.target, decision.class, Kind::of(&decision.action));
            let other = after.decisions.iter().filter(|other| other.state == State::InForce).find(same).unwrap();
            prop_assert!(merge::strictness(&other.action, &decision.action).is_le());
        }
    }
}
