//! What makes a whole request unusable, and where in it.

use std::fmt::{self, Write as _};

/// The request cannot be read. Nothing of it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Path of the field, in OTLP/JSON's names, such as `resourceSpans[0].scopeSpans[1].spans[3].name`; empty for the request itself.
    pub at: String,
    /// Byte of the body where reading stopped.
    pub offset: usize,
    /// Line and column of that byte, counted from 1, where the body is text.
    pub line_column: Option<(usize, usize)>,
    /// What is wrong there.
    pub what: Malformed,
}

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is longer than allowed.
    #[error("the body has {bytes} bytes, {limit} are allowed")]
    TooLong {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It stops in the middle of something.
    #[error("the message ends in the middle of a field")]
    Truncated,
    /// A length reaches beyond the message that holds it.
    #[error("a length of {length} bytes reaches beyond the message, which has {left} left")]
    Length {
        /// What it says.
        length: u64,
        /// What there is.
        left: usize,
    },
    /// A variable-length integer does not fit 64 bits.
    #[error("a varint has more than 64 bits")]
    Varint,
    /// Field numbers begin at 1 and have 29 bits.
    #[error("there is no field number {0}")]
    FieldNumber(u64),
    /// Groups were never part of OTLP.
    #[error("a group, which OTLP does not have")]
    Group,
    /// Protobuf has no such wire type.
    #[error("there is no wire type {0}")]
    WireType(u8),
    /// The field has another type.
    #[error("wire type {found} where {expected} is expected")]
    OtherWireType {
        /// What it should be.
        expected: u8,
        /// What it is.
        found: u8,
    },
    /// Text is not UTF-8.
    #[error("the text is not valid UTF-8")]
    NotUtf8,
    /// Arrays and maps stand in each other too often.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// JSON has something else here, or is no JSON.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.at.is_empty() {
            write!(f, "{}: ", self.at)?;
        }
        self.what.fmt(f)?;
        match self.line_column {
            Some((line, column)) => write!(f, " (line {line}, column {column})"),
            None => write!(f, " (byte {})", self.offset),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Boxed while it travels up, so that what succeeds stays small.
pub(crate) type Read<T> = Result<T, Box<DecodeError>>;

impl DecodeError {
    #[cold]
    pub(crate) fn new(offset: usize, what: Malformed) -> Box<Self> {
        Box::new(Self { at: String::new(), offset, line_column: None, what })
    }

    /// Puts the name of what encloses it in front of the path.
    #[cold]
    pub(crate) fn inside(mut self: Box<Self>, name: impl fmt::Display) -> Box<Self> {
        let inner = std::mem::take(&mut self.at);
        let dot = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
        write!(self.at, "{name}{dot}{inner}").expect("writing to a string cannot fail");
        self
    }
}
