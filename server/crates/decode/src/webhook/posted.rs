//! What a request of somebody else's format came to.

use std::{collections::BTreeMap, sync::Arc};

use spillway_model::event::Event;

/// Reasons that are told apart; the rest is counted as [`OTHER`].
const MAX_REASONS: usize = 32;
const OTHER: &str = "other reasons";

/// Events to store, and what was left out and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posted {
    /// By whose ids they are: ids of different sources do not meet. Each is stored as a whole.
    pub by_source: Vec<(Arc<str>, Vec<Event>)>,
    /// How much means nothing here, by reason.
    pub ignored: BTreeMap<String, u32>,
}

impl Posted {
    /// Events of one source.
    pub fn of(source: impl Into<Arc<str>>, events: Vec<Event>) -> Self {
        let by_source = if events.is_empty() { Vec::new() } else { vec![(source.into(), events)] };
        Self { by_source, ignored: BTreeMap::new() }
    }

    /// All events, in order of their sources.
    pub fn events_mut(&mut self) -> impl Iterator<Item = &mut Vec<Event>> {
        self.by_source.iter_mut().map(|(_, events)| events)
    }

    pub(super) fn add(&mut self, source: &str, event: Event) {
        match self.by_source.iter_mut().find(|(have, _)| **have == *source) {
            Some((_, events)) => events.push(event),
            None => self.by_source.push((source.into(), vec![event])),
        }
    }

    pub(super) fn ignore(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        let full = self.ignored.len() >= MAX_REASONS && !self.ignored.contains_key(&reason);
        *self.ignored.entry(if full { OTHER.to_owned() } else { reason }).or_default() += 1;
    }
}

/// The start of a text, at most `limit` bytes of it.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// FNV-1a: the same over restarts and releases, which `std`'s hasher does not promise.
pub(super) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    // A byte that no text has stands behind each part, so that no two lists read alike.
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
