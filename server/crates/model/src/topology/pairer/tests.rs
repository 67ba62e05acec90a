#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use super::*;
use crate::{
    batch::SpanKind::{Client, Consumer, Internal, Producer, Server, Unspecified},
    observation::{Aggregate, Protocol},
    topology::sample::{NOW, SECOND, Sample, batch, edge, node, service, span},
};

mod oracle;

/// Sums by subject, without those that came to nothing.
#[derive(Debug, Default, PartialEq)]
struct Sums(BTreeMap<Subject, Aggregate>);

impl Sums {
    fn add(&mut self, subject: &Subject, facts: &[Measurement]) {
        let sum = self.0.entry(subject.clone()).or_default();
        for fact in facts {
            sum.add(fact);
            let negative = sum.count < 0 || sum.failed < 0 || sum.provisional < 0;
            assert!(!negative, "took back what was never said: {subject:?} {fact:?}");
        }
        if sum.is_empty() {
            self.0.remove(subject);
        }
    }

    fn edges(&self) -> Vec<(String, i64)> {
        let show = |subject: &Subject, sum: &Aggregate| match subject {
            Subject::Edge(edge, side) => {
                let side = if *side == Side::Caller { ">" } else { "<" };
                Some((
                    format!(
                        "{} {side} {} {:?}{}",
                        name(&edge.source),
                        name(&edge.target),
                        edge.protocol,
                        if sum.provisional > 0 { "?" } else { "" }
                    ),
                    sum.count,
                ))
            }
            Subject::Node(_) => None,
        };
        self.0.iter().filter_map(|(subject, sum)| show(subject, sum)).collect()
    }

    fn node(&self, key: &crate::identity::NodeKey) -> i64 {
        self.0.get(&Subject::Node(key.clone())).map_or(0, |sum| sum.count)
    }
}

fn name(node: &crate::identity::NodeKey) -> String {
    match node.kind {
        NodeKind::Service => node.service.name.to_string(),
        kind => format!("{}:{}", kind.as_str(), node.service.name),
    }
}

/// A pairer with the sums of what it said.
struct Bench {
    pairer: Pairer,
    sums: Sums,
}

impl Bench {
    fn new() -> Self {
        Self::with(PairerLimits::default())
    }

    fn with(limits: PairerLimits) -> Self {
        Self { pairer: Pairer::new(limits), sums: Sums::default() }
    }

    fn send(&mut self, now_ns: u64, spans: &[Sample]) -> &mut Self {
        let sums = &mut self.sums;
        self.pairer.observe(&batch(spans), now_ns, &mut |subject, facts| sums.add(subject, facts));
        self
    }

    fn wait(&mut self, now_ns: u64) -> &mut Self {
        let sums = &mut self.sums;
        self.pairer.expire(now_ns, &mut |subject, facts| sums.add(subject, facts));
        self
    }

    fn edges(&self) -> Vec<(String, i64)> {
        self.sums.edges()
    }
}

fn is(edges: &[(&str, i64)]) -> Vec<(String, i64)> {
    let mut edges: Vec<_> = edges.iter().map(|(edge, count)| ((*edge).to_owned(), *count)).collect();
    edges.sort();
    edges
}

fn sorted(mut edges: Vec<(String, i64)>) -> Vec<(String, i64)> {
    edges.sort();
    edges
}

/// The edges after the spans came one by one, in this order; then in the reverse order; they must be the same.
fn edges_of(spans: &[Sample]) -> Vec<(String, i64)> {
    let run = |spans: &mut dyn Iterator<Item = &Sample>| {
        let mut bench = Bench::new();
        spans.for_each(|span| {
            bench.send(NOW, std::slice::from_ref(span));
        });
        bench.wait(NOW + 300 * SECOND);
        sorted(bench.edges())
    };
    let forth = run(&mut spans.iter());
    assert_eq!(forth, run(&mut spans.iter().rev()), "the order of arrival matters");
    forth
}

#[test]
fn a_call_is_seen_from_both_sides_whichever_comes_first() {
    let spans = [
        span("cart", 2, 9, Client).http().with("server.address", "10.0.0.7").with("server.port", 8080),
        span("stock", 3, 2, Server).http(),
    ];

    assert_eq!(edges_of(&spans), is(&[("cart < stock Http", 1), ("cart > stock Http", 1)]));
}

