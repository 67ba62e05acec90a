//! The blocks that were unpacked last: a person who reads a trace reads its neighbours next, and those stand in the same blocks.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use spillway_model::batch::SpanBatch;

use crate::segment::FileName;

/// Some ten blocks. Beyond this the one that was used longest ago goes.
const MOST_BYTES: usize = 16 << 20;

/// A block as it was read: an erasure rewrites blocks in place, and what was erased must not be answered from here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    file: FileName,
    block: u64,
    length: usize,
    checksum: u32,
}

impl Version {
    /// Of a block's bytes.
    pub(crate) fn of(file: FileName, block: u64, data: &[u8]) -> Self {
        let checksum = data.last_chunk::<4>().map_or(0, |checksum| u32::from_le_bytes(*checksum));
        Self { file, block, length: data.len(), checksum }
    }
}

/// Bounded in bytes; used last, kept last.
#[derive(Default)]
pub(crate) struct Unpacked(Mutex<VecDeque<(Version, Arc<SpanBatch>)>>);

impl Unpacked {
    pub(crate) fn get(&self, version: Version) -> Option<Arc<SpanBatch>> {
        let mut kept = self.kept();
        let at = kept.iter().position(|(have, _)| *have == version)?;
        let entry = kept.remove(at)?;
        let batch = Arc::clone(&entry.1);
        kept.push_back(entry);
        Some(batch)
    }

    pub(crate) fn put(&self, version: Version, batch: &Arc<SpanBatch>) {
        let mut kept = self.kept();
        // Two readers may have unpacked it at a time.
        kept.retain(|(have, _)| *have != version);
        kept.push_back((version, Arc::clone(batch)));
        let mut bytes: usize = kept.iter().map(|(_, batch)| batch.size_bytes()).sum();
        while bytes > MOST_BYTES
            && let Some((_, oldest)) = kept.pop_front()
        {
            bytes -= oldest.size_bytes();
        }
    }

    /// What was erased must not stay in memory either.
    pub(crate) fn clear(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(Version, Arc<SpanBatch>)>> {
        // Each change leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use spillway_store::contract::generate;

    use super::*;
    use crate::segment::Kind;

    fn version(block: u64, data: &[u8]) -> Version {
        Version::of(FileName { kind: Kind::Compacted, number: 1 }, block, data)
    }

    #[test]
    fn a_block_that_was_rewritten_is_another() {
        let unpacked = Unpacked::default();
        let batch = Arc::new(generate::realistic_batch(1, 8));
        unpacked.put(version(1, &[1, 2, 3, 4, 5]), &batch);

        assert!(unpacked.get(version(1, &[1, 2, 3, 4, 5])).is_some());
        assert!(unpacked.get(version(1, &[1, 2, 3, 4, 6])).is_none(), "another checksum");
        assert!(unpacked.get(version(1, &[0, 1, 2, 3, 4, 5])).is_none(), "another length");
        assert!(unpacked.get(version(2, &[1, 2, 3, 4, 5])).is_none());
        unpacked.clear();
        assert!(unpacked.get(version(1, &[1, 2, 3, 4, 5])).is_none());
    }

    #[test]
    fn beyond_its_bytes_what_was_used_longest_ago_goes() {
        let unpacked = Unpacked::default();
        let batch = Arc::new(generate::realistic_batch(1, 2_000));
        let room = (MOST_BYTES / batch.size_bytes()) as u64;
        (0..room).for_each(|block| unpacked.put(version(block, &[]), &batch));
        assert!(unpacked.get(version(0, &[])).is_some());

        unpacked.put(version(room, &[]), &batch);

        assert!(unpacked.get(version(0, &[])).is_some() && unpacked.get(version(1, &[])).is_none());
        assert!(unpacked.0.lock().unwrap().len() as u64 <= room);
    }
}
