//! A filter as a tree of conditions.

use spillway_model::{
    batch::{SpanKind, SpanStatus},
    identity::{SpanId, TraceId},
};

use crate::{
    field::{AttributeKey, TextField},
    literal::{Literal, Needle, Numeric, Pattern},
};

/// Which spans. The default is every span.
///
/// [`Filter::all`] and [`Filter::any`] keep it in the one form that the parser gives too: no `All` directly in an `All`, no `Any`
/// directly in an `Any`, neither with a single part, no `Any` without any.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Every part holds; without parts it is every span.
    All(Vec<Filter>),
    /// At least one part holds.
    Any(Vec<Filter>),
    /// The part does not hold.
    Not(Box<Filter>),
    /// One condition.
    Term(Term),
}

/// Equal or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Equality {
    /// `=`
    Is,
    /// `!=`
    IsNot,
}

/// An order against a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// Equality or order, for what is always there and always a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`, `!=`
    Equality(Equality),
    /// `<`, `<=`, `>`, `>=`
    Order(Order),
}

/// One condition on a span.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A name of the span or of who sent it.
    Text(TextField, TextTest),
    /// Which side of a call.
    Kind(Equality, SpanKind),
    /// Whether it failed.
    Status(Equality, SpanStatus),
    /// How long it took, in nanoseconds.
    Duration(Comparison, u64),
    /// When it began, in nanoseconds since the Unix epoch.
    Start(Comparison, u64),
    /// Its trace.
    Trace(Equality, TraceId),
    /// Its own id.
    Span(Equality, SpanId),
    /// Whether it has no parent.
    Root(bool),
    /// Whether it links to other spans.
    LinkExists,
    /// A trace that it links to; several links are like the elements of an array.
    Link(Equality, TraceId),
    /// An attribute.
    Attribute(AttributeKey, AttributeTest),
}

/// A test of a name. A name that is empty counts as not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextTest {
    /// It is not empty.
    Exists,
    /// It is this; `=""` finds what is not there.
    Is(Pattern),
    /// It is there and not this.
    IsNot(Pattern),
    /// It contains this, whatever the case of letters.
    Contains(Needle),
}

/// A test of an attribute's value. One element of an array is enough.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeTest {
    /// The key is there.
    Exists,
    /// The value is this.
    Is(Literal),
    /// The key is there and its value is not this; no element of an array is.
    IsNot(Literal),
    /// The value is a number, or text that reads as one, in this order to the bound.
    Compare(Order, Numeric),
    /// The value as text contains this, whatever the case of letters.
    Contains(Needle),
}

impl Default for Filter {
    fn default() -> Self {
        Self::everything()
    }
}

impl From<Term> for Filter {
    fn from(term: Term) -> Self {
        Self::Term(term)
    }
}

impl Filter {
    /// Every span.
    pub const fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// True when no condition is left: what is about to delete something should ask.
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }

    /// What fulfils all parts.
    pub fn all(parts: impl IntoIterator<Item = Filter>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::All(inner) => flat.extend(inner),
                part => flat.push(part),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::All(flat) }
    }

    /// What fulfils at least one part; without parts it is no span.
    pub fn any(parts: impl IntoIterator<Item = Filter>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Any(inner) => flat.extend(inner),
                part => flat.push(part),
            }
        }
        match flat.len() {
            0 => Self::everything().negated(),
            1 => flat.remove(0),
            _ => Self::Any(flat),
        }
    }

    /// What does not fulfil it.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Shows every condition, in the order of the text.
    pub fn each_term<'a>(&'a self, each: &mut impl FnMut(&'a Term)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.each_term(each)),
            Self::Not(part) => part.each_term(each),
            Self::Term(term) => each(term),
        }
    }
}

impl Order {
    /// Whether something that stands so to the bound passes.
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }
}

impl Equality {
    /// Whether equal things pass, or different ones.
    pub fn holds(self, equal: bool) -> bool {
        match self {
            Self::Is => equal,
            Self::IsNot => !equal,
        }
    }

    pub(crate) fn inverse(self) -> Self {
        match self {
            Self::Is => Self::IsNot,
            Self::IsNot => Self::Is,
        }
    }
}

impl Comparison {
    /// Whether a number passes.
    pub fn holds(self, number: u64, bound: u64) -> bool {
        match self {
            Self::Equality(equality) => equality.holds(number == bound),
            Self::Order(order) => order.holds(number.cmp(&bound)),
        }
    }

    /// Holds exactly where this does not.
    pub(crate) fn inverse(self) -> Self {
        match self {
            Self::Equality(equality) => Self::Equality(equality.inverse()),
            Self::Order(Order::Less) => Self::Order(Order::AtLeast),
            Self::Order(Order::AtMost) => Self::Order(Order::Greater),
            Self::Order(Order::Greater) => Self::Order(Order::AtMost),
            Self::Order(Order::AtLeast) => Self::Order(Order::Less),
        }
    }
}
