//! What the loop needs of the live map.

use std::sync::Arc;

use spillway_model::{
    identity::ServiceKey,
    topology::{Map, UsageSignals},
};

/// The live map, as the control loop sees it.
pub trait World: Send + Sync + 'static {
    /// The newest map.
    fn map(&self) -> Arc<Map>;

    /// Shows on the map what a service's enforcers counted.
    fn show_usage(&self, usage: Vec<(ServiceKey, UsageSignals)>);

    /// Sends a frame to everybody who watches: the newest of each kind replaces the one before.
    fn publish(&self, event: &'static str, json: Arc<str>);
}
