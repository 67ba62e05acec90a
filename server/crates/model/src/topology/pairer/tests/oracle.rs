//! Compares the pairer with a naive function that has all spans of all traces before it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Sums, *};
use crate::{identity::NodeKey, topology::sample::Said};

/// What a generated span does.
#[derive(Clone, Debug, PartialEq)]
enum Does {
    /// A call, to a host, or to a service by name.
    Call(Option<u8>),
    /// A query.
    Query(u8),
    /// Serves.
    Serve,
    /// Sends to a queue that it may name.
    Send(Option<u8>),
    /// Handles messages.
    Handle(Option<u8>),
    /// Says nothing of its kind.
    Weak,
    /// Is internal.
    Inner,
}

#[derive(Clone, Debug, PartialEq)]
struct Made {
    does: Does,
    sample: Sample,
}

fn host(number: u8) -> String {
    // Some are services by their name.
    if number < 3 { format!("s{number}") } else { format!("10.0.0.{number}") }
}

fn sample(does: &Does, service: u8, id: u8, parent: u8, extra: (u8, bool, bool, Vec<(u8, u8)>)) -> Sample {
    let (trace, failed, sampled, links) = extra;
    let kind = match does {
        Does::Call(_) | Does::Query(_) => Client,
        Does::Serve => Server,
        Does::Send(_) => Producer,
        Does::Handle(_) => Consumer,
        Does::Weak => Unspecified,
        Does::Inner => Internal,
    };
    let mut sample = span(&format!("s{service}"), id, parent, kind).trace(trace);
    sample.end_ns = NOW + u64::from(id) * 1_000;
    sample.duration_ns = 1_000_000 * (1 + u64::from(id));
    match does {
        Does::Call(to) => {
            sample = sample.http();
            if let Some(to) = to {
                sample.attributes.push(("server.address", Said::Text(host(*to))));
            }
        }
        Does::Query(to) => sample = sample.with("db.system", "mysql").with("db.namespace", &*format!("db{to}")),
        Does::Serve => sample = sample.http(),
        Does::Send(Some(queue)) | Does::Handle(Some(queue)) => {
            sample = sample.with("messaging.destination.name", &*format!("q{queue}"))
        }
        Does::Send(None) | Does::Handle(None) | Does::Weak | Does::Inner => {}
    }
    if matches!(does, Does::Handle(_)) {
        sample.links = links;
    }
    if failed {
        sample = sample.failed();
    }
    if sampled {
        sample.trace_state = "ot=th:8".to_owned();
    }
    sample
}

fn arb_does() -> impl Strategy<Value = Does> {
    prop_oneof![
        4 => proptest::option::of(0u8..6).prop_map(Does::Call),
        1 => (0u8..2).prop_map(Does::Query),
        5 => Just(Does::Serve),
        2 => proptest::option::of(0u8..2).prop_map(Does::Send),
        3 => proptest::option::of(0u8..2).prop_map(Does::Handle),
        2 => Just(Does::Weak),
        1 => Just(Does::Inner),
    ]
}

const SPANS: u8 = 18;

/// Spans of a few traces with unique ids, but for servers that share their client's. Parents and links may be missing.
fn arb_spans() -> impl Strategy<Value = Vec<Made>> {
    let one = (
        arb_does(),
        0u8..4,
        0u8..SPANS + 4,
        1u8..3,
        any::<bool>(),
        any::<bool>(),
        proptest::collection::vec((1u8..3, 1u8..SPANS + 4), 0..3),
        0u8..4,
    );
    proptest::collection::vec(one, 1..usize::from(SPANS)).prop_map(|all| {
        let mut made: Vec<Made> = Vec::new();
        for (number, (does, service, parent, trace, failed, sampled, links, shares)) in all.into_iter().enumerate() {
            let id = u8::try_from(number).expect("few") + 1;
            // A server may take the id of a client that has none sharing it yet.
            let shared = made.iter().find(|client| {
                shares == 0
                    && does == Does::Serve
                    && client.sample.kind == Client
                    && !made.iter().any(|other| {
                        other.sample.kind == Server
                            && (other.sample.trace, other.sample.id) == (client.sample.trace, client.sample.id)
                    })
            });
            let (trace, id, parent) = shared
                .map_or((trace, id, parent), |client| (client.sample.trace, client.sample.id, client.sample.parent));
            let sample = sample(&does, service, id, parent, (trace, failed, sampled, links));
            made.push(Made { does, sample });
        }
        made
    })
}

type Key = (u8, u8);

