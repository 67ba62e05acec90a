//! A trace as a waterfall: spans in tree order with depth, place on the time axis and colour of their service.

use spillway_api::{Span, SpanKind, SpanStatus, Trace};

use crate::order;

/// How many colours the style sheet has for services.
pub const COLOURS: usize = 10;

/// One span in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Index into `trace.spans`.
    pub span: usize,
    /// Levels below its root.
    pub depth: u32,
    /// Spans below it, in all: they follow it directly.
    pub descendants: usize,
    /// Spans below it that failed.
    pub failed_below: usize,
    /// Begin, 0 to 1 of the trace.
    pub left: f64,
    /// Length, 0 to 1 of the trace.
    pub width: f64,
    /// Its service's place in [`Waterfall::services`].
    pub service: usize,
    /// Time in which none of its children ran.
    pub self_ns: u64,
    /// True when it names a parent that is not stored.
    pub orphan: bool,
    /// True when it begins before or ends after its parent by more than a clock's noise.
    pub skewed: bool,
}

/// A service's part in the trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Participant {
    /// `service.name`.
    pub name: String,
    /// Its spans.
    pub spans: usize,
    /// Its failed spans.
    pub errors: usize,
    /// Time that its spans did not wait for others.
    pub self_ns: u64,
}

/// A laid out trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waterfall {
    /// First start, in nanoseconds since the epoch.
    pub start_ns: i64,
    /// From the first start to the last end.
    pub duration_ns: u64,
    /// In tree order: a parent, then what is below it, by start.
    pub rows: Vec<Row>,
    /// In order of first appearance; its index decides the colour.
    pub services: Vec<Participant>,
    /// Greatest depth.
    pub depth: u32,
}

/// Children that stick out of their parent by less are within what clocks differ by.
const SKEW_NS: i64 = 1_000_000;

fn end_ns(span: &Span) -> i64 {
    span.start.unix_ns().saturating_add_unsigned(span.duration_ns)
}

/// Lays `trace` out. Every span gets a row, whatever the parents say: an unknown parent makes a root, and so does a cycle.
pub fn lay_out(trace: &Trace) -> Waterfall {
    let spans = &trace.spans;
    if spans.is_empty() {
        return Waterfall::default();
    }
    let start_ns = spans.iter().map(|span| span.start.unix_ns()).min().unwrap_or_default();
    let duration_ns = spans.iter().map(end_ns).max().unwrap_or(start_ns).abs_diff(start_ns);
    let parents = parents(spans);
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    for (index, parent) in parents.iter().enumerate() {
        if let Some(parent) = parent {
            children[*parent].push(index);
        }
    }
    for list in &mut children {
        order::sort_by_key(list, |&index| (spans[index].start, std::cmp::Reverse(spans[index].duration_ns), index));
    }
    let mut services: Vec<Participant> = Vec::new();
    let mut rows = Vec::with_capacity(spans.len());
    let scale = duration_ns.max(1) as f64;
    for (index, depth) in tree_order(spans, &parents, &children) {
        let span = &spans[index];
        let service = services.iter().position(|service| service.name == span.service).unwrap_or_else(|| {
            services.push(Participant { name: span.service.clone(), spans: 0, errors: 0, self_ns: 0 });
            services.len() - 1
        });
        let self_ns = self_time(span, children[index].iter().map(|&child| &spans[child]));
        services[service].spans += 1;
        services[service].errors += usize::from(span.status == SpanStatus::Error);
        services[service].self_ns += self_ns;
        let skewed = parents[index].is_some_and(|parent| {
            let parent = &spans[parent];
            // What is consumed later legally outlives its producer.
            span.kind != SpanKind::Consumer
                && (span.start.unix_ns() < parent.start.unix_ns() - SKEW_NS
                    || span.start.unix_ns() > end_ns(parent) + SKEW_NS)
        });
        rows.push(Row {
            span: index,
            depth,
            descendants: 0,
            failed_below: 0,
            left: span.start.unix_ns().abs_diff(start_ns) as f64 / scale,
            width: span.duration_ns as f64 / scale,
            service,
            self_ns,
            orphan: parents[index].is_none() && span.parent_span_id.is_some(),
            skewed,
        });
    }
    count_below(&mut rows, spans);
    let depth = rows.iter().map(|row| row.depth).max().unwrap_or(0);
    Waterfall { start_ns, duration_ns, rows, services, depth }
}

