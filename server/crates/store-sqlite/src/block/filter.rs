//! Which attributes and operations a block has, and how long spans of each service took: a split-block Bloom filter a block, those of a group laid side by side.
//!
//! A filter is that of Apache Parquet (<https://parquet.apache.org/docs/file-format/bloomfilter/>): slots of 256 bits, of which a token
//! chooses one, and in it one bit of each of eight words. A search asks one token of thousands of filters, so the filters of a group
//! have the same number of slots and the same slot of all of them stands in one row: 32 bytes a block, one seek a group.

use rustc_hash::{FxHashMap, FxHashSet};
use spillway_model::batch::{SpanBatch, StrId, Value, ValueRef};
use spillway_query::token::KeyToken;

/// Sixteen bits a token, some five bytes a span: one in some eight hundred questions is answered wrongly with yes. Of 10,000 blocks (20M spans) a
/// search for something rare unpacks a dozen in vain; with ten bits it was over a hundred, which was most of its time.
const BITS_A_TOKEN: usize = 16;
/// Bytes of a slot.
pub const SLOT_BYTES: usize = 32;
/// Slots of a filter, at most: 2 MiB, for a block of which every value is new.
const MOST_SLOTS: usize = 1 << 16;
/// No attribute can have this key: the token of an operation must not be one of an attribute.
const OPERATION_KEY: &str = "\0operation";
/// Likewise, of "a span of this service took so long".
const LONGEST_KEY: &str = "\0longest";
/// Lengths are told apart in steps of two from this on, 67 ms to 73 minutes. In 2,048 spans nearly every service has one of 32 ms.
const LONGEST: std::ops::Range<u32> = 26..43;
/// The service of "a span of any service took so long".
pub const ANY_SERVICE: &str = "";

/// The slot, of no filter, by which groups whose filters say how long spans took are told from older ones, which do not.
pub const MARK_SLOT: i64 = -1;
/// What stands in it.
pub const MARK: &[u8] = &[1];

/// Odd constants that choose a bit of each word; those of Parquet's specification.
const SALT: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// The token of a span's name.
pub fn operation_token(name: &str) -> u64 {
    KeyToken::new(OPERATION_KEY).with_text(name)
}

/// The token that a block has which holds a span of the service that took as long; `None` when so short ones are not told apart.
pub fn longest_token(service: &str, least_ns: u64) -> Option<u64> {
    let level = least_ns.checked_ilog2().filter(|level| *level >= LONGEST.start)?;
    Some(level_token(service, level.min(LONGEST.end - 1)))
}

fn level_token(service: &str, level: u32) -> u64 {
    KeyToken::new(LONGEST_KEY).with_text(&format!("{level} {service}"))
}

