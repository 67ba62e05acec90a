//! Columns that fit a page: ranks of a huge system make a map that is a thousand times wider or higher than a screen.
//!
//! Nobody reads such a map box by box; what matters is that all of it can be seen and that left still means caller. Small
//! systems, which people do read, are left as their calls say.

use crate::acyclic::Dag;

/// More columns than this cannot be read from left to right. Call graphs are some ten deep; only a tangle is deeper.
const MOST_COLUMNS: usize = 40;
/// Columns up to this high are scrolled rather than broken.
const LEAST_ROWS: f64 = 24.0;
/// Nodes in a column for each column of a page as wide as a screen: a box with its gaps is 240 × 82 and a screen 1.7 : 1.
const ROWS_PER_COLUMN: f64 = 1.72;

/// Turns ranks into columns: joins neighbouring ranks of a tangle, and breaks a column that is too high into several.
pub(crate) fn columns(ranks: &[usize], dag: &Dag) -> Vec<usize> {
    let count = ranks.len() as f64;
    let last = ranks.iter().copied().max().unwrap_or(0);
    let joined: Vec<usize> = if last < MOST_COLUMNS {
        ranks.to_vec()
    } else {
        let target = (count / ROWS_PER_COLUMN).sqrt().clamp(12.0, MOST_COLUMNS as f64) as usize;
        ranks.iter().map(|rank| rank * target / (last + 1)).collect()
    };
    let most = (2.2 * (count * ROWS_PER_COLUMN).sqrt()).max(LEAST_ROWS) as usize;

    let mut members: Vec<Vec<usize>> = vec![Vec::new(); joined.iter().copied().max().map_or(0, |last| last + 1)];
    for (v, &column) in joined.iter().enumerate() {
        members[column].push(v);
    }
    let mut columns = vec![0; ranks.len()];
    let mut next = 0;
    for column in &mut members {
        // Nodes that call nothing go first: nobody's calls have to pass them on the way to the right.
        column.sort_by_key(|&v| (dag.out[v].len(), v));
        let parts = if column.len() > most { column.len().div_ceil(most * 3 / 4) } else { 1 };
        let share = column.len().div_ceil(parts).max(1);
        for (i, &v) in column.iter().enumerate() {
            columns[v] = next + i / share;
        }
        next += parts;
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loose(count: usize) -> Dag {
        Dag { out: vec![Vec::new(); count], into: vec![Vec::new(); count] }
    }

    #[test]
    fn what_fits_is_left_alone() {
        let ranks = [0, 1, 1, 2, 2, 2];

        assert_eq!(columns(&ranks, &loose(6)), ranks);
    }

    #[test]
    fn a_tangle_becomes_a_page_in_the_same_order() {
        let ranks: Vec<usize> = (0..300).collect();

        let columns = columns(&ranks, &loose(300));

        assert!(columns.iter().copied().max() < Some(MOST_COLUMNS));
        assert!(columns.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn a_column_of_a_thousand_is_broken_and_what_follows_stays_right_of_it() {
        let mut ranks = vec![1; 1_000];
        (ranks[0], ranks[999]) = (0, 2);

        let columns = columns(&ranks, &loose(1_000));

        let fullest = (0..=columns[999]).map(|c| columns.iter().filter(|&&own| own == c).count()).max();
        assert!(fullest <= Some(91), "{fullest:?}");
        assert!(columns[0] < columns[1] && columns[1..999].iter().all(|&c| c < columns[999]));
    }
}
