//! How many requests a sampled span stands for.

use std::{collections::BTreeMap, sync::Arc};

/// More than this nobody samples on purpose; a stranger's tracestate must not be able to claim a billion requests.
const TIMES_MAX: f64 = 65_536.0;

/// How the traces that a service takes part in were chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampled {
    /// At their begin, this share of them, within `0.0..=1.0` and above 0: each span stands for one divided by it.
    Head(f64),
    /// At their end, by what became of them: slow and failed ones more than others, so nothing can be said of all requests.
    Tail,
}

/// Services whose spans do not say by themselves how they were sampled; all others are taken to be whole. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling(Arc<BTreeMap<String, Sampled>>);

impl FromIterator<(String, Sampled)> for Sampling {
    fn from_iter<T: IntoIterator<Item = (String, Sampled)>>(services: T) -> Self {
        Self(Arc::new(services.into_iter().collect()))
    }
}

impl Sampling {
    /// The adjusted count of a service's spans; 0 for those that must not be counted.
    pub(super) fn count(&self, service: &str) -> f64 {
        match self.0.get(service) {
            None => 1.0,
            Some(Sampled::Head(share)) => count_of_share(*share).unwrap_or(1.0),
            Some(Sampled::Tail) => 0.0,
        }
    }
}

/// How many requests a span stands for, if that share of them was traced.
pub(super) fn count_of_share(share: f64) -> Option<f64> {
    (share > 0.0 && share <= 1.0).then(|| (1.0 / share).min(TIMES_MAX))
}

/// The adjusted count of a span by its tracestate; `None` when nothing is said.
///
/// `ot=th:…` is the rejection threshold of OpenTelemetry's consistent probability sampling
/// (<https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>): up to 14 hex digits, zeros on the right left out; a
/// trace is kept when its random value is not below it. `ot=p:…` is its forerunner: one in 2^p, 63 for none.
pub(super) fn adjusted_count(trace_state: &str) -> Option<f64> {
    let fields = || {
        trace_state.split(',').filter_map(|entry| entry.trim().strip_prefix("ot=")).flat_map(|value| value.split(';'))
    };
    let threshold = fields()
        .find_map(|field| field.strip_prefix("th:"))
        .filter(|digits| (1..=14).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    if let Some(digits) = threshold {
        let rejected = u64::from_str_radix(digits, 16).ok()? << (4 * (14 - digits.len()));
        let all = 1u64 << 56;
        return Some((all as f64 / (all - rejected) as f64).min(TIMES_MAX));
    }
    let exponent: u32 = fields().find_map(|field| field.strip_prefix("p:"))?.parse().ok()?;
    (exponent < 63).then(|| f64::from(exponent).exp2().min(TIMES_MAX))
}

/// A whole number that is the count on average: 3 ⅓ is three, and for every third die four. All other sums here are whole, and can be taken back.
pub(super) fn whole(count: f64, die: u64) -> u32 {
    let least = count.floor();
    let chance = (die >> 11) as f64 / (1u64 << 53) as f64;
    least as u32 + u32::from(chance < count - least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracestate_says_how_many_spans_one_stands_for() {
        for (trace_state, count) in [
            ("", None),
            ("ot=th:0", Some(1.0)),
            ("ot=th:8", Some(2.0)),
            ("ot=th:c", Some(4.0)),
            ("vendor=x, ot=rv:abcdef;th:e", Some(8.0)),
            ("ot=th:ffffffffffffff", Some(TIMES_MAX)),
            ("ot=th:", None),
            ("ot=th:xyz", None),
            ("ot=th:000000000000000", None),
            ("other=th:8", None),
            ("ot=p:3;r:9", Some(8.0)),
            ("ot=p:0", Some(1.0)),
            ("ot=p:63", None),
            ("ot=p:-1", None),
            ("ot=p:40", Some(TIMES_MAX)),
        ] {
            assert_eq!(adjusted_count(trace_state), count, "{trace_state}");
        }
        let one_in_a_hundred = adjusted_count("ot=th:fd70a3d70a3d71").unwrap_or_default();
        assert!((one_in_a_hundred - 100.0).abs() < 0.001, "{one_in_a_hundred}");
    }

    #[test]
    fn a_broken_count_is_right_on_average() {
        let dice = (0..10_000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));

        let sum: u32 = dice.map(|die| whole(10.0 / 3.0, die)).sum();

        assert!((33_300..33_366).contains(&sum), "{sum}");
        assert_eq!((whole(1.0, u64::MAX), whole(0.0, 0)), (1, 0));
    }

    #[test]
    fn a_service_that_is_not_named_is_whole() {
        let sampling: Sampling =
            [("a".to_owned(), Sampled::Head(0.01)), ("b".to_owned(), Sampled::Tail)].into_iter().collect();

        assert_eq!(["a", "b", "c"].map(|service| sampling.count(service)), [100.0, 0.0, 1.0]);
    }
}
