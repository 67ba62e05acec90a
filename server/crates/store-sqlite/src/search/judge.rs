//! A filter judged on the columns that a search decodes anyway: who sent a span, its name, kind, status, times and ids. Pure.

use spillway_model::{
    batch::{Resource, StrId},
    identity::{SpanId, TraceId},
};
use spillway_query::{Filter, Term, TextField, TextTest, Verdict};

use crate::block::Head;

/// The verdict on every span of a block; [`Verdict::Maybe`] where attributes, events or links decide.
pub(super) fn judge(filter: &Filter, head: &Head, span_id: &[SpanId], parent_id: &[SpanId]) -> Vec<Verdict> {
    let rows = head.len();
    filter.judge(rows, &mut |term| match term {
        Term::Text(field, test) => text(*field, test, head),
        Term::Kind(equality, kind) => column(&head.kind, |have| equality.holds(have == kind)),
        Term::Status(equality, status) => column(&head.status, |have| equality.holds(have == status)),
        Term::Duration(comparison, bound) => {
            let times = head.start_ns.iter().zip(&head.end_ns);
            times.map(|(start, end)| comparison.holds(end.saturating_sub(*start), *bound).into()).collect()
        }
        Term::Start(comparison, bound) => column(&head.start_ns, |start| comparison.holds(*start, *bound)),
        Term::Trace(equality, id) => {
            // Ids are compared once a trace.
            let traces: Vec<Verdict> = column(&head.traces, |have: &TraceId| equality.holds(have == id));
            head.trace.iter().map(|&index| traces[index as usize]).collect()
        }
        Term::Span(equality, id) => column(span_id, |have| equality.holds(have == id)),
        Term::Root(root) => column(parent_id, |parent| parent.is_none() == *root),
        Term::LinkExists | Term::Link(..) | Term::Attribute(..) => vec![Verdict::Maybe; rows],
    })
}

fn column<T>(values: &[T], holds: impl Fn(&T) -> bool) -> Vec<Verdict> {
    values.iter().map(|value| holds(value).into()).collect()
}

/// Names are compared once a resource, once a scope, once a distinct operation.
fn text(field: TextField, test: &TextTest, head: &Head) -> Vec<Verdict> {
    let of_resource = |name: fn(&Resource) -> StrId| {
        let resources: Vec<Verdict> = column(&head.resources, |row| test.matches(head.str(name(row))));
        head.scope.iter().map(|&scope| resources[head.scopes[scope as usize].resource as usize]).collect()
    };
    match field {
        TextField::Service => of_resource(|row| row.service),
        TextField::Environment => of_resource(|row| row.environment),
        TextField::Namespace => of_resource(|row| row.namespace),
        TextField::Instance => of_resource(|row| row.instance),
        TextField::Version => of_resource(|row| row.version),
        TextField::Scope => {
            let scopes: Vec<Verdict> = column(&head.scopes, |row| test.matches(head.str(row.name)));
            head.scope.iter().map(|&scope| scopes[scope as usize]).collect()
        }
        TextField::Operation => {
            let mut known: Vec<Option<Verdict>> = vec![None; head.strings().count()];
            let verdict = |id: &StrId| *known[id.0 as usize].get_or_insert_with(|| test.matches(head.str(*id)).into());
            head.name.iter().map(verdict).collect()
        }
        TextField::EventName => vec![Verdict::Maybe; head.len()],
    }
}
