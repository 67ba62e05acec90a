#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use spillway_model::batch::{SpanBatch, SpanBatchBuilder};
use spillway_store::contract::{generate, plain};

use super::*;

fn encoded(batch: &SpanBatch) -> Vec<u8> {
    Encoder::new().encode(batch).unwrap()
}

proptest! {
    #[test]
    fn a_block_gives_back_the_batch(batch in generate::wild_batch(40)) {
        let bytes = encoded(&batch);
        let reader = BlockReader::open(&bytes).unwrap();
        let back = reader.batch().unwrap();

        prop_assert_eq!(plain::spans(&back), plain::spans(&batch));
        prop_assert_eq!(back.resources.len(), batch.resources.len());
        prop_assert_eq!(back.scopes.len(), batch.scopes.len());
        let (span_id, parent_id) = reader.links().unwrap();
        prop_assert_eq!(&span_id, &batch.spans.span_id);
        prop_assert_eq!(&parent_id, &batch.spans.parent_id);
    }

    #[test]
    fn an_encoder_that_is_used_again_writes_the_same(first in generate::wild_batch(20), second in generate::wild_batch(20)) {
        let mut encoder = Encoder::new();
        encoder.encode(&first).unwrap();

        prop_assert_eq!(encoder.encode(&second).unwrap(), encoded(&second));
    }

    #[test]
    fn a_damaged_block_is_an_error(batch in generate::wild_batch(10), place in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = encoded(&batch);
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;

        prop_assert!(BlockReader::open(&bytes).is_err());
    }

    /// A checksum that fits damaged bytes is not a reason to panic, or to take more memory than a block may.
    #[test]
    fn a_forged_block_does_not_panic(batch in generate::wild_batch(10), changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = unpacked(&batch);
        for (place, byte) in changes {
            let place = place.index(bytes.len() - 4);
            bytes[place] = byte;
        }
        forge(&mut bytes);
        if let Ok(reader) = BlockReader::open(&bytes) {
            let _ = reader.links();
            if let Ok(back) = reader.batch() {
                plain::spans(&back);
            }
        }
    }

    #[test]
    fn a_cut_block_is_an_error(batch in generate::wild_batch(10), length in any::<prop::sample::Index>()) {
        let mut bytes = unpacked(&batch);
        bytes.truncate(length.index(bytes.len() - 4).max(4));
        forge(&mut bytes);

        prop_assert!(BlockReader::open(&bytes).and_then(|reader| reader.batch()).is_err());
    }

    #[test]
    fn a_summary_comes_back_and_covers_every_span(batch in generate::wild_batch(30)) {
        let mut numbers = Numbers(Vec::new());
        let summary = summarise(&batch, &mut numbers);

        prop_assert_eq!(&BlockSummary::from_bytes(&summary.to_bytes()).unwrap(), &summary);
        prop_assert_eq!(summary.operations.iter().map(|row| row.count as usize).sum::<usize>(), batch.len());
        for span in batch.iter() {
            let operation = numbers.of(&batch, span.resource(), span.name());
            let row = summary.operations.iter().find(|row| row.operation == operation && row.status == span.status()).unwrap();
            prop_assert!(row.longest_ns >= span.duration_ns() && (row.start_min_ns..=row.start_max_ns).contains(&span.start_ns()));
        }
    }

    #[test]
    fn every_trace_of_a_block_is_in_its_hashes(batch in generate::wild_batch(30)) {
        let mut encoder = Encoder::new();
        encoder.encode(&batch).unwrap();
        let hashes = HashSet32::from_bytes(&HashSet32::of(encoder.traces()).to_bytes()).unwrap();

        prop_assert!(batch.spans.trace_id.iter().all(|&id| hashes.contains(trace_hash(id))));
    }
}

struct Numbers(Vec<(String, String)>);

impl Numbers {
    fn of(&mut self, batch: &SpanBatch, resource: &spillway_model::batch::Resource, name: &str) -> u32 {
        let key = (format!("{:?}", batch.service(resource)), name.to_owned());
        let known = self.0.iter().position(|have| *have == key);
        known.unwrap_or_else(|| {
            self.0.push(key);
            self.0.len() - 1
        }) as u32
            + 1
    }
}

impl Operations for Numbers {
    fn number(&mut self, batch: &SpanBatch, resource: u32, name: spillway_model::batch::StrId) -> u32 {
        self.of(batch, &batch.resources[resource as usize], batch.str(name))
    }
}

/// The same block with its sections stored as they are, so that a change reaches what reads them and not only zstd.
fn unpacked(batch: &SpanBatch) -> Vec<u8> {
    let bytes = encoded(batch);
    section::unpacked(&bytes)
}

fn forge(bytes: &mut [u8]) {
    let content = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..content]);
    bytes[content..].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn text_that_no_row_refers_to_is_not_written() {
    let mut builder = SpanBatchBuilder::new();
    builder.intern("hunter2-secret-token");
    let batch = builder.finish();

    let bytes = unpacked(&batch);

    assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let mut bytes = encoded(&generate::realistic_batch(1, 10));
    bytes[4] = 2;
    forge(&mut bytes);

    assert_eq!(BlockReader::open(&bytes).err(), Some(BlockError::Version(2)));
}

/// The aim of the format (docs/PERFORMANCE.md): some 75 bytes a span for requests of 512 spans with ten attributes each.
#[test]
fn a_realistic_span_takes_few_bytes() {
    let bytes: usize = (0..8).map(|seed| encoded(&generate::realistic_batch(seed, 512)).len()).sum();

    let per_span = bytes / (8 * 512);
    assert!(per_span <= 75, "{per_span} bytes a span");
}