/// The parent's index of each span. Zipkin's client and server share an id: the server is the parent of what is below,
/// and the client that of the server.
fn parents(spans: &[Span]) -> Vec<Option<usize>> {
    // Sorted by id; of several with the same id the server comes first, else the earliest.
    let mut by_id: Vec<usize> = (0..spans.len()).collect();
    order::sort_by(&mut by_id, |&a, &b| {
        let rank = |index: usize| (spans[index].span_id.as_str(), spans[index].kind != SpanKind::Server, index);
        rank(a).cmp(&rank(b))
    });
    by_id.dedup_by(|later, earlier| spans[*later].span_id == spans[*earlier].span_id);
    let find =
        |id: &str| by_id.binary_search_by(|&index| spans[index].span_id.as_str().cmp(id)).ok().map(|at| by_id[at]);
    let shared_client = |span: &Span, index: usize| {
        (span.kind == SpanKind::Server)
            .then(|| spans.iter().position(|other| other.span_id == span.span_id && other.kind == SpanKind::Client))
            .flatten()
            .filter(|client| *client != index)
    };
    let shares = by_id.len() < spans.len();
    let parent = |(index, span): (usize, &Span)| {
        if let Some(client) = shares.then(|| shared_client(span, index)).flatten() {
            return Some(client);
        }
        let parent = span.parent_span_id.as_deref()?;
        find(parent).filter(|parent| *parent != index)
    };
    spans.iter().enumerate().map(parent).collect()
}

/// Pre-order with depths, without recursion: a trace may be a chain of ten thousand spans.
fn tree_order(spans: &[Span], parents: &[Option<usize>], children: &[Vec<usize>]) -> Vec<(usize, u32)> {
    let mut order = Vec::with_capacity(spans.len());
    let mut seen = vec![false; spans.len()];
    let mut starts: Vec<usize> = (0..spans.len()).filter(|&index| parents[index].is_none()).collect();
    // Spans in a cycle are reached from no root: the earliest of each becomes one.
    order::sort_by_key(&mut starts, |&index| (spans[index].start, index));
    let mut rest: Vec<usize> = (0..spans.len()).filter(|&index| parents[index].is_some()).collect();
    order::sort_by_key(&mut rest, |&index| (spans[index].start, index));
    for root in starts.into_iter().chain(rest) {
        let mut stack = vec![(root, 0)];
        while let Some((index, depth)) = stack.pop() {
            if std::mem::replace(&mut seen[index], true) {
                continue;
            }
            order.push((index, depth));
            stack.extend(children[index].iter().rev().map(|&child| (child, depth + 1)));
        }
    }
    order
}

/// The time of `span` that is not covered by its children.
fn self_time<'a>(span: &Span, children: impl Iterator<Item = &'a Span>) -> u64 {
    let (begin, end) = (span.start.unix_ns(), end_ns(span));
    let mut covered = 0u64;
    let mut reached = begin;
    // Children come sorted by start, so one sweep merges what overlaps.
    for child in children {
        let from = child.start.unix_ns().clamp(reached, end);
        let to = end_ns(child).clamp(from, end);
        covered += from.abs_diff(to);
        reached = reached.max(to);
    }
    span.duration_ns.saturating_sub(covered)
}

fn count_below(rows: &mut [Row], spans: &[Span]) {
    let mut open: Vec<usize> = Vec::new();
    for index in 0..=rows.len() {
        let depth = rows.get(index).map_or(0, |row| row.depth);
        while let Some(&last) = open.last() {
            if index < rows.len() && rows[last].depth < depth {
                break;
            }
            open.pop();
            rows[last].descendants = index - last - 1;
        }
        if index < rows.len() {
            open.push(index);
            if spans[rows[index].span].status == SpanStatus::Error {
                for &above in &open[..open.len() - 1] {
                    rows[above].failed_below += 1;
                }
            }
        }
    }
}

