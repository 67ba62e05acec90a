//! A block back to a batch, or only to what a search needs.

use std::ops::Range;

use spillway_model::{
    batch::{
        EventRow, LinkRow, Resource, Run, Scope, SpanBatch, SpanBatchBuilder, SpanColumns, SpanKind, SpanStatus, StrId,
    },
    identity::{SpanId, TraceId},
};

use super::{
    BlockError, MAX_ROWS, attributes,
    bytes::{Reader, unzigzag},
    encode::{BY_END, BY_START, NO_PARENT, OTHER_PARENT, ROW_PARENT, UNITS},
    section::{Frame, Section},
    strings,
};

/// A block whose checksum is right; sections are unpacked when they are asked for.
pub struct BlockReader<'a> {
    frame: Frame<'a>,
}

/// The columns that a search looks at. Strings are read with [`Self::str`].
#[derive(Clone)]
pub struct Head {
    names: Names,
    /// The resource table; attributes and entity references are not decoded.
    pub resources: Vec<Resource>,
    /// The scope table; its attributes are not decoded.
    pub scopes: Vec<Scope>,
    /// Row of the scope table, by span.
    pub scope: Vec<u32>,
    /// Operation, by span.
    pub name: Vec<StrId>,
    /// Kind, by span.
    pub kind: Vec<SpanKind>,
    /// Status, by span.
    pub status: Vec<SpanStatus>,
    /// Begin, by span.
    pub start_ns: Vec<u64>,
    /// End, by span.
    pub end_ns: Vec<u64>,
    /// Index into [`Self::traces`], by span.
    pub trace: Vec<u32>,
    /// The traces of the block, in the order of appearance.
    pub traces: Vec<TraceId>,
}

#[derive(Clone)]
struct Names {
    text: String,
    places: Vec<Range<usize>>,
}

impl Head {
    /// The text of a string of this head.
    pub fn str(&self, id: StrId) -> &str {
        self.names.places.get(id.0 as usize).and_then(|place| self.names.text.get(place.clone())).unwrap_or_default()
    }

    /// All strings of the head, by number.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        self.names.places.iter().map(|place| &self.names.text[place.clone()])
    }

    /// How many spans.
    pub fn len(&self) -> usize {
        self.scope.len()
    }

    /// True without spans.
    pub fn is_empty(&self) -> bool {
        self.scope.is_empty()
    }

    /// The resource of a span.
    pub fn resource(&self, span: usize) -> &Resource {
        &self.resources[self.scopes[self.scope[span] as usize].resource as usize]
    }
}

impl<'a> BlockReader<'a> {
    /// Checks the frame.
    ///
    /// # Errors
    /// [`BlockError`] when the bytes are no block of a known version, or damaged.
    pub fn open(bytes: &'a [u8]) -> Result<Self, BlockError> {
        Ok(Self { frame: Frame::open(bytes)? })
    }

    /// How many spans.
    pub fn span_count(&self) -> usize {
        self.frame.spans
    }

    /// Stored bytes by section: where the size of a block comes from.
    pub fn section_sizes(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.frame.sizes()
    }

