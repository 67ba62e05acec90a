//! Keeping a snapshot small enough to be copied into a guest each tick.

use super::Snapshot;

impl Snapshot {
    /// Keeps the `signals` busiest services and, of the calls between them, the `edges` busiest. The order stays, and
    /// edges point to the same services as before. Returns how many signals and edges were left out, so that it can be said.
    pub fn bound(&mut self, signals: usize, edges: usize) -> (usize, usize) {
        let (all_signals, all_edges) = (self.signals.len(), self.edges.len());
        let kept = busiest(self.signals.iter().map(|signals| signals.offered_rps), signals);
        if kept.len() < all_signals {
            let mut moved_to = vec![None; all_signals];
            for (new, old) in (0..).zip(&kept) {
                moved_to[*old] = Some(new);
            }
            retain(&mut self.signals, &kept);
            let target = |old: u32| moved_to.get(old as usize).copied().flatten();
            self.edges.retain_mut(|edge| match (target(edge.caller), target(edge.callee)) {
                (Some(caller), Some(callee)) => {
                    (edge.caller, edge.callee) = (caller, callee);
                    true
                }
                _ => false,
            });
        }
        let kept = busiest(self.edges.iter().map(|edge| edge.offered_rps), edges);
        retain(&mut self.edges, &kept);
        (all_signals - self.signals.len(), all_edges - self.edges.len())
    }
}

/// Indices of the largest rates, ascending. Equal rates: the first ones, so the choice is the same each tick.
fn busiest(rates: impl Iterator<Item = f64>, limit: usize) -> Vec<usize> {
    let mut ranked: Vec<(usize, f64)> = rates.enumerate().collect();
    if ranked.len() > limit {
        ranked.sort_by(|(a_at, a), (b_at, b)| b.total_cmp(a).then(a_at.cmp(b_at)));
        ranked.truncate(limit);
        ranked.sort_by_key(|(at, _)| *at);
    }
    ranked.into_iter().map(|(at, _)| at).collect()
}

fn retain<T>(items: &mut Vec<T>, ascending: &[usize]) {
    let mut keep = ascending.iter().copied().peekable();
    let mut at = 0;
    items.retain(|_| {
        let kept = keep.next_if_eq(&at).is_some();
        at += 1;
        kept
    });
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::{Edge, ServiceId, Signals, Target};
    use super::*;

    fn snapshot(rates: &[u32], calls: &[(u32, u32, u32)]) -> Snapshot {
        let signals = rates.iter().enumerate().map(|(at, rate)| Signals {
            target: Target::service(ServiceId { name: format!("service-{at}"), ..ServiceId::default() }),
            offered_rps: f64::from(*rate),
            ..Signals::default()
        });
        let edges = calls.iter().map(|(caller, callee, rate)| Edge {
            caller: *caller,
            callee: *callee,
            offered_rps: f64::from(*rate),
            ..Edge::default()
        });
        Snapshot { signals: signals.collect(), edges: edges.collect(), ..Snapshot::default() }
    }

    fn calls(snapshot: &Snapshot) -> Vec<(String, String)> {
        let name = |at: u32| snapshot.signals[at as usize].target.service.name.clone();
        snapshot.edges.iter().map(|edge| (name(edge.caller), name(edge.callee))).collect()
    }

    #[test]
    fn the_busiest_stay_and_edges_follow_them() {
        let mut snapshot = snapshot(&[5, 1, 9, 7], &[(0, 1, 3), (0, 2, 3), (2, 3, 1), (3, 0, 2), (9, 0, 9)]);

        assert_eq!(snapshot.bound(3, 2), (1, 3));

        let names: Vec<_> = snapshot.signals.iter().map(|signals| signals.target.service.name.as_str()).collect();
        assert_eq!(names, ["service-0", "service-2", "service-3"]);
        let expected = [("service-0", "service-2"), ("service-3", "service-0")];
        assert_eq!(calls(&snapshot), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn a_small_snapshot_is_left_alone() {
        let mut small = snapshot(&[5, 1], &[(0, 1, 3)]);
        let before = small.clone();

        assert_eq!(small.bound(2, 1), (0, 0));
        assert_eq!(small, before);
    }

    proptest! {
        #[test]
        fn no_edge_changes_its_ends(
            rates in vec(0_u32..5, 0..12),
            edges in vec((0_u32..12, 0_u32..12, 0_u32..5), 0..20),
            signals in 0_usize..12,
            limit in 0_usize..20,
        ) {
            let edges: Vec<_> =
                edges.into_iter().filter(|(a, b, _)| (*a as usize) < rates.len() && (*b as usize) < rates.len()).collect();
            let mut bounded = snapshot(&rates, &edges);
            let before = calls(&bounded);

            bounded.bound(signals, limit);

            prop_assert!(bounded.signals.len() <= signals && bounded.edges.len() <= limit);
            for call in calls(&bounded) {
                prop_assert!(before.contains(&call));
            }
        }
    }
}
