//! Keys and values for completion, gathered from batches.

use std::collections::BTreeSet;

use spillway_model::batch::{Run, SpanBatch};

use crate::{AttributeKey, Place, texts_of};

/// A value longer than this is not worth typing.
const MOST_BYTES: usize = 200;

/// The first few of all that begin with what was typed.
#[derive(Clone, Debug)]
pub struct Listing {
    prefix: String,
    limit: usize,
    found: BTreeSet<String>,
}

impl Listing {
    /// Of what begins with `prefix`, whatever the case of letters.
    pub fn new(prefix: &str, limit: usize) -> Self {
        Self { prefix: prefix.to_lowercase(), limit, found: BTreeSet::new() }
    }

    /// Adds the keys that stand in a place.
    pub fn keys(&mut self, batch: &SpanBatch, place: Place) {
        let mut ids: Vec<_> = Vec::new();
        each_run(batch, place, |run| ids.extend_from_slice(&batch.attribute_keys[run.range()]));
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().for_each(|id| self.add(batch.str(id)));
    }

    /// Adds the values that a key has in its place.
    pub fn values(&mut self, batch: &SpanBatch, key: &AttributeKey) {
        each_run(batch, key.place, |run| {
            for row in run.range() {
                if batch.str(batch.attribute_keys[row]) == key.key {
                    texts_of(batch.value(row), |text| self.add(text));
                }
            }
        });
    }

    /// Adds a name.
    pub fn add(&mut self, text: &str) {
        let is_late = self.found.len() >= self.limit && self.found.last().is_some_and(|last| text >= last.as_str());
        if is_late || text.len() > MOST_BYTES || self.found.contains(text) || !self.begins(text) {
            return;
        }
        self.found.insert(text.to_owned());
        if self.found.len() > self.limit {
            self.found.pop_last();
        }
    }

    fn begins(&self, text: &str) -> bool {
        self.prefix.is_empty() || text.to_lowercase().starts_with(&self.prefix)
    }

    /// Sorted.
    pub fn finish(self) -> Vec<String> {
        self.found.into_iter().collect()
    }
}

fn each_run(batch: &SpanBatch, place: Place, mut each: impl FnMut(Run)) {
    if matches!(place, Place::Nearest | Place::Resource) {
        batch.resources.iter().for_each(|resource| each(resource.attributes));
    }
    if matches!(place, Place::Nearest | Place::Span) {
        batch.spans.attributes.iter().for_each(|run| each(*run));
    }
    if place == Place::Event {
        batch.events.iter().for_each(|event| each(event.attributes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_begin_so_are_kept_in_order() {
        let mut listing = Listing::new("H", 2);
        for text in ["host.name", "http.route", "db.system", "HOST", "http.route", &"h".repeat(300)] {
            listing.add(text);
        }

        assert_eq!(listing.finish(), ["HOST", "host.name"]);
    }
}
