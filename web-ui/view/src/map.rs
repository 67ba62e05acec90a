//! The topology map without its canvas: what is drawn ([`Scene`]) and where ([`Stage`]).

mod scene;
mod stage;
mod tip;
mod words;

pub use scene::{Flow, Line, Mark, Scene, SceneEdge, SceneNode, Shape};
pub use stage::{Changed, Memory, Stage, Target};
pub use tip::TipText;
