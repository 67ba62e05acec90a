//! Turns the few calls round that close a cycle, so that "left of" has a meaning.
//!
//! Iterative on purpose: a chain of a thousand services must not be a stack overflow in the browser.

/// Adjacency lists of a graph without cycles, self calls and parallel edges.
pub(crate) struct Dag {
    /// Callees of each node.
    pub out: Vec<Vec<usize>>,
    /// Callers of each node.
    pub into: Vec<Vec<usize>>,
}

/// Reverses the edges that a depth-first walk finds closing a cycle. `first` are nodes to start from before any other
/// (users); after them come nodes that nobody calls, then those with the largest surplus of calls made.
pub(crate) fn acyclic(count: usize, edges: &[(usize, usize)], first: &[bool]) -> Dag {
    let mut plain: Vec<(usize, usize)> = edges.iter().copied().filter(|(a, b)| a != b).collect();
    plain.sort_unstable();
    plain.dedup();
    let mut out = vec![Vec::new(); count];
    let mut called = vec![0_usize; count];
    for &(a, b) in &plain {
        out[a].push(b);
        called[b] += 1;
    }

    let mut starts: Vec<usize> = (0..count).collect();
    starts.sort_by_key(|&v| (!first[v], called[v] > 0, called[v] as i64 - out[v].len() as i64, v));

    let mut dag = Vec::with_capacity(plain.len());
    let mut mark = vec![Mark::New; count];
    let mut stack: Vec<(usize, usize)> = Vec::new();
    for start in starts {
        if mark[start] != Mark::New {
            continue;
        }
        mark[start] = Mark::Open;
        stack.push((start, 0));
        while let Some((v, next)) = stack.last_mut() {
            let v = *v;
            let Some(&w) = out[v].get(*next) else {
                mark[v] = Mark::Done;
                stack.pop();
                continue;
            };
            *next += 1;
            // An open node is an ancestor: this call leads back, so it counts the other way round.
            dag.push(if mark[w] == Mark::Open { (w, v) } else { (v, w) });
            if mark[w] == Mark::New {
                mark[w] = Mark::Open;
                stack.push((w, 0));
            }
        }
    }
    // Two services that call each other are one edge now.
    dag.sort_unstable();
    dag.dedup();

    let mut acyclic = Dag { out: vec![Vec::new(); count], into: vec![Vec::new(); count] };
    for (a, b) in dag {
        acyclic.out[a].push(b);
        acyclic.into[b].push(a);
    }
    acyclic
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rank::longest_path;

    #[test]
    fn a_ring_loses_exactly_the_edge_that_leads_back() {
        let dag = acyclic(3, &[(0, 1), (1, 2), (2, 0)], &[false; 3]);

        assert_eq!(dag.out, vec![vec![1, 2], vec![2], vec![]]);
    }

    #[test]
    fn a_user_is_started_from_even_inside_a_cycle() {
        let dag = acyclic(2, &[(0, 1), (1, 0)], &[false, true]);

        assert_eq!(dag.out, vec![vec![], vec![0]]);
    }

    #[test]
    fn a_chain_of_fifty_thousand_does_not_overflow_the_stack() {
        let count = 50_000;
        let edges: Vec<_> = (0..count).map(|v| (v, (v + 1) % count)).collect();

        let dag = acyclic(count, &edges, &vec![false; count]);

        assert_eq!(longest_path(&dag)[count - 1], count - 1);
    }
}
