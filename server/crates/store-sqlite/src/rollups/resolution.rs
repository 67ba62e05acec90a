//! How long buckets are, how long they are kept, and which one answers a question.

use sqlx::SqliteConnection;

/// A length of buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    pub(crate) length_s: u32,
    pub(crate) kept_s: i64,
}

const DAY_S: i64 = 24 * 3600;

/// Finest first. Ten seconds show an incident, minutes a week, ten minutes a season.
pub(crate) const RESOLUTIONS: [Resolution; 3] = [
    Resolution { length_s: 10, kept_s: DAY_S },
    Resolution { length_s: 60, kept_s: 90 * DAY_S },
    Resolution { length_s: 600, kept_s: 400 * DAY_S },
];

/// A map is summed up from at most this many buckets, where a coarser resolution exists: rows are what it costs.
const BUCKETS_A_MAP: i64 = 12;

/// Statements that expire one table.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) newest: &'static str,
    pub(crate) delete: &'static str,
}

/// Primary key: the oldest bucket, all of it.
pub(crate) const NODE_STEP: Step = Step {
    newest: "SELECT MAX(bucket_s) FROM node_rollup WHERE resolution_s = ?",
    delete: "DELETE FROM node_rollup
     WHERE resolution_s = ?1
       AND bucket_s = (SELECT MIN(bucket_s) FROM node_rollup WHERE resolution_s = ?1)
       AND bucket_s < ?2",
};

/// Primary key: the oldest bucket, all of it.
pub(crate) const EDGE_STEP: Step = Step {
    newest: "SELECT MAX(bucket_s) FROM edge_rollup WHERE resolution_s = ?",
    delete: "DELETE FROM edge_rollup
     WHERE resolution_s = ?1
       AND bucket_s = (SELECT MIN(bucket_s) FROM edge_rollup WHERE resolution_s = ?1)
       AND bucket_s < ?2",
};

/// The oldest bucket of each resolution; `None` without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Floors([Option<i64>; RESOLUTIONS.len()]);

impl Floors {
    pub(crate) async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let mut floors = [None; RESOLUTIONS.len()];
        for (floor, resolution) in floors.iter_mut().zip(RESOLUTIONS) {
            // Two seeks, since SQLite looks a minimum up in an index only when it stands alone.
            let node: Option<i64> = sqlx::query_scalar("SELECT MIN(bucket_s) FROM node_rollup WHERE resolution_s = ?")
                .bind(resolution.length_s)
                .fetch_one(&mut *connection)
                .await?;
            let edge: Option<i64> = sqlx::query_scalar("SELECT MIN(bucket_s) FROM edge_rollup WHERE resolution_s = ?")
                .bind(resolution.length_s)
                .fetch_one(&mut *connection)
                .await?;
            *floor = node.into_iter().chain(edge).min();
        }
        Ok(Self(floors))
    }

    /// Whether nothing of a range that begins there has been forgotten in this resolution but not in a coarser one.
    fn covers(&self, index: usize, from_s: i64) -> bool {
        let Some(floor) = self.0[index] else { return self.0.iter().all(Option::is_none) };
        let coarser = (index + 1..RESOLUTIONS.len())
            .filter_map(|coarser| Some(self.0[coarser]? + i64::from(RESOLUTIONS[coarser].length_s)));
        from_s >= floor || coarser.min().is_none_or(|end| floor < end)
    }

    fn covering(&self, from_s: i64) -> impl DoubleEndedIterator<Item = u32> {
        let coarsest = RESOLUTIONS.len() - 1;
        (0..RESOLUTIONS.len())
            .filter(move |&index| index == coarsest || self.covers(index, from_s))
            .map(|index| RESOLUTIONS[index].length_s)
    }

    /// The coarsest one that divides the step; without one, the finest.
    pub(crate) fn for_step(&self, from_s: i64, step_s: u32) -> u32 {
        let fits = |length: &u32| step_s.is_multiple_of(*length) && from_s % i64::from(*length) == 0;
        self.covering(from_s)
            .rev()
            .find(fits)
            .or_else(|| self.covering(from_s).next())
            .expect("the coarsest one always covers")
    }

    /// The finest one with few buckets; without one, the coarsest.
    pub(crate) fn for_map(&self, from_s: i64, to_s: i64) -> u32 {
        let few = |length: &u32| to_s.saturating_sub(from_s) <= BUCKETS_A_MAP * i64::from(*length);
        self.covering(from_s)
            .find(few)
            .or_else(|| self.covering(from_s).next_back())
            .expect("the coarsest one always covers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data of 100 days, of which seconds are kept for one.
    const AGED: Floors = Floors([Some(99 * DAY_S), Some(10 * DAY_S), Some(0)]);

    #[test]
    fn a_map_of_seconds_is_fine_and_one_of_a_day_is_coarse() {
        let fresh = Floors([Some(1_000), Some(960), Some(600)]);
        let cases =
            [((1_000, 1_030), 10), ((1_000, 1_120), 10), ((1_000, 1_300), 60), ((0, DAY_S), 600), ((0, 90), 10)];
        for ((from, to), resolution) in cases {
            assert_eq!(fresh.for_map(from, to), resolution, "{from}..{to}");
        }
    }

    #[test]
    fn what_was_forgotten_is_answered_coarser() {
        let cases = [
            ((99 * DAY_S, 99 * DAY_S + 30), 10),
            ((50 * DAY_S, 50 * DAY_S + 30), 60),
            ((5 * DAY_S, 5 * DAY_S + 30), 600),
        ];
        for ((from, to), resolution) in cases {
            assert_eq!(AGED.for_map(from, to), resolution, "{from}..{to}");
        }
    }

    #[test]
    fn a_step_takes_the_coarsest_buckets_that_fit_into_it() {
        let cases = [
            ((99 * DAY_S, 10), 10),
            ((99 * DAY_S, 60), 60),
            ((99 * DAY_S, 90), 10),
            ((99 * DAY_S + 10, 60), 10),
            ((99 * DAY_S, 3_600), 600),
            ((50 * DAY_S, 10), 60),
            ((5 * DAY_S, 10), 600),
        ];
        for ((from, step), resolution) in cases {
            assert_eq!(AGED.for_step(from, step), resolution, "step {step} from {from}");
        }
    }
}
