//! Takes secrets out of what was decoded, before anything is queued, stored or sent on.
//!
//! It stands between decode and queue, so a secret reaches neither disk nor log nor browser. Always on; the configuration can
//! add keys and allow some. What was taken out is overwritten in memory too, and counted per [`Rule`].
//!
//! **By key**: the value goes as a whole. Keys are compared without regard to case, `-` and `_`, and `camelCase`.
//!
//! | rule | keys |
//! |---|---|
//! | `header` | the last part is `authorization`, `proxy-authorization`, `cookie`, `set-cookie`, `x-api-key`, `x-auth-token`, … as in `http.request.header.authorization` |
//! | `secret_key` | contains `password`, `passwd`, `passphrase`, `token`, `secret`, `api_key`, `apikey`, `private_key` or `credential`, unless the last word says that the value only describes one (`count`, `type`, `length`, `limit`, `ttl`, …) or it counts several (`input_tokens = 17`) |
//! | `extra_key` | matches a pattern of the configuration |
//!
//! **By content**, in every text (attribute values also in arrays and maps, keys, names, messages, trace states, schema URLs):
//!
//! | rule | what | becomes |
//! |---|---|---|
//! | `url_user_info` | `scheme://user:password@host` | `scheme://[redacted]@host` |
//! | `url_query` | values of a URL's query and fragment, also of `/path?a=b` | `?a=[redacted]` |
//! | `auth_scheme` | `Bearer …`, `Basic …` | `Bearer [redacted]` |
//! | `assignment` | `password=…`, `"token": "…"` for the words of `secret_key` | `password=[redacted]` |
//! | `email` | an e-mail address | `[redacted]` |
//! | `card` | 13 to 19 digits that fulfil Luhn's formula and begin with 2 to 6, in one piece or grouped like on a card | `[redacted]` |
//!
//! Numbers (`int_value`) are not searched for cards: one identifier in ten would be taken for one.

mod assignment;
mod auth;
mod card;
mod email;
mod key;
mod nested;
mod rule;
mod text;
mod url;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use spillway_model::{
    batch::{SpanBatch, StrId, Value},
    event::{Event, EventBody},
};

pub use key::InvalidPattern;
use key::{KeyClass, KeyRules};
pub use rule::{RedactionCounts, Rule};
use text::Shape;

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// What the configuration says about redaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedactionRules {
    /// Keys whose values are taken out too; `*` stands for any characters.
    pub extra_keys: Vec<String>,
    /// Keys whose values are kept whatever they look like; `*` stands for any characters. Stronger than every other rule.
    pub allow_keys: Vec<String>,
}

/// The rules, ready to be applied.
#[derive(Clone, Debug)]
pub struct Redactor {
    keys: KeyRules,
    /// The configuration names keys of its own, which the rules for plain text do not know.
    own_keys: bool,
}

impl Redactor {
    /// Prepares the rules.
    ///
    /// # Errors
    /// [`InvalidPattern`] for a key pattern that is empty, too long, or matches every key.
    pub fn new(rules: &RedactionRules) -> Result<Self, InvalidPattern> {
        Ok(Self { keys: KeyRules::new(&rules.extra_keys, &rules.allow_keys)?, own_keys: !rules.extra_keys.is_empty() })
    }

    /// Takes secrets out of a batch. Afterwards no referenced string, value or run of bytes holds one, and unreferenced ones are
    /// overwritten.
    ///
    /// Every distinct text is searched once a batch, however often it occurs.
    pub fn redact_batch(&self, batch: &mut SpanBatch, counts: &mut RedactionCounts) {
        let mut pass = Pass::new(self, batch, counts);
        pass.attributes();
        pass.texts();
        pass.entity_refs();
        pass.finish();
    }

    /// The start of a body as a person may see it: at most `most` bytes, without secrets. Empty for what is no text, and where the
    /// configuration masks keys that cannot be found in a text without reading it.
    pub fn shown(&self, body: &[u8], most: usize) -> String {
        let start = &body[..body.len().min(most)];
        let text = match std::str::from_utf8(start) {
            Ok(text) => text,
            // The cut went through a character.
            Err(error) if start.len() < body.len() && error.error_len().is_none() => {
                std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return String::new(),
        };
        if self.own_keys {
            return String::new();
        }
        let mut clean =
            text::redacted(text, Shape::Text, &mut RedactionCounts::default()).unwrap_or_else(|| text.into());
        // What stands for a secret may be longer than it.
        clean.truncate(clean.floor_char_boundary(most));
        clean
    }

    /// Takes secrets out of a sentence that is shown.
    pub fn redact_text(&self, text: &str, counts: &mut RedactionCounts) -> String {
        text::redacted(text, Shape::Text, counts).map_or_else(|| text.to_owned(), Into::into)
    }

    /// Takes secrets out of events.
    ///
    /// An id that holds one becomes `[redacted]-` and a digest of it, so that different ids stay different and a repeat is still
    /// known as one.
    pub fn redact_events(&self, events: &mut [Event], counts: &mut RedactionCounts) {
        let mut redact = |text: &mut Arc<str>| {
            if let Some(clean) = text::redacted(text, Shape::Text, counts) {
                *text = clean.into();
            }
        };
        for event in events {
            let id = Arc::clone(&event.id);
            redact(&mut event.id);
            if event.id != id {
                event.id = format!("{REDACTED}-{:016x}", digest(&id)).into();
            }
            let service = &mut event.service;
            [&mut service.environment, &mut service.namespace, &mut service.name, &mut event.instance]
                .into_iter()
                .for_each(&mut redact);
            match &mut event.body {
                EventBody::Breaker { target, name, state: _ } => [target, name].into_iter().for_each(&mut redact),
                EventBody::Health { status: _, detail } => redact(detail),
                EventBody::Limit { target, name, .. } => [target, name].into_iter().for_each(&mut redact),
                EventBody::Change { change: _, version, title, url } => {
                    [version, title, url].into_iter().for_each(&mut redact);
                }
            }
        }
    }
}

/// FNV-1a: stays the same over restarts and releases, which `std`'s hasher does not promise.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// One batch on its way through.
struct Pass<'a> {
    redactor: &'a Redactor,
    batch: &'a mut SpanBatch,
    counts: &'a mut RedactionCounts,
    /// What each string becomes for each [`Shape`] that its places have, once that is known; most become themselves.
    becomes: [Vec<Option<StrId>>; Shape::COUNT],
    /// New strings, so that equal ones are one.
    new: FxHashMap<Box<str>, StrId>,
    classes: Vec<Option<KeyClass>>,
    changed: bool,
}

