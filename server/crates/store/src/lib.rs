//! Storage traits, split by use. An engine implements them and passes the contract suite.
//!
//! Success means durable: every write that returns `Ok` survives a crash of the process and of the machine. A repeated write
//! changes nothing. Derived data (rollups) follows the committed log by a projector and may lag; reads of spans and events
//! never do (read-your-writes after an acknowledgement).

pub mod backups;
pub mod compaction;
#[cfg(feature = "contract")]
pub mod contract;
pub mod control;
pub mod erasure;
pub mod error;
pub mod events;
#[cfg(feature = "contract")]
pub mod memory;
pub mod pins;
pub mod rollups;
pub mod spans;
pub mod storage;
pub mod targets;

pub use backups::{BackupLog, BackupNote, MOST_BACKUPS};
pub use compaction::{CompactProgress, Compaction};
pub use control::{
    AuditEntry, ControlStore, DecisionLog, DecisionQuery, DecisionRow, InsertedPlugin, PluginRow, PluginSetting,
    RuleMode, TickRow,
};
pub use erasure::{EraseExtent, EraseReport, Eraser, Erasure, ErasureState};
pub use error::StoreError;
pub use events::{EventKind, EventLog, EventPage, EventQuery, LatestStates, StoredEvent};
pub use pins::{MOST_PINS, Pin, PinStore};
pub use rollups::{
    EdgeAggregate, NodeAggregate, ProjectProgress, Projection, Projector, RollupBounds, RollupPoint, RollupReader,
    RollupRetention, TopologyRollup,
};
pub use spans::{
    Cursor, OperationRow, ReplayedBatch, RequestDigest, Retention, RetentionReport, SpanReader, TraceFound, TracePage,
    TraceQuery, Usage, Watermark, Write, WriteOutcome, Writer,
};
pub use storage::{Arrivals, ServiceArrivals, StorageParts, StorageReader, StorageState};
pub use targets::{MOST_TARGETS, TargetRow, TargetStore};
