//! The table of services: which rows, in which order.

use std::cmp::Ordering;

use spillway_api::{Node, NodeKind, Topology};

use crate::{order, words};

/// A column that the table can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Failing first.
    State,
    /// By name.
    Name,
    /// By rate.
    Rate,
    /// By failed share.
    Errors,
    /// By median.
    P50,
    /// By 95th percentile.
    P95,
    /// By 99th percentile.
    P99,
    /// By number of instances.
    Instances,
    /// By share turned away.
    Shed,
    /// By when it was last seen.
    LastSeen,
}

impl Column {
    /// In the order of the table.
    pub const ALL: [Self; 10] = [
        Self::State,
        Self::Name,
        Self::Rate,
        Self::Errors,
        Self::P50,
        Self::P95,
        Self::P99,
        Self::Instances,
        Self::Shed,
        Self::LastSeen,
    ];

    /// In the URL.
    pub const fn token(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Name => "name",
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Instances => "instances",
            Self::Shed => "shed",
            Self::LastSeen => "seen",
        }
    }

    /// Head of the column.
    pub const fn label(self) -> &'static str {
        match self {
            Self::State => "State",
            Self::Name => "Service",
            Self::Rate => "Requests",
            Self::Errors => "Errors",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Instances => "Instances",
            Self::Shed => "Shed",
            Self::LastSeen => "Last seen",
        }
    }

    /// Numbers stand on the right.
    pub const fn numeric(self) -> bool {
        !matches!(self, Self::State | Self::Name)
    }
}

/// A column and a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub column: Column,
    /// The other way round than a first click gives.
    pub reversed: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self { column: Column::State, reversed: false }
    }
}

impl Sort {
    /// Reads `rate` or `-rate`.
    pub fn parse(text: Option<&str>) -> Self {
        let text = text.unwrap_or_default();
        let (token, reversed) = text.strip_prefix('-').map_or((text, false), |token| (token, true));
        Column::ALL
            .into_iter()
            .find(|column| column.token() == token)
            .map_or_else(Self::default, |column| Self { column, reversed })
    }

    /// What [`Sort::parse`] reads.
    pub fn token(self) -> String {
        format!("{}{}", if self.reversed { "-" } else { "" }, self.column.token())
    }

    /// What a click on `column` makes of it.
    #[must_use]
    pub fn clicked(self, column: Column) -> Self {
        if self.column == column { Self { column, reversed: !self.reversed } } else { Self { column, reversed: false } }
    }

    /// `ascending` or `descending`, for `aria-sort`: names and states rise on the first click, numbers fall.
    pub const fn aria(self) -> &'static str {
        if self.column.numeric() == self.reversed { "ascending" } else { "descending" }
    }
}

/// The rows: everything that can be called, sorted; equal rows by name, so that they do not jump.
pub fn rows(topology: &Topology, sort: Sort) -> Vec<Node> {
    let mut rows: Vec<Node> = topology.nodes.iter().filter(|node| node.kind != NodeKind::User).cloned().collect();
    order::sort_by(&mut rows, |a, b| {
        let order = compare(a, b, sort.column);
        let order = if sort.reversed { order.reverse() } else { order };
        // Rows without a value come last whichever way the column is sorted.
        missing(a, sort.column)
            .cmp(&missing(b, sort.column))
            .then(order)
            .then_with(|| a.name.cmp(&b.name))
            .then_with(|| a.id.cmp(&b.id))
    });
    rows
}

fn value(node: &Node, column: Column) -> Option<f64> {
    match column {
        Column::Rate => node.rate,
        Column::Errors => node.error_ratio,
        Column::P50 => node.p50_ms,
        Column::P95 => node.p95_ms,
        Column::P99 => node.p99_ms,
        Column::Instances => Some(f64::from(node.instances)),
        Column::Shed => node.shedding.as_ref().map(|shedding| shedding.ratio),
        Column::LastSeen => Some(node.last_seen_at.unix_ms() as f64),
        Column::State | Column::Name => None,
    }
}

fn missing(node: &Node, column: Column) -> bool {
    column.numeric() && value(node, column).is_none()
}

fn compare(a: &Node, b: &Node, column: Column) -> Ordering {
    match column {
        Column::State => words::severity(a.health)
            .cmp(&words::severity(b.health))
            .then(b.rate.unwrap_or(0.0).total_cmp(&a.rate.unwrap_or(0.0))),
        Column::Name => a.name.to_lowercase().cmp(&b.name.to_lowercase()),
        _ => value(b, column).unwrap_or(0.0).total_cmp(&value(a, column).unwrap_or(0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn names(sort: &str) -> Vec<String> {
        rows(&sample::sick(), Sort::parse(Some(sort))).into_iter().map(|node| node.name).collect()
    }

    #[test]
    fn the_sick_come_first_and_the_busy_among_equals() {
        assert_eq!(names(""), ["checkout", "payments", "gateway", "catalog", "fraud"]);
    }

    #[test]
    fn numbers_fall_on_the_first_click_and_rise_on_the_second() {
        let sort = Sort::default().clicked(Column::Rate);

        assert_eq!((sort.token().as_str(), sort.aria()), ("rate", "descending"));
        assert_eq!(names("rate")[0], "gateway");
        assert_eq!(
            (sort.clicked(Column::Rate).token().as_str(), sort.clicked(Column::Rate).aria()),
            ("-rate", "ascending")
        );
        assert_eq!(names("-rate")[0], "fraud");
        assert_eq!(Sort::parse(Some("-p99")).token(), "-p99");
    }

    #[test]
    fn rows_without_a_value_stay_at_the_end() {
        let mut topology = sample::calm();
        topology.nodes[0].rate = None;
        let first = topology.nodes[0].name.clone();

        for sort in ["rate", "-rate"] {
            assert_eq!(
                rows(&topology, Sort::parse(Some(sort))).last().map(|node| node.name.clone()),
                Some(first.clone())
            );
        }
    }
}
