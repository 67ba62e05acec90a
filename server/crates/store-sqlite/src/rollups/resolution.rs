//! How long buckets are, how far back they are kept, and which ones answer a question.

use spillway_store::RollupBounds;
use sqlx::SqliteConnection;

/// Lengths of buckets in seconds, finest first: seconds show an incident, tens of seconds a day, minutes a quarter. Hours are there for
/// long charts: a quarter is 130,000 rows of minutes, 2,200 of hours.
pub(crate) const RESOLUTIONS: [u32; 4] = [1, 10, 60, 3_600];

/// A map is summed up from at most this many buckets, where a coarser resolution exists: rows are what it costs.
const BUCKETS_A_MAP: i64 = 30;
/// A series is read from at most this many.
pub(crate) const BUCKETS_A_SERIES: i64 = 10_000;

/// The bucket of a time.
pub(crate) fn bucket(at_s: i64, length_s: u32) -> i64 {
    at_s.div_euclid(i64::from(length_s)).saturating_mul(i64::from(length_s))
}

/// Begin of the oldest bucket that is kept, for each resolution. What lies before was forgotten, and stays forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Floors([i64; RESOLUTIONS.len()]);

impl Default for Floors {
    fn default() -> Self {
        Self([i64::MIN; RESOLUTIONS.len()])
    }
}

impl Floors {
    /// A bucket goes when all of it lies before the bound. Hours go with the minutes.
    pub(crate) fn new(before: RollupBounds) -> Self {
        let mut floors = [before.seconds, before.tens, before.minutes, before.minutes];
        for (floor, length_s) in floors.iter_mut().zip(RESOLUTIONS) {
            *floor = bucket(*floor, length_s);
        }
        Self(floors)
    }

    pub(crate) async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let rows: Vec<(i64, i64)> =
            sqlx::query_as("SELECT resolution_s, from_s FROM rollup_floor").fetch_all(connection).await?;
        let mut floors = Self::default();
        for (floor, length_s) in floors.0.iter_mut().zip(RESOLUTIONS) {
            *floor = rows.iter().find(|(of, _)| *of == i64::from(length_s)).map_or(i64::MIN, |(_, from_s)| *from_s);
        }
        Ok(floors)
    }

    /// Whichever is later of each.
    pub(crate) fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index].max(other.0[index])))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, i64)> {
        RESOLUTIONS.into_iter().zip(self.0)
    }

    /// Begin of the oldest bucket of this length.
    pub(crate) fn of(&self, length_s: u32) -> i64 {
        self.iter().find(|(of, _)| *of == length_s).map_or(i64::MIN, |(_, from_s)| from_s)
    }

    /// Those that have forgotten nothing of a range that begins there, finest first; without one, the one that has forgotten least.
    fn covering(&self, from_s: i64) -> Vec<u32> {
        let covering: Vec<u32> = self
            .iter()
            .filter(|&(length_s, floor)| floor <= bucket(from_s, length_s))
            .map(|(length_s, _)| length_s)
            .collect();
        if !covering.is_empty() {
            return covering;
        }
        let least = self.0.iter().min().expect("there are resolutions");
        self.iter().filter(|(_, floor)| floor == least).map(|(length_s, _)| length_s).collect()
    }

    /// The coarsest one that divides the step; without one, the finest that is not too many rows.
    pub(crate) fn for_step(&self, from_s: i64, to_s: i64, step_s: u32) -> u32 {
        let covering = self.covering(from_s);
        let few = |length: u32| to_s.saturating_sub(from_s).div_euclid(i64::from(length)) < BUCKETS_A_SERIES;
        let fits = |length: u32| step_s.is_multiple_of(length) && from_s % i64::from(length) == 0;
        let find = |wanted: &dyn Fn(u32) -> bool| covering.iter().copied().find(|&length| wanted(length));
        let fitting = covering.iter().copied().rev().find(|&length| fits(length) && few(length));
        fitting.or_else(|| find(&few)).unwrap_or_else(|| covering[covering.len() - 1])
    }

    /// The finest one with few buckets; without one, the coarsest.
    pub(crate) fn for_map(&self, from_s: i64, to_s: i64) -> u32 {
        let covering = self.covering(from_s);
        let few = |length: &u32| to_s.saturating_sub(from_s) <= BUCKETS_A_MAP * i64::from(*length);
        covering.iter().copied().find(few).unwrap_or_else(|| covering[covering.len() - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: i64 = 24 * 3600;
    /// After 100 days with the settings' defaults.
    const AGED: Floors = Floors([100 * DAY_S - 3_600, 99 * DAY_S, 10 * DAY_S, 10 * DAY_S]);

    #[test]
    fn a_map_of_seconds_is_fine_and_one_of_a_day_is_coarse() {
        let cases =
            [((1_000, 1_030), 1), ((1_000, 1_031), 10), ((1_000, 1_300), 10), ((0, 1_800), 60), ((0, DAY_S), 3_600)];
        for ((from, to), resolution) in cases {
            assert_eq!(Floors::default().for_map(from, to), resolution, "{from}..{to}");
        }
    }

    #[test]
    fn what_was_forgotten_is_answered_coarser() {
        let cases = [
            (100 * DAY_S - 60, 1),
            (99 * DAY_S, 10),
            (99 * DAY_S - 1, 60),
            (50 * DAY_S, 60),
            // Forgotten everywhere: what comes first is in the hours and in the minutes.
            (5 * DAY_S, 60),
        ];
        for (from, resolution) in cases {
            assert_eq!(AGED.for_map(from, from + 30), resolution, "from {from}");
        }
    }

    #[test]
    fn a_step_takes_the_coarsest_buckets_that_fit_into_it() {
        let cases = [
            ((99 * DAY_S, 10), 10),
            ((99 * DAY_S, 60), 60),
            ((99 * DAY_S, 90), 10),
            ((99 * DAY_S + 10, 60), 10),
            ((99 * DAY_S, 7_200), 3_600),
            ((99 * DAY_S, 5_400), 60),
            ((50 * DAY_S, 10), 60),
            ((50 * DAY_S, 1), 60),
        ];
        for ((from, step), resolution) in cases {
            assert_eq!(AGED.for_step(from, from + 1_800, step), resolution, "step {step} from {from}");
        }
    }

    #[test]
    fn a_long_range_is_never_read_from_too_many_buckets() {
        let fresh = Floors::default();
        assert_eq!(fresh.for_step(0, 9_999, 1), 1);
        // Seven seconds are no multiple of ten: a day of them is told by tens all the same.
        assert_eq!(fresh.for_step(0, DAY_S, 7), 10);
        assert_eq!(fresh.for_step(0, 90 * DAY_S, 90), 3_600);
        assert_eq!(fresh.for_step(0, 90 * DAY_S, 7_200), 3_600);
    }

    #[test]
    fn a_bucket_is_kept_until_all_of_it_is_old() {
        let floors = Floors::new(RollupBounds { seconds: 7_299, tens: 7_299, minutes: 7_299 });
        assert_eq!(floors, Floors([7_299, 7_290, 7_260, 7_200]));
    }
}
