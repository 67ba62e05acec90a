//! The picture of a small shop, the size of system that most people look at: judged as a person would judge it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use spillway_layout::{Graph, Lane, Layout, Node, Rect, Spacing, tidy};

const NAMES: [&str; 12] = [
    "browsers",
    "gateway",
    "catalog",
    "cart",
    "checkout",
    "recommend",
    "inventory",
    "payments",
    "orders",
    "catalog-db",
    "stock-cache",
    "mailer",
];
const CALLS: [(&str, &str); 13] = [
    ("browsers", "gateway"),
    ("gateway", "catalog"),
    ("gateway", "cart"),
    ("gateway", "checkout"),
    ("gateway", "recommend"),
    ("catalog", "catalog-db"),
    ("cart", "inventory"),
    ("checkout", "inventory"),
    ("checkout", "payments"),
    ("checkout", "orders"),
    ("inventory", "stock-cache"),
    ("orders", "mailer"),
    ("recommend", "catalog-db"),
];

fn index(name: &str) -> usize {
    NAMES.iter().position(|n| *n == name).unwrap()
}

fn shop() -> (Graph, Layout) {
    let lane = |name: &str| match name {
        "browsers" => Lane::Caller,
        "catalog-db" | "stock-cache" => Lane::Store,
        _ => Lane::Service,
    };
    let nodes = NAMES.iter().map(|name| Node::new(*name, 116.0, 44.0).in_lane(lane(name))).collect();
    let graph = Graph::new(nodes, CALLS.iter().map(|(a, b)| (index(a), index(b))).collect()).unwrap();
    let layout = tidy(&graph, &Spacing::default());
    (graph, layout)
}

#[test]
fn callers_are_left_and_stores_are_in_one_column_on_the_right() {
    let (_, layout) = shop();

    let x = |name: &str| layout.positions[index(name)].x;
    assert!(NAMES.iter().all(|name| x("browsers") <= x(name) && x(name) <= x("catalog-db")));
    assert_eq!(x("catalog-db"), x("stock-cache"));
}

#[test]
fn no_edge_runs_through_a_box() {
    let (graph, layout) = shop();

    for (route, &(a, b)) in layout.routes.iter().zip(graph.edges()) {
        for (v, node) in graph.nodes().iter().enumerate().filter(|(v, _)| *v != a && *v != b) {
            let rect = Rect::around(layout.positions[v], node.size);
            assert!(
                route.trace(3.0).iter().all(|point| !rect.contains(*point)),
                "{} to {} runs through {}",
                NAMES[a],
                NAMES[b],
                node.key
            );
        }
    }
}

#[test]
fn it_fits_a_screen_without_shrinking_the_text_much() {
    let (_, layout) = shop();

    // 988 × 680 is what the page leaves for the map at 1440 × 900 with the side panel open.
    let scale = (988.0 / layout.bounds.width()).min(680.0 / layout.bounds.height());
    assert!(scale > 0.8, "{:?}", layout.bounds);
}

/// The way without place holders, which small graphs never take.
#[test]
fn a_system_of_a_thousand_services_is_drawn_without_overlap() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % 1_000) as usize
    };
    let nodes = (0..1_000).map(|i| Node::new(format!("service-{i:04}"), 116.0, 44.0)).collect();
    let graph = Graph::new(nodes, (0..5_000).map(|_| (next(), next())).collect()).unwrap();

    let layout = tidy(&graph, &Spacing::default());

    let rects: Vec<Rect> =
        graph.nodes().iter().zip(&layout.positions).map(|(node, at)| Rect::around(*at, node.size)).collect();
    for (i, a) in rects.iter().enumerate() {
        assert!(rects[i + 1..].iter().all(|b| !a.overlaps(b)), "{} overlaps", graph.nodes()[i].key);
    }
    assert!(layout.bounds.width().is_finite() && layout.bounds.height().is_finite());
}
