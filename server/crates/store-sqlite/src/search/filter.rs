//! The conditions of a query, asked of a summary, of a block's names and of a span. Pure.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;
use spillway_model::{
    batch::{SpanStatus, StrId},
    identity::TraceId,
};
use spillway_store::TraceQuery;

use crate::block::{BlockSummary, Head, filter::operation_token};

pub(super) struct Filter {
    pub(super) environment: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) service: Option<String>,
    pub(super) operation: Option<String>,
    status: Option<SpanStatus>,
    min_duration_ns: u64,
    max_duration_ns: u64,
    from_ns: u64,
    /// Inclusive; `None` when nothing can match.
    last_ns: Option<u64>,
    cursor: Option<(u64, TraceId)>,
}

/// Which resources and names of a block match, by their place in it.
pub(super) struct Names {
    resources: Vec<bool>,
    /// By string; `None` when any operation will do.
    operations: Option<Vec<bool>>,
}

impl Filter {
    pub(super) fn new(query: &TraceQuery) -> Self {
        let cursor = query.cursor.map(|cursor| (cursor.start_ns, cursor.trace_id));
        Self {
            environment: query.environment.clone(),
            namespace: query.namespace.clone(),
            service: query.service.clone(),
            operation: query.operation.clone(),
            status: query.status,
            min_duration_ns: query.min_duration_ns.unwrap_or(0),
            max_duration_ns: query.max_duration_ns.unwrap_or(u64::MAX),
            from_ns: query.from_ns.unwrap_or(0),
            last_ns: query.to_ns.map_or(Some(u64::MAX), |to| to.checked_sub(1)),
            cursor,
        }
    }

    /// The range of starts that the walk has to look at: from, and last inclusive.
    pub(super) fn range(&self) -> Option<(u64, u64)> {
        let last = self.last_ns?.min(self.cursor.map_or(u64::MAX, |(start, _)| start));
        (self.from_ns <= last).then_some((self.from_ns, last))
    }

    /// Whether operations have to be told apart at all.
    pub(super) fn names_anything(&self) -> bool {
        self.environment.is_some() || self.namespace.is_some() || self.service.is_some() || self.operation.is_some()
    }

    /// Tokens of which a block must have one of each set, see [`crate::block::filter`].
    pub(super) fn clauses(&self) -> Vec<BTreeSet<u64>> {
        self.operation.iter().map(|name| BTreeSet::from([operation_token(name)])).collect()
    }

    /// Whether a block can hold a match. `operations` are the names of its summary that match; `None` means all.
    pub(super) fn may_match(&self, summary: &BlockSummary, operations: Option<&FxHashSet<u32>>) -> bool {
        let Some((from, last)) = self.range() else { return false };
        summary.operations.iter().any(|row| {
            operations
                .is_none_or(|operations| row.operation == BlockSummary::OTHER || operations.contains(&row.operation))
                && self.status.is_none_or(|status| status == row.status)
                && row.longest_ns >= self.min_duration_ns
                && row.start_max_ns >= from
                && row.start_min_ns <= last
        })
    }

    /// Compares names once a block instead of once a span.
    pub(super) fn names(&self, head: &Head) -> Names {
        let is = |wanted: &Option<String>, id: StrId| wanted.as_deref().is_none_or(|wanted| wanted == head.str(id));
        let resources = head
            .resources
            .iter()
            .map(|row| {
                is(&self.environment, row.environment)
                    && is(&self.namespace, row.namespace)
                    && is(&self.service, row.service)
            })
            .collect();
        let operations = self.operation.as_deref().map(|wanted| head.strings().map(|name| name == wanted).collect());
        Names { resources, operations }
    }

    /// Whether a span fulfils every condition; the cursor is none of them.
    pub(super) fn matches(&self, head: &Head, names: &Names, span: usize) -> bool {
        let start = head.start_ns[span];
        let duration = head.end_ns[span].saturating_sub(start);
        names.operations.as_ref().is_none_or(|operations| operations[head.name[span].0 as usize])
            && names.resources[head.scopes[head.scope[span] as usize].resource as usize]
            && self.status.is_none_or(|status| status == head.status[span])
            && (self.min_duration_ns..=self.max_duration_ns).contains(&duration)
            && self.from_ns <= start
            && self.last_ns.is_some_and(|last| start <= last)
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
