//! What a span needs to have to fulfil a filter: conditions that an index can answer.

use std::collections::BTreeSet;

use spillway_model::{
    batch::{SpanKind, SpanStatus},
    identity::TraceId,
};

use crate::{
    field::{KINDS, STATUSES, TextField},
    filter::{AttributeTest, Comparison, Equality, Filter, Order, Term, TextTest},
    literal::{Literal, Pattern},
    token::KeyToken,
};

/// Alternatives in one list; a filter that names more is looked up without that list.
const MOST_ALTERNATIVES: usize = 64;
/// Lists of tokens, likewise.
const MOST_CLAUSES: usize = 64;

/// Necessary conditions: a span that fulfils the filter fulfils all of these. The other way round need not be so.
///
/// A list that is `None` allows anything; one that is empty allows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Names of services.
    pub services: Option<BTreeSet<String>>,
    /// Names of spans.
    pub operations: Option<BTreeSet<String>>,
    /// Environments.
    pub environments: Option<BTreeSet<String>>,
    /// Namespaces.
    pub namespaces: Option<BTreeSet<String>>,
    /// Traces.
    pub traces: Option<BTreeSet<TraceId>>,
    /// Statuses.
    pub statuses: BTreeSet<SpanStatus>,
    /// Kinds.
    pub kinds: BTreeSet<SpanKind>,
    /// Least duration.
    pub min_duration_ns: u64,
    /// Longest duration, inclusive.
    pub max_duration_ns: u64,
    /// First start.
    pub from_ns: u64,
    /// Last start, inclusive.
    pub last_ns: u64,
    /// Tokens ([`crate::token`]): of each list, the span, its resource or one of its events has at least one.
    pub attributes: Vec<BTreeSet<u64>>,
}

impl Needs {
    fn nothing() -> Self {
        Self {
            services: None,
            operations: None,
            environments: None,
            namespaces: None,
            traces: None,
            statuses: STATUSES.iter().map(|(_, status)| *status).collect(),
            kinds: KINDS.iter().map(|(_, kind)| *kind).collect(),
            min_duration_ns: 0,
            max_duration_ns: u64::MAX,
            from_ns: 0,
            last_ns: u64::MAX,
            attributes: Vec::new(),
        }
    }

    fn the_impossible() -> Self {
        Self { statuses: BTreeSet::new(), ..Self::nothing() }
    }

    /// True when no span can fulfil it.
    pub fn are_impossible(&self) -> bool {
        let none = |names: &Option<BTreeSet<String>>| names.as_ref().is_some_and(BTreeSet::is_empty);
        none(&self.services)
            || none(&self.operations)
            || none(&self.environments)
            || none(&self.namespaces)
            || self.traces.as_ref().is_some_and(BTreeSet::is_empty)
            || self.statuses.is_empty()
            || self.kinds.is_empty()
            || self.min_duration_ns > self.max_duration_ns
            || self.from_ns > self.last_ns
            || self.attributes.iter().any(BTreeSet::is_empty)
    }

    /// What fulfils both.
    fn and(mut self, other: Self) -> Self {
        self.services = both(self.services, other.services);
        self.operations = both(self.operations, other.operations);
        self.environments = both(self.environments, other.environments);
        self.namespaces = both(self.namespaces, other.namespaces);
        self.traces = both(self.traces, other.traces);
        self.statuses.retain(|status| other.statuses.contains(status));
        self.kinds.retain(|kind| other.kinds.contains(kind));
        self.min_duration_ns = self.min_duration_ns.max(other.min_duration_ns);
        self.max_duration_ns = self.max_duration_ns.min(other.max_duration_ns);
        self.from_ns = self.from_ns.max(other.from_ns);
        self.last_ns = self.last_ns.min(other.last_ns);
        for clause in other.attributes {
            if !self.attributes.contains(&clause) && self.attributes.len() < MOST_CLAUSES {
                self.attributes.push(clause);
            }
        }
        self
    }

