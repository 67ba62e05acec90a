//! Rounding a snapshot before a rule sees it.
//!
//! Telemetry is not exact to more than about three digits, but 17 digits of noise make a recorded tick four times as
//! large. What is rounded is the *input* of the rule, so the record still holds exactly what the rule saw.

use super::{Latency, Signals, Snapshot};

impl Snapshot {
    /// Rounds every measured number to three significant digits (numbers of 100 and more to the next integer, numbers
    /// below one to six decimals at most). What is not a finite number becomes 0, so no rule ever meets a NaN.
    pub fn round(&mut self) {
        for signals in &mut self.signals {
            round_signals(signals);
        }
        for edge in &mut self.edges {
            edge.offered_rps = rounded(edge.offered_rps);
            edge.error_ratio = rounded(edge.error_ratio);
            edge.open_share = rounded(edge.open_share);
            round_latency(&mut edge.latency);
        }
    }
}

fn round_signals(signals: &mut Signals) {
    for value in [
        &mut signals.sampled_share,
        &mut signals.offered_rps,
        &mut signals.goodput_rps,
        &mut signals.error_ratio,
        &mut signals.timeout_ratio,
    ] {
        *value = rounded(*value);
    }
    for value in [&mut signals.queue_wait_ms, &mut signals.cpu, &mut signals.mem].into_iter().flatten() {
        *value = rounded(*value);
    }
    round_latency(&mut signals.latency);
    for (_, value) in &mut signals.custom {
        *value = rounded(*value);
    }
}

fn round_latency(latency: &mut Latency) {
    for value in [&mut latency.p50_ms, &mut latency.p95_ms, &mut latency.p99_ms, &mut latency.min_ms] {
        *value = rounded(*value);
    }
}

/// Monotone, so goodput never exceeds offered and p50 never exceeds p99 by rounding alone.
fn rounded(value: f64) -> f64 {
    if !value.is_finite() {
        return 0.0;
    }
    // A ladder instead of log10: the same bits on every platform, which replay relies on.
    let scale = match value.abs() {
        size if size >= 100.0 => 1.0,
        size if size >= 10.0 => 10.0,
        size if size >= 1.0 => 100.0,
        size if size >= 0.1 => 1e3,
        size if size >= 0.01 => 1e4,
        size if size >= 0.001 => 1e5,
        _ => 1e6,
    };
    // Adding 0.0 turns -0.0 into 0.0.
    (value * scale).round() / scale + 0.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_digits_stay() {
        let cases = [(12_345.678, 12_346.0), (45.678, 45.7), (1.2345, 1.23), (0.12345, 0.123), (0.000_000_4, 0.0)];
        let odd: [(f64, f64); 3] = [(-0.0, 0.0), (f64::NAN, 0.0), (f64::INFINITY, 0.0)];
        for (given, expected) in cases.into_iter().chain(odd) {
            assert_eq!(rounded(given).to_bits(), expected.to_bits(), "{given}");
        }
    }

    proptest! {
        #[test]
        fn rounding_keeps_order_and_is_stable(a in 0.0..1e6, b in 0.0..1e6) {
            let (low, high) = if a <= b { (a, b) } else { (b, a) };

            prop_assert!(rounded(low) <= rounded(high));
            prop_assert_eq!(rounded(rounded(a)), rounded(a));
        }
    }
}