impl<'a> Pass<'a> {
    fn new(redactor: &'a Redactor, batch: &'a mut SpanBatch, counts: &'a mut RedactionCounts) -> Self {
        Self {
            redactor,
            counts,
            becomes: Default::default(),
            new: FxHashMap::default(),
            classes: vec![None; batch.string_count()],
            changed: false,
            batch,
        }
    }

    fn new_text(&mut self, text: &str) -> StrId {
        self.changed = true;
        if let Some(id) = self.new.get(text) {
            return *id;
        }
        let id = self.batch.append_str(text);
        self.new.insert(text.into(), id);
        id
    }

    /// What a string becomes at a place of that shape.
    fn clean(&mut self, id: StrId, shape: Shape) -> StrId {
        let known = &mut self.becomes[shape as usize];
        if known.is_empty() {
            // Strings that are added later are clean, and no place that is still to be looked at has one.
            known.resize(self.classes.len(), None);
        }
        if let Some(known) = known[id.0 as usize] {
            return known;
        }
        let becomes = match text::redacted(self.batch.str(id), shape, self.counts) {
            Some(clean) => self.new_text(&clean),
            None => id,
        };
        self.becomes[shape as usize][id.0 as usize] = Some(becomes);
        becomes
    }

    /// All text but attribute values.
    fn texts(&mut self) {
        let mut seen = vec![false; self.classes.len()];
        self.batch.visit_text(|id| seen[id.0 as usize] = true);
        for (id, _) in (0..).map(StrId).zip(seen).filter(|(_, seen)| *seen) {
            self.clean(id, Shape::Text);
        }
    }

    fn attributes(&mut self) {
        for row in 0..self.batch.attribute_keys.len() {
            let key = self.batch.attribute_keys[row];
            let class =
                *self.classes[key.0 as usize].get_or_insert_with(|| self.redactor.keys.class(self.batch.str(key)));
            let value = self.batch.attribute_values[row];
            self.batch.attribute_values[row] = match class {
                KeyClass::Allowed => continue,
                KeyClass::Mask(mask) => {
                    if !mask.hides(self.batch.value(row)) {
                        continue;
                    }
                    self.counts.add(mask.rule);
                    Value::Str(self.new_text(REDACTED))
                }
                KeyClass::Shaped(shape) => self.value(value, shape),
                KeyClass::Plain => self.value(value, Shape::Text),
            };
        }
    }

    fn value(&mut self, value: Value, shape: Shape) -> Value {
        match value {
            Value::Str(id) => Value::Str(self.clean(id, shape)),
            Value::Bytes(run) => {
                // Bytes are searched as far as they are text; what is no text is no pattern of ours.
                let text = std::str::from_utf8(&self.batch.bytes[run.range()]).ok();
                match text.and_then(|text| text::redacted(text, shape, self.counts)) {
                    Some(clean) => {
                        self.changed = true;
                        Value::Bytes(self.batch.append_bytes(clean.as_bytes()))
                    }
                    None => value,
                }
            }
            Value::Array(run) => match nested::array(self.redactor, &self.batch.bytes[run.range()], shape, self.counts)
            {
                Some(clean) => {
                    self.changed = true;
                    Value::Array(self.batch.append_bytes(&clean))
                }
                None => value,
            },
            Value::Map(run) => match nested::map(self.redactor, &self.batch.bytes[run.range()], shape, self.counts) {
                Some(clean) => {
                    self.changed = true;
                    Value::Map(self.batch.append_bytes(&clean))
                }
                None => value,
            },
            Value::Empty | Value::Bool(_) | Value::Int(_) | Value::Double(_) => value,
        }
    }

    /// References to entities name keys and types, so a secret in one is a mistake: then all of the resource's go.
    fn entity_refs(&mut self) {
        for index in 0..self.batch.resources.len() {
            let run = self.batch.resources[index].entity_refs;
            let text = String::from_utf8_lossy(&self.batch.bytes[run.range()]);
            if text::redacted(&text, Shape::Text, self.counts).is_some() {
                self.changed = true;
                self.batch.resources[index].entity_refs = Default::default();
            }
        }
    }

    fn finish(self) {
        if self.changed {
            let becomes = &self.becomes[Shape::Text as usize];
            self.batch.rewrite_text(|id| becomes[id.0 as usize].expect("every text of the batch was looked at"));
            self.batch.identify_resources();
            self.batch.scrub_unreferenced();
        }
    }
}

#[cfg(test)]
mod tests;
