//! The state behind the canvas: the stage, the window onto it, what the pointer and the keyboard are at, and what must be painted.

use std::cell::RefCell;

use leptos::prelude::*;
use spillway_api::Topology;
use spillway_layout::{Direction, Point, Rect, Size, Viewport};
use spillway_view::{
    map::{Changed, Memory, Scene, Stage, Target},
    selection::Selection,
};
use web_sys::{HtmlCanvasElement, HtmlSpanElement, ResizeObserver};

use super::{
    gesture::Gesture,
    paint::{Layers, Look},
    theme::Theme,
    ticker::Ticker,
    tip::TipView,
    watch::Watching,
};

/// Largest zoom at which all is shown: a shop of five services must not fill the screen with letters.
const LARGEST_FIT: f64 = 1.2;
/// Free space around the map when all is shown.
const MARGIN: f64 = 36.0;
/// How near to a line the pointer must be, on the screen.
const SLACK: f64 = 7.0;

thread_local! {
    /// Where things stood at the last visit to the page: going to the traces and back must not shuffle the map.
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Where the board tells the page around it.
#[derive(Clone, Copy)]
pub struct Outlet {
    /// What the pointer is at.
    pub tip: RwSignal<Option<TipView>>,
    /// What a screen reader should say.
    pub said: RwSignal<String>,
    /// Nodes squeezed in since the map was tidied.
    pub added: RwSignal<usize>,
}

/// What must be painted in the next frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dirt {
    /// Only what moves.
    Clean,
    /// Everything.
    All,
}

/// The board.
pub struct Board {
    stage: Stage,
    layers: Layers,
    probe: HtmlSpanElement,
    theme: Theme,
    view: Viewport,
    /// Whether the window follows the map; ends when somebody moves it.
    follows: bool,
    dirt: Dirt,
    still: bool,
    reduced_motion: bool,
    hover: Option<Target>,
    selected: Option<Selection>,
    focus: Option<usize>,
    keyboard: bool,
    outlet: Outlet,
    on_select: Callback<Option<Selection>>,
    /// The gesture in progress.
    pub gesture: Gesture,
    /// The frame that is asked for.
    pub ticker: Ticker,
    /// Kept for as long as the board: dropping it stops watching.
    pub watching: Option<Watching>,
}

impl Board {
    /// A board on three canvases, lowest first. None when the browser has no 2D canvas.
    pub fn new(
        canvases: [HtmlCanvasElement; 3],
        probe: HtmlSpanElement,
        outlet: Outlet,
        on_select: Callback<Option<Selection>>,
    ) -> Option<Self> {
        let mut board = Self {
            stage: Stage::new(MEMORY.with_borrow(Clone::clone)),
            layers: Layers::new(canvases)?,
            theme: Theme::read(&probe),
            probe,
            view: Viewport::default(),
            follows: true,
            dirt: Dirt::All,
            still: false,
            reduced_motion: false,
            hover: None,
            selected: None,
            focus: None,
            keyboard: false,
            outlet,
            on_select,
            gesture: Gesture::default(),
            ticker: Ticker::default(),
            watching: None,
        };
        board.resize();
        Some(board)
    }

    /// What is drawn.
    pub fn scene(&self) -> &Scene {
        self.stage.scene()
    }

    /// Size of the map on the screen.
    pub fn size(&self) -> Size {
        self.layers.size()
    }

    /// Takes in a new version of the topology.
    pub fn update(&mut self, topology: &Topology) {
        let focused = self.focus.and_then(|index| self.stage.name(Target::Node(index)));
        match self.stage.update(topology, now()) {
            Changed::Values => {}
            Changed::Shape | Changed::Everything => {
                // Indices mean something else now.
                self.hover = None;
                self.gesture = Gesture::default();
                self.focus = focused.and_then(|name| self.stage.find(&name)).and_then(|target| match target {
                    Target::Node(index) => Some(index),
                    Target::Edge(_) => None,
                });
                self.follow();
            }
        }
        self.outlet.added.set(self.stage.added());
        self.tell_tip();
        self.dirt = Dirt::All;
    }

