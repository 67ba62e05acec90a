//! Work that nobody waits for.

pub mod compactor;
pub mod projector;
pub mod retention;
