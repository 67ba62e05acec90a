//! The order of the nodes inside each column: few crossings, by barycentre sweeps and exchanges of neighbours.

/// Vertices in columns. A vertex is a node or the place holder of a long edge.
pub(crate) struct Columns {
    /// The vertices of each column from top to bottom.
    pub layers: Vec<Vec<usize>>,
    /// Neighbours to the left of each vertex.
    pub left: Vec<Vec<usize>>,
    /// Neighbours to the right of each vertex.
    pub right: Vec<Vec<usize>>,
    /// Whether every edge joins neighbouring columns: long ones are chains of place holders.
    pub whole: bool,
}

/// Up to here every sweep is judged by its crossings and neighbours are exchanged; above, sweeps alone must do.
const CAREFUL_VERTICES: usize = 1_200;
/// More sweeps stopped helping on graphs of this size; see the research page for the prototype's 24.
const SWEEPS: usize = 24;
const COARSE_SWEEPS: usize = 10;

/// Reorders each layer of `columns`, starting from the order that is there.
pub(crate) fn order(columns: &mut Columns) {
    let vertices = columns.left.len();
    // Crossings are defined between neighbouring columns only, so an edge that spans several rules the careful way out.
    let careful = columns.whole && vertices <= CAREFUL_VERTICES;
    let mut place = places(columns, vertices);
    let mut best = (if careful { crossings(columns, &place) } else { usize::MAX }, columns.layers.clone());
    let sweeps = if careful { SWEEPS } else { COARSE_SWEEPS };
    for sweep in 0..sweeps {
        barycentre(columns, &mut place, sweep % 2 == 0);
        if !careful {
            continue;
        }
        // Without exchanges two vertices with equal means keep whatever order they started with.
        exchange(columns, &mut place);
        let now = crossings(columns, &place);
        if now < best.0 {
            best = (now, columns.layers.clone());
        }
        if best.0 == 0 {
            break;
        }
    }
    if careful {
        columns.layers = best.1;
    }
}

fn places(columns: &Columns, vertices: usize) -> Vec<f64> {
    let mut place = vec![0.0; vertices];
    for layer in &columns.layers {
        settle(layer, &mut place);
    }
    place
}

/// Counts positions from the middle of the column, so that columns of different length have comparable means.
fn settle(layer: &[usize], place: &mut [f64]) {
    let middle = (layer.len() as f64 - 1.0) / 2.0;
    for (i, &v) in layer.iter().enumerate() {
        place[v] = i as f64 - middle;
    }
}

fn barycentre(columns: &mut Columns, place: &mut [f64], rightwards: bool) {
    let count = columns.layers.len();
    let mut keyed: Vec<(f64, usize)> = Vec::new();
    for step in 0..count {
        let at = if rightwards { step } else { count - 1 - step };
        let neighbours = if rightwards { &columns.left } else { &columns.right };
        keyed.clear();
        keyed.extend(columns.layers[at].iter().map(|&v| {
            let near = &neighbours[v];
            let mean = if near.is_empty() {
                place[v]
            } else {
                near.iter().map(|&u| place[u]).sum::<f64>() / near.len() as f64
            };
            (mean, v)
        }));
        // Stable: equal means keep their order, which came from the keys.
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (slot, &(_, v)) in columns.layers[at].iter_mut().zip(&keyed) {
            *slot = v;
        }
        settle(&columns.layers[at], place);
    }
}

/// Exchanges vertical neighbours while that removes crossings.
fn exchange(columns: &mut Columns, place: &mut [f64]) {
    for _ in 0..4 {
        let mut improved = false;
        for at in 0..columns.layers.len() {
            for i in 1..columns.layers[at].len() {
                let (v, w) = (columns.layers[at][i - 1], columns.layers[at][i]);
                let as_is =
                    pair(&columns.left[v], &columns.left[w], place) + pair(&columns.right[v], &columns.right[w], place);
                let swapped =
                    pair(&columns.left[w], &columns.left[v], place) + pair(&columns.right[w], &columns.right[v], place);
                if swapped < as_is {
                    columns.layers[at].swap(i - 1, i);
                    let (a, b) = (place[v], place[w]);
                    (place[v], place[w]) = (b, a);
                    improved = true;
                }
            }
        }
        if !improved {
            break;
        }
    }
}

/// Crossings between the edges of two vertices when `upper` stands above `lower`.
fn pair(upper: &[usize], lower: &[usize], place: &[f64]) -> usize {
    // Two hubs of the largest map the careful way sees would be 10⁶ comparisons; their order hardly matters.
    if upper.len() * lower.len() > 4_096 {
        return 0;
    }
    upper.iter().map(|&a| lower.iter().filter(|&&b| place[b] < place[a]).count()).sum()
}

/// Crossings between all neighbouring columns, by counting inversions with a Fenwick tree.
fn crossings(columns: &Columns, place: &[f64]) -> usize {
    let mut total = 0;
    let mut ends: Vec<usize> = Vec::new();
    let mut index = vec![0; place.len()];
    for pair in columns.layers.windows(2) {
        for (i, &v) in pair[1].iter().enumerate() {
            index[v] = i;
        }
        ends.clear();
        for &v in &pair[0] {
            let start = ends.len();
            ends.extend(columns.right[v].iter().map(|&w| index[w]));
            ends[start..].sort_unstable();
        }
        total += inversions(&ends, pair[1].len());
    }
    total
}

fn inversions(sequence: &[usize], limit: usize) -> usize {
    let mut tree = vec![0_usize; limit + 1];
    let mut count = 0;
    for (seen, &value) in sequence.iter().enumerate() {
        let (mut at, mut not_above) = (value + 1, 0);
        while at > 0 {
            not_above += tree[at];
            at &= at - 1;
        }
        count += seen - not_above;
        let mut at = value + 1;
        while at <= limit {
            tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(layers: Vec<Vec<usize>>, edges: &[(usize, usize)]) -> Columns {
        let count = layers.iter().map(Vec::len).sum();
        let mut columns =
            Columns { layers, left: vec![Vec::new(); count], right: vec![Vec::new(); count], whole: true };
        for &(a, b) in edges {
            columns.right[a].push(b);
            columns.left[b].push(a);
        }
        columns
    }

    #[test]
    fn inversions_are_counted_once_each() {
        assert_eq!(inversions(&[2, 0, 1], 3), 2);
        assert_eq!(inversions(&[0, 0, 1, 1], 2), 0);
        assert_eq!(inversions(&[3, 2, 1, 0], 4), 6);
    }

    #[test]
    fn a_planar_pair_of_columns_ends_without_crossings() {
        let mut c = columns(vec![vec![0, 1, 2], vec![3, 4, 5]], &[(0, 5), (1, 4), (2, 3)]);

        order(&mut c);

        let place = places(&c, 6);
        assert_eq!(crossings(&c, &place), 0);
    }

    #[test]
    fn the_result_is_never_worse_than_the_start() {
        let edges = [(0, 4), (0, 6), (1, 3), (1, 5), (2, 4), (2, 3), (3, 7), (4, 8), (5, 7), (6, 8)];
        let layers = vec![vec![0, 1, 2], vec![3, 4, 5, 6], vec![7, 8]];
        let mut c = columns(layers, &edges);
        let before = crossings(&c, &places(&c, 9));

        order(&mut c);

        assert!(crossings(&c, &places(&c, 9)) <= before);
    }
}