/// All tokens of a batch, each once.
pub fn tokens(batch: &SpanBatch) -> Vec<u64> {
    let mut tokens = name_tokens(batch);
    let mut longest: FxHashMap<&str, u64> = FxHashMap::default();
    let mut by_scope = vec![0_u64; batch.scopes.len()];
    let columns = &batch.spans;
    for ((&scope, start), end) in columns.scope.iter().zip(&columns.start_ns).zip(&columns.end_ns) {
        let known = &mut by_scope[scope as usize];
        *known = (*known).max(end.saturating_sub(*start));
    }
    for (scope, took_ns) in batch.scopes.iter().zip(by_scope) {
        let service = batch.str(batch.resources[scope.resource as usize].service);
        for service in [service, ANY_SERVICE] {
            let known = longest.entry(service).or_default();
            *known = (*known).max(took_ns);
        }
    }
    for (service, took_ns) in longest {
        let levels = took_ns.checked_ilog2().map_or(0, |level| level + 1).min(LONGEST.end);
        tokens.extend((LONGEST.start..levels).map(|level| level_token(service, level)));
    }
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// Those of its attributes (of spans, resources, scopes, events and links) and of its operations: all that groups without a mark have.
pub fn name_tokens(batch: &SpanBatch) -> Vec<u64> {
    let mut tokens = Vec::new();
    let mut keys: Vec<Option<KeyToken>> = vec![None; batch.string_count()];
    // Most attributes are text that repeats: comparing two ids is cheaper than hashing the text again.
    let mut texts: FxHashSet<(StrId, StrId)> = FxHashSet::default();
    for (row, (&key, value)) in batch.attribute_keys.iter().zip(&batch.attribute_values).enumerate() {
        let token = *keys[key.0 as usize].get_or_insert_with(|| {
            let token = KeyToken::new(batch.str(key));
            tokens.push(token.token());
            token
        });
        match *value {
            Value::Str(text) => {
                if texts.insert((key, text)) {
                    tokens.push(token.with_text(batch.str(text)));
                }
            }
            _ => token.each_with(batch.value(row), |token| tokens.push(token)),
        }
    }
    let operation = KeyToken::new(OPERATION_KEY);
    let mut names: FxHashSet<StrId> = FxHashSet::default();
    for &name in &batch.spans.name {
        if names.insert(name) {
            operation.each_with(ValueRef::Str(batch.str(name)), |token| tokens.push(token));
        }
    }
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// The filters of a group of blocks, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterGroup {
    /// One row a slot; in it 32 bytes for each block, in their order.
    pub slots: Vec<Vec<u8>>,
}

impl FilterGroup {
    /// Of the tokens of each block.
    pub fn of(blocks: &[Vec<u64>]) -> Self {
        let most = blocks.iter().map(Vec::len).max().unwrap_or_default();
        let slots = (most * BITS_A_TOKEN).div_ceil(SLOT_BYTES * 8).clamp(1, MOST_SLOTS);
        let mut rows = vec![vec![0; blocks.len() * SLOT_BYTES]; slots];
        for (block, tokens) in blocks.iter().enumerate() {
            set(&mut rows, block, tokens);
        }
        Self { slots: rows }
    }

    /// Gives one block of the group, by its place in it, the filter of these tokens instead.
    pub fn replace(&mut self, block: usize, tokens: &[u64]) {
        for row in &mut self.slots {
            row[block * SLOT_BYTES..][..SLOT_BYTES].fill(0);
        }
        set(&mut self.slots, block, tokens);
    }
}

fn set(rows: &mut [Vec<u8>], block: usize, tokens: &[u64]) {
    let slots = rows.len() as u64;
    for &token in tokens {
        let row = &mut rows[slot(token, slots) as usize];
        let bits = &mut row[block * SLOT_BYTES..][..SLOT_BYTES];
        for (word, mask) in bits.as_chunks_mut::<4>().0.iter_mut().zip(masks(token)) {
            *word = (u32::from_le_bytes(*word) | mask).to_le_bytes();
        }
    }
}

/// Which slot of a filter of that many answers for a token.
pub fn slot(token: u64, slots: u64) -> u64 {
    ((token >> 32) * slots) >> 32
}

/// Which blocks of a group may have the token, in their order, by the row of its slot.
pub fn may_have(row: &[u8], token: u64) -> impl Iterator<Item = bool> {
    let masks = masks(token);
    row.as_chunks::<SLOT_BYTES>().0.iter().map(move |bits| {
        let words = bits.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        words.zip(masks).all(|(word, mask)| word & mask != 0)
    })
}

/// One bit of each word.
fn masks(token: u64) -> [u32; 8] {
    SALT.map(|salt| 1 << ((token as u32).wrapping_mul(salt) >> 27))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use spillway_query::token::attribute_tokens;
    use spillway_store::contract::generate;

    use super::*;

    /// What the row of the token's slot says of each block.
    fn ask(group: &FilterGroup, token: u64) -> Vec<bool> {
        let slot = slot(token, group.slots.len() as u64);
        may_have(&group.slots[slot as usize], token).collect()
    }

    proptest! {
        #[test]
        fn what_a_block_has_is_never_denied(batches in proptest::collection::vec(generate::wild_batch(20), 1..5)) {
            let group = FilterGroup::of(&batches.iter().map(tokens).collect::<Vec<_>>());

            for (block, batch) in batches.iter().enumerate() {
                for row in 0..batch.attribute_keys.len() {
                    attribute_tokens(batch.str(batch.attribute_keys[row]), batch.value(row), |token| {
                        assert!(ask(&group, token)[block], "row {row} of block {block}");
                    });
                }
                for &name in &batch.spans.name {
                    prop_assert!(ask(&group, operation_token(batch.str(name)))[block]);
                }
                for span in 0..batch.len() {
                    let took_ns = batch.spans.end_ns[span].saturating_sub(batch.spans.start_ns[span]);
                    let scope = &batch.scopes[batch.spans.scope[span] as usize];
                    for service in [batch.str(batch.resources[scope.resource as usize].service), ANY_SERVICE] {
                        let token = longest_token(service, took_ns);
                        prop_assert!(token.is_none_or(|token| ask(&group, token)[block]), "span {} of {}", span, block);
                    }
                }
            }
        }
    }

    #[test]
    fn what_a_block_does_not_have_is_mostly_denied() {
        let blocks: Vec<Vec<u64>> = (0..8).map(|block| tokens(&generate::realistic_batch(block, 1_000))).collect();
        let group = FilterGroup::of(&blocks);

        let absent = 20_000_u64;
        let wrong: usize = (0..absent)
            .map(|number| KeyToken::new("absent").with_text(&number.to_string()))
            .map(|token| ask(&group, token).into_iter().filter(|may| *may).count())
            .sum();

        let share = wrong as f64 / (absent as f64 * 8.0);
        assert!(share < 0.003, "{:.2} % are answered wrongly", share * 100.0);
    }

    #[test]
    fn a_block_is_asked_for_lengths_that_it_may_have() {
        let ms = |ms: u64| ms * 1_000_000;

        assert_eq!(longest_token("cart", ms(60)), None);
        assert_eq!(longest_token("cart", ms(500)), Some(level_token("cart", 28)));
        assert_eq!(longest_token("cart", ms(2_000)), Some(level_token("cart", 30)));
        assert_eq!(longest_token("cart", u64::MAX), Some(level_token("cart", 42)));
        assert_ne!(level_token("cart", 30), level_token("mail", 30));
    }

    /// The bits of Parquet's own test vectors would need its hash; these pin ours, since they are on disks.
    #[test]
    fn the_bits_of_a_token_stay_where_they_are() {
        let token = 0x0123_4567_89ab_cdef;

        assert_eq!(slot(token, 1_000), 4);
        assert_eq!(masks(token).map(u32::trailing_zeros), [18, 19, 30, 23, 4, 16, 12, 24]);
    }
}
