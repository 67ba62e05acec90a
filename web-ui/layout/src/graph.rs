//! What is to be drawn, checked once so that the rest of the crate need not doubt it.

use std::collections::BTreeSet;
use std::fmt;

use crate::geometry::{Point, Rect, Size};

/// On which side of the map a node belongs when the calls alone leave a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Calls and is not called: users, browsers. Always in the first column.
    Caller,
    /// Stands where its calls put it.
    #[default]
    Service,
    /// Is called and does not call: databases. In the last column when it calls nothing.
    Store,
}

/// One box.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its stable name; decides every tie, so the order in a [`Graph`] does not matter.
    pub key: String,
    /// Extent on the map.
    pub size: Size,
    /// Preferred side.
    pub lane: Lane,
    /// The centre where a person put it; it is never moved from there.
    pub pinned: Option<Point>,
}

impl Node {
    /// A box that nobody pinned, in the service lane.
    #[must_use]
    pub fn new(key: impl Into<String>, width: f64, height: f64) -> Self {
        Self { key: key.into(), size: Size::new(width, height), lane: Lane::Service, pinned: None }
    }

    /// The same box in `lane`.
    #[must_use]
    pub fn in_lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// The same box, held at `centre`.
    #[must_use]
    pub fn pinned_at(mut self, centre: Point) -> Self {
        self.pinned = Some(centre);
        self
    }
}

/// Why nodes and edges are not a graph that can be drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum BadGraph {
    /// Two nodes carry this key.
    DuplicateKey(String),
    /// This edge names a node that is not there.
    EdgeOutOfRange(usize, usize),
    /// The node with this key has a size or a pin that is not a number, or a size of nothing.
    BadNumber(String),
}

impl fmt::Display for BadGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateKey(key) => write!(f, "two nodes have the key {key:?}"),
            Self::EdgeOutOfRange(from, to) => {
                write!(f, "edge {from} to {to} names a node that does not exist")
            }
            Self::BadNumber(key) => {
                write!(f, "node {key:?} has a size or a pin that cannot be drawn")
            }
        }
    }
}

impl std::error::Error for BadGraph {}

/// Nodes and the calls between them. Cycles, self calls, parallel edges and parts without a root are all ordinary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    edges: Vec<(usize, usize)>,
    /// Node indices sorted by key: the one order that all ties fall back on.
    by_key: Vec<usize>,
}

impl Graph {
    /// Checks `nodes` and `edges` (caller, callee).
    ///
    /// # Errors
    /// [`BadGraph`] when keys repeat, an edge leads nowhere, or a number is not finite.
    pub fn new(nodes: Vec<Node>, edges: Vec<(usize, usize)>) -> Result<Self, BadGraph> {
        let mut seen = BTreeSet::new();
        for node in &nodes {
            let (w, h) = (node.size.width, node.size.height);
            let drawable = w.is_finite() && h.is_finite() && w > 0.0 && h > 0.0;
            if !drawable || node.pinned.is_some_and(|pin| !pin.finite()) {
                return Err(BadGraph::BadNumber(node.key.clone()));
            }
            if !seen.insert(node.key.as_str()) {
                return Err(BadGraph::DuplicateKey(node.key.clone()));
            }
        }
        if let Some(&(from, to)) = edges.iter().find(|(from, to)| *from >= nodes.len() || *to >= nodes.len()) {
            return Err(BadGraph::EdgeOutOfRange(from, to));
        }
        let mut by_key: Vec<usize> = (0..nodes.len()).collect();
        by_key.sort_by(|&a, &b| nodes[a].key.cmp(&nodes[b].key));
        Ok(Self { nodes, edges, by_key })
    }

    /// The boxes, in the order given.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The calls (caller, callee), in the order given.
    #[must_use]
    pub fn edges(&self) -> &[(usize, usize)] {
        &self.edges
    }

    /// Node indices in the order of their keys.
    pub(crate) fn by_key(&self) -> &[usize] {
        &self.by_key
    }

    /// The rectangle of node `index` with its centre at `centre`.
    pub(crate) fn rect(&self, index: usize, centre: Point) -> Rect {
        Rect::around(centre, self.nodes[index].size)
    }
}