fn key(made: &Made) -> Key {
    (made.sample.trace, made.sample.id)
}

fn queue_of(made: &Made) -> Option<NodeKey> {
    match made.does {
        Does::Send(queue) | Does::Handle(queue) => queue.map(|queue| node(NodeKind::Queue, &format!("q{queue}"))),
        _ => None,
    }
}

fn protocol_of(made: &Made) -> Protocol {
    match made.does {
        Does::Call(_) | Does::Serve => Protocol::Http,
        Does::Query(_) => Protocol::Database,
        Does::Send(_) | Does::Handle(_) => Protocol::Messaging,
        Does::Weak | Does::Inner => Protocol::Unknown,
    }
}

fn calls(made: &Made) -> bool {
    matches!(made.does, Does::Call(_) | Does::Query(_) | Does::Send(_))
}

fn serves(made: &Made) -> bool {
    matches!(made.does, Does::Serve | Does::Handle(_) | Does::Weak)
}

/// One served call: by which caller span, or else over which edge.
struct Served<'a> {
    by: &'a Made,
    caller: Option<&'a Made>,
    edge: Option<EdgeKey>,
    local: bool,
    first: bool,
}

fn served(all: &[Made]) -> Vec<Served<'_>> {
    let mut served = Vec::new();
    for by in all.iter().filter(|made| serves(made)) {
        let own = service(&by.sample.service);
        let mut keys: Vec<Option<Key>> = Vec::new();
        if matches!(by.does, Does::Handle(_)) {
            for link in &by.sample.links {
                if *link != key(by) && !keys.contains(&Some(*link)) {
                    keys.push(Some(*link));
                }
            }
        }
        if keys.is_empty() {
            let parent = by.sample.parent;
            keys.push((parent != 0 && parent != by.sample.id).then_some((by.sample.trace, parent)));
        }
        for (number, wanted) in keys.into_iter().enumerate() {
            let shared =
                all.iter().find(|made| by.does == Does::Serve && made.sample.kind == Client && key(made) == key(by));
            // Children of a shared id are the server's.
            let served_there = all.iter().any(|made| made.does == Does::Serve && Some(key(made)) == wanted);
            let caller =
                shared.or_else(|| all.iter().find(|made| !served_there && calls(made) && Some(key(made)) == wanted));
            let parent = all
                .iter()
                .find(|made| (serves(made) || made.does == Does::Inner) && Some(key(made)) == wanted)
                .map(|made| service(&made.sample.service));
            let messages = |queue: NodeKey| Some(edge(queue, own.clone(), Protocol::Messaging));
            let mut local = false;
            let mut through = caller;
            let over = match (&by.does, caller, parent) {
                (Does::Weak, Some(caller), _) if service(&caller.sample.service) == own => {
                    (local, through) = (true, None);
                    None
                }
                (Does::Serve | Does::Weak, Some(caller), _) => {
                    let protocol = match (protocol_of(caller), protocol_of(by)) {
                        (Protocol::Unknown, other) | (other, Protocol::Unknown) => other,
                        (Protocol::Messaging, _) | (_, Protocol::Messaging) => Protocol::Messaging,
                        (Protocol::Database, _) => Protocol::Database,
                        (other, _) => other,
                    };
                    Some(edge(service(&caller.sample.service), own.clone(), protocol))
                }
                (_, Some(caller), _) => {
                    let sent_to = queue_of(caller);
                    if sent_to.is_some() || !matches!(caller.does, Does::Send(_)) && queue_of(by).is_some() {
                        through = None;
                    }
                    match sent_to.or(queue_of(by)) {
                        Some(queue) => messages(queue),
                        None if service(&caller.sample.service) == own => {
                            (local, through) = (true, None);
                            None
                        }
                        None => Some(edge(service(&caller.sample.service), own.clone(), Protocol::Messaging)),
                    }
                }
                (Does::Handle(Some(_)), None, _) => queue_of(by).and_then(messages),
                (_, None, Some(parent)) if parent == own => {
                    local = true;
                    None
                }
                (_, None, Some(parent)) => Some(edge(parent, own.clone(), protocol_of(by))),
                (Does::Serve, None, None) => Some(edge(node(NodeKind::User, "user"), own.clone(), Protocol::Http)),
                _ => None,
            };
            served.push(Served { by, caller: through, edge: over, local, first: number == 0 });
        }
    }
    served
}

