//! The filter language of the whole product: one text for the traces page, the command line and the map.
//!
//! Pure: text in, conditions out. [`token`] is what goes to disk: the block writer and the planner of a search hash the same
//! bytes, so that a block without an attribute is never read for it. What users read of the language is `docs/QUERY.md`.

mod array;
mod number;
pub mod token;

pub use number::Number;
