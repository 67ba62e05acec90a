//! Parts of the graph that no call connects are drawn side by side, not into each other.

/// Groups node indices by connection, whatever the direction. Groups and their members are in ascending order.
pub(crate) fn components(count: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..count).collect();
    for &(a, b) in edges {
        let (a, b) = (find(&mut parent, a), find(&mut parent, b));
        // The smaller index wins, so the root of a group is its first member.
        parent[a.max(b)] = a.min(b);
    }
    let mut group_of = vec![usize::MAX; count];
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for v in 0..count {
        let root = find(&mut parent, v);
        if group_of[root] == usize::MAX {
            group_of[root] = groups.len();
            groups.push(Vec::new());
        }
        groups[group_of[root]].push(v);
    }
    groups
}

fn find(parent: &mut [usize], mut v: usize) -> usize {
    while parent[v] != v {
        parent[v] = parent[parent[v]];
        v = parent[v];
    }
    v
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_in_any_direction_connect() {
        assert_eq!(components(5, &[(3, 1), (4, 3)]), vec![vec![0], vec![1, 3, 4], vec![2]]);
    }
}
