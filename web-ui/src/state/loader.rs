//! What a page asks the server for, with its four looks: loading, ready, failed, and ready but stale.

use std::{rc::Rc, time::Duration};

use leptos::{prelude::*, task::spawn_local};
use serde::de::DeserializeOwned;

use super::{Session, clock};
use crate::api::{self, Failure};

/// The state of something asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Remote<T> {
    /// Nothing has come yet.
    Loading,
    /// It is here.
    Ready(T),
    /// It could not be had.
    Failed(Failure),
    /// The last one is here, but a newer one could not be had.
    Stale(T, Failure),
}

impl<T> Remote<T> {
    /// What there is to show.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Ready(value) | Self::Stale(value, _) => Some(value),
            Self::Loading | Self::Failed(_) => None,
        }
    }

    fn replaced_by(self, result: Result<T, Failure>) -> Self {
        match (self, result) {
            (_, Ok(value)) => Self::Ready(value),
            (Self::Ready(old) | Self::Stale(old, _), Err(failure)) => Self::Stale(old, failure),
            (Self::Loading | Self::Failed(_), Err(failure)) => Self::Failed(failure),
        }
    }
}

/// How often it is asked for again while the tab is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Only when the request changes.
    Change,
    /// So many seconds after the last time.
    Seconds(u32),
}

/// Something asked for.
pub struct Loader<T: Send + Sync + 'static> {
    /// Its state.
    pub remote: RwSignal<Remote<T>>,
    again: RwSignal<u32>,
}

impl<T: Send + Sync + 'static> Clone for Loader<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Loader<T> {}

impl<T: Send + Sync + 'static> Loader<T> {
    /// Asks again now.
    pub fn reload(self) {
        self.again.update(|count| *count += 1);
    }
}

/// Keeps asking for `path()`; a new path starts over, `None` asks for nothing. Signals that `path` reads are followed.
pub fn load<T>(path: impl Fn() -> Option<String> + 'static, every: Every) -> Loader<T>
where
    T: DeserializeOwned + Send + Sync + 'static,
{
    let loader = Loader { remote: RwSignal::new(Remote::Loading), again: RwSignal::new(0) };
    let remote = loader.remote;
    let take = move |told: Told| {
        remote.try_update(|remote| {
            let old = std::mem::replace(remote, Remote::Loading);
            *remote = match told {
                Told::Anew => Remote::Loading,
                Told::Answer(answer) => old.replaced_by(answer.and_then(|text| api::read(&text))),
            };
        });
    };
    keep_asking(Box::new(path), every, loader.again, Rc::new(take));
    loader
}

/// What the asking tells the one who wants to know.
enum Told {
    /// Something else is asked for.
    Anew,
    /// The answer, unread.
    Answer(Result<String, Failure>),
}

/// The part of [`load`] that is the same for every type.
fn keep_asking(path: Box<dyn Fn() -> Option<String>>, every: Every, again: RwSignal<u32>, take: Rc<dyn Fn(Told)>) {
    let session = Session::get();
    // Counts requests, so that a slow answer to an old one is not shown under a new one.
    let generation = StoredValue::new(0u64);
    Effect::new(move |last_again: Option<u32>| {
        let asked_again = again.get();
        let path = path();
        generation.update_value(|count| *count += 1);
        let mine = generation.get_value();
        if last_again.is_none_or(|last| last == asked_again) {
            take(Told::Anew);
        }
        if let Some(path) = path {
            let take = Rc::clone(&take);
            spawn_local(async move {
                let answer = api::text(&path).await;
                // The page may be gone by now: every access asks first.
                if generation.try_get_value() != Some(mine) {
                    return;
                }
                match answer {
                    Err(Failure::SignInNeeded) => session.expired(),
                    answer => take(Told::Answer(answer)),
                }
            });
        }
        asked_again
    });
    if let Every::Seconds(seconds) = every {
        let tick = move || {
            if !document().hidden() {
                again.try_update(|count| *count += 1);
            }
        };
        if let Ok(ticking) = set_interval_with_handle(tick, Duration::from_secs(u64::from(seconds))) {
            on_cleanup(move || ticking.clear());
        }
    }
}

/// `from` and `to` of the last `seconds`, and how long a step is so that about `points` fit.
pub fn last(seconds: u32, points: u32) -> (String, String, String) {
    let now = clock::read();
    let step_s = (seconds / points.max(1)).max(5);
    // Cut to whole steps, so that a chart does not shiver when it is asked for again.
    let to = now.unix_ms() / 1_000 / i64::from(step_s) * i64::from(step_s);
    let at = |seconds: i64| spillway_api::Timestamp::from_unix_ms(seconds * 1_000).to_string();
    (at(to - i64::from(seconds)), at(to), step_s.to_string())
}
