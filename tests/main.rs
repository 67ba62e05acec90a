//! Black-box tests: the real binary, seen from outside by a service, an operator and a browser.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod attacker;
mod author;
mod browser;
mod closed_loop;
mod crash;
mod emitters;
mod exchange;
mod faults;
mod first_minute;
mod harness;
mod hostile;
mod house;
mod metrics;
mod operator;
mod pull;
mod service;
mod storage;
mod webhooks;
mod zipkin;
