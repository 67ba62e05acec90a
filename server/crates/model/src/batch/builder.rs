//! Fills a batch row by row.

use std::{hash::Hasher as _, str::Utf8Error};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use super::{EventRow, LinkRow, Resource, Run, Scope, SpanBatch, SpanColumns, SpanRow, StrId, Value};

/// How much a builder held at one moment; see [`SpanBatchBuilder::rollback`].
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    attributes: usize,
    events: usize,
    links: usize,
    bytes: usize,
}

/// Fills a [`SpanBatch`].
///
/// Attributes of one owner stand in consecutive rows: note [`Self::attribute_count`] before the first, then
/// [`Self::attributes_since`] gives their run. Strings are interned; identifiers are valid within this batch only.
pub struct SpanBatchBuilder {
    pub(super) batch: SpanBatch,
    interned: HashTable<StrId>,
}

impl Default for SpanBatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl SpanBatchBuilder {
    /// An empty one.
    pub fn new() -> Self {
        let batch = SpanBatch {
            text: String::new(),
            strings: vec![Run::default()],
            bytes: Vec::new(),
            resources: Vec::new(),
            scopes: Vec::new(),
            spans: SpanColumns::default(),
            attribute_keys: Vec::new(),
            attribute_values: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
        };
        Self { batch, interned: HashTable::new() }
    }

    /// Makes room for that many more spans, each with `attributes` attributes and `text_bytes` of text.
    pub fn reserve(&mut self, spans: usize, attributes: usize, text_bytes: usize) {
        self.batch.spans.reserve(spans);
        self.batch.attribute_keys.reserve(spans * attributes);
        self.batch.attribute_values.reserve(spans * attributes);
        self.batch.text.reserve(spans * text_bytes);
        // About two texts of a span are its own (an id, a URL); the others repeat.
        let batch = &self.batch;
        self.interned.reserve(spans * 2, |&id| hash(batch.str(id).as_bytes()));
        self.batch.strings.reserve(spans * 2);
    }

    /// True when the string is exactly these bytes: what lets a decoder that guesses a text skip both hashing and the check for UTF-8.
    pub fn is(&self, id: StrId, text: &[u8]) -> bool {
        self.batch.strings.get(id.0 as usize).is_some_and(|run| self.batch.text.as_bytes()[run.range()] == *text)
    }

    /// The id of a string.
    pub fn intern(&mut self, text: &str) -> StrId {
        let hash = hash(text.as_bytes());
        self.find(text.as_bytes(), hash).unwrap_or_else(|| self.add(text, hash))
    }

    /// The id of a string that must still be checked: one that is known already is UTF-8, and most are known.
    ///
    /// # Errors
    /// [`Utf8Error`] for what is no text.
    pub fn intern_utf8(&mut self, text: &[u8]) -> Result<StrId, Utf8Error> {
        let hash = hash(text);
        match self.find(text, hash) {
            Some(known) => Ok(known),
            None => str::from_utf8(text).map(|text| self.add(text, hash)),
        }
    }

    fn find(&self, text: &[u8], hash: u64) -> Option<StrId> {
        if text.is_empty() {
            return Some(StrId::EMPTY);
        }
        self.interned.find(hash, |&id| self.is(id, text)).copied()
    }

    fn add(&mut self, text: &str, hash_of_it: u64) -> StrId {
        let id = self.batch.append_str(text);
        let batch = &self.batch;
        self.interned.insert_unique(hash_of_it, id, |&id| hash(batch.str(id).as_bytes()));
        id
    }

    /// The text of a string.
    pub fn str(&self, id: StrId) -> &str {
        self.batch.str(id)
    }

    /// Keeps bytes for [`Value::Bytes`], [`Value::Array`] or [`Value::Map`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Run {
        self.batch.append_bytes(bytes)
    }

    /// Rows in the attribute table.
    pub fn attribute_count(&self) -> u32 {
        count(self.batch.attribute_keys.len())
    }

    /// Adds a row to the attribute table.
    pub fn attribute(&mut self, key: StrId, value: Value) {
        self.batch.attribute_keys.push(key);
        self.batch.attribute_values.push(value);
    }

    /// The rows that were added since the attribute table had `start` rows.
    pub fn attributes_since(&self, start: u32) -> Run {
        Run { start, len: self.attribute_count() - start }
    }

    /// Adds a resource and reads its identity from its attributes.
    pub fn resource(&mut self, attributes: Run, dropped_attributes: u32, schema_url: StrId) -> u32 {
        self.resource_row(Resource { attributes, dropped_attributes, schema_url, ..Resource::default() })
    }

    /// Adds a resource; its identity is read from its attributes, whatever the row says.
    pub fn resource_row(&mut self, resource: Resource) -> u32 {
        let (mut resource, unknown) = self.batch.identified(resource);
        if let Some(name) = unknown {
            resource.service = self.intern(&name);
        }
        self.batch.resources.push(resource);
        count(self.batch.resources.len() - 1)
    }

    /// Sets the schema URL of a resource, which may be known only behind its scopes.
    pub fn resource_schema_url(&mut self, resource: u32, schema_url: StrId) {
        self.batch.resources[resource as usize].schema_url = schema_url;
    }

    /// Sets the schema URL of a scope, which may be known only behind its spans.
    pub fn scope_schema_url(&mut self, scope: u32, schema_url: StrId) {
        self.batch.scopes[scope as usize].schema_url = schema_url;
    }

    /// Adds a scope.
    pub fn scope(&mut self, scope: Scope) -> u32 {
        self.batch.scopes.push(scope);
        count(self.batch.scopes.len() - 1)
    }

    /// Rows in the event table.
    pub fn event_count(&self) -> u32 {
        count(self.batch.events.len())
    }

    /// Adds an event; those of one span stand in consecutive rows.
    pub fn event(&mut self, event: EventRow) {
        self.batch.events.push(event);
    }

    /// Rows in the link table.
    pub fn link_count(&self) -> u32 {
        count(self.batch.links.len())
    }

    /// Adds a link; those of one span stand in consecutive rows.
    pub fn link(&mut self, link: LinkRow) {
        self.batch.links.push(link);
    }

    /// Adds a span; its scope must have been added.
    pub fn span(&mut self, span: &SpanRow) {
        self.batch.spans.push(span);
    }

    /// What it holds now, for [`Self::rollback`].
    pub fn mark(&self) -> Mark {
        Mark {
            attributes: self.batch.attribute_keys.len(),
            events: self.batch.events.len(),
            links: self.batch.links.len(),
            bytes: self.batch.bytes.len(),
        }
    }

    /// Takes back attributes, events, links and bytes that were added since `mark`: those of a span that is refused after all.
    /// Its strings stay, but no row refers to them.
    pub fn rollback(&mut self, mark: Mark) {
        self.batch.attribute_keys.truncate(mark.attributes);
        self.batch.attribute_values.truncate(mark.attributes);
        self.batch.events.truncate(mark.events);
        self.batch.links.truncate(mark.links);
        self.batch.bytes.truncate(mark.bytes);
    }

    /// Bytes that an earlier [`Self::bytes`] kept.
    pub fn kept(&self, run: Run) -> &[u8] {
        &self.batch.bytes[run.range()]
    }

    /// Spans so far.
    pub fn span_count(&self) -> usize {
        self.batch.len()
    }

    /// The batch.
    pub fn finish(self) -> SpanBatch {
        self.batch
    }
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text);
    hasher.finish()
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).expect("fewer than 2^32 rows: bodies are bounded to far less")
}