#[test]
fn a_call_without_its_other_half_is_provisional_then_external() {
    let mut bench = Bench::new();

    bench.send(NOW, &[span("cart", 2, 9, Client).http().with("url.full", "https://api.example.com/v1?x=1")]);
    assert_eq!(bench.edges(), is(&[("cart > external:api.example.com Http?", 1)]));
    assert_eq!(bench.sums.node(&node(NodeKind::External, "api.example.com")), 1);

    bench.wait(NOW + 31 * SECOND);
    assert_eq!(bench.edges(), is(&[("cart > external:api.example.com Http", 1)]));

    bench.wait(NOW + 632 * SECOND);
    assert_eq!(bench.edges(), is(&[("cart > external:api.example.com Http", 1)]));
    assert_eq!(bench.pairer.stats().pending, 0);
}

#[test]
fn a_provisional_call_moves_when_its_other_half_arrives() {
    let mut bench = Bench::new();
    bench.send(NOW, &[span("cart", 2, 9, Client).http().with("server.address", "10.0.0.7")]);

    bench.send(NOW + 29 * SECOND, &[span("stock", 3, 2, Server).http()]);

    assert_eq!(sorted(bench.edges()), is(&[("cart < stock Http", 1), ("cart > stock Http", 1)]));
    assert_eq!(bench.sums.node(&node(NodeKind::External, "10.0.0.7")), 0);
    assert_eq!(bench.sums.node(&service("stock")), 1);
}

#[test]
fn a_service_that_answered_to_an_address_is_found_by_it_when_it_is_dead() {
    let call = |id| span("cart", id, 9, Client).http().with("server.address", "127.0.0.1").with("server.port", 8083);
    let mut bench = Bench::new();
    bench.send(NOW, &[call(2), span("payments", 3, 2, Server).http()]);

    bench.send(NOW + SECOND, &[call(4).failed()]).wait(NOW + 60 * SECOND);

    assert_eq!(sorted(bench.edges()), is(&[("cart < payments Http", 1), ("cart > payments Http", 2)]));
    assert_eq!(bench.pairer.service_behind("prod", "shop", "127.0.0.1:8083"), Some(&service("payments").service));
}

#[test]
fn an_address_that_several_services_answer_to_names_none_of_them() {
    let call = |id| span("cart", id, 9, Client).http().with("server.address", "10.0.0.1");
    let spans = [call(2), span("payments", 3, 2, Server).http(), call(4), span("stock", 5, 4, Server).http(), call(6)];

    assert_eq!(
        edges_of(&spans),
        is(&[
            ("cart < payments Http", 1),
            ("cart < stock Http", 1),
            ("cart > external:10.0.0.1 Http", 1),
            ("cart > payments Http", 1),
            ("cart > stock Http", 1)
        ])
    );
}

#[test]
fn a_peer_that_is_a_known_service_is_that_service() {
    for (key, value) in [
        ("peer.service", "stock"),
        ("service.peer.name", "stock"),
        ("server.address", "stock"),
        ("server.address", "stock.shop.svc.cluster.local"),
    ] {
        let spans = [span("cart", 2, 9, Client).http().with(key, value), span("stock", 7, 8, Internal)];

        assert_eq!(edges_of(&spans), is(&[("cart > stock Http", 1)]), "{key}={value}");
    }
}

#[test]
fn a_database_is_complete_at_once_and_has_the_clearest_name() {
    for (attributes, name) in [
        (
            vec![("db.system.name", "postgresql"), ("db.namespace", "orders"), ("server.address", "db.internal")],
            "orders",
        ),
        (vec![("db.system", "postgresql"), ("db.name", "orders-db")], "orders-db"),
        (vec![("db.system", "redis"), ("db.namespace", "0"), ("server.address", "cache.internal")], "cache.internal"),
        (vec![("db.system", "sqlite")], "sqlite"),
        (vec![("db.statement", "SELECT 1")], "database"),
    ] {
        let call = attributes.into_iter().fold(span("cart", 2, 9, Client), |call, (key, value)| call.with(key, value));
        let mut bench = Bench::new();

        bench.send(NOW, &[call]);

        assert_eq!(bench.edges(), is(&[(&format!("cart > database:{name} Database"), 1)]));
        assert_eq!(bench.sums.node(&node(NodeKind::Database, name)), 1);
    }
    let local = span("cart", 2, 9, Client)
        .with("db.system", "redis")
        .with("server.address", "127.0.0.1")
        .with("server.port", 6379);
    assert_eq!(edges_of(&[local]), is(&[("cart > database:127.0.0.1:6379 Database", 1)]));
}

