//! Wire types of the public API, version 1: one definition for the server, the browser and the enforcers.
//!
//! Only `serde` shapes and the few pure functions that both ends must agree on (applying a topology delta, the cohort
//! of a request). Conventions: enums are `snake_case` strings, identifiers of traces and spans are lower-case hex, times
//! are RFC 3339 ([`Timestamp`]) or carry their unit in the name, and a value that has no samples is `null`, never `0`.

mod decision;
mod demo;
mod directive;
mod erasure;
mod event;
mod imported;
mod level;
mod metric_series;
mod pin;
mod plugin;
mod problem;
mod sender;
mod series;
mod session;
mod status;
mod storage;
mod target;
mod timestamp;
mod topology;
mod trace;
mod usage;

pub use decision::{Contribution, DecisionList, DecisionRecord, DecisionState};
pub use demo::{DemoDependency, DemoFault, DemoState, DemoSwitch};
pub use directive::{Action, Author, Directive, DirectiveSet, IgnoredDirective, Match, OnExpiry, ReadDirectives};
pub use erasure::{BackupMade, EraseRequest, Erasure};
pub use event::{
    BreakerEvent, BreakerState, ChangeEvent, ChangeKind, ChangeList, Event, EventList, EventRecord, Guard, HealthEvent,
    HealthStatus, LimitEvent, LimitState, WebhookAnswer,
};
pub use imported::Imported;
pub use level::{COHORTS, Criticality, LEVELS, cohort, level};
pub use metric_series::{MetricSeries, MetricSeriesList};
pub use pin::{Pin, PinList, PinNote};
pub use plugin::{
    Plugin, PluginBreaker, PluginConfigChange, PluginList, PluginLog, PluginLogList, PluginMode, PluginModeChange,
    PluginOrigin, PluginOutcome,
};
pub use problem::{FieldError, Problem};
pub use sender::{RejectedRequest, Sender, SenderList};
pub use series::{EdgeSeries, SeriesPoint, ServiceSeries};
pub use session::{Session, SessionStart};
pub use status::{IngestSource, Listener, Status};
pub use storage::{Storage, StorageBound, StorageForecast, StorageOfService};
pub use target::{Target, TargetCheck, TargetFormat, TargetIgnored, TargetList, TargetOrigin, TargetSpec};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use topology::{
    Applied, Breaker, BreakerInstance, Edge, EdgeKey, EdgeSide, Gap, Node, NodeKind, Protocol, ServiceHealth, Shedding,
    Topology, TopologyDelta,
};
pub use trace::{
    AttributeValue, FilterCompletion, FilterPart, Operation, OperationList, Span, SpanEvent, SpanKind, SpanLink,
    SpanStatus, Trace, TraceList, TraceSummary,
};
pub use usage::{HistogramWire, RouteUsage, ShedSample, UsageAnswer, UsageReport};
