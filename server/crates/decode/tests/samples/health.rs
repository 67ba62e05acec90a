use spillway_decode::health::{Verdict, microprofile};
use spillway_model::event::HealthStatus::{Down, Up};

use crate::sample;

#[test]
fn microprofiles_documents_are_up_and_down_with_the_checks_that_failed() {
    for (number, expected) in [
        (1, Verdict::says(Up, "")),
        (2, Verdict::says(Down, "firstCheck DOWN")),
        (3, Verdict::says(Down, "example.health.FirstCheck DOWN (timed out waiting for available connection)")),
        (4, Verdict::says(Up, "")),
        (5, Verdict::says(Down, "")),
    ] {
        let Some(body) = sample(&format!("health/microprofile-{number}.json")) else { return };
        assert_eq!(microprofile(200, &body), expected, "{number}");
    }
}
