//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

/// Short enough to be unnoticed, long enough to leave two cores to the program under test.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks again until the answer is `Some`.
///
/// # Panics
/// With `what` once the deadline has passed.
pub async fn eventually<T>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < within, "waited {within:?} in vain for: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
