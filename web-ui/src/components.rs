//! Components take props and know no URL and no fetch, but for the shell and the panels that are pages in small.

pub mod bars;
pub mod breaker_lanes;
pub mod connection_pill;
pub mod copy;
pub mod demo_panel;
pub mod drop_zone;
pub mod edge_panel;
pub mod environment_select;
pub mod help;
pub mod icon;
pub mod incident_bar;
pub mod node_panel;
pub mod onboarding;
pub mod panel;
pub mod plugin_card;
pub mod plugin_config;
pub mod plugin_logs;
pub mod segmented;
pub mod shell;
pub mod span_detail;
pub mod span_row;
pub mod sparkline;
pub mod states;
pub mod time_strip;
pub mod topology_table;
pub mod trace_row;
