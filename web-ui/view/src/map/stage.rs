//! Where everything on the map stands, and when it may move: never while somebody reads it.
//!
//! What is on the screen stays where it is. A node that is new goes beside its neighbours. Only an almost empty or very
//! young map, or a person who asks for it, is laid out anew; then everything glides there.

use std::collections::{BTreeSet, HashMap};

use spillway_api::Topology;
use spillway_layout::{
    Direction, Graph, HitGrid, Layout, Node as Place, Point, Positions, Rect, Route, Spacing, Track, extend, neighbour,
    routes, tidy,
};

use super::scene::Scene;
use crate::selection::Selection;

/// Length of a glide: long enough to follow with the eye, and VISUAL.md's limit.
const GLIDE_MS: f64 = 150.0;
/// A map this young is still arriving: nobody has learnt it yet.
const YOUNG_MS: f64 = 8_000.0;
/// Above so many nodes a glide would cost more than a frame a step; they jump.
const GLIDE_NODES: usize = 150;
/// Places kept for nodes that are not shown now. More is a system of churning names, not one that somebody knows.
const MOST_KNOWN: usize = 5_000;

/// What outlives one visit to the page.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    known: Positions,
    pinned: BTreeSet<String>,
}

/// Something on the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// By index.
    Node(usize),
    /// By index.
    Edge(usize),
}

/// What an update changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Numbers and states only.
    Values,
    /// Nodes or edges came or went, and nothing that was there moved.
    Shape,
    /// Everything has a new place.
    Everything,
}

struct Glide {
    from: Vec<Point>,
    to: Vec<Point>,
    began_ms: f64,
}

/// The scene with its places.
#[derive(Default)]
pub struct Stage {
    scene: Scene,
    graph: Graph,
    layout: Layout,
    rects: Vec<Rect>,
    tracks: Vec<Track>,
    hits: HitGrid,
    memory: Memory,
    glide: Option<Glide>,
    began_ms: Option<f64>,
    added: usize,
    touched: bool,
}

impl Stage {
    /// An empty stage that remembers where things stood.
    #[must_use]
    pub fn new(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }

