//! Webhooks: what services and the tools around them post about health, breakers, limits and changes.

mod alertmanager;
pub mod cloudevents;
mod github;
mod native;
mod posted;
pub mod signature;

pub use alertmanager::{ID as ALERT_ID, alertmanager};
pub use github::github;
pub use native::{
    MAX_DETAIL_BYTES, MAX_EVENTS, MAX_FUTURE, MAX_LINK_BYTES, MAX_NAME_BYTES, MAX_TITLE_BYTES, WebhookError, native,
};
pub use posted::Posted;