impl Waterfall {
    /// The rows to show when the spans that are `folded`, a flag each, hide what is below them.
    pub fn visible(&self, folded: &[bool]) -> Vec<usize> {
        let mut visible = Vec::new();
        let mut index = 0;
        while let Some(row) = self.rows.get(index) {
            visible.push(index);
            index += 1 + if folded[row.span] { row.descendants } else { 0 };
        }
        visible
    }

    /// A flag a span, all open.
    pub fn open(&self) -> Vec<bool> {
        vec![false; self.rows.len()]
    }

    /// A flag a span, those with something below them folded from `depth` on.
    pub fn folded_from(&self, depth: u32) -> Vec<bool> {
        let mut folded = self.open();
        for row in self.rows.iter().filter(|row| row.depth >= depth && row.descendants > 0) {
            folded[row.span] = true;
        }
        folded
    }

    /// How a trace opens: a large one folded, at a depth at which at most `most` rows show.
    pub fn at_first(&self, most: usize) -> Vec<bool> {
        if self.rows.len() <= most {
            return self.open();
        }
        let shown_down_to = |depth: u32| self.rows.iter().filter(|row| row.depth <= depth).count();
        self.folded_from((0..self.depth).take_while(|depth| shown_down_to(*depth) <= most).last().unwrap_or(0))
    }
}

