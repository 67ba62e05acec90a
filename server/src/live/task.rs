//! The loop that owns the board.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Clock, Events, SETTLE, Told,
    board::{Board, Draw},
    hub::Hub,
    unsigned,
};

/// Numbers are drawn so often.
const SECOND: Duration = Duration::from_secs(1);
/// Messages that are taken at a time, so that drawing is never far away.
const AT_A_TIME: usize = 16;

pub(super) struct Task {
    pub board: Board,
    pub hub: Arc<Hub>,
    pub inbox: mpsc::Receiver<Told>,
    pub event_inbox: mpsc::Receiver<Events>,
    pub waiting_bytes: Arc<AtomicUsize>,
    pub clock: Clock,
    pub stop: CancellationToken,
}

impl Task {
    /// Runs until `stop`.
    pub(super) async fn run(mut self) {
        let mut second = interval(SECOND);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut settled_at: Option<Instant> = None;
        let (mut told, mut events) = (Vec::with_capacity(AT_A_TIME), Vec::with_capacity(AT_A_TIME));
        let stop = self.stop.clone();
        loop {
            // Time first: under load the inbox is never empty, and the map must still be drawn. Events before spans: they are few.
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
                count = self.inbox.recv_many(&mut told, AT_A_TIME) => {
                    if count == 0 {
                        return;
                    }
                    self.take(&mut told);
                }
            }
            if settled_at.is_none() && self.board.changed() {
                settled_at = Some(Instant::now() + SETTLE);
            }
        }
    }

    fn take(&mut self, told: &mut Vec<Told>) {
        for told in told.drain(..) {
            match told {
                Told::Spans { batch, received_at_ns, size } => {
                    self.board.spans(&batch, unsigned(received_at_ns));
                    self.waiting_bytes.fetch_sub(size, Relaxed);
                }
                Told::Usage(usage) => self.board.usage(usage, unsigned((self.clock)())),
            }
        }
    }

    fn take_events(&mut self, taken: &mut Vec<Events>) {
        for Events { events, received_at_ns } in taken.drain(..) {
            for event in &events {
                self.board.event(event, unsigned(received_at_ns));
            }
        }
    }

    fn draw(&mut self, what: Draw) {
        let drawn = self.board.draw(unsigned((self.clock)()), what);
        let stats = self.board.stats();
        self.hub.show(drawn.topology, drawn.map, drawn.delta.as_ref(), stats);
    }
}
