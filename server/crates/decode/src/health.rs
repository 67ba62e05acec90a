//! Answers to the question how somebody is, in the forms that frameworks give them; all become a [`Verdict`].
//!
//! | form | source | up | degraded | down | no verdict |
//! |---|---|---|---|---|---|
//! | [`plain`] | Kubernetes' `httpGet` probe; ASP.NET's default text | 200 to 399 | text `Degraded` | other, text `Unhealthy` | |
//! | [`spring`] | Spring Boot actuator `/actuator/health` | `UP` | own words (`CIRCUIT_OPEN`) | `DOWN`, `OUT_OF_SERVICE` | `UNKNOWN` |
//! | [`health_json`] | draft-inadarei-api-health-check-06 | `pass`, `ok`, `up` | `warn` | `fail`, `error`, `down` | other words |
//! | [`microprofile`] | MicroProfile Health 4, appendix B | `UP` | | `DOWN` | other words |
//! | [`dotnet`] | Xabaril/AspNetCore.Diagnostics.HealthChecks `UIResponseWriter` | `Healthy` | `Degraded` | `Unhealthy` | other words |
//! | [`consul()`] | Consul `/v1/health/{service,checks,node}/…` | `passing` | `warning`, `maintenance` | `critical` | no checks |
//! | [`grpc()`] | grpc/grpc-proto `grpc/health/v1/health.proto` | `SERVING` | | `NOT_SERVING` | `UNKNOWN`, `SERVICE_UNKNOWN` |
//!
//! The document decides, since several frameworks answer 200 while they are not well. Where it cannot be read, a 5xx is "down", as every
//! one of these forms has it; anything else says nothing of health but something of the address, so there is no verdict.

mod consul;
mod documents;
mod grpc;
mod parts;

use spillway_model::event::HealthStatus;

pub use consul::consul;
pub use documents::{dotnet, health_json, microprofile, spring};
pub use grpc::grpc;

use crate::reading::plain as plain_word;

/// Bytes of the text that says why.
pub const MAX_DETAIL_BYTES: usize = 512;

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// How it is.
    Says {
        /// In one word.
        status: HealthStatus,
        /// Why, for a person; empty when there is nothing to say.
        detail: String,
    },
    /// It does not say.
    None {
        /// Why not.
        why: String,
    },
}

impl Verdict {
    /// How it is, and why.
    pub fn says(status: HealthStatus, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL_BYTES));
        Self::Says { status, detail }
    }

    /// It does not say.
    pub fn none(why: impl Into<String>) -> Self {
        let mut why = why.into();
        why.truncate(why.floor_char_boundary(MAX_DETAIL_BYTES));
        Self::None { why }
    }
}

/// Reads an answer whose body, if it says anything, is one word.
pub fn plain(status: u16, body: &[u8]) -> Verdict {
    // What is longer is a page.
    const LONGEST_WORD: usize = 32;
    let word = std::str::from_utf8(body).map(str::trim).unwrap_or_default();
    let word = if word.len() <= LONGEST_WORD { word } else { "" };
    match (status, &*plain_word(word)) {
        (200..400, "degraded") => Verdict::says(HealthStatus::Degraded, "it answers Degraded"),
        (200..400, "unhealthy") => Verdict::says(HealthStatus::Down, "it answers Unhealthy"),
        (200..400, _) => Verdict::says(HealthStatus::Up, ""),
        (_, "") => Verdict::says(HealthStatus::Down, format!("it answers {status}")),
        _ => Verdict::says(HealthStatus::Down, format!("it answers {status}: {}", printable(word))),
    }
}

/// A document that could not be read, by its HTTP status.
fn unreadable(status: u16, why: &dyn std::fmt::Display) -> Verdict {
    match status {
        500..600 => Verdict::says(HealthStatus::Down, format!("it answers {status}, and no document that can be read")),
        200..300 => Verdict::none(format!("the answer is no such document: {why}")),
        _ => Verdict::none(format!("it answers {status}, which says nothing of its health")),
    }
}

/// A stranger's text as part of a sentence: one line of it.
fn printable(text: &str) -> String {
    let line: String = text.chars().take(200).map(|char| if char.is_control() { ' ' } else { char }).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_answer_counts_by_its_status_and_its_one_word() {
        use HealthStatus::{Degraded, Down, Up};
        for (status, body, expected, detail) in [
            (200, "Healthy", Up, ""),
            (204, "", Up, ""),
            // Kubernetes takes redirects for success, without following them.
            (302, "", Up, ""),
            (200, "Degraded\n", Degraded, "it answers Degraded"),
            (200, "Unhealthy", Down, "it answers Unhealthy"),
            (503, "Unhealthy", Down, "it answers 503: Unhealthy"),
            (404, "", Down, "it answers 404"),
            (500, "<html>a long page of an error, which is not shown</html>", Down, "it answers 500"),
            (500, "a\u{1b}[31mb", Down, "it answers 500: a [31mb"),
        ] {
            assert_eq!(plain(status, body.as_bytes()), Verdict::says(expected, detail), "{status} {body}");
        }
    }
}
