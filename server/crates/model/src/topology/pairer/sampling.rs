//! How many spans a sampled one stands for.

/// More than this nobody samples on purpose; a stranger's tracestate must not be able to claim a billion requests.
const TIMES_MAX: u32 = 65_536;

/// The adjusted count of a span by the rejection threshold in its tracestate (`ot=th:…`): 1 when nothing is said.
///
/// OpenTelemetry's consistent probability sampling: the threshold has up to 14 hex digits, zeros on the right left out, and a trace is
/// kept when its random value is not below it.
pub(super) fn adjusted_count(trace_state: &str) -> u32 {
    let threshold = trace_state
        .split(',')
        .filter_map(|entry| entry.trim().strip_prefix("ot="))
        .flat_map(|value| value.split(';'))
        .find_map(|field| field.strip_prefix("th:"));
    let Some(digits) = threshold
        .filter(|digits| (1..=14).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    else {
        return 1;
    };
    let Ok(value) = u64::from_str_radix(digits, 16) else { return 1 };
    let rejected = value << (4 * (14 - digits.len()));
    let all = 1u64 << 56;
    let count = (all as f64 / (all - rejected) as f64).round();
    (count as u32).clamp(1, TIMES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_says_how_many_spans_one_stands_for() {
        for (trace_state, times) in [
            ("", 1),
            ("ot=th:0", 1),
            ("ot=th:8", 2),
            ("ot=th:c", 4),
            ("vendor=x, ot=rv:abcdef;th:e", 8),
            ("ot=th:fd70a3d70a3d71", 100),
            ("ot=th:ffffffffffffff", TIMES_MAX),
            ("ot=th:", 1),
            ("ot=th:xyz", 1),
            ("ot=th:000000000000000", 1),
            ("other=th:8", 1),
        ] {
            assert_eq!(adjusted_count(trace_state), times, "{trace_state}");
        }
    }
}
