//! Time to lay out maps of three sizes, with what was drawn checked in the same run.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use spillway_layout::{Graph, Node, Rect, Spacing, extend, tidy};

/// A call graph with hubs and about 2 % of calls that lead back, from a fixed sequence of numbers.
fn system(nodes: usize, edges: usize) -> Graph {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let boxes = (0..nodes).map(|i| Node::new(format!("service-{i:04}"), 116.0, 44.0)).collect();
    let calls = (0..edges)
        .map(|_| {
            // The smaller of two draws: a few services are called by many.
            let (a, b) = (next(nodes), next(nodes).min(next(nodes)));
            let back = next(50) == 0;
            if (a < b) == back { (a, b) } else { (b, a) }
        })
        .collect();
    Graph::new(boxes, calls).expect("keys differ and every edge is in range")
}

fn layouts(c: &mut Criterion) {
    let spacing = Spacing::default();
    for (nodes, edges) in [(12, 20), (300, 1_000), (1_000, 5_000)] {
        let graph = system(nodes, edges);
        let drawn = tidy(&graph, &spacing);
        let rects: Vec<Rect> =
            graph.nodes().iter().zip(&drawn.positions).map(|(node, at)| Rect::around(*at, node.size)).collect();
        for (i, a) in rects.iter().enumerate() {
            assert!(rects[i + 1..].iter().all(|b| !a.overlaps(b)), "boxes overlap at {nodes} nodes");
        }
        c.bench_function(&format!("tidy {nodes} nodes {edges} edges"), |b| {
            b.iter(|| tidy(black_box(&graph), &spacing))
        });

        let mut known = drawn.saved(&graph);
        known.pop_first();
        c.bench_function(&format!("extend {nodes} nodes by one"), |b| {
            b.iter(|| extend(black_box(&known), &graph, &spacing))
        });
    }
}

criterion_group!(benches, layouts);
criterion_main!(benches);
