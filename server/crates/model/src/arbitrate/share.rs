//! A limit on a whole service, divided among its instances.

use crate::rule::{Action, Rate};

/// One instance's share. Rounded up, and never below one: the sum over all instances is less than the limit and one more
/// for each instance. Shares and thresholds are the same everywhere.
#[must_use]
pub fn share(action: &Action, instances: u32) -> Action {
    let instances = instances.max(1);
    match action {
        Action::ConcurrencyLimit(limit) => Action::ConcurrencyLimit(limit.div_ceil(instances).max(1)),
        Action::RateLimit(rate) => Action::RateLimit(Rate {
            per_second: rate.per_second / f64::from(instances),
            burst: rate.burst.div_ceil(instances).max(1),
        }),
        Action::AdmitRatio(_) | Action::LevelThreshold(_) | Action::Degrade(_) => action.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_sum_of_the_shares_is_bounded(limit in 1u32..1_000_000, instances in 0u32..10_000, per_second in 1.0f64..1e6) {
            let count = instances.max(1);
            let Action::ConcurrencyLimit(one) = share(&Action::ConcurrencyLimit(limit), instances) else { unreachable!() };
            let rate = Action::RateLimit(Rate { per_second, burst: limit });
            let Action::RateLimit(one_rate) = share(&rate, instances) else { unreachable!() };

            let sum = u64::from(one) * u64::from(count);
            prop_assert!(one >= 1 && sum >= u64::from(limit) && sum < u64::from(limit) + u64::from(count));
            prop_assert!(one_rate.burst == one);
            prop_assert!((one_rate.per_second * f64::from(count) / per_second - 1.0).abs() < 1e-9);
        }
    }
}
