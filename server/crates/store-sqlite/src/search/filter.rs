//! The conditions of a query, asked of a file's operations and of a block's summary; where a page begins. Pure.

use std::{collections::BTreeSet, sync::Arc};

use rustc_hash::FxHashSet;
use spillway_model::identity::TraceId;
use spillway_query::{self as query, Needs, Term, TextField, Verdict};
use spillway_store::TraceQuery;

use super::candidates::Clause;
use crate::block::{
    BlockSummary,
    filter::{ANY_SERVICE, longest_token, operation_token},
};

pub(super) struct Filter {
    /// What is asked; shared with the threads that decode.
    pub(super) wanted: Arc<query::Filter>,
    /// What a span must have at least.
    needs: Needs,
    /// Whether who sent a span, or its name, is asked about at all.
    names_anything: bool,
    cursor: Option<(u64, TraceId)>,
}

/// A row of a file's table of operations, or of services.
pub(super) struct Names {
    pub(super) id: u32,
    pub(super) environment: String,
    pub(super) namespace: String,
    pub(super) service: String,
    /// `None` in the table of services.
    pub(super) operation: Option<String>,
}

impl Names {
    fn text(&self, field: TextField) -> Option<&str> {
        match field {
            TextField::Environment => Some(&self.environment),
            TextField::Namespace => Some(&self.namespace),
            TextField::Service => Some(&self.service),
            TextField::Operation => self.operation.as_deref(),
            TextField::Instance | TextField::Version | TextField::Scope | TextField::EventName => None,
        }
    }
}

impl Filter {
    pub(super) fn new(query: &TraceQuery) -> Self {
        let mut names_anything = false;
        query.filter.each_term(&mut |term| {
            names_anything |= matches!(
                term,
                Term::Text(
                    TextField::Environment | TextField::Namespace | TextField::Service | TextField::Operation,
                    _
                )
            );
        });
        Self {
            needs: query.filter.needs(),
            wanted: Arc::new(query.filter.clone()),
            names_anything,
            cursor: query.cursor.map(|cursor| (cursor.start_ns, cursor.trace_id)),
        }
    }

    /// The range of starts that the walk has to look at, both ends inclusive; `None` when nothing can match.
    pub(super) fn range(&self) -> Option<(u64, u64)> {
        let last = self.needs.last_ns.min(self.cursor.map_or(u64::MAX, |(start, _)| start));
        (!self.needs.are_impossible() && self.needs.from_ns <= last).then_some((self.needs.from_ns, last))
    }

    /// Whether operations have to be told apart at all.
    pub(super) fn names_anything(&self) -> bool {
        self.names_anything
    }

    /// The environment, namespace, service and name that an operation must have, where it is one only: for the file to choose by.
    pub(super) fn only_names(&self) -> [Option<&str>; 4] {
        let Needs { environments, namespaces, services, operations, .. } = &self.needs;
        [environments, namespaces, services, operations].map(|names: &Option<BTreeSet<String>>| match names {
            Some(names) if names.len() == 1 => names.first().map(String::as_str),
            _ => None,
        })
    }

    /// The names whose spans may match.
    pub(super) fn may_match_names(&self, names: &[Names]) -> FxHashSet<u32> {
        let verdicts = self.wanted.judge(names.len(), &mut |term| match term {
            Term::Text(field, test) => names
                .iter()
                .map(|row| row.text(*field).map_or(Verdict::Maybe, |text| test.matches(text).into()))
                .collect(),
            _ => vec![Verdict::Maybe; names.len()],
        });
        let may = names.iter().zip(verdicts).filter(|(_, verdict)| *verdict != Verdict::No);
        may.map(|(row, _)| row.id).collect()
    }

    /// Whether a block can hold a match. `operations` are those of the segment that may match by name; `None` means all.
    pub(super) fn may_match(&self, summary: &BlockSummary, operations: Option<&FxHashSet<u32>>) -> bool {
        let Some((from, last)) = self.range() else { return false };
        summary.operations.iter().any(|row| {
            operations
                .is_none_or(|operations| row.operation == BlockSummary::OTHER || operations.contains(&row.operation))
                && self.needs.statuses.contains(&row.status)
                && row.longest_ns >= self.needs.min_duration_ns
                && row.start_max_ns >= from
                && row.start_min_ns <= last
        })
    }

    /// Of each clause, a block that matches holds at least one token: of attributes, of names of spans, of how long they took.
    pub(super) fn clauses(&self) -> Vec<Clause> {
        let Needs { attributes, operations, services, min_duration_ns, .. } = &self.needs;
        let of_names = operations.as_ref().map(|names| names.iter().map(|name| operation_token(name)).collect());
        let named = attributes.iter().cloned().chain(of_names);
        let mut clauses: Vec<Clause> = named.map(|tokens| Clause { tokens, needs_mark: false }).collect();
        let longest = |service: &str| longest_token(service, *min_duration_ns);
        let of_lengths: Option<BTreeSet<u64>> = match services {
            Some(services) => services.iter().map(|service| longest(service)).collect(),
            None => longest(ANY_SERVICE).map(|token| BTreeSet::from([token])),
        };
        clauses.extend(of_lengths.map(|tokens| Clause { tokens, needs_mark: true }));
        clauses
    }

    /// Where the page before ended.
    pub(super) fn cursor_start(&self) -> Option<u64> {
        self.cursor.map(|(start, _)| start)
    }

    /// Whether there is no cursor.
    pub(super) fn is_first_page(&self) -> bool {
        self.cursor.is_none()
    }

    /// Whether a place lies behind the cursor.
    pub(super) fn is_before_cursor(&self, place: (u64, TraceId)) -> bool {
        self.cursor.is_none_or(|cursor| place < cursor)
    }
}