#[test]
fn messages_go_through_their_queue() {
    let send =
        span("cart", 2, 9, Producer).with("messaging.system", "kafka").with("messaging.destination.name", "orders");
    let process = |id| {
        span("ship", id, 0, Consumer)
            .trace(2)
            .with("messaging.system", "kafka")
            .with("messaging.destination.name", "orders")
            .link(1, 2)
    };

    // Two consumer groups get the message: one message in, two out.
    let spans = [send, process(3), process(4)];

    assert_eq!(edges_of(&spans), is(&[("cart > queue:orders Messaging", 1), ("queue:orders < ship Messaging", 2)]));
}

#[test]
fn a_batch_of_messages_counts_each_message_but_one_piece_of_work() {
    let send = |id| span("cart", id, 9, Producer).with("messaging.destination.name", "orders");
    let process =
        span("ship", 5, 0, Consumer).with("messaging.destination.name", "orders").link(1, 2).link(1, 3).link(1, 3);
    let mut bench = Bench::new();

    bench.send(NOW, &[send(2), process]).send(NOW, &[send(3)]);

    assert_eq!(
        sorted(bench.edges()),
        is(&[("cart > queue:orders Messaging", 2), ("queue:orders < ship Messaging", 2)])
    );
    assert_eq!(bench.sums.node(&service("ship")), 1);
    assert_eq!(bench.sums.node(&node(NodeKind::Queue, "orders")), 2);
}

#[test]
fn one_end_that_names_the_queue_is_enough() {
    let named = |sample: Sample| sample.with("messaging.destination.name", "orders");
    let (send, process) = (span("cart", 2, 9, Producer), span("ship", 3, 2, Consumer));
    let through = is(&[("cart > queue:orders Messaging", 1), ("queue:orders < ship Messaging", 1)]);

    assert_eq!(edges_of(&[named(send.clone()), process.clone()]), through);
    assert_eq!(edges_of(&[send.clone(), named(process.clone())]), through);
    assert_eq!(edges_of(&[send, process]), is(&[("cart < ship Messaging", 1), ("cart > ship Messaging", 1)]));
}

#[test]
fn fetching_is_consumption_although_it_looks_like_a_call() {
    let queue = |sample: Sample| sample.with("messaging.destination.name", "orders");
    let receive = queue(span("ship", 2, 0, Client)).with("messaging.operation.type", "receive");
    let settle = queue(span("ship", 3, 0, Client)).with("messaging.operation.type", "settle");
    let send = queue(span("cart", 4, 0, Client)).with("messaging.operation.type", "send");
    let batch = queue(span("cart", 5, 0, Client)).with("messaging.operation.type", "send").link(1, 9);

    assert_eq!(
        edges_of(&[receive, settle, send, batch]),
        is(&[("cart > queue:orders Messaging", 1), ("queue:orders > ship Messaging", 1)])
    );
}

#[test]
fn a_root_is_called_by_a_user_at_once_and_an_orphan_after_a_while() {
    let mut bench = Bench::new();
    bench.send(NOW, &[span("web", 2, 0, Server).http(), span("stock", 3, 8, Server).http()]);
    assert_eq!(bench.edges(), is(&[("user:user < web Http", 1)]));
    assert_eq!(bench.sums.node(&service("stock")), 1);

    bench.wait(NOW + 7 * SECOND);
    assert_eq!(sorted(bench.edges()), is(&[("user:user < stock Http?", 1), ("user:user < web Http", 1)]));

    bench.wait(NOW + 40 * SECOND);
    assert_eq!(sorted(bench.edges()), is(&[("user:user < stock Http", 1), ("user:user < web Http", 1)]));
}

#[test]
fn an_orphan_that_finds_its_caller_is_no_users_call() {
    let mut bench = Bench::new();
    bench.send(NOW, &[span("stock", 3, 2, Server).http()]).wait(NOW + 7 * SECOND);

    bench.send(NOW + 8 * SECOND, &[span("cart", 2, 9, Client).http()]);

    assert_eq!(sorted(bench.edges()), is(&[("cart < stock Http", 1), ("cart > stock Http", 1)]));
}

