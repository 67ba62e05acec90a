//! What the browser shows, as pure functions: words, numbers, the geometry of charts and the view state in the URL.
//!
//! Nothing in here knows the DOM, so all of it is tested on the host. Time is an argument everywhere.

pub mod backoff;
pub mod breakers;
pub mod changes;
pub mod chart;
pub mod decision;
pub mod filter;
pub mod format;
pub mod incident;
pub mod map;
pub mod onboarding;
pub mod order;
pub mod page;
pub mod query;
pub mod range;
pub mod scope;
pub mod selection;
pub mod services;
pub mod storage;
pub mod trace_search;
pub mod waterfall;
pub mod words;

#[cfg(test)]
mod contrast;
#[cfg(test)]
mod sample;
