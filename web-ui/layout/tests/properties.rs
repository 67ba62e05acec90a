//! What holds for every graph: nothing overlaps, nothing moves without need, and the order of input is without meaning.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use spillway_layout::{Graph, Lane, Layout, Node, Point, Rect, Spacing, extend, tidy};

fn rects(graph: &Graph, layout: &Layout) -> Vec<Rect> {
    graph.nodes().iter().zip(&layout.positions).map(|(node, centre)| Rect::around(*centre, node.size)).collect()
}

fn overlap(graph: &Graph, layout: &Layout) -> Option<(String, String)> {
    let rects = rects(graph, layout);
    (0..rects.len()).find_map(|a| {
        let b = (a + 1..rects.len()).find(|&b| rects[a].overlaps(&rects[b]))?;
        Some((graph.nodes()[a].key.clone(), graph.nodes()[b].key.clone()))
    })
}

fn finite(layout: &Layout) -> bool {
    let route_points = layout
        .routes
        .iter()
        .flat_map(|route| route.pieces())
        .flat_map(|piece| [piece.from, piece.leave, piece.arrive, piece.to]);
    layout.positions.iter().copied().chain(route_points).all(Point::finite)
}

fn arb_nodes(most: usize) -> impl Strategy<Value = Vec<Node>> {
    let lane = prop_oneof![1 => Just(Lane::Caller), 6 => Just(Lane::Service), 2 => Just(Lane::Store)];
    let node = (20.0..180.0_f64, 16.0..90.0_f64, lane);
    prop::collection::vec(node, 1..most).prop_map(|nodes| {
        nodes
            .into_iter()
            .enumerate()
            .map(|(i, (width, height, lane))| Node::new(format!("n{i:03}"), width, height).in_lane(lane))
            .collect()
    })
}

/// Up to `most` nodes and three calls for each, self calls, cycles and lone nodes included; no call twice.
fn arb_graph(most: usize) -> impl Strategy<Value = (Vec<Node>, Vec<(usize, usize)>)> {
    arb_nodes(most).prop_flat_map(|nodes| {
        let count = nodes.len();
        let edges = prop::collection::btree_set((0..count, 0..count), 0..count * 3);
        (Just(nodes), edges.prop_map(|edges| edges.into_iter().collect::<Vec<_>>()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_box_overlaps_another_and_every_number_is_finite((nodes, edges) in arb_graph(60)) {
        let graph = Graph::new(nodes, edges).unwrap();

        let layout = tidy(&graph, &Spacing::default());

        prop_assert_eq!(overlap(&graph, &layout), None);
        prop_assert!(finite(&layout));
        prop_assert_eq!(layout.routes.len(), graph.edges().len());
    }

    /// The whole layout, ways included, is the same whatever the order of nodes and edges.
    #[test]
    fn the_order_of_input_has_no_meaning(
        ((nodes, edges), order) in arb_graph(40).prop_flat_map(|(nodes, edges)| {
            let order: Vec<usize> = (0..nodes.len()).collect();
            (Just((nodes, edges)), Just(order).prop_shuffle())
        })
    ) {
        let graph = Graph::new(nodes.clone(), edges.clone()).unwrap();
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
        let shuffled_nodes = order.iter().map(|&old| nodes[old].clone()).collect();
        let shuffled_edges: Vec<_> = edges.iter().rev().map(|&(a, b)| (place[a], place[b])).collect();
        let shuffled = Graph::new(shuffled_nodes, shuffled_edges).unwrap();

        let (one, two) = (tidy(&graph, &Spacing::default()), tidy(&shuffled, &Spacing::default()));

        prop_assert_eq!(one.saved(&graph), two.saved(&shuffled));
        for (e, route) in one.routes.iter().enumerate() {
            prop_assert_eq!(route, &two.routes[edges.len() - 1 - e]);
        }
    }

    /// Growing a system never moves what a person already knows, and what is new finds free ground.
    #[test]
    fn additions_move_nothing((nodes, edges) in arb_graph(50), known in 1..50_usize) {
        let known = known.min(nodes.len());
        let first_edges = edges.iter().copied().filter(|&(a, b)| a < known && b < known).collect();
        let first = Graph::new(nodes[..known].to_vec(), first_edges).unwrap();
        let whole = Graph::new(nodes, edges).unwrap();
        let before = tidy(&first, &Spacing::default()).saved(&first);

        let after = extend(&before, &whole, &Spacing::default());

        let saved = after.saved(&whole);
        for (key, centre) in &before {
            prop_assert_eq!(&saved[key], centre);
        }
        prop_assert_eq!(overlap(&whole, &after), None);
        prop_assert!(finite(&after));
        // Nothing new a second time: the same picture again.
        prop_assert_eq!(extend(&saved, &whole, &Spacing::default()).saved(&whole), saved);
    }

    #[test]
    fn a_pinned_box_stays_and_the_others_give_way((nodes, edges) in arb_graph(30), x in -400.0..900.0_f64, y in -300.0..600.0_f64, which in 0..30_usize) {
        let which = which % nodes.len();
        let pin = Point::new(x, y);
        let mut nodes = nodes;
        nodes[which] = nodes[which].clone().pinned_at(pin);
        let graph = Graph::new(nodes, edges).unwrap();

        let layout = tidy(&graph, &Spacing::default());

        prop_assert_eq!(layout.positions[which], pin);
        prop_assert_eq!(overlap(&graph, &layout), None);
    }

    /// Left to right is the meaning of the map: without a cycle every call leads to the right.
    #[test]
    fn calls_lead_to_the_right_when_there_is_no_cycle((nodes, edges) in arb_graph(40)) {
        let forward: Vec<_> = edges.into_iter().filter(|(a, b)| a < b).collect();
        // Users and stores may stand anywhere in these random graphs; only plain services are a fair test.
        let plain: Vec<_> = nodes.into_iter().map(|node| node.in_lane(Lane::Service)).collect();
        let graph = Graph::new(plain, forward.clone()).unwrap();

        let layout = tidy(&graph, &Spacing::default());

        for (a, b) in forward {
            prop_assert!(layout.positions[a].x < layout.positions[b].x);
            prop_assert!(layout.ranks[a] < layout.ranks[b]);
        }
    }
}