#[test]
fn a_half_that_comes_minutes_late_moves_what_was_counted() {
    let client = span("cart", 2, 9, Client).http().with("server.address", "10.0.0.7");
    let server = span("stock", 3, 2, Server).http();
    for (first, late) in [(&client, &server), (&server, &client)] {
        let mut bench = Bench::new();
        bench.send(NOW, std::slice::from_ref(first)).wait(NOW + 40 * SECOND).wait(NOW + 300 * SECOND);
        assert_ne!(sorted(bench.edges()), is(&[("cart < stock Http", 1), ("cart > stock Http", 1)]));

        bench.send(NOW + 400 * SECOND, std::slice::from_ref(late));

        assert_eq!(sorted(bench.edges()), is(&[("cart < stock Http", 1), ("cart > stock Http", 1)]));
        assert_eq!(bench.sums.node(&node(NodeKind::External, "10.0.0.7")), 0);
        assert_eq!(bench.sums.node(&service("stock")), 1);
        bench.wait(NOW + 1_100 * SECOND);
        assert_eq!(sorted(bench.edges()), is(&[("cart < stock Http", 1), ("cart > stock Http", 1)]));
        assert_eq!(bench.pairer.stats().pending, 0);
    }
}

#[test]
fn what_waits_on_is_bounded_and_the_oldest_goes_first() {
    let mut bench = Bench::with(PairerLimits { max_overdue: 2, ..PairerLimits::default() });
    for call in 0..3u8 {
        let at_ns = NOW + u64::from(call) * SECOND;
        bench.send(at_ns, &[span("cart", 2 + call, 9, Client).http().with("server.address", "10.0.0.7")]);
    }
    bench.wait(NOW + 60 * SECOND);
    assert_eq!(bench.pairer.stats().pending, 2);

    bench.send(NOW + 61 * SECOND, &[span("stock", 10, 2, Server).http(), span("stock", 11, 4, Server).http()]);
    bench.wait(NOW + 800 * SECOND);

    // The first call was given up: its server's request is a user's. The second found nobody, but by then stock had answered to its address.
    assert_eq!(
        sorted(bench.edges()),
        is(&[
            ("cart < stock Http", 1),
            ("cart > external:10.0.0.7 Http", 1),
            ("cart > stock Http", 2),
            ("user:user < stock Http", 1),
        ])
    );
}

#[test]
fn both_halves_may_share_one_span_id() {
    // Zipkin's B3: the server span has the client's id, and its parent.
    let spans =
        [span("cart", 2, 1, Client).http(), span("stock", 2, 1, Server).http(), span("web", 1, 0, Server).http()];

    assert_eq!(
        edges_of(&spans),
        is(&[("cart < stock Http", 1), ("cart > stock Http", 1), ("user:user < web Http", 1)])
    );
}

#[test]
fn a_caller_that_does_not_measure_its_calls_is_still_their_caller() {
    let spans = [span("web", 1, 0, Server).http(), span("stock", 2, 1, Server).http()];
    assert_eq!(edges_of(&spans), is(&[("user:user < web Http", 1), ("web < stock Http", 1)]));
}

#[test]
fn a_call_out_of_an_internal_span_is_its_services() {
    let spans = [span("web", 1, 0, Internal), span("stock", 2, 1, Server).http()];
    assert_eq!(edges_of(&spans), is(&[("web < stock Http", 1)]));

    let mut bench = Bench::new();
    bench.send(NOW, &spans[1..]).wait(NOW + 7 * SECOND);
    assert_eq!(bench.edges(), is(&[("user:user < stock Http?", 1)]));
    bench.send(NOW + 8 * SECOND, &spans[..1]).wait(NOW + 31 * SECOND);
    assert_eq!(bench.edges(), is(&[("web < stock Http", 1)]));
}

#[test]
fn a_server_span_within_a_server_span_is_the_same_request() {
    let spans = [span("web", 1, 0, Server).http(), span("web", 2, 1, Server).http()];
    let mut bench = Bench::new();

    bench.send(NOW, &spans[1..]).send(NOW, &spans[..1]);

    assert_eq!(bench.edges(), is(&[("user:user < web Http", 1)]));
    assert_eq!(bench.sums.node(&service("web")), 1);
}

