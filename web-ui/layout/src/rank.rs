//! Which column a node stands in: one to the right of its rightmost caller.

use crate::acyclic::Dag;
use crate::graph::Lane;

/// Length of the longest chain of calls that ends at each node.
pub(crate) fn longest_path(dag: &Dag) -> Vec<usize> {
    let mut open: Vec<usize> = dag.into.iter().map(Vec::len).collect();
    let mut ready: Vec<usize> = (0..open.len()).filter(|&v| open[v] == 0).collect();
    let mut rank = vec![0; open.len()];
    let mut at = 0;
    while at < ready.len() {
        let v = ready[at];
        at += 1;
        for &w in &dag.out[v] {
            rank[w] = rank[w].max(rank[v] + 1);
            open[w] -= 1;
            if open[w] == 0 {
                ready.push(w);
            }
        }
    }
    rank
}

/// Columns with the two pulls that make a map readable: a store stands in the last column, and a caller that nobody calls
/// stands beside what it calls instead of far away on the left (a nightly job that calls one deep service).
pub(crate) fn rank(dag: &Dag, lanes: &[Lane]) -> Vec<usize> {
    let mut rank = longest_path(dag);
    let last = rank.iter().copied().max().unwrap_or(0);
    for v in 0..rank.len() {
        if lanes[v] == Lane::Store && dag.out[v].is_empty() && !dag.into[v].is_empty() {
            rank[v] = last;
        }
    }
    for v in 0..rank.len() {
        if lanes[v] == Lane::Caller || !dag.into[v].is_empty() {
            continue;
        }
        if let Some(nearest) = dag.out[v].iter().map(|&w| rank[w]).min() {
            rank[v] = nearest.saturating_sub(1);
        }
    }
    // The pulls can leave the first column empty (no user, every root moved): columns start at 0 again.
    let first = rank.iter().copied().min().unwrap_or(0);
    rank.iter_mut().for_each(|r| *r -= first);
    rank
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acyclic::acyclic;

    fn ranks(lanes: &[Lane], edges: &[(usize, usize)]) -> Vec<usize> {
        rank(&acyclic(lanes.len(), edges, &vec![false; lanes.len()]), lanes)
    }

    #[test]
    fn a_node_stands_right_of_all_its_callers() {
        assert_eq!(ranks(&[Lane::Service; 4], &[(0, 1), (1, 2), (0, 3), (2, 3)]), [0, 1, 2, 3]);
    }

    #[test]
    fn a_store_stands_in_the_last_column_and_a_service_that_calls_nothing_does_not() {
        let lanes = [Lane::Service, Lane::Service, Lane::Service, Lane::Store, Lane::Service];

        assert_eq!(ranks(&lanes, &[(0, 1), (1, 2), (0, 3), (0, 4)]), [0, 1, 2, 2, 1]);
    }

    #[test]
    fn a_lone_caller_stands_beside_what_it_calls_and_a_user_stays_left() {
        let chain = [(0, 1), (1, 2), (3, 2)];

        assert_eq!(ranks(&[Lane::Service; 4], &chain), [0, 1, 2, 1]);
        assert_eq!(ranks(&[Lane::Service, Lane::Service, Lane::Service, Lane::Caller], &chain), [0, 1, 2, 0]);
    }

    #[test]
    fn a_caller_of_a_store_only_stays_left_of_it() {
        assert_eq!(ranks(&[Lane::Service, Lane::Store], &[(0, 1)]), [0, 1]);
    }
}