fn say(sums: &mut Sums, subject: Subject, sample: &Sample) {
    let times = if sample.trace_state.is_empty() { 1 } else { 2 };
    let failed = sample.status == crate::batch::SpanStatus::Error;
    let (at_ns, duration_ns) = (sample.end_ns, sample.duration_ns);
    sums.add(&subject, &[Measurement { at_ns, duration_ns, failed, provisional: false, times }]);
}

/// All facts of all traces, by definition.
fn whole(all: &[Made]) -> Sums {
    let mut sums = Sums::default();
    let served = served(all);
    for call in &served {
        if let Some(edge) = &call.edge {
            say(&mut sums, Subject::Edge(edge.clone(), Side::Callee), &call.by.sample);
        }
        let counts = match call.by.does {
            Does::Serve => !call.local,
            Does::Weak => call.edge.is_some(),
            _ => true,
        };
        if call.first && counts {
            say(&mut sums, Subject::Node(service(&call.by.sample.service)), &call.by.sample);
        }
    }
    let mut answered: BTreeMap<(String, u8), BTreeSet<&str>> = BTreeMap::new();
    for call in &served {
        if let (Some(Made { does: Does::Call(Some(to)), .. }), Does::Serve | Does::Weak) = (call.caller, &call.by.does)
        {
            // Names are known by environment and namespace; these tests have one.
            answered.entry((String::new(), *to)).or_default().insert(&call.by.sample.service);
        }
    }
    let senders: BTreeSet<&str> = all.iter().map(|made| &*made.sample.service).collect();
    for caller in all.iter().filter(|made| calls(made)) {
        let own = service(&caller.sample.service);
        let best = served
            .iter()
            .filter(|call| call.caller.is_some_and(|have| std::ptr::eq(have, caller)))
            .min_by_key(|call| (call.by.does == Does::Weak, call.by.sample.id));
        let (target, protocol) = match (&caller.does, best) {
            (Does::Send(Some(_)), _) => (queue_of(caller).unwrap(), Protocol::Messaging),
            (_, Some(call)) => match queue_of(call.by) {
                Some(queue) => (queue, Protocol::Messaging),
                None => (service(&call.by.sample.service), call.edge.as_ref().unwrap().protocol),
            },
            (Does::Query(to), None) => (node(NodeKind::Database, &format!("db{to}")), Protocol::Database),
            (Does::Call(Some(to)), None) => {
                let name = host(*to);
                let one = answered
                    .get(&(String::new(), *to))
                    .and_then(|all| if all.len() == 1 { all.first().copied() } else { None });
                let known = (one.is_none() && senders.contains(&*name)).then_some(&*name);
                match one.or(known) {
                    Some(name) => (service(name), Protocol::Http),
                    None => (node(NodeKind::External, &name), Protocol::Http),
                }
            }
            (Does::Call(None), None) => (node(NodeKind::External, "unknown"), Protocol::Http),
            _ => (node(NodeKind::External, "unknown"), Protocol::Messaging),
        };
        if target.kind != NodeKind::Service {
            say(&mut sums, Subject::Node(target.clone()), &caller.sample);
        }
        say(&mut sums, Subject::Edge(edge(own, target, protocol), Side::Caller), &caller.sample);
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Any order, any batches, any repeats: the sums are those of whole traces.
    #[test]
    fn sums_are_those_of_whole_traces(
        (spans, arrivals) in arb_spans().prop_flat_map(|spans| {
            let numbers: Vec<usize> = (0..spans.len()).collect();
            // Each span once, some again, in any order.
            let again = proptest::collection::vec(0..spans.len(), 0..6);
            let arrivals = again.prop_flat_map(move |again| Just([numbers.clone(), again].concat()).prop_shuffle());
            (Just(spans), arrivals)
        }),
        cuts in proptest::collection::vec((1usize..6, 0u64..9 * SECOND / 10), 40),
    ) {
        let mut bench = Bench::new();
        let (mut now_ns, mut left) = (NOW, &arrivals[..]);
        for (length, pause_ns) in cuts {
            let (now, later) = left.split_at(length.min(left.len()));
            left = later;
            now_ns += pause_ns * u64::from(!now.is_empty());
            let samples: Vec<Sample> = now.iter().map(|&number| spans[number].sample.clone()).collect();
            bench.send(now_ns, &samples);
        }
        prop_assert!(left.is_empty());

        bench.wait(now_ns + 31 * SECOND).wait(now_ns + 62 * SECOND).wait(now_ns + 700 * SECOND);

        prop_assert_eq!(&bench.sums, &whole(&spans));
        prop_assert_eq!(bench.pairer.stats().pending, 0);
    }
}
