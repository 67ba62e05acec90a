//! A batch to a block.

use rustc_hash::FxHashMap;
use spillway_model::{
    batch::{SpanBatch, StrId},
    identity::{SpanId, TraceId},
};

use super::{
    BlockError, MAX_ROWS,
    attributes::AttributeWriter,
    bytes::{put_column, put_signed, put_varint, varint_len, zigzag},
    section::{Framer, SECTIONS, Section},
    strings::Numbering,
};

/// Parents: none, one that is no row of the block, or the row that many rows away.
pub(super) const NO_PARENT: u64 = 0;
pub(super) const OTHER_PARENT: u64 = 1;
pub(super) const ROW_PARENT: u64 = 2;

/// Times are stored in the coarsest of these that loses nothing: many SDKs count microseconds, browsers milliseconds.
pub(super) const UNITS: [u64; 3] = [1, 1_000, 1_000_000];

/// Whether the difference from row to row is stored for the starts or for the ends.
pub(super) const BY_START: u8 = 0;
pub(super) const BY_END: u8 = 1;

/// Writes blocks; keeps its memory and its compressor from block to block.
pub struct Encoder {
    framer: Framer,
    numbering: Numbering,
    attributes: AttributeWriter,
    sections: [Vec<u8>; SECTIONS],
    traces: FxHashMap<TraceId, u32>,
    rows: FxHashMap<SpanId, u32>,
    distinct: Vec<TraceId>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// A new one.
    pub fn new() -> Self {
        Self {
            framer: Framer::new(),
            numbering: Numbering::default(),
            attributes: AttributeWriter::default(),
            sections: Default::default(),
            traces: FxHashMap::default(),
            rows: FxHashMap::default(),
            distinct: Vec::new(),
        }
    }

    /// The traces of the block that was encoded last, in the order of appearance.
    pub fn traces(&self) -> &[TraceId] {
        &self.distinct
    }

    /// Encodes a batch.
    ///
    /// # Errors
    /// [`BlockError::TooLarge`] for a batch that no request within the limits of ingest can make.
    pub fn encode(&mut self, batch: &SpanBatch) -> Result<Vec<u8>, BlockError> {
        if batch.len() > MAX_ROWS || batch.events.len() > MAX_ROWS || batch.links.len() > MAX_ROWS {
            return Err(BlockError::TooLarge("rows"));
        }
        self.sections.iter_mut().for_each(Vec::clear);
        self.numbering.reset(batch.string_count());
        self.head(batch);
        // Strings up to here are names; the rest goes to the section of other text.
        let names = self.numbering.len();
        self.ids(batch);
        self.detail(batch);
        let owners = batch
            .resources
            .iter()
            .map(|row| row.attributes)
            .chain(batch.scopes.iter().map(|row| row.attributes))
            .chain(batch.spans.attributes.iter().copied());
        let out = &mut self.sections[Section::Attributes as usize];
        self.attributes.write(batch, owners, &mut self.numbering, out)?;
        for row in &batch.resources {
            put_varint(out, u64::from(row.entity_refs.len));
            out.extend_from_slice(&batch.bytes[row.entity_refs.range()]);
        }
        self.events(batch)?;
        self.numbering.write(batch, names, &mut self.sections[Section::Text as usize]);
        self.framer.frame(batch.len(), &self.sections)
    }

    /// What a search looks at: who, what, when and how it ended.
    fn head(&mut self, batch: &SpanBatch) {
        let out = &mut self.sections[Section::Head as usize];
        let numbering = &mut self.numbering;
        let mut name = |out: &mut Vec<u8>, id: StrId| put_varint(out, u64::from(numbering.number(id)));
        put_varint(out, batch.resources.len() as u64);
        for row in &batch.resources {
            for id in [row.environment, row.namespace, row.service, row.instance, row.version, row.schema_url] {
                name(out, id);
            }
            put_varint(out, u64::from(row.dropped_attributes));
        }
        put_varint(out, batch.scopes.len() as u64);
        for row in &batch.scopes {
            put_varint(out, u64::from(row.resource));
            for id in [row.name, row.version, row.schema_url] {
                name(out, id);
            }
            put_varint(out, u64::from(row.dropped_attributes));
        }
        let columns = &batch.spans;
        put_column(out, columns.scope.iter().copied());
        let numbers: Vec<u32> = columns.name.iter().map(|&id| numbering.number(id)).collect();
        put_column(out, numbers.iter().copied());
        put_column(out, columns.kind.iter().map(|&kind| kind as u32));
        put_column(out, columns.status.iter().map(|&status| status as u32));
        put_times(out, &columns.start_ns, &columns.end_ns);
        self.traces.clear();
        self.distinct.clear();
        // How many traces ago this one was first seen: 0 is a new one, and neighbours mostly share theirs.
        let mut ages = Vec::with_capacity(batch.len());
        for &id in &columns.trace_id {
            let next = self.distinct.len() as u32;
            let index = *self.traces.entry(id).or_insert(next);
            if index == next {
                self.distinct.push(id);
            }
            ages.push(next - index);
        }
        put_column(out, ages.iter().copied());
        let names = &mut self.sections[Section::Names as usize];
        self.numbering.write(batch, 1, names);
    }

