//! The embedded engine: SQLite files of compressed span blocks.
//!
//! Kinds of files, so that no invariant spans two of them but one mark (see `compact.rs`): `control.db` (plugins, settings, audit),
//! `history.db` (events, decisions, rollups), `fresh/NNNNNN.db` (the log of commits: spans as they came) and `segments/NNNNNN.db` (spans sorted
//! by trace, rolled by size or age, expired by deleting the file). Each file has one connection that writes and a few that only read.
//!
//! Statements are text in this crate, run through sqlx's functions, not through its macros: the macros need a database or a cache of
//! descriptions at build time, and what they would check (that every statement fits the schema) the contract suite
//! checks too, since it runs every statement on a fresh schema.

pub mod backup;
pub mod backups;
pub mod block;
pub mod check;
pub mod history;

mod catalogue;
mod compact;
mod connect;
mod control;
mod decisions;
mod erase;
mod error;
mod events;
mod filesystem;
mod gate;
mod migrate;
mod open;
mod pins;
mod replay;
mod retention;
mod rollups;
mod search;
mod segment;
mod spans;
mod storage;
mod store;
mod tail;
mod targets;
mod trace;
mod unpacked;
mod writer;

pub use filesystem::NetworkFilesystem;
pub use open::{OpenOptions, Synchronous};
pub use retention::KeepShare;
pub use store::SqliteStore;
pub use writer::SqliteWriter;

#[cfg(test)]
mod plans;
