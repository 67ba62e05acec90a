use spillway_decode::otlp::metrics::Source;
use spillway_model::event::{BreakerState, EventBody};

use super::*;

const SECOND: i64 = 1_000_000_000;
const NOW: i64 = 1_767_225_600 * SECOND;

fn point(name: &str, labels: &[(&str, &str)], value: f64, temporality: Temporality, at_ns: i64) -> Point {
    let labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Point { name: name.into(), labels, value, at_ns: Some(at_ns), temporality }
}

fn polly(event: &str, value: f64, temporality: Temporality, at_ns: i64) -> Point {
    let labels = [("pipeline.name", "payments"), ("event.name", event)];
    point("resilience.polly.strategy.events", &labels, value, temporality, at_ns)
}

fn gauge(state: &str, at_ns: i64) -> Point {
    let labels = [("name", "payments"), ("state", state)];
    point("resilience4j.circuitbreaker.state", &labels, 1.0, Temporality::Gauge, at_ns)
}

/// What a fleet of one says, request by request.
#[derive(Default)]
struct Told {
    known: Reporters,
}

impl Told {
    fn by(&mut self, points: Vec<Point>, now_ns: i64) -> Vec<(BreakerState, i64)> {
        let source = Source { service: ServiceKey::new("", "", "cart"), instance: "cart-1".into(), points };
        let (changed, events) = read(&self.known, &Metrics { sources: vec![source], ..Metrics::default() }, now_ns);
        remember(&mut self.known, changed);
        let said = events.iter().map(|event| match event.body {
            EventBody::Breaker { state, .. } => (state, (event.at_ns - NOW) / SECOND),
            _ => panic!("{event:?}"),
        });
        said.collect()
    }
}

#[test]
fn a_gauge_is_told_when_it_changes_and_before_it_is_forgotten() {
    let mut told = Told::default();
    let mut at = |state, second| told.by(vec![gauge(state, NOW + second * SECOND)], NOW + second * SECOND);

    assert_eq!(at("closed", 0), [(BreakerState::Closed, 0)]);
    assert_eq!(at("closed", 10), []);
    assert_eq!(at("open", 20), [(BreakerState::Open, 20)]);
    // The same request again.
    assert_eq!(at("open", 20), []);
    assert_eq!(at("open", 50), [(BreakerState::Open, 50)]);
}

#[test]
fn a_request_whose_commit_failed_says_the_same_when_it_comes_again() {
    let source = Source {
        service: ServiceKey::new("", "", "cart"),
        instance: "cart-1".into(),
        points: vec![gauge("open", NOW)],
    };
    let metrics = Metrics { sources: vec![source], ..Metrics::default() };

    let (_, first) = read(&Reporters::new(), &metrics, NOW);
    let (_, again) = read(&Reporters::new(), &metrics, NOW + 5 * SECOND);

    assert_eq!((first.len(), &first), (1, &again));
}

#[test]
fn differences_tell_of_a_turn_at_once_and_only_once() {
    use Temporality::Delta;
    let mut told = Told::default();

    assert_eq!(told.by(vec![polly("OnCircuitOpened", 1.0, Delta, NOW)], NOW), [(BreakerState::Open, 0)]);
    assert_eq!(told.by(vec![polly("OnCircuitOpened", 1.0, Delta, NOW)], NOW + SECOND), [], "it came again");
    let next = NOW + 60 * SECOND;
    let both = vec![polly("OnCircuitHalfOpened", 1.0, Delta, next), polly("OnCircuitClosed", 1.0, Delta, next)];
    let states: Vec<_> = told.by(both, next).into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, [BreakerState::HalfOpen, BreakerState::Closed]);
}

#[test]
fn counters_of_somebody_unknown_are_no_news_but_those_that_appear_later_are() {
    use Temporality::Cumulative;
    let mut told = Told::default();
    assert_eq!(told.by(vec![polly("OnCircuitOpened", 7.0, Cumulative, NOW)], NOW), []);

    let mut told = Told::default();
    // It reports other things first.
    assert_eq!(told.by(vec![], NOW), []);
    let later = NOW + 60 * SECOND;
    assert_eq!(told.by(vec![polly("OnCircuitOpened", 1.0, Cumulative, later)], later), [(BreakerState::Open, 60)]);
}

#[test]
fn sources_that_were_silent_longest_make_room() {
    let key = |number: i64| (ServiceKey::new("", "", "cart"), number.to_string().into());
    let most = MOST_REMEMBERED as i64;
    let reporter = |number| (key(number), Reporter { seen_ns: number, ..Reporter::default() });
    let mut known: Reporters = (0..most).map(reporter).collect();

    remember(&mut known, Reporters::from([reporter(most)]));

    assert_eq!(known.len(), MOST_REMEMBERED / 10 * 9);
    assert!(!known.contains_key(&key(0)) && known.contains_key(&key(most)));
}

#[test]
fn names_beyond_the_table_are_counted_together() {
    let reported = Reported::default();
    for number in 0..MOST_NAMES + 3 {
        reported.count(&[Counted { name: number.to_string().into(), why: Some("why"), points: 2 }], NOW);
    }

    let names = reported.names.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(names.len(), MOST_NAMES + 1);
    assert_eq!(names[&("(others)".into(), Some("more than 2,000 names"))].points, 6);
}
