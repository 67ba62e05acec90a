//! How long to wait before the live stream is opened again.

/// First ceiling: a restart of the server is over within a few of these.
const FIRST_MS: f64 = 500.0;
/// Last ceiling: a person who waits wants to see it come back within half a minute.
const LAST_MS: f64 = 30_000.0;

/// Milliseconds before try number `attempt` (0 is the first), from `random` in `0.0..1.0`: exponential with full jitter, so
/// that a hundred open tabs do not come back in the same moment.
pub fn delay_ms(attempt: u32, random: f64) -> u32 {
    let ceiling = (FIRST_MS * 2f64.powi(attempt.min(16) as i32)).min(LAST_MS);
    // Never at once: a server that refuses each connection would be asked in a tight loop.
    (100.0 + ceiling * random.clamp(0.0, 1.0)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_doubles_up_to_half_a_minute_and_is_never_nothing() {
        assert_eq!(delay_ms(0, 0.0), 100);
        assert_eq!(delay_ms(0, 1.0), 600);
        assert_eq!(delay_ms(3, 1.0), 4_100);
        assert_eq!(delay_ms(u32::MAX, 1.0), 30_100);
    }
}