    /// Takes over the page's selection, and brings it into view.
    pub fn select(&mut self, selected: Option<&Selection>) {
        self.selected = selected.cloned();
        if let Some(Target::Node(index)) = selected.and_then(|selected| self.stage.find(selected)) {
            self.focus = Some(index);
            self.reveal(index);
        }
        self.tell_tip();
        self.dirt = Dirt::All;
    }

    /// Whether dots may run.
    pub fn hold_still(&mut self, still: bool) {
        self.still = still;
        self.dirt = Dirt::All;
    }

    /// Follows the viewer's wish for less motion.
    pub fn reduce_motion(&mut self, reduced: bool) {
        self.reduced_motion = reduced;
        self.dirt = Dirt::All;
    }

    /// Reads the colours again.
    pub fn restyle(&mut self) {
        self.theme = Theme::read(&self.probe);
        self.dirt = Dirt::All;
    }

    /// Fits the canvases to their place in the page.
    pub fn resize(&mut self) {
        let before = self.layers.size();
        self.layers.resize();
        let after = self.layers.size();
        if self.follows {
            self.follow();
        } else {
            // A panel that opens takes room from the right: what was in the middle stays in the middle.
            self.view = self.view.panned((after.width - before.width) / 2.0, (after.height - before.height) / 2.0);
        }
        self.tell_tip();
        self.dirt = Dirt::All;
    }

    /// Has `sizes` call back when the map's place in the page changes.
    pub fn observe(&self, sizes: &ResizeObserver) {
        sizes.observe(self.layers.top());
    }

    /// Paints a frame; true when another one is needed.
    pub fn frame(&mut self, now_ms: f64) -> bool {
        if self.layers.stale() {
            self.resize();
        }
        let glides = self.stage.advance(now_ms);
        if glides {
            self.dirt = Dirt::All;
        }
        let selected = self.selected.as_ref().and_then(|selected| self.stage.find(selected));
        let look = Look { view: self.view, hover: self.hover, selected, focus: self.focus.filter(|_| self.keyboard) };
        if self.dirt == Dirt::All {
            self.layers.paint(&self.stage, &self.theme, &look);
            self.dirt = if glides { Dirt::All } else { Dirt::Clean };
        }
        let flows = !self.still && !self.reduced_motion;
        let moved = self.layers.paint_dots(&self.stage, &self.theme, &look, flows.then_some(now_ms));
        glides || moved
    }

    /// What lies under a place on the screen.
    pub fn at(&self, screen: Point) -> Option<Target> {
        self.stage.hit(self.view.to_world(screen), SLACK / self.view.scale)
    }

    /// The pointer is over this.
    pub fn hover(&mut self, target: Option<Target>) {
        if self.hover != target {
            self.hover = target;
            self.tell_tip();
            self.dirt = Dirt::All;
        }
    }

    /// Whether the pointer is over something that can be selected.
    pub fn hovered(&self) -> Option<Target> {
        self.hover
    }

    /// Whom to tell that somebody chose `target`, and what. To be called without holding the board: the page's answer is
    /// a new selection, which comes back to it.
    pub fn chosen(&self, target: Option<Target>) -> (Callback<Option<Selection>>, Option<Selection>) {
        (self.on_select, target.and_then(|target| self.stage.name(target)))
    }

    /// The keyboard goes on from where the pointer was.
    pub fn focus_on(&mut self, target: Option<Target>) {
        if let Some(Target::Node(index)) = target {
            self.focus = Some(index);
        }
        // A ring round what was clicked would only repeat the selection.
        self.keyboard = false;
        self.dirt = Dirt::All;
    }

    /// The node that the keyboard is at.
    pub fn focused(&self) -> Option<usize> {
        self.focus
    }

