//! Where the boxes and lines of the topology map go: pure geometry, tested on the host.
//!
//! [`tidy`] draws a call graph from left to right: callers on the left, stores on the right. [`extend`] adds what is new
//! to a picture that a person already knows, without moving anything. Neither looks at a clock, a random number or the
//! order in which nodes are given, so the same system always looks the same.
//!
//! Why not a library: none that was tried drew 1,000 nodes and 5,000 edges in less than 29 seconds. The method here is
//! Sugiyama's: break cycles (`acyclic`), rank by longest path (`rank`), order by barycentre (`order`), and align after
//! Brandes and Köpf (`coordinate`). Long edges get place holders while their number is small and are curves that go
//! round boxes (`route`) in any case.

mod acyclic;
mod component;
mod coordinate;
mod curve;
mod geometry;
mod graph;
mod hit;
mod label;
mod layered;
mod layout;
mod order;
mod pack;
mod page;
mod place;
mod rank;
mod route;
mod track;
mod viewport;
mod walk;

pub use curve::Cubic;
pub use geometry::{Point, Rect, Size};
pub use graph::{BadGraph, Graph, Lane, Node};
pub use hit::HitGrid;
pub use label::LabelField;
pub use layout::{Layout, Positions, Spacing, extend, tidy};
pub use route::{Route, routes};
pub use track::Track;
pub use viewport::Viewport;
pub use walk::{Direction, neighbour};
