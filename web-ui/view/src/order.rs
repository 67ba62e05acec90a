//! Sorting and looking up, compiled once for every type.
//!
//! The standard library's sort is fast and large: each type that is sorted added 4 kB to what a browser loads first. The
//! lists here are short, so one merge sort over positions serves all of them.

use std::cmp::Ordering;

use spillway_api::{Node, Topology};

/// Sorts `items`; equal ones keep their order.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let mut order = sorted(items.len(), &|a, b| compare(&items[a], &items[b]));
    // Follows each position to where its item has been swapped meanwhile.
    for place in 0..order.len() {
        let mut from = order[place];
        while from < place {
            from = order[from];
        }
        items.swap(place, from);
        order[place] = from;
    }
}

/// Sorts by a key.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |a, b| key(a).cmp(&key(b)));
}

/// Sorted, and each only once.
pub fn distinct<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    sort_by(&mut items, T::cmp);
    items.dedup();
    items
}

/// The items, of those with the same key only the first.
pub fn first_of_each<T>(items: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
    let mut kept: Vec<T> = Vec::with_capacity(items.len());
    for item in items {
        if !kept.iter().any(|earlier| key(earlier) == key(&item)) {
            kept.push(item);
        }
    }
    kept
}

/// Positions `0..count` in the order of `compare`. A merge sort from the bottom up.
fn sorted(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut next = Vec::with_capacity(count);
    let mut width = 1;
    while width < count {
        for start in (0..count).step_by(width * 2) {
            let (middle, end) = ((start + width).min(count), (start + width * 2).min(count));
            let (mut left, mut right) = (start, middle);
            while left < middle || right < end {
                let take_left =
                    right == end || (left < middle && compare(order[left], order[right]) != Ordering::Greater);
                let from = if take_left { &mut left } else { &mut right };
                next.push(order[*from]);
                *from += 1;
            }
        }
        std::mem::swap(&mut order, &mut next);
        next.clear();
        width *= 2;
    }
    order
}

/// The node `id`; the nodes of a topology are sorted by id.
pub fn node<'a>(topology: &'a Topology, id: &str) -> Option<&'a Node> {
    topology.nodes.binary_search_by(|node| node.id.as_str().cmp(id)).ok().map(|at| &topology.nodes[at])
}

/// The name of the node `id`, else the id.
pub fn name<'a>(topology: &'a Topology, id: &'a str) -> &'a str {
    node(topology, id).map_or(id, |node| node.name.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample;

    proptest! {
        /// The same as the standard library's, for any list and also for equal items.
        #[test]
        fn sorts_as_the_standard_library_does(items in prop::collection::vec((0u8..8, any::<u16>()), 0..80)) {
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by_key(&mut ours, |item| item.0);
            theirs.sort_by_key(|item| item.0);
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn distinct_items_are_sorted() {
        assert_eq!(distinct(vec!["b", "a", "b"]), ["a", "b"]);
        assert_eq!(distinct(Vec::<u8>::new()), Vec::<u8>::new());
    }

    #[test]
    fn of_items_with_the_same_key_the_first_is_kept() {
        assert_eq!(first_of_each(vec![("b", 1), ("a", 2), ("b", 3)], |item| item.0), [("b", 1), ("a", 2)]);
    }

    #[test]
    fn an_unknown_node_is_named_by_its_id() {
        let topology = sample::calm();

        assert_eq!(name(&topology, "service:production/shop/payments"), "payments");
        assert_eq!(name(&topology, "service:x"), "service:x");
    }
}
