//! What a block holds, per operation and status: a search skips blocks that cannot have what it looks for.

use rustc_hash::FxHashMap;
use spillway_model::batch::{SpanBatch, SpanStatus, StrId};

use super::{
    BlockError,
    bytes::{Reader, put_varint},
};

const VERSION: u8 = 1;

/// Gives operations their numbers within a segment.
pub trait Operations {
    /// The number of an operation of a resource of the batch. [`BlockSummary::OTHER`] when there are too many to tell apart.
    fn number(&mut self, batch: &SpanBatch, resource: u32, name: StrId) -> u32;
}

/// The spans of one operation that ended with one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationSummary {
    /// Number of the operation in the segment.
    pub operation: u32,
    /// How they ended.
    pub status: SpanStatus,
    /// How many.
    pub count: u32,
    /// The longest one.
    pub longest_ns: u64,
    /// First start.
    pub start_min_ns: u64,
    /// Last start.
    pub start_max_ns: u64,
}

/// All of a block, sorted by operation and status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockSummary {
    /// First start of all.
    pub start_min_ns: u64,
    /// Last start of all.
    pub start_max_ns: u64,
    /// By operation and status.
    pub operations: Vec<OperationSummary>,
}

impl BlockSummary {
    /// The number of operations beyond the cap: a search must look into blocks that have it.
    pub const OTHER: u32 = 0;

    /// As stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.operations.len() * 12);
        out.push(VERSION);
        put_varint(&mut out, self.start_min_ns);
        put_varint(&mut out, self.start_max_ns - self.start_min_ns);
        put_varint(&mut out, self.operations.len() as u64);
        let mut before = 0;
        for row in &self.operations {
            put_varint(&mut out, u64::from(row.operation - before));
            before = row.operation;
            out.push(row.status as u8);
            put_varint(&mut out, u64::from(row.count));
            put_varint(&mut out, row.longest_ns);
            put_varint(&mut out, row.start_min_ns - self.start_min_ns);
            put_varint(&mut out, row.start_max_ns - row.start_min_ns);
        }
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`BlockError`] when it cannot be right.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlockError> {
        let mut reader = Reader::new("summary", bytes);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(BlockError::Version(version));
        }
        let after = |reader: &Reader<'_>, start: u64, length: u64| {
            start.checked_add(length).ok_or_else(|| reader.invalid("a time past its range"))
        };
        let start_min_ns = reader.varint()?;
        let length = reader.varint()?;
        let start_max_ns = after(&reader, start_min_ns, length)?;
        let count = reader.count()?;
        let mut operations = Vec::new();
        let mut operation = 0_u32;
        for _ in 0..count {
            operation =
                operation.checked_add(reader.u32()?).ok_or_else(|| reader.invalid("an operation past 32 bits"))?;
            let status = reader.byte()?;
            if status > SpanStatus::Error as u8 {
                return Err(reader.invalid("an unknown status"));
            }
            let (count, longest_ns) = (reader.u32()?, reader.varint()?);
            let offset = reader.varint()?;
            let first = after(&reader, start_min_ns, offset)?;
            let length = reader.varint()?;
            let last = after(&reader, first, length)?;
            operations.push(OperationSummary {
                operation,
                status: SpanStatus::from_number(u64::from(status)),
                count,
                longest_ns,
                start_min_ns: first,
                start_max_ns: last,
            });
        }
        reader.finish()?;
        Ok(Self { start_min_ns, start_max_ns, operations })
    }
}

/// Sums a batch up.
pub fn summarise(batch: &SpanBatch, operations: &mut impl Operations) -> BlockSummary {
    let columns = &batch.spans;
    let mut places: FxHashMap<(u32, StrId, SpanStatus), usize> = FxHashMap::default();
    let mut rows: Vec<OperationSummary> = Vec::new();
    let mut last = None;
    for span in 0..batch.len() {
        let resource = batch.scopes[columns.scope[span] as usize].resource;
        let key = (resource, columns.name[span], columns.status[span]);
        let place = match last {
            Some((before, place)) if before == key => place,
            _ => *places.entry(key).or_insert_with(|| {
                let operation = operations.number(batch, resource, key.1);
                rows.push(OperationSummary {
                    operation,
                    status: key.2,
                    count: 0,
                    longest_ns: 0,
                    start_min_ns: u64::MAX,
                    start_max_ns: 0,
                });
                rows.len() - 1
            }),
        };
        last = Some((key, place));
        let (start, end) = (columns.start_ns[span], columns.end_ns[span]);
        let row = &mut rows[place];
        row.count += 1;
        row.longest_ns = row.longest_ns.max(end.saturating_sub(start));
        row.start_min_ns = row.start_min_ns.min(start);
        row.start_max_ns = row.start_max_ns.max(start);
    }
    // Resources that differ in instance only have the same operation.
    rows.sort_unstable_by_key(|row| (row.operation, row.status));
    rows.dedup_by(|later, kept| {
        let same = (later.operation, later.status) == (kept.operation, kept.status);
        if same {
            kept.count += later.count;
            kept.longest_ns = kept.longest_ns.max(later.longest_ns);
            kept.start_min_ns = kept.start_min_ns.min(later.start_min_ns);
            kept.start_max_ns = kept.start_max_ns.max(later.start_max_ns);
        }
        same
    });
    let start_min_ns = columns.start_ns.iter().copied().min().unwrap_or_default();
    let start_max_ns = columns.start_ns.iter().copied().max().unwrap_or_default();
    BlockSummary { start_min_ns, start_max_ns, operations: rows }
}