    /// Decodes what a search looks at.
    ///
    /// # Errors
    /// [`BlockError`] when a section cannot be right.
    pub fn head(&self) -> Result<Head, BlockError> {
        let mut names = Names { text: String::new(), places: std::iter::once(0..0).collect() };
        let section = self.frame.section(Section::Names)?;
        strings::read(Section::Names.name(), &section, |text| {
            let start = names.text.len();
            names.text.push_str(text);
            names.places.push(start..names.text.len());
        })?;
        let section = self.frame.section(Section::Head)?;
        let mut reader = Reader::new(Section::Head.name(), &section);
        let strings = names.places.len() as u64;
        let string = |reader: &mut Reader<'_>| {
            let number = reader.u32()?;
            if u64::from(number) < strings {
                Ok(StrId(number))
            } else {
                Err(reader.invalid("a name that is not in the block"))
            }
        };
        let mut resources = Vec::new();
        for _ in 0..reader.count()? {
            resources.push(Resource {
                environment: string(&mut reader)?,
                namespace: string(&mut reader)?,
                service: string(&mut reader)?,
                instance: string(&mut reader)?,
                version: string(&mut reader)?,
                schema_url: string(&mut reader)?,
                dropped_attributes: reader.u32()?,
                attributes: Run::default(),
                entity_refs: Run::default(),
            });
        }
        let mut scopes = Vec::new();
        for _ in 0..reader.count()? {
            let resource = reader.u32()?;
            if resource as usize >= resources.len() {
                return Err(reader.invalid("a scope of an unknown resource"));
            }
            scopes.push(Scope {
                resource,
                name: string(&mut reader)?,
                version: string(&mut reader)?,
                schema_url: string(&mut reader)?,
                dropped_attributes: reader.u32()?,
                attributes: Run::default(),
            });
        }
        let rows = self.frame.spans;
        let scope = reader.column(rows, scopes.len() as u64)?;
        let name = reader.column(rows, strings)?.into_iter().map(StrId).collect();
        let kind = reader.column(rows, 6)?.into_iter().map(|kind| SpanKind::from_number(u64::from(kind))).collect();
        let status =
            reader.column(rows, 3)?.into_iter().map(|status| SpanStatus::from_number(u64::from(status))).collect();
        let (start_ns, end_ns) = read_times(&mut reader, rows)?;
        let ages = attributes::numbers(&mut reader, rows)?;
        reader.finish()?;
        let section = self.frame.section(Section::Traces)?;
        let (ids, rest) = section.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(reader.invalid("half a trace id"));
        }
        let traces: Vec<TraceId> = ids.iter().map(|id| TraceId(*id)).collect();
        let mut seen = 0_u32;
        let mut trace = Vec::with_capacity(rows);
        for age in ages {
            let index = seen.checked_sub(age).ok_or_else(|| reader.invalid("a trace before the first one"))?;
            seen += u32::from(age == 0);
            trace.push(index);
        }
        if seen as usize != traces.len() {
            return Err(reader.invalid("another number of traces"));
        }
        Ok(Head { names, resources, scopes, scope, name, kind, status, start_ns, end_ns, trace, traces })
    }

    /// Decodes the ids of all spans and of their parents.
    ///
    /// # Errors
    /// [`BlockError`] when a section cannot be right.
    pub fn links(&self) -> Result<(Vec<SpanId>, Vec<SpanId>), BlockError> {
        let section = self.frame.section(Section::Detail)?;
        self.ids(&mut Reader::new(Section::Detail.name(), &section))
    }

    /// Decodes everything.
    ///
    /// # Errors
    /// [`BlockError`] when a section cannot be right.
    pub fn batch(&self) -> Result<SpanBatch, BlockError> {
        self.batch_with(self.head()?)
    }

    /// Decodes the rest of a block whose head is known.
    ///
    /// # Errors
    /// [`BlockError`] when a section cannot be right.
    pub fn batch_with(&self, head: Head) -> Result<SpanBatch, BlockError> {
        let rows = self.frame.spans;
        let mut batch = SpanBatchBuilder::new().finish();
        for place in head.names.places.iter().skip(1) {
            batch.append_str(&head.names.text[place.clone()]);
        }
        let section = self.frame.section(Section::Text)?;
        strings::read(Section::Text.name(), &section, |text| {
            batch.append_str(text);
        })?;
        let strings = batch.string_count() as u64;
        let mut spans = self.detail(rows, strings)?;
        spans.trace_id = head.trace.iter().map(|&index| head.traces[index as usize]).collect();
        spans.scope = head.scope;
        spans.name = head.name;
        spans.kind = head.kind;
        spans.status = head.status;
        spans.start_ns = head.start_ns;
        spans.end_ns = head.end_ns;
        let (mut resources, mut scopes) = (head.resources, head.scopes);
        let section = self.frame.section(Section::Attributes)?;
        let mut reader = Reader::new(Section::Attributes.name(), &section);
        let mut runs = attributes::read(&mut reader, resources.len() + scopes.len() + rows, &mut batch)?.into_iter();
        for row in &mut resources {
            let length = reader.count()?;
            row.entity_refs = batch.append_bytes(reader.take(length)?);
        }
        reader.finish()?;
        let counted = "one run for each owner";
        resources.iter_mut().for_each(|row| row.attributes = runs.next().expect(counted));
        scopes.iter_mut().for_each(|row| row.attributes = runs.next().expect(counted));
        spans.attributes = runs.collect();
        self.events(&mut spans, &mut batch)?;
        batch.resources = resources;
        batch.scopes = scopes;
        batch.spans = spans;
        Ok(batch)
    }

    fn detail(&self, rows: usize, strings: u64) -> Result<SpanColumns, BlockError> {
        let section = self.frame.section(Section::Detail)?;
        let mut reader = Reader::new(Section::Detail.name(), &section);
        let (span_id, parent_id) = self.ids(&mut reader)?;
        let flags = attributes::numbers(&mut reader, rows)?;
        let trace_state = reader.column(rows, strings)?.into_iter().map(StrId).collect();
        let status_message = reader.column(rows, strings)?.into_iter().map(StrId).collect();
        let dropped_attributes = attributes::numbers(&mut reader, rows)?;
        let dropped_events = attributes::numbers(&mut reader, rows)?;
        let dropped_links = attributes::numbers(&mut reader, rows)?;
        reader.finish()?;
        Ok(SpanColumns {
            span_id,
            parent_id,
            flags,
            trace_state,
            status_message,
            dropped_attributes,
            dropped_events,
            dropped_links,
            ..SpanColumns::default()
        })
    }

    /// Span ids and parents; the codes of the parents are read from the detail section.
    fn ids(&self, detail: &mut Reader<'_>) -> Result<(Vec<SpanId>, Vec<SpanId>), BlockError> {
        let rows = self.frame.spans;
        let raw = self.frame.section(Section::SpanIds)?;
        let mut ids = Reader::new(Section::SpanIds.name(), &raw);
        let mut span_id = Vec::with_capacity(rows.min(ids.remaining() / 8));
        for _ in 0..rows {
            span_id.push(SpanId(ids.array()?));
        }
        let mut parent_id = Vec::with_capacity(span_id.len());
        for row in 0..rows {
            parent_id.push(match detail.varint()? {
                NO_PARENT => SpanId::NONE,
                OTHER_PARENT => SpanId(ids.array()?),
                code => {
                    let row =
                        (row as i64).checked_add(unzigzag(code - ROW_PARENT)).and_then(|row| usize::try_from(row).ok());
                    *row.and_then(|row| span_id.get(row)).ok_or_else(|| detail.invalid("a parent in no row"))?
                }
            });
        }
        ids.finish()?;
        Ok((span_id, parent_id))
    }

    fn events(&self, spans: &mut SpanColumns, batch: &mut SpanBatch) -> Result<(), BlockError> {
        let rows = self.frame.spans;
        let section = self.frame.section(Section::Events)?;
        if section.is_empty() {
            spans.events = vec![Run::default(); rows];
            spans.links = vec![Run::default(); rows];
            return Ok(());
        }
        let mut reader = Reader::new(Section::Events.name(), &section);
        let strings = batch.string_count() as u64;
        let (events, event_count) = read_runs(&mut reader, rows)?;
        let (links, link_count) = read_runs(&mut reader, rows)?;
        batch.events = Vec::with_capacity(event_count);
        for (run, &start) in events.iter().zip(&spans.start_ns) {
            for _ in run.range() {
                batch
                    .events
                    .push(EventRow { at_ns: start.wrapping_add(reader.signed()? as u64), ..EventRow::default() });
            }
        }
        let names = reader.column(event_count, strings)?;
        let dropped = attributes::numbers(&mut reader, event_count)?;
        for ((event, name), dropped) in batch.events.iter_mut().zip(names).zip(dropped) {
            event.name = StrId(name);
            event.dropped_attributes = dropped;
        }
        batch.links = Vec::with_capacity(link_count);
        for _ in 0..link_count {
            batch.links.push(LinkRow {
                trace_id: TraceId(reader.array()?),
                span_id: SpanId(reader.array()?),
                ..LinkRow::default()
            });
        }
        let states = reader.column(link_count, strings)?;
        let flags = attributes::numbers(&mut reader, link_count)?;
        let dropped = attributes::numbers(&mut reader, link_count)?;
        for (((link, state), flags), dropped) in batch.links.iter_mut().zip(states).zip(flags).zip(dropped) {
            link.trace_state = StrId(state);
            link.flags = flags;
            link.dropped_attributes = dropped;
        }
        let runs = attributes::read(&mut reader, event_count + link_count, batch)?;
        reader.finish()?;
        for (event, run) in batch.events.iter_mut().zip(&runs) {
            event.attributes = *run;
        }
        for (link, run) in batch.links.iter_mut().zip(&runs[event_count..]) {
            link.attributes = *run;
        }
        spans.events = events;
        spans.links = links;
        Ok(())
    }
}

