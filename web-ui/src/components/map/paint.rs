//! Three canvases over each other: lines, dots, boxes with their words.

mod boxes;
mod dots;
mod labels;
mod lines;
mod pen;
mod signs;

use leptos::prelude::window;
use spillway_layout::{Point, Rect, Size, Viewport};
use spillway_view::map::{Stage, Target};
use wasm_bindgen::JsCast as _;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use super::theme::Theme;
use pen::Pen;

/// More pixels a point than this cannot be told apart, but cost memory.
const MOST_RATIO: f64 = 3.0;

/// What is seen, and what is lifted out of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// The window.
    pub view: Viewport,
    /// Under the pointer.
    pub hover: Option<Target>,
    /// Selected.
    pub selected: Option<Target>,
    /// Where the keyboard is.
    pub focus: Option<usize>,
}

/// Which nodes and edges are bright, and which are lifted because they touch what is looked at.
struct Emphasis {
    nodes: Vec<bool>,
    edges: Vec<bool>,
    lifted: Vec<bool>,
}

impl Emphasis {
    fn new(stage: &Stage, look: &Look) -> Self {
        let scene = stage.scene();
        let mut nodes: Vec<bool> = (0..scene.nodes.len()).map(|v| scene.bright_node(v)).collect();
        let mut edges: Vec<bool> = (0..scene.edges.len()).map(|e| scene.bright_edge(e)).collect();
        let mut lifted = vec![false; scene.edges.len()];
        let looked_at = [look.hover, look.selected, look.focus.map(Target::Node)];
        for target in looked_at.into_iter().flatten() {
            for (e, edge) in scene.edges.iter().enumerate() {
                let touches = match target {
                    Target::Node(v) => edge.source == v || edge.target == v,
                    Target::Edge(index) => index == e,
                };
                if touches {
                    (edges[e], lifted[e]) = (true, true);
                    (nodes[edge.source], nodes[edge.target]) = (true, true);
                }
            }
            if let Target::Node(v) = target
                && let Some(node) = nodes.get_mut(v)
            {
                *node = true;
            }
        }
        Self { nodes, edges, lifted }
    }
}

/// The canvases.
pub struct Layers {
    canvases: [HtmlCanvasElement; 3],
    contexts: [CanvasRenderingContext2d; 3],
    size: Size,
    ratio: f64,
    emphasis: Emphasis,
}

impl Layers {
    /// None when the browser has no 2D canvas.
    pub fn new(canvases: [HtmlCanvasElement; 3]) -> Option<Self> {
        let context = |canvas: &HtmlCanvasElement| canvas.get_context("2d").ok()??.dyn_into().ok();
        let contexts = [context(&canvases[0])?, context(&canvases[1])?, context(&canvases[2])?];
        let emphasis = Emphasis { nodes: Vec::new(), edges: Vec::new(), lifted: Vec::new() };
        Some(Self { canvases, contexts, size: Size::default(), ratio: 1.0, emphasis })
    }

    /// The canvas that takes events.
    pub fn top(&self) -> &HtmlCanvasElement {
        &self.canvases[2]
    }

    /// Size on the screen.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Measures the place that the page gives; the canvases follow when they are painted next, so that none is ever blank.
    pub fn resize(&mut self) {
        self.size = Size::new(f64::from(self.top().client_width()), f64::from(self.top().client_height()));
        self.ratio = pixel_ratio();
    }

    /// Whether the window went to a screen with other pixels.
    pub fn stale(&self) -> bool {
        (pixel_ratio() - self.ratio).abs() > 0.01
    }

    /// Paints everything but the dots.
    pub fn paint(&mut self, stage: &Stage, theme: &Theme, look: &Look) {
        let (width, height) =
            ((self.size.width * self.ratio).round() as u32, (self.size.height * self.ratio).round() as u32);
        for canvas in &self.canvases {
            // Setting a size clears a canvas and costs memory, even when it is the same.
            if (canvas.width(), canvas.height()) != (width, height) {
                canvas.set_width(width);
                canvas.set_height(height);
            }
        }
        self.emphasis = Emphasis::new(stage, look);
        let seen = self.seen(look);
        let lines = self.pen(0, theme, look);
        lines.clear(self.size);
        lines::paint(&lines, stage, &self.emphasis, look, &seen);
        let boxes = self.pen(2, theme, look);
        boxes.clear(self.size);
        boxes::paint(&boxes, stage, &self.emphasis, look, &seen);
        labels::paint(&boxes, stage, &self.emphasis, look, self.size);
        self.tell(stage);
    }

    /// Paints the dots where they are at `now_ms`, or wipes them away. True when they will have moved at the next frame.
    pub fn paint_dots(&self, stage: &Stage, theme: &Theme, look: &Look, now_ms: Option<f64>) -> bool {
        let pen = self.pen(1, theme, look);
        pen.clear(self.size);
        now_ms.is_some_and(|now_ms| dots::paint(&pen, stage, &self.emphasis, &self.seen(look), now_ms))
    }

    fn pen<'a>(&'a self, layer: usize, theme: &'a Theme, look: &Look) -> Pen<'a> {
        Pen::new(&self.contexts[layer], theme, look.view, self.ratio)
    }

    /// The part of the map that is on the screen.
    fn seen(&self, look: &Look) -> Rect {
        let (from, to) =
            (look.view.to_world(Point::default()), look.view.to_world(Point::new(self.size.width, self.size.height)));
        Rect { left: from.x, top: from.y, right: to.x, bottom: to.y }
    }

    /// Says to tests and scripts what has been painted.
    fn tell(&self, stage: &Stage) {
        let scene = stage.scene();
        let canvas = self.top();
        let _ = canvas.set_attribute("data-nodes", &scene.nodes.len().to_string());
        let _ = canvas.set_attribute("data-edges", &scene.edges.len().to_string());
        let _ = canvas.set_attribute("data-ready", if scene.nodes.is_empty() { "false" } else { "true" });
    }
}

fn pixel_ratio() -> f64 {
    window().device_pixel_ratio().clamp(0.5, MOST_RATIO)
}