    /// What the next visit should remember.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.memory.clone()
    }

    /// What is drawn.
    #[must_use]
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The outline of each node, where it is at this moment.
    #[must_use]
    pub fn rects(&self) -> &[Rect] {
        &self.rects
    }

    /// The way of each edge.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.layout.routes
    }

    /// The way of each edge by its length.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Nodes that were squeezed in since the last tidy layout.
    #[must_use]
    pub fn added(&self) -> usize {
        self.added
    }

    /// The smallest rectangle around everything, as it will be when a glide has ended, with room for what hangs on the boxes.
    #[must_use]
    pub fn bounds(&self) -> Rect {
        let at = self.glide.as_ref().map_or(&self.layout.positions, |glide| &glide.to);
        let boxes = self.graph.nodes().iter().zip(at).map(|(node, centre)| Rect::around(*centre, node.size));
        let ways = self.layout.routes.iter().map(Route::bounds).filter(|_| self.glide.is_none());
        // Badges sit on top of a box, names of users below it.
        Rect::around_all(boxes.map(|own| Rect { top: own.top - 18.0, bottom: own.bottom + 18.0, ..own }).chain(ways))
    }

    /// Takes in a new state of the system.
    pub fn update(&mut self, topology: &Topology, now_ms: f64) -> Changed {
        let scene = Scene::new(topology);
        let same_nodes = self.scene.nodes.len() == scene.nodes.len()
            && self.scene.nodes.iter().zip(&scene.nodes).all(|(a, b)| a.id == b.id && a.size == b.size);
        let same_edges = self.scene.edges.len() == scene.edges.len()
            && self.scene.edges.iter().zip(&scene.edges).all(|(a, b)| a.key == b.key);
        // Half-way through a glide boxes may lie on each other: what counts is where they are going.
        let places = self.glide.as_ref().map_or(&self.layout.positions, |glide| &glide.to);
        let before: HashMap<String, Point> =
            self.scene.nodes.iter().zip(places).map(|(node, at)| (node.id.clone(), *at)).collect();
        self.scene = scene;
        if same_nodes && same_edges {
            return Changed::Values;
        }
        self.graph = self.build();
        let young = *self.began_ms.get_or_insert(now_ms) + YOUNG_MS > now_ms && !self.touched;
        if self.scene.nodes.is_empty() {
            self.began_ms = None;
        }
        let known = self.known_here(&before);
        let unknown = self.scene.nodes.len() - known.len();
        if unknown > 0 && (young || unknown > known.len()) {
            self.lay_out_anew(&before, now_ms);
            return Changed::Everything;
        }
        self.added += unknown;
        self.glide = None;
        self.layout = extend(&known, &self.graph, &Spacing::default());
        self.settle();
        Changed::Shape
    }

    /// Lays everything out anew and forgets what was pinned.
    pub fn tidy(&mut self, now_ms: f64) {
        self.memory.pinned.clear();
        self.graph = self.build();
        let before =
            self.scene.nodes.iter().zip(&self.layout.positions).map(|(node, at)| (node.id.clone(), *at)).collect();
        self.lay_out_anew(&before, now_ms);
    }

    /// Puts a node where a person dragged it. It stays there.
    pub fn pin(&mut self, index: usize, centre: Point) {
        let (Some(node), Some(place)) = (self.scene.nodes.get(index), self.layout.positions.get_mut(index)) else {
            return;
        };
        if !centre.finite() {
            return;
        }
        *place = centre;
        self.memory.pinned.insert(node.id.clone());
        self.touched = true;
        self.glide = None;
        self.reroute();
        self.remember();
    }

    /// Says that somebody uses the map: from now on nothing moves by itself.
    pub fn touch(&mut self) {
        self.touched = true;
    }

    /// Moves a glide on; true while it goes on.
    pub fn advance(&mut self, now_ms: f64) -> bool {
        let Some(glide) = &self.glide else { return false };
        let share = ((now_ms - glide.began_ms) / GLIDE_MS).clamp(0.0, 1.0);
        let eased = 1.0 - (1.0 - share).powi(3);
        self.layout.positions = glide.from.iter().zip(&glide.to).map(|(from, to)| from.lerp(*to, eased)).collect();
        if share >= 1.0 {
            self.glide = None;
        }
        self.reroute();
        self.glide.is_some()
    }

    /// What lies at `point`, edges within `slack` of it.
    #[must_use]
    pub fn hit(&self, point: Point, slack: f64) -> Option<Target> {
        if let Some(node) = self.hits.hit(point) {
            return Some(Target::Node(node));
        }
        let near = |index: usize| {
            let route = self.layout.routes.get(index)?;
            if !route.bounds().grown(slack).contains(point) {
                return None;
            }
            Some((route.distance(point), index)).filter(|(distance, _)| *distance <= slack)
        };
        (0..self.layout.routes.len())
            .filter_map(near)
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, index)| Target::Edge(index))
    }

    /// Where an arrow key leads from `from`; without a start, to the worst node, or the first on the left.
    #[must_use]
    pub fn step(&self, from: Option<usize>, direction: Direction) -> Option<usize> {
        let Some(from) = from.filter(|from| *from < self.scene.nodes.len()) else { return self.first() };
        neighbour(&self.layout.positions, self.graph.edges(), from, direction).or(Some(from))
    }

    /// The node to begin with: the sickest, else the leftmost.
    #[must_use]
    pub fn first(&self) -> Option<usize> {
        let order = |&a: &usize, &b: &usize| {
            let (one, other) = (&self.scene.nodes[a], &self.scene.nodes[b]);
            let sick = other.loud.cmp(&one.loud).then(if one.loud && other.loud {
                other.importance.total_cmp(&one.importance)
            } else {
                std::cmp::Ordering::Equal
            });
            sick.then(self.layout.positions[a].x.total_cmp(&self.layout.positions[b].x))
        };
        (0..self.scene.nodes.len().min(self.layout.positions.len())).min_by(order)
    }

    /// The target that a selection names, if it is on the map.
    #[must_use]
    pub fn find(&self, selection: &Selection) -> Option<Target> {
        match selection {
            Selection::Node(id) => self.scene.nodes.iter().position(|node| node.id == *id).map(Target::Node),
            Selection::Edge(key) => self.scene.edges.iter().position(|edge| edge.key == *key).map(Target::Edge),
        }
    }

    /// The selection that names a target.
    #[must_use]
    pub fn name(&self, target: Target) -> Option<Selection> {
        match target {
            Target::Node(index) => self.scene.nodes.get(index).map(|node| Selection::Node(node.id.clone())),
            Target::Edge(index) => self.scene.edges.get(index).map(|edge| Selection::Edge(edge.key.clone())),
        }
    }

    fn build(&self) -> Graph {
        let places = self.scene.nodes.iter().map(|node| {
            let place = Place::new(node.id.clone(), node.size.width, node.size.height).in_lane(node.lane);
            match self.memory.known.get(&node.id).filter(|_| self.memory.pinned.contains(&node.id)) {
                Some(&pin) => place.pinned_at(pin),
                None => place,
            }
        });
        let edges = self.scene.edges.iter().map(|edge| (edge.source, edge.target)).collect();
        // A scene has no id twice and no edge into nowhere, and its sizes are numbers.
        Graph::new(places.collect(), edges).unwrap_or_default()
    }

    /// Places that may be kept: of what was just on the screen, then of what is remembered from other views where it does
    /// not lie on the former.
    fn known_here(&self, before: &HashMap<String, Point>) -> Positions {
        let mut known = Positions::new();
        let mut taken: Vec<Rect> = Vec::new();
        for node in &self.scene.nodes {
            if let Some(&at) = before.get(&node.id) {
                known.insert(node.id.clone(), at);
                taken.push(Rect::around(at, node.size));
            }
        }
        for node in self.scene.nodes.iter().filter(|node| !before.contains_key(&node.id)) {
            let Some(&at) = self.memory.known.get(&node.id) else { continue };
            let rect = Rect::around(at, node.size);
            if taken.iter().all(|other| !other.overlaps(&rect)) {
                known.insert(node.id.clone(), at);
                taken.push(rect);
            }
        }
        known
    }

    fn lay_out_anew(&mut self, before: &HashMap<String, Point>, now_ms: f64) {
        self.layout = tidy(&self.graph, &Spacing::default());
        self.added = 0;
        self.settle();
        let to = self.layout.positions.clone();
        let from: Vec<Point> =
            self.scene.nodes.iter().zip(&to).map(|(node, to)| before.get(&node.id).copied().unwrap_or(*to)).collect();
        if from != to && to.len() <= GLIDE_NODES {
            self.glide = Some(Glide { from, to, began_ms: now_ms });
            self.advance(now_ms);
        } else {
            self.glide = None;
        }
    }

    /// Takes over a finished layout.
    fn settle(&mut self) {
        self.place();
        self.remember();
    }

    fn reroute(&mut self) {
        let rects: Vec<Rect> = self
            .graph
            .nodes()
            .iter()
            .zip(&self.layout.positions)
            .map(|(node, at)| Rect::around(*at, node.size))
            .collect();
        self.layout.routes = routes(&rects, self.graph.edges());
        self.place();
    }

    fn place(&mut self) {
        self.rects = self
            .graph
            .nodes()
            .iter()
            .zip(&self.layout.positions)
            .map(|(node, at)| Rect::around(*at, node.size))
            .collect();
        self.tracks = self.layout.routes.iter().map(|route| Track::new(route.trace(6.0))).collect();
        self.hits = HitGrid::new(self.rects.clone());
    }

    fn remember(&mut self) {
        if self.memory.known.len() + self.scene.nodes.len() > MOST_KNOWN {
            self.memory.known.clear();
        }
        let places = self.scene.nodes.iter().zip(&self.layout.positions);
        self.memory.known.extend(places.map(|(node, at)| (node.id.clone(), *at)));
    }
}

#[cfg(test)]
mod tests;
