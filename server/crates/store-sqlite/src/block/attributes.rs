//! Attributes in columns: each owner has a shape (the list of its keys), each key a column of typed values.
//!
//! Spans of one operation carry the same keys in the same order, so the shape costs a byte a span and the values of one key, which
//! resemble each other, stand together.

mod read;
mod write;

pub(super) use read::{numbers, read};
pub(super) use write::AttributeWriter;

/// Type of a value, as stored. True and false are types of their own: they need no value.
mod tag {
    pub(super) const EMPTY: u8 = 0;
    pub(super) const STR: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const TRUE: u8 = 3;
    pub(super) const INT: u8 = 4;
    pub(super) const DOUBLE: u8 = 5;
    pub(super) const BYTES: u8 = 6;
    pub(super) const ARRAY: u8 = 7;
    pub(super) const MAP: u8 = 8;
}

/// How the strings or integers of a column are stored.
mod mode {
    pub(super) const CONSTANT: u8 = 0;
    /// Strings: each one is new in its column.
    pub(super) const DISTINCT: u8 = 1;
    /// A list of the values and an index a row.
    pub(super) const LISTED: u8 = 2;
    /// Integers: one by one.
    pub(super) const PLAIN: u8 = 3;
    /// Integers: the difference to the one before.
    pub(super) const DELTA: u8 = 4;
}