/// Lengths to consecutive runs, and their sum. Each row of events or links takes at least a byte of the section.
fn read_runs(reader: &mut Reader<'_>, rows: usize) -> Result<(Vec<Run>, usize), BlockError> {
    let lengths = attributes::numbers(reader, rows)?;
    let total = lengths.iter().fold(0_u64, |sum, &len| sum + u64::from(len));
    if total > reader.remaining() as u64 || total > MAX_ROWS as u64 {
        return Err(reader.invalid("more rows than bytes"));
    }
    let mut start = 0;
    let runs = lengths
        .into_iter()
        .map(|len| {
            let run = Run { start, len };
            start += len;
            run
        })
        .collect();
    Ok((runs, total as usize))
}

fn read_times(reader: &mut Reader<'_>, rows: usize) -> Result<(Vec<u64>, Vec<u64>), BlockError> {
    if rows == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    let unit = reader.byte()?;
    let scale = *UNITS.get(usize::from(unit)).ok_or_else(|| reader.invalid("an unknown unit of time"))?;
    let by = reader.byte()?;
    if by != BY_START && by != BY_END {
        return Err(reader.invalid("an unknown order of times"));
    }
    if rows > reader.remaining() {
        return Err(reader.invalid("the end"));
    }
    let mut before = 0_u64;
    let mut column = Vec::with_capacity(rows);
    for _ in 0..rows {
        before = before.wrapping_add(reader.signed()? as u64);
        column.push(before);
    }
    let mut other = Vec::with_capacity(rows);
    for &time in &column {
        let duration = reader.signed()? as u64;
        other.push(if by == BY_START { time.wrapping_add(duration) } else { time.wrapping_sub(duration) });
    }
    for time in column.iter_mut().chain(&mut other) {
        *time = time.wrapping_mul(scale);
    }
    Ok(if by == BY_START { (column, other) } else { (other, column) })
}