    /// What fulfils at least one.
    fn or(mut self, other: Self) -> Self {
        if self.are_impossible() {
            return other;
        }
        if other.are_impossible() {
            return self;
        }
        self.services = either(self.services, other.services);
        self.operations = either(self.operations, other.operations);
        self.environments = either(self.environments, other.environments);
        self.namespaces = either(self.namespaces, other.namespaces);
        self.traces = either(self.traces, other.traces);
        self.statuses.extend(other.statuses);
        self.kinds.extend(other.kinds);
        self.min_duration_ns = self.min_duration_ns.min(other.min_duration_ns);
        self.max_duration_ns = self.max_duration_ns.max(other.max_duration_ns);
        self.from_ns = self.from_ns.min(other.from_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
        // (a and b) or (c and d) needs (a or c) and (a or d) and (b or c) and (b or d).
        let pairs = self.attributes.iter().flat_map(|a| other.attributes.iter().map(move |b| a | b));
        self.attributes = pairs.filter(|clause| clause.len() <= MOST_ALTERNATIVES).take(MOST_CLAUSES).collect();
        self
    }
}

fn both<T: Ord>(a: Option<BTreeSet<T>>, b: Option<BTreeSet<T>>) -> Option<BTreeSet<T>> {
    match (a, b) {
        (Some(mut a), Some(b)) => {
            a.retain(|name| b.contains(name));
            Some(a)
        }
        (a, b) => a.or(b),
    }
}

fn either<T: Ord>(a: Option<BTreeSet<T>>, b: Option<BTreeSet<T>>) -> Option<BTreeSet<T>> {
    let mut union = a?;
    union.extend(b?);
    (union.len() <= MOST_ALTERNATIVES).then_some(union)
}

impl Filter {
    /// What a span needs to have to fulfil it.
    pub fn needs(&self) -> Needs {
        needs(self, Equality::Is)
    }
}

/// `sign` says whether the filter has to hold or not to hold.
fn needs(filter: &Filter, sign: Equality) -> Needs {
    match (filter, sign) {
        (Filter::Not(part), sign) => needs(part, sign.inverse()),
        (Filter::Term(one), sign) => term(one, sign),
        (Filter::All(parts), Equality::Is) | (Filter::Any(parts), Equality::IsNot) => {
            parts.iter().fold(Needs::nothing(), |sum, part| sum.and(needs(part, sign)))
        }
        (Filter::Any(parts), Equality::Is) | (Filter::All(parts), Equality::IsNot) => {
            parts.iter().map(|part| needs(part, sign)).reduce(Needs::or).unwrap_or_else(Needs::the_impossible)
        }
    }
}

fn term(term: &Term, sign: Equality) -> Needs {
    let mut needs = Needs::nothing();
    let signed = |equality: Equality| if sign == Equality::Is { equality } else { equality.inverse() };
    match term {
        Term::Kind(equality, kind) => needs.kinds.retain(|have| signed(*equality).holds(have == kind)),
        Term::Status(equality, status) => needs.statuses.retain(|have| signed(*equality).holds(have == status)),
        Term::Duration(comparison, bound) => {
            let comparison = if sign == Equality::Is { *comparison } else { comparison.inverse() };
            match range(comparison, *bound) {
                Some((least, most)) => (needs.min_duration_ns, needs.max_duration_ns) = (least, most),
                None => return Needs::the_impossible(),
            }
        }
        Term::Start(comparison, bound) => {
            let comparison = if sign == Equality::Is { *comparison } else { comparison.inverse() };
            match range(comparison, *bound) {
                Some((from, last)) => (needs.from_ns, needs.last_ns) = (from, last),
                None => return Needs::the_impossible(),
            }
        }
        Term::Trace(equality, id) if signed(*equality) == Equality::Is => needs.traces = Some(BTreeSet::from([*id])),
        Term::Text(field, TextTest::Is(Pattern::Exact(name))) if sign == Equality::Is => {
            let names = Some(BTreeSet::from([name.clone()]));
            match field {
                TextField::Service => needs.services = names,
                TextField::Operation => needs.operations = names,
                TextField::Environment => needs.environments = names,
                TextField::Namespace => needs.namespaces = names,
                TextField::Instance | TextField::Version | TextField::Scope | TextField::EventName => {}
            }
        }
        Term::Attribute(key, test) if sign == Equality::Is => {
            let key = KeyToken::new(&key.key);
            needs.attributes.push(match test {
                AttributeTest::Is(Literal::Text(text)) => BTreeSet::from([key.with_text(text)]),
                AttributeTest::Is(Literal::Number(numeric)) => {
                    BTreeSet::from([key.with_text(numeric.text()), key.with_number(numeric.number())])
                }
                AttributeTest::Is(Literal::Bool(bool)) => BTreeSet::from([key.with_bool(*bool)]),
                AttributeTest::Is(Literal::Wild(_))
                | AttributeTest::Exists
                | AttributeTest::IsNot(_)
                | AttributeTest::Compare(..)
                | AttributeTest::Contains(_) => BTreeSet::from([key.token()]),
            });
        }
        Term::Trace(..)
        | Term::Text(..)
        | Term::Attribute(..)
        | Term::Span(..)
        | Term::Root(_)
        | Term::LinkExists
        | Term::Link(..) => {}
    }
    needs
}

/// Numbers that a comparison lets through, both ends inclusive; `None` when there are none.
fn range(comparison: Comparison, bound: u64) -> Option<(u64, u64)> {
    match comparison {
        Comparison::Equality(Equality::Is) => Some((bound, bound)),
        Comparison::Equality(Equality::IsNot) => Some((0, u64::MAX)),
        Comparison::Order(Order::Less) => bound.checked_sub(1).map(|most| (0, most)),
        Comparison::Order(Order::AtMost) => Some((0, bound)),
        Comparison::Order(Order::Greater) => bound.checked_add(1).map(|least| (least, u64::MAX)),
        Comparison::Order(Order::AtLeast) => Some((bound, u64::MAX)),
    }
}
