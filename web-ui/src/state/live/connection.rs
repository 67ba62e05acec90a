//! Keeps one stream open while somebody looks: resumes a blip, backs off from an outage, rests in a hidden tab.

use std::time::Duration;

use leptos::{leptos_dom::helpers::TimeoutHandle, prelude::*};
use spillway_view::backoff;

use super::{
    Live,
    stream::{Said, Stream},
};
use crate::state::Remote;

/// How the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// For the first time.
    Connecting,
    /// Data come.
    Live,
    /// It broke; so many own tries so far.
    Reconnecting(u32),
    /// Closed, because nobody looks.
    Resting,
}

/// A tab that is hidden for less keeps its stream, so that a glance elsewhere costs no snapshot.
const REST_AFTER: Duration = Duration::from_secs(20);
/// How long the browser's own resume, which sends the last event's id, is waited for before we take over.
const RESUME_WITHIN: Duration = Duration::from_secs(6);

/// The stream and the timers around it. Not reactive: only [`Connection`] is shown.
#[derive(Default)]
pub(super) struct Line {
    stream: Option<Stream>,
    attempts: u32,
    resuming: bool,
    retry: Option<TimeoutHandle>,
    rest: Option<TimeoutHandle>,
}

impl Drop for Line {
    fn drop(&mut self) {
        for timer in [self.retry, self.rest].into_iter().flatten() {
            timer.clear();
        }
    }
}

impl Live {
    /// Opens the stream and keeps it open until the owner is gone.
    pub(super) fn connect(self) {
        self.open();
        let visibility = window_event_listener_untyped("visibilitychange", move |_| self.visibility_changed());
        // A page that the browser keeps for "back" would keep its connection as well, and there are six for all tabs together.
        let left = window_event_listener_untyped("pagehide", move |_| self.rest());
        let back = window_event_listener_untyped("pageshow", move |_| self.visibility_changed());
        on_cleanup(move || {
            visibility.remove();
            left.remove();
            back.remove();
            self.line.try_update_value(|line| *line = Line::default());
        });
        // A connection that died without a word (a laptop that slept, a cable) raises no error in an `EventSource`:
        // the regular question for the status notices.
        Effect::new(move |_| {
            let away = self.status.remote.with(|status| matches!(status, Remote::Stale(..)));
            if away && self.connection.get_untracked() == Connection::Live {
                self.retry_later();
            }
        });
    }

    /// Opens a new stream in place of the old one; it begins with a snapshot.
    pub fn open(self) {
        let stream = Stream::open(move |said| self.hear(said));
        self.line.update_value(|line| {
            if let Some(retry) = line.retry.take() {
                retry.clear();
            }
            line.resuming = false;
            line.stream = stream.ok();
        });
        if self.line.with_value(|line| line.stream.is_none()) {
            self.retry_later();
        }
    }

    fn hear(self, said: Said) {
        match said {
            Said::Broken if !self.line.with_value(|line| line.resuming) => {
                self.connection.set(Connection::Reconnecting(0));
                let takeover = set_timeout_with_handle(move || self.open(), RESUME_WITHIN).ok();
                self.line.update_value(|line| {
                    line.resuming = true;
                    line.retry = takeover;
                });
            }
            Said::Broken => self.retry_later(),
            Said::Refused => {
                // The stream cannot tell why; the session can, and shows the sign-in page when that is it.
                self.session.ask();
                self.retry_later();
            }
            Said::Snapshot(text) => {
                self.arrive();
                self.fold_snapshot(&text);
            }
            Said::Delta(text) => {
                self.arrive();
                self.fold_delta(&text);
            }
            Said::Decisions(text) => {
                self.arrive();
                self.fold_decisions(&text);
            }
            Said::Plugins(text) => {
                self.arrive();
                self.fold_plugins(&text);
            }
        }
    }

    /// Something came: the line is good again.
    fn arrive(self) {
        if self.connection.get_untracked() == Connection::Live {
            return;
        }
        self.line.update_value(|line| {
            line.attempts = 0;
            line.resuming = false;
            if let Some(retry) = line.retry.take() {
                retry.clear();
            }
        });
        self.connection.set(Connection::Live);
    }

    fn retry_later(self) {
        let attempts = self.line.with_value(|line| line.attempts);
        self.connection.set(Connection::Reconnecting(attempts + 1));
        let delay = Duration::from_millis(u64::from(backoff::delay_ms(attempts, js_sys::Math::random())));
        let retry = set_timeout_with_handle(move || self.open(), delay).ok();
        self.line.update_value(|line| {
            line.attempts = attempts.saturating_add(1);
            line.stream = None;
            if let Some(earlier) = std::mem::replace(&mut line.retry, retry) {
                earlier.clear();
            }
        });
    }

    fn visibility_changed(self) {
        if document().hidden() {
            let rest = set_timeout_with_handle(move || self.rest(), REST_AFTER).ok();
            self.line.update_value(|line| line.rest = rest);
            return;
        }
        self.line.update_value(|line| {
            if let Some(rest) = line.rest.take() {
                rest.clear();
            }
        });
        if self.connection.get_untracked() == Connection::Resting {
            self.connection.set(Connection::Connecting);
            self.open();
        }
    }

    fn rest(self) {
        self.line.update_value(|line| *line = Line::default());
        self.connection.set(Connection::Resting);
    }
}
