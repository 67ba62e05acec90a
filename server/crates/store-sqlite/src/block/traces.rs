//! Which traces a block holds, small enough to keep for every block.

use spillway_model::identity::TraceId;

/// 32 bits of a trace id. Senders may fill half of the id with zeroes or a date, so all of it is mixed in.
pub fn trace_hash(id: TraceId) -> u32 {
    let half = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("half of 16 bytes"));
    // Two rounds of a multiply and fold; the constants are those of splitmix64.
    let mixed = (half(&id.0[..8]) ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(29)
        ^ half(&id.0[8..]);
    let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 32) as u32
}

/// The hashes of a block's traces, sorted: 4 bytes a trace. One in 4 billion questions per trace is answered wrongly with yes, and
/// the block's own ids settle it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashSet32(Box<[u32]>);

impl HashSet32 {
    /// Of these traces.
    pub fn of(traces: &[TraceId]) -> Self {
        let mut hashes: Vec<u32> = traces.iter().map(|&id| trace_hash(id)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes.into())
    }

    /// Whether the trace may be in the block.
    pub fn contains(&self, hash: u32) -> bool {
        self.0.binary_search(&hash).is_ok()
    }

    /// All of them, ascending.
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }

    /// As stored: 4 bytes each, little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.to_le_bytes()).collect()
    }

    /// Reads what [`Self::to_bytes`] wrote; `None` when it is not sorted or cut off.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<4>();
        let hashes: Box<[u32]> = hashes.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        (rest.is_empty() && hashes.is_sorted_by(|a, b| a < b)).then_some(Self(hashes))
    }
}