#[test]
fn without_kinds_a_child_in_another_service_was_called() {
    let spans = [
        span("web", 1, 0, Unspecified),
        span("web", 2, 1, Unspecified),
        span("stock", 3, 2, Unspecified),
        span("stock", 4, 3, Unspecified),
    ];
    assert_eq!(edges_of(&spans), is(&[("web < stock Unknown", 1)]));

    let mut remote = span("stock", 3, 2, Unspecified).http();
    remote.flags = 0x300;
    assert_eq!(edges_of(&[remote]), is(&[("user:user < stock Http", 1)]));
    assert_eq!(
        edges_of(&[span("web", 5, 1, Unspecified).with("db.system", "mysql")]),
        is(&[("web > database:mysql Database", 1)])
    );
}

#[test]
fn a_span_that_comes_again_changes_nothing() {
    let spans = [span("cart", 2, 9, Client).http(), span("stock", 3, 2, Server).http()];
    let mut bench = Bench::new();
    bench.send(NOW, &spans);
    let once = bench.edges();

    bench.send(NOW + 10 * SECOND, &spans).send(NOW + 20 * SECOND, &spans[1..]);

    assert_eq!(bench.edges(), once);
    assert_eq!(bench.pairer.stats().repeated, 3);
}

#[test]
fn a_sampled_span_counts_for_those_that_were_not_kept() {
    let mut call = span("cart", 2, 9, Client).http().with("peer.service", "x");
    call.trace_state = "ot=th:c".to_owned();

    assert_eq!(edges_of(&[call]), is(&[("cart > external:x Http", 4)]));
}

#[test]
fn a_shed_request_is_no_error() {
    let failed = |sample: Sample| {
        let mut pairer = Pairer::new(PairerLimits::default());
        let mut failed = 0;
        pairer
            .observe(&batch(&[sample]), NOW, &mut |_, facts| failed += facts.iter().filter(|fact| fact.failed).count());
        failed > 0
    };
    let server = || span("web", 2, 0, Server).with("http.response.status_code", 503);

    assert!(failed(server()));
    assert!(failed(span("web", 2, 0, Server).failed()));
    assert!(!failed(span("web", 2, 0, Server).with("http.response.status_code", 404)));
    assert!(failed(span("web", 2, 0, Client).with("http.status_code", "500")));
    assert!(!failed(server().failed().with("spillway.shed", true)));
    assert!(!failed(span("web", 2, 0, Client).failed().with("http.response.header.x-spillway-decision", "d.1")));
}

#[test]
fn beyond_the_cap_nodes_are_other_and_no_call_is_lost() {
    let mut bench = Bench::with(PairerLimits { max_nodes_per_environment: 5, ..PairerLimits::default() });
    for host in 0..50u8 {
        bench.send(
            NOW,
            &[span("cart", 1 + host, 0, Client).http().with("server.address", &*format!("host-{host}.example.com"))],
        );
    }
    bench.wait(NOW + 300 * SECOND);

    let edges = bench.edges();
    assert_eq!(edges.iter().map(|(_, count)| count).sum::<i64>(), 50);
    assert_eq!(edges.len(), 5, "{edges:?}");
    assert!(edges.contains(&("cart > other:other Http".to_owned(), 46)), "{edges:?}");
    assert!(bench.pairer.stats().nodes <= 6);
}

#[test]
fn beyond_the_caps_of_edges_and_names_the_target_is_other() {
    for limits in [
        PairerLimits { max_edges: 3, ..PairerLimits::default() },
        PairerLimits { max_peers: 3, ..PairerLimits::default() },
    ] {
        let mut bench = Bench::with(limits);
        for host in 0..20u8 {
            bench.send(
                NOW,
                &[span("cart", 1 + host, 0, Client)
                    .http()
                    .with("server.address", &*format!("host-{host}.example.com"))],
            );
        }
        bench.wait(NOW + 300 * SECOND);

        assert_eq!(bench.edges().len(), 4);
        assert!(bench.edges().contains(&("cart > other:other Http".to_owned(), 17)), "{:?}", bench.edges());
    }
}

