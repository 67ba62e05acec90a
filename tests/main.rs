//! Black-box tests: the real binary, seen from outside by a service, an operator and a browser.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod browser;
mod harness;
mod operator;
