//! The filter language of the whole product: one text for the traces page, the command line and the map.
//!
//! Pure: text in, conditions out. [`parse()`] gives a [`Filter`], which prints itself in a canonical form, says of any span whether it
//! matches ([`Filter::matches`]) and what a span needs to match at all ([`Filter::needs`]), so that an engine can skip what cannot.
//! [`token`] is what goes to disk: the block writer and the planner of a search hash the same bytes, so that a block without an
//! attribute is never read for it. What users read of the language is `docs/QUERY.md`.

mod array;
mod complete;
mod error;
mod evaluate;
mod field;
mod filter;
#[cfg(any(test, feature = "generate"))]
pub mod generate;
mod lex;
mod listing;
mod literal;
mod needs;
mod number;
mod parse;
mod print;
mod term;
pub mod token;
mod unit;
mod verdict;

pub use complete::{Completion, Expected, complete};
pub use error::ParseError;
pub use field::{AttributeKey, Field, KINDS, Place, STATUSES, TextField};
pub use filter::{AttributeTest, Comparison, Equality, Filter, Order, Term, TextTest};
pub use listing::Listing;
pub use literal::{Literal, Needle, Numeric, Pattern, Wild, texts_of};
pub use needs::Needs;
pub use number::Number;
pub use parse::{MOST_BYTES, MOST_DEPTH, MOST_TERMS, parse};
pub use verdict::Verdict;

#[cfg(test)]
mod tests;
