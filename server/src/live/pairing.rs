//! The pairing of the live map, as the projector drives it: what it says is summed up for the map and for the rollups.

use std::sync::Arc;

use spillway_model::{
    batch::SpanBatch,
    observation::{Measurement, Subject},
};
use spillway_store::{Projection, Watermark};
use tokio::sync::Notify;

use super::{Shared, unsigned};
use crate::jobs::changes::Watch;

/// Takes in what was committed, in order.
pub struct Pairing {
    board: Shared,
    /// Told when something is to be drawn at once.
    changed: Arc<Notify>,
    /// How far it came.
    through: Reached,
    /// How far it had come when it began anew: up to there the map has counted everything, and a replay teaches the pairing only.
    counted: Reached,
    watch: Option<Watch>,
}

#[derive(Clone, Copy, Default)]
struct Reached {
    at: Watermark,
    settled_ns: i64,
}

impl Pairing {
    pub(super) fn new(board: Shared, changed: Arc<Notify>) -> Self {
        Self { board, changed, through: Reached::default(), counted: Reached::default(), watch: None }
    }

    /// Has somebody look at what it takes in, once and in order.
    pub fn watched_by(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Begins anew, after a step that failed: a replay teaches it again which calls it had seen half of. The map keeps what it counted.
    pub fn restart(&mut self) {
        self.counted = self.through;
        self.board.lock().forget_halves();
    }
}

impl Projection for Pairing {
    fn observe(
        &mut self,
        at: Watermark,
        batch: &SpanBatch,
        received_at_ns: i64,
        emit: &mut dyn FnMut(&Subject, &[Measurement]),
    ) {
        let mut board = self.board.lock();
        if at <= self.counted.at {
            board.pairer().observe(batch, unsigned(received_at_ns), emit);
            return;
        }
        self.through.at = at;
        board.spans(batch, unsigned(received_at_ns), emit);
        if board.changed() {
            self.changed.notify_one();
        }
        drop(board);
        if let Some(watch) = &mut self.watch {
            watch.observe(batch, received_at_ns);
        }
    }

    fn settle(&mut self, now_ns: i64, emit: &mut dyn FnMut(&Subject, &[Measurement])) {
        let mut board = self.board.lock();
        if now_ns <= self.counted.settled_ns {
            board.pairer().expire(unsigned(now_ns), emit);
            return;
        }
        self.through.settled_ns = now_ns;
        board.settle(unsigned(now_ns), emit);
        if board.changed() {
            self.changed.notify_one();
        }
    }
}
