//! Chance without dice: numbers that spread requests evenly, the same each time for the same input.

/// 2^64 divided by the golden ratio: its multiples fall into the largest gap each time, so that of any run of requests
/// the right share passes, not only of a million.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The `n`th point of the golden sequence.
pub(super) fn by_turns(n: u64) -> u64 {
    n.wrapping_mul(GOLDEN)
}

/// Another number for each number (the finaliser of `SplitMix64`).
pub(super) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A hash of some bytes. Every enforcer of this crate agrees on it; nobody else needs to. Not for hostile input: who
/// picks his trace ids can only choose whether his own requests pass.
pub(super) fn of(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(GOLDEN, |hash, word| mix(hash ^ u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| mix(hash ^ u64::from(*byte)))
}

/// As a fraction in `0.0..1.0`.
pub(super) fn unit(x: u64) -> f64 {
    // 53 bits fit an f64 exactly, so the result never rounds up to 1.
    (x >> 11) as f64 / (1u64 << 53) as f64
}
