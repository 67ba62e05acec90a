//! What every engine must do, as tests that know no engine.
//!
//! An engine's tests call its functions with a factory that opens it; results are compared with [`crate::memory`], which does the
//! same in the plainest possible way.

pub mod generate;
pub mod plain;