    fn ids(&mut self, batch: &SpanBatch) {
        let traces = &mut self.sections[Section::Traces as usize];
        traces.reserve(self.distinct.len() * 16);
        self.distinct.iter().for_each(|id| traces.extend_from_slice(&id.0));
        let columns = &batch.spans;
        self.rows.clear();
        for (row, &id) in columns.span_id.iter().enumerate() {
            self.rows.insert(id, row as u32);
        }
        let [ids, detail] = self
            .sections
            .get_disjoint_mut([Section::SpanIds as usize, Section::Detail as usize])
            .expect("two sections");
        ids.reserve(batch.len() * 16);
        columns.span_id.iter().for_each(|id| ids.extend_from_slice(&id.0));
        for (row, &parent) in columns.parent_id.iter().enumerate() {
            if parent.is_none() {
                put_varint(detail, NO_PARENT);
            } else if let Some(&parent) = self.rows.get(&parent) {
                put_varint(detail, ROW_PARENT + zigzag(i64::from(parent) - row as i64));
            } else {
                put_varint(detail, OTHER_PARENT);
                ids.extend_from_slice(&parent.0);
            }
        }
    }

    fn detail(&mut self, batch: &SpanBatch) {
        let out = &mut self.sections[Section::Detail as usize];
        let columns = &batch.spans;
        put_column(out, columns.flags.iter().copied());
        for column in [&columns.trace_state, &columns.status_message] {
            let numbers: Vec<u32> = column.iter().map(|&id| self.numbering.number(id)).collect();
            put_column(out, numbers.iter().copied());
        }
        for column in [&columns.dropped_attributes, &columns.dropped_events, &columns.dropped_links] {
            put_column(out, column.iter().copied());
        }
    }

    fn events(&mut self, batch: &SpanBatch) -> Result<(), BlockError> {
        let columns = &batch.spans;
        if batch.events.is_empty() && batch.links.is_empty() {
            return Ok(());
        }
        let out = &mut self.sections[Section::Events as usize];
        put_column(out, columns.events.iter().map(|run| run.len));
        put_column(out, columns.links.iter().map(|run| run.len));
        let events = || columns.events.iter().flat_map(|run| &batch.events[run.range()]);
        for (run, &start) in columns.events.iter().zip(&columns.start_ns) {
            for event in &batch.events[run.range()] {
                put_signed(out, event.at_ns.wrapping_sub(start) as i64);
            }
        }
        let numbers: Vec<u32> = events().map(|event| self.numbering.number(event.name)).collect();
        put_column(out, numbers.iter().copied());
        put_column(out, events().map(|event| event.dropped_attributes));
        let links = || columns.links.iter().flat_map(|run| &batch.links[run.range()]);
        for link in links() {
            out.extend_from_slice(&link.trace_id.0);
            out.extend_from_slice(&link.span_id.0);
        }
        let numbers: Vec<u32> = links().map(|link| self.numbering.number(link.trace_state)).collect();
        put_column(out, numbers.iter().copied());
        put_column(out, links().map(|link| link.flags));
        put_column(out, links().map(|link| link.dropped_attributes));
        let owners = events().map(|event| event.attributes).chain(links().map(|link| link.attributes));
        self.attributes.write(batch, owners, &mut self.numbering, out)
    }
}

/// Starts and ends: one of them as the difference to the row before, the other as the duration.
fn put_times(out: &mut Vec<u8>, starts: &[u64], ends: &[u64]) {
    if starts.is_empty() {
        return;
    }
    let fits = |unit: u64| starts.iter().chain(ends).all(|time| time % unit == 0);
    let unit = UNITS.iter().rposition(|&unit| fits(unit)).expect("everything is a multiple of 1");
    let scale = UNITS[unit];
    let (mut start_bytes, mut end_bytes) = (0, 0);
    for (column, bytes) in [(starts, &mut start_bytes), (ends, &mut end_bytes)] {
        let mut before = 0;
        for &time in column {
            let time = time / scale;
            *bytes += varint_len(zigzag(time.wrapping_sub(before) as i64));
            before = time;
        }
    }
    // Exporters send spans in the order in which they ended, so mostly the ends differ least.
    let (by, column) = if end_bytes < start_bytes { (BY_END, ends) } else { (BY_START, starts) };
    out.push(unit as u8);
    out.push(by);
    let mut before = 0;
    for &time in column {
        let time = time / scale;
        put_signed(out, time.wrapping_sub(before) as i64);
        before = time;
    }
    for (&start, &end) in starts.iter().zip(ends) {
        put_signed(out, (end / scale).wrapping_sub(start / scale) as i64);
    }
}