/// What matters most of a trace, in one sentence.
pub fn summary(trace: &Trace, waterfall: &Waterfall) -> Option<String> {
    // The failed span that begins last and has no failed span below it is where the error came from.
    let deepest = waterfall
        .rows
        .iter()
        .filter(|row| row.failed_below == 0 && trace.spans[row.span].status == SpanStatus::Error)
        .max_by_key(|row| row.depth)?;
    let span = &trace.spans[deepest.span];
    let message = if span.status_message.is_empty() { String::new() } else { format!(": {}", span.status_message) };
    Some(format!("The error begins in {} at “{}”{message}", span.service, span.name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use spillway_api::Timestamp;

    use super::*;

    fn span(id: &str, parent: Option<&str>, service: &str, start: i64, duration: u64) -> Span {
        Span {
            span_id: id.into(),
            parent_span_id: parent.map(Into::into),
            environment: String::new(),
            namespace: String::new(),
            service: service.into(),
            instance: None,
            name: format!("op {id}"),
            kind: SpanKind::Internal,
            start: Timestamp::from_unix_ns(start),
            duration_ns: duration,
            status: SpanStatus::Unset,
            status_message: String::new(),
            trace_state: String::new(),
            scope: String::new(),
            attributes: vec![],
            resource: vec![],
            events: vec![],
            links: vec![],
            dropped: 0,
        }
    }

    fn trace(spans: Vec<Span>) -> Trace {
        Trace { trace_id: "t".into(), spans }
    }

    fn order(waterfall: &Waterfall, trace: &Trace) -> Vec<(String, u32)> {
        waterfall.rows.iter().map(|row| (trace.spans[row.span].span_id.clone(), row.depth)).collect()
    }

    #[test]
    fn children_follow_their_parent_by_start() {
        let trace = trace(vec![
            span("c", Some("a"), "s2", 60, 10),
            span("b", Some("a"), "s1", 10, 30),
            span("d", Some("b"), "s3", 15, 5),
            span("a", None, "s1", 0, 100),
        ]);

        let waterfall = lay_out(&trace);

        assert_eq!(order(&waterfall, &trace), [("a".into(), 0), ("b".into(), 1), ("d".into(), 2), ("c".into(), 1)]);
        assert_eq!(waterfall.rows.iter().map(|row| row.descendants).collect::<Vec<_>>(), [3, 1, 0, 0]);
        assert_eq!(waterfall.rows[0].self_ns, 60);
        assert_eq!((waterfall.rows[3].left, waterfall.rows[3].width), (0.6, 0.1));
        assert_eq!(
            waterfall.services.iter().map(|service| service.name.as_str()).collect::<Vec<_>>(),
            ["s1", "s3", "s2"]
        );
    }

    #[test]
    fn a_missing_parent_and_a_cycle_make_roots() {
        let trace = trace(vec![
            span("a", Some("gone"), "s", 0, 10),
            span("b", Some("c"), "s", 1, 10),
            span("c", Some("b"), "s", 2, 10),
            span("d", Some("d"), "s", 3, 1),
        ]);

        let waterfall = lay_out(&trace);

        assert_eq!(waterfall.rows.len(), 4);
        assert!(waterfall.rows[0].orphan);
        assert_eq!(order(&waterfall, &trace)[2..], [("b".into(), 0), ("c".into(), 1)]);
    }

    #[test]
    fn a_client_and_a_server_that_share_an_id_are_nested() {
        let mut client = span("x", Some("r"), "web", 10, 80);
        client.kind = SpanKind::Client;
        let mut server = span("x", Some("r"), "api", 20, 60);
        server.kind = SpanKind::Server;
        let trace = trace(vec![span("r", None, "web", 0, 100), client, server, span("y", Some("x"), "api", 30, 10)]);

        let depths: Vec<u32> = lay_out(&trace).rows.iter().map(|row| row.depth).collect();

        assert_eq!(depths, [0, 1, 2, 3]);
    }

    #[test]
    fn collapsing_hides_all_that_is_below() {
        let trace = trace(vec![
            span("a", None, "s", 0, 100),
            span("b", Some("a"), "s", 1, 10),
            span("c", Some("b"), "s", 2, 1),
            span("d", Some("a"), "s", 50, 1),
        ]);
        let waterfall = lay_out(&trace);

        let visible = |folded: &[usize]| {
            let flags: Vec<bool> = (0..4).map(|span| folded.contains(&span)).collect();
            waterfall.visible(&flags)
        };
        assert_eq!(visible(&[1]), [0, 1, 3]);
        assert_eq!(visible(&[0]), [0]);
        assert_eq!(waterfall.at_first(3), [false, true, false, false]);
        assert_eq!(waterfall.at_first(10), [false; 4]);
        assert_eq!(waterfall.folded_from(0), [true, true, false, false]);
    }

    #[test]
    fn the_deepest_error_is_told() {
        let mut spans = vec![span("a", None, "gateway", 0, 100), span("b", Some("a"), "payments", 1, 10)];
        spans[0].status = SpanStatus::Error;
        spans[1].status = SpanStatus::Error;
        spans[1].status_message = "timeout".into();
        let trace = trace(spans);
        let waterfall = lay_out(&trace);

        assert_eq!(waterfall.rows[0].failed_below, 1);
        assert_eq!(summary(&trace, &waterfall).as_deref(), Some("The error begins in payments at “op b”: timeout"));
    }

    proptest! {
        /// Whatever parents and times say, each span is shown exactly once and inside the axis.
        #[test]
        fn every_span_has_exactly_one_row(shape in prop::collection::vec((0usize..12, 0i64..1_000, 0u64..1_000), 0..40)) {
            let spans = shape.iter().enumerate().map(|(index, (parent, start, duration))| span(&index.to_string(), Some(&parent.to_string()), &format!("s{}", parent % 3), *start, *duration)).collect();
            let trace = trace(spans);

            let waterfall = lay_out(&trace);

            let shown: std::collections::BTreeSet<usize> = waterfall.rows.iter().map(|row| row.span).collect();
            prop_assert_eq!(waterfall.rows.len(), trace.spans.len());
            prop_assert_eq!(shown.len(), trace.spans.len());
            prop_assert!(waterfall.rows.iter().all(|row| row.left >= 0.0 && row.left + row.width <= 1.0 + 1e-9));
            prop_assert_eq!(waterfall.visible(&waterfall.open()).len(), trace.spans.len());
            for (index, row) in waterfall.rows.iter().enumerate() {
                prop_assert!(index + row.descendants < waterfall.rows.len());
            }
        }
    }
}
