//! Work that nobody waits for.

pub mod projector;
pub mod retention;
