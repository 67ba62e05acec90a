//! Work that nobody waits for.

pub mod believed;
pub mod changes;
pub mod compactor;
pub mod eraser;
pub mod projector;
pub mod retention;
