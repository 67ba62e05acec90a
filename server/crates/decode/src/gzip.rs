//! Compressed bodies, inflated no further than allowed.

use std::io::Read as _;

use flate2::bufread::MultiGzDecoder;

/// A body that cannot be inflated.
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    /// It is not gzip, is cut off, fails its checksum, or has something else behind its last member.
    #[error("the body is not valid gzip: {0}")]
    Corrupt(#[source] std::io::Error),
    /// It inflates to more than allowed.
    #[error("the body inflates to more than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It inflates out of all proportion, which only a body made for that purpose does.
    #[error("the body inflates to more than {limit} times its size")]
    Bomb {
        /// The limit.
        limit: usize,
    },
}

impl InflateError {
    /// True when a limit was passed (413), false when the body is broken (400).
    pub fn is_too_large(&self) -> bool {
        match self {
            Self::TooLong { .. } | Self::Bomb { .. } => true,
            Self::Corrupt(_) => false,
        }
    }
}

/// Bytes of output below which the ratio does not matter: small repetitive requests compress extremely well.
const RATIO_MATTERS_ABOVE: usize = 1 << 20;

/// The content of a gzip body, which may have several members.
///
/// Both limits are checked while it inflates, so that the memory it takes never exceeds `max_output` by more than one chunk.
/// `max_ratio` holds above 1 MiB of output; 200 is generous, since telemetry compresses about 10 to 40 times.
///
/// # Errors
/// [`InflateError`] as soon as a limit is passed, or where the body is broken.
pub fn inflate(body: &[u8], max_output: usize, max_ratio: usize) -> Result<Vec<u8>, InflateError> {
    const CHUNK: usize = 64 << 10;
    // Telemetry rarely compresses less than fourfold; one page is enough for the smallest.
    let mut out = Vec::with_capacity((body.len() * 4).clamp(4096, 1 << 20).min(max_output));
    let mut members = MultiGzDecoder::new(body);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = members.read(&mut chunk).map_err(InflateError::Corrupt)?;
        if read == 0 {
            return Ok(out);
        }
        if out.len() + read > max_output {
            return Err(InflateError::TooLong { limit: max_output });
        }
        out.extend_from_slice(&chunk[..read]);
        if out.len() > RATIO_MATTERS_ABOVE && out.len() / max_ratio.max(1) >= body.len() {
            return Err(InflateError::Bomb { limit: max_ratio });
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn members_one_after_the_other_are_one_body() {
        let body = [gzip(b"first "), gzip(b"second")].concat();

        assert_eq!(inflate(&body, 100, 200).unwrap(), b"first second");
    }

    #[test]
    fn trailing_garbage_and_truncation_are_refused() {
        let good = gzip(b"content that is long enough to be cut");
        let garbage = [good.clone(), b"garbage".to_vec()].concat();

        assert!(matches!(inflate(&garbage, 100, 200), Err(InflateError::Corrupt(_))));
        for end in 0..good.len() {
            assert!(matches!(inflate(&good[..end], 100, 200), Err(InflateError::Corrupt(_))), "cut at {end}");
        }
    }

    #[test]
    fn a_body_that_inflates_too_far_is_stopped() {
        let zeros = gzip(&vec![0; 4 << 20]);

        assert!(matches!(inflate(&zeros, 1 << 19, 10_000), Err(InflateError::TooLong { limit: 524_288 })));
        assert!(matches!(inflate(&zeros, 64 << 20, 200), Err(InflateError::Bomb { limit: 200 })));
        assert_eq!(inflate(&zeros, 64 << 20, 10_000).unwrap().len(), 4 << 20);
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            prop_assert_eq!(inflate(&gzip(&bytes), 5000, 200).unwrap(), bytes);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = inflate(&bytes, 1000, 200);
        }
    }
}