#[test]
fn unused_nodes_make_room() {
    let mut bench = Bench::with(PairerLimits { max_nodes_per_environment: 20, ..PairerLimits::default() });
    for round in 0..20u64 {
        let now_ns = NOW + round * 1_200 * SECOND;
        for host in 0..8u8 {
            bench.send(
                now_ns,
                &[span("cart", 1 + host, 0, Client)
                    .http()
                    .at(now_ns)
                    .with("server.address", &*format!("r{round}-h{host}.example.com"))],
            );
        }
    }
    // What the last ones are settled with is used then, and unused long after.
    bench.wait(NOW + 40 * 1_200 * SECOND).wait(NOW + 42 * 1_200 * SECOND);

    assert!(bench.edges().iter().all(|(edge, count)| *count == 1 && !edge.contains("other")), "{:?}", bench.edges());
    assert_eq!(bench.pairer.stats().nodes, 0);
}

#[test]
fn a_full_table_counts_halves_where_they_seem_to_belong() {
    let mut bench = Bench::with(PairerLimits { max_pending: 2, ..PairerLimits::default() });

    bench.send(
        NOW,
        &[
            span("cart", 2, 9, Client).http().with("peer.service", "x"),
            span("web", 1, 0, Server).http(),
            span("cart", 4, 9, Client).http().with("peer.service", "x"),
            span("web", 5, 0, Server).http(),
            span("web", 6, 77, Server).http(),
            // Its caller did find room.
            span("stock", 3, 2, Server).http(),
        ],
    );

    assert_eq!(bench.pairer.stats().overflowed, 4);
    assert_eq!(
        sorted(bench.edges()),
        is(&[
            ("cart < stock Http", 1),
            ("cart > external:x Http?", 1),
            ("cart > stock Http", 1),
            ("user:user < web Http?", 3),
        ])
    );
}

#[test]
fn the_oldest_halves_make_room_for_new_ones() {
    let mut bench = Bench::with(PairerLimits { max_pending: 4, ..PairerLimits::default() });
    bench.send(NOW, &[span("cart", 2, 0, Client).http().with("peer.service", "x")]);
    bench.send(NOW + 1, &[span("web", 3, 9, Server).http()]);

    // Each may need two places, so the client's half goes first.
    bench.send(NOW + 2, &[span("cart", 4, 0, Client).http().with("peer.service", "y")]);
    bench.send(NOW + 3, &[span("stock", 5, 4, Server).http()]);
    bench.send(NOW + 4, &[span("late", 6, 2, Server).http()]);
    bench.wait(NOW + 60 * SECOND);

    assert_eq!(
        sorted(bench.edges()),
        is(&[
            ("cart < stock Http", 1),
            ("cart > stock Http", 1),
            ("cart > external:x Http", 1),
            ("user:user < late Http", 1),
            ("user:user < web Http", 1),
        ])
    );
    assert!(bench.pairer.stats().overflowed >= 2, "{:?}", bench.pairer.stats());
}

#[test]
fn ids_of_zeros_pair_with_nothing() {
    let spans = [span("cart", 0, 0, Client).http(), span("web", 1, 0, Server).trace(0).http()];
    assert_eq!(edges_of(&spans), vec![]);
}

#[test]
fn environments_do_not_mix_and_their_number_is_bounded() {
    let mut names = Names::new(&PairerLimits { max_environments: 2, ..PairerLimits::default() });
    let (a, b) = (names.scope("prod", "shop"), names.scope("staging", "shop"));
    assert_ne!(names.sender(a, "cart", 1), names.sender(b, "cart", 1));
    assert_eq!(
        names.known_service(a, None, "cart").map(|node| names.key(node).service.environment.to_string()).unwrap(),
        "prod"
    );

    let (c, d) = (names.scope("x", "shop"), names.scope("y", "other"));
    assert_eq!(c, d);
    assert_eq!(names.scope_names(c).0.as_ref(), "other");
}

#[test]
fn an_edge_key_names_both_ends() {
    let mut bench = Bench::new();
    bench.send(
        NOW,
        &[
            span("cart", 2, 9, Client).with("rpc.system", "grpc").with("rpc.service", "shop.Stock"),
            span("stock", 3, 2, Server).http(),
        ],
    );

    let subject = Subject::Edge(edge(service("cart"), service("stock"), Protocol::Grpc), Side::Callee);
    assert_eq!(bench.sums.0[&subject].count, 1);
}
