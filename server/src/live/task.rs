//! The loop that owns the board.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Clock, Events, SETTLE, Shared, Usage, board::Draw, hub::Hub, unsigned};

/// Numbers are drawn so often.
const SECOND: Duration = Duration::from_secs(1);
/// Messages that are taken at a time, so that drawing is never far away.
const AT_A_TIME: usize = 16;

pub(super) struct Task {
    pub board: Shared,
    /// Spans changed something that is to be drawn at once.
    pub changed: Arc<Notify>,
    pub hub: Arc<Hub>,
    pub usage_inbox: mpsc::Receiver<Usage>,
    pub event_inbox: mpsc::Receiver<Events>,
    pub clock: Clock,
    pub stop: CancellationToken,
}

impl Task {
    /// Runs until `stop`.
    pub(super) async fn run(mut self) {
        let mut second = interval(SECOND);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut settled_at: Option<Instant> = None;
        let mut events = Vec::with_capacity(AT_A_TIME);
        let stop = self.stop.clone();
        loop {
            // Time first: under load there is always something else, and the map must still be drawn.
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = second.tick() => {
                    self.draw(Draw::All);
                    settled_at = None;
                }
                () = sleep_until(settled_at.unwrap_or_else(Instant::now)), if settled_at.is_some() => {
                    self.draw(Draw::States);
                    settled_at = None;
                }
                count = self.event_inbox.recv_many(&mut events, AT_A_TIME) => {
                    if count == 0 {
                        return;
                    }
                    self.take_events(&mut events);
                }
                usage = self.usage_inbox.recv() => {
                    let Some(usage) = usage else { return };
                    self.board.lock().usage(usage, unsigned((self.clock)()));
                }
                () = self.changed.notified() => {}
            }
            if settled_at.is_none() && self.board.lock().changed() {
                settled_at = Some(Instant::now() + SETTLE);
            }
        }
    }

    fn take_events(&mut self, taken: &mut Vec<Events>) {
        let mut board = self.board.lock();
        for Events { events, received_at_ns } in taken.drain(..) {
            for event in &events {
                board.event(event, unsigned(received_at_ns));
            }
        }
    }

    fn draw(&mut self, what: Draw) {
        let mut board = self.board.lock();
        let drawn = board.draw(unsigned((self.clock)()), what);
        let stats = board.stats();
        drop(board);
        self.hub.show(drawn.topology, drawn.map, drawn.delta.as_ref(), stats);
    }
}