    /// Moves the map under the window.
    pub fn pan(&mut self, dx: f64, dy: f64) {
        self.view = self.view.panned(dx, dy);
        self.moved();
    }

    /// Zooms around a place on the screen.
    pub fn zoom(&mut self, screen: Point, factor: f64) {
        self.view = self.view.zoomed(screen, factor);
        self.moved();
    }

    /// Zooms around the middle.
    pub fn zoom_middle(&mut self, factor: f64) {
        let size = self.size();
        self.zoom(Point::new(size.width / 2.0, size.height / 2.0), factor);
    }

    /// Shows all, and goes on to.
    pub fn show_all(&mut self) {
        self.follows = true;
        self.follow();
    }

    /// Lays everything out anew and shows it.
    pub fn tidy(&mut self) {
        self.stage.tidy(now());
        self.outlet.added.set(0);
        self.show_all();
    }

    /// Where on the map the middle of a node is.
    pub fn centre(&self, node: usize) -> Option<Point> {
        self.stage.rects().get(node).map(Rect::centre)
    }

    /// The place on the map at a place on the screen.
    pub fn world(&self, screen: Point) -> Point {
        self.view.to_world(screen)
    }

    /// Drags a node to a place on the map.
    pub fn drag(&mut self, node: usize, centre: Point) {
        self.stage.pin(node, centre);
        self.outlet.tip.set(None);
        self.follows = false;
        self.dirt = Dirt::All;
    }

    /// Takes an arrow key.
    pub fn step(&mut self, direction: Direction) {
        self.keyboard = true;
        self.stage.touch();
        self.focus = self.stage.step(self.focus, direction);
        self.say_focus();
    }

    /// The keyboard has come to the map, or left it.
    pub fn keyboard(&mut self, here: bool) {
        self.keyboard = here;
        if here && self.focus.is_none() {
            self.focus = self.stage.first();
        }
        if here {
            self.say_focus();
        }
        self.dirt = Dirt::All;
    }

    fn say_focus(&mut self) {
        let Some(index) = self.focus else { return };
        self.outlet.said.set(self.scene().spoken(index));
        self.reveal(index);
        self.dirt = Dirt::All;
    }

    fn moved(&mut self) {
        self.stage.touch();
        self.follows = false;
        self.outlet.tip.set(None);
        self.dirt = Dirt::All;
    }

    fn reveal(&mut self, node: usize) {
        if let Some(rect) = self.stage.rects().get(node) {
            self.view = self.view.revealing(*rect, self.layers.size(), MARGIN);
        }
    }

    fn follow(&mut self) {
        if self.follows {
            self.view = Viewport::fit(self.stage.bounds(), self.layers.size(), MARGIN, LARGEST_FIT);
            self.dirt = Dirt::All;
        }
    }

    fn tell_tip(&mut self) {
        // What is selected is told by the panel, and better.
        let told = self.selected.as_ref().and_then(|selected| self.stage.find(selected));
        let tip = self.hover.filter(|target| told != Some(*target)).and_then(|target| {
            let (anchor, top) = match target {
                Target::Node(index) => {
                    self.stage.rects().get(index).map(|rect| (Point::new(rect.centre().x, rect.bottom), rect.top))?
                }
                Target::Edge(index) => self
                    .stage
                    .tracks()
                    .get(index)
                    .map(|track| track.at(track.length() / 2.0))
                    .map(|middle| (middle, middle.y))?,
            };
            let top = self.view.to_screen(Point::new(anchor.x, top)).y;
            Some(TipView { name: self.stage.name(target)?, at: self.view.to_screen(anchor), top, room: self.size() })
        });
        self.outlet.tip.set(tip);
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        MEMORY.set(self.stage.memory());
    }
}

/// Milliseconds on the clock that frames are stamped with.
fn now() -> f64 {
    window().performance().map_or(0.0, |performance| performance.now())
}
