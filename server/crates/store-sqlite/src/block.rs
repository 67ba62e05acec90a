//! Block format v1: the spans of one commit in compressed columns. Pure: bytes in, bytes out.
//!
//! Byte by byte in `docs/BLOCK_FORMAT.md`. Columns stand in sections that are compressed one by one, so that a search decodes
//! names and times without ever touching attributes. Only strings that a row refers to are written: text that the
//! redactor replaced never reaches the disk.

mod attributes;
mod bytes;
mod decode;
mod encode;
pub mod filter;
mod section;
mod strings;
mod summary;
mod traces;

pub use decode::{BlockReader, Head};
pub use encode::Encoder;
pub use summary::{BlockSummary, OperationSummary, Operations, summarise};
pub use traces::{HashSet32, trace_hash};

/// The bytes are not a block that this program can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The first bytes are others.
    #[error("not a block: the first four bytes are not SPWB")]
    NotABlock,
    /// A newer program wrote it.
    #[error("block format {0} is not known, only 1 is")]
    Version(u8),
    /// It was damaged after it was written.
    #[error("checksum {found:08x} instead of {expected:08x}")]
    Checksum {
        /// What stands in the block.
        expected: u32,
        /// What its bytes give.
        found: u32,
    },
    /// It cannot be right.
    #[error("{what} at byte {at} of the section `{section}`")]
    Invalid {
        /// In which section.
        section: &'static str,
        /// What stands there.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// It holds more than a block may.
    #[error("more {0} than a block may hold")]
    TooLarge(&'static str),
}

/// Rows of any one table, and bytes of any one section: far above what a request can hold, far below what harms.
const MAX_ROWS: usize = 16 << 20;
const MAX_SECTION_BYTES: usize = 256 << 20;

#[cfg(test)]
mod tests;
