//! Work that nobody waits for.

pub mod believed;
pub mod compactor;
pub mod eraser;
pub mod projector;
pub mod retention;
