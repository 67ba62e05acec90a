//! Breakers as a table of caller × callee, and as lanes over time.

use spillway_api::{BreakerState, Edge, Event, EventRecord, Timestamp, Topology};

use crate::order;

/// The table: a row a caller, a column a callee. Only edges whose callers report a breaker are in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// Node ids and names of the callers.
    pub callers: Vec<(String, String)>,
    /// Node ids and names of the callees.
    pub callees: Vec<(String, String)>,
    /// (caller, callee) to the edge.
    pub cells: Vec<((usize, usize), Edge)>,
}

impl Matrix {
    /// The edge between a caller and a callee.
    pub fn cell(&self, row: usize, column: usize) -> Option<&Edge> {
        self.cells.iter().find(|(place, _)| *place == (row, column)).map(|(_, edge)| edge)
    }
}

/// Builds the table; the caller or callee with something open comes first.
pub fn matrix(topology: &Topology) -> Matrix {
    let edges: Vec<&Edge> = topology.edges.iter().filter(|edge| edge.breaker.is_some()).collect();
    let axis = |end: fn(&Edge) -> &String| -> Vec<(String, String)> {
        let ids = order::distinct(edges.iter().map(|edge| end(edge)).collect());
        let badness = |id: &String| {
            edges
                .iter()
                .filter(|edge| end(edge) == id)
                .filter_map(|edge| edge.breaker.as_ref())
                .map(|breaker| rank(breaker.state))
                .min()
                .unwrap_or(3)
        };
        let mut ids: Vec<(u8, String, String)> =
            ids.into_iter().map(|id| (badness(id), order::name(topology, id).to_owned(), id.clone())).collect();
        order::sort_by(&mut ids, Ord::cmp);
        ids.into_iter().map(|(_, name, id)| (id, name)).collect()
    };
    let (callers, callees) = (axis(|edge| &edge.source), axis(|edge| &edge.target));
    let place = |axis: &[(String, String)], id: &str| axis.iter().position(|(have, _)| have == id);
    let mut cells = Vec::new();
    for edge in edges {
        if let (Some(row), Some(column)) = (place(&callers, &edge.source), place(&callees, &edge.target)) {
            cells.push(((row, column), edge.clone()));
        }
    }
    Matrix { callers, callees, cells }
}

/// Open first.
pub const fn rank(state: BreakerState) -> u8 {
    match state {
        BreakerState::Open | BreakerState::ForcedOpen => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Unknown => 2,
        BreakerState::Closed | BreakerState::Disabled | BreakerState::MetricsOnly => 3,
    }
}

/// One stretch of a lane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Begin, 0 to 1 of the range.
    pub from: f64,
    /// End, 0 to 1 of the range.
    pub to: f64,
    /// The state meanwhile.
    pub state: BreakerState,
    /// When it was entered, as far as the events tell.
    pub at: Timestamp,
}

/// One breaker over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// The caller.
    pub service: String,
    /// The caller's instance.
    pub instance: String,
    /// Whom it calls.
    pub target: String,
    /// Changes of state in the range: the flapping ones come first.
    pub changes: usize,
    /// In time order, without overlap; time before the first event is left out, for nothing is known of it.
    pub stretches: Vec<Stretch>,
}

/// Who holds a breaker: caller, callee, the caller's instance, the breaker's own name.
type Holder<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Lanes over `from..to` out of events in any order. A heartbeat that repeats the state lengthens its stretch.
pub fn lanes(events: &[EventRecord], from: Timestamp, to: Timestamp) -> Vec<Lane> {
    let width = (to.unix_ms() - from.unix_ms()).max(1) as f64;
    let place = |at: Timestamp| ((at.unix_ms() - from.unix_ms()) as f64 / width).clamp(0.0, 1.0);
    let mut by_breaker: Vec<(Holder<'_>, Vec<(Timestamp, BreakerState)>)> = Vec::new();
    for record in events {
        if let Event::Breaker(event) = &record.event {
            let holder: Holder<'_> = (&event.service, &event.target, &event.instance, &event.name);
            match by_breaker.iter_mut().find(|(have, _)| *have == holder) {
                Some((_, states)) => states.push((event.at, event.state)),
                None => by_breaker.push((holder, vec![(event.at, event.state)])),
            }
        }
    }
    let mut lanes: Vec<Lane> = by_breaker
        .into_iter()
        .map(|((service, target, instance, _), mut states)| {
            order::sort_by(&mut states, Ord::cmp);
            states.dedup_by(|later, earlier| later.1 == earlier.1);
            let ends = states.iter().skip(1).map(|(at, _)| *at).chain([to]);
            let stretches: Vec<Stretch> = states
                .iter()
                .zip(ends)
                .map(|((at, state), end)| Stretch { from: place(*at), to: place(end), state: *state, at: *at })
                .filter(|stretch| stretch.to > 0.0)
                .collect();
            Lane {
                service: service.to_owned(),
                instance: instance.to_owned(),
                target: target.to_owned(),
                changes: stretches.len().saturating_sub(1),
                stretches,
            }
        })
        .filter(|lane| !lane.stretches.is_empty())
        .collect();
    order::sort_by(&mut lanes, |a, b| {
        b.changes
            .cmp(&a.changes)
            .then_with(|| (&a.service, &a.target, &a.instance).cmp(&(&b.service, &b.target, &b.instance)))
    });
    lanes
}

#[cfg(test)]
mod tests {
    use spillway_api::BreakerEvent;

    use super::*;
    use crate::sample;

    fn event(instance: &str, seconds: i64, state: BreakerState) -> EventRecord {
        let at = Timestamp::from_unix_ms(seconds * 1_000);
        let event = BreakerEvent {
            id: format!("{instance}-{seconds}"),
            environment: String::new(),
            namespace: String::new(),
            service: "checkout".into(),
            instance: instance.into(),
            target: "payments".into(),
            name: "payments".into(),
            state,
            at,
        };
        EventRecord { seq: 0, received_at: at, event: Event::Breaker(event) }
    }

    #[test]
    fn a_repeated_state_is_one_stretch_and_the_last_goes_on() {
        let events = [
            event("a", 90, BreakerState::Open),
            event("a", 10, BreakerState::Closed),
            event("a", 50, BreakerState::Closed),
            event("b", 0, BreakerState::Closed),
        ];

        let lanes = lanes(&events, Timestamp::from_unix_ms(0), Timestamp::from_unix_ms(100_000));

        assert_eq!(lanes[0].instance, "a");
        let stretches: Vec<_> =
            lanes[0].stretches.iter().map(|stretch| (stretch.from, stretch.to, stretch.state)).collect();
        assert_eq!(stretches, [(0.1, 0.9, BreakerState::Closed), (0.9, 1.0, BreakerState::Open)]);
        assert_eq!((lanes[0].changes, lanes[1].changes), (1, 0));
    }

    #[test]
    fn only_edges_with_a_breaker_are_in_the_table_and_open_ones_come_first() {
        let mut topology = sample::calm();
        for edge in &mut topology.edges {
            if edge.target.ends_with("payments") {
                edge.breaker = Some(sample::breaker(1, 0));
            }
            if edge.target.ends_with("catalog") {
                edge.breaker = Some(sample::breaker(0, 0));
            }
        }

        let matrix = matrix(&topology);

        assert_eq!(matrix.callers.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["checkout", "gateway"]);
        assert_eq!(matrix.callees.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["payments", "catalog"]);
        assert_eq!(matrix.cells.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [(0, 0), (1, 1)]);
    }
}
