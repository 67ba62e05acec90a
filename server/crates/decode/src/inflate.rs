//! Compressed bodies, inflated no further than allowed.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// RFC 1952, one or several members.
    Gzip,
    /// RFC 8878, one or several frames.
    Zstd,
}

impl Packing {
    /// Its name, as in `Content-Encoding` and `grpc-encoding`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// A body that cannot be inflated.
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    /// It is none of its kind, is cut off, fails its checksum, or has something else behind its last part.
    #[error("the body is not valid {}: {source}", packing.as_str())]
    Corrupt {
        /// What it should be.
        packing: Packing,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
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
            Self::Corrupt { .. } => false,
        }
    }
}

/// Bytes of output below which the ratio does not matter: small repetitive requests compress extremely well.
const RATIO_MATTERS_ABOVE: usize = 1 << 20;

/// A zstd frame says how much memory its reader needs, up to terabytes. RFC 8878 (3.1.1.1.2) asks readers for 8 MiB and lets them refuse more;
/// no level up to 19 needs more, whatever the length of the body.
const ZSTD_WINDOW_LOG: u32 = 23;

/// The content of a compressed body.
///
/// Both limits are checked while it inflates, so that the memory it takes never exceeds `max_output` by more than one chunk (and 8 MiB for
/// zstd's window). `max_ratio` holds above 1 MiB of output; 200 is generous, since telemetry compresses about 10 to 40 times.
///
/// # Errors
/// [`InflateError`] as soon as a limit is passed, or where the body is broken.
pub fn inflate(body: &[u8], packing: Packing, max_output: usize, max_ratio: usize) -> Result<Vec<u8>, InflateError> {
    let limits = (max_output, max_ratio);
    let corrupt = |source| InflateError::Corrupt { packing, source };
    match packing {
        Packing::Gzip => {
            at_once(body, limits).map_or_else(|| read(body, MultiGzDecoder::new(body), packing, limits), Ok)
        }
        // Nothing at all is no frame, which the library takes for the end of the last one.
        Packing::Zstd if body.is_empty() => Err(corrupt(io::ErrorKind::UnexpectedEof.into())),
        Packing::Zstd => {
            let mut frames = zstd::Decoder::with_buffer(body).map_err(corrupt)?;
            frames.window_log_max(ZSTD_WINDOW_LOG).map_err(corrupt)?;
            read(body, frames, packing, limits)
        }
    }
}

/// The content of a body of one gzip member within the limits, in about half of the time: SDKs and collectors send no others.
///
/// None where there is a doubt, broken bodies included; whoever goes through it piece by piece says what it is.
fn at_once(body: &[u8], (max_output, max_ratio): (usize, usize)) -> Option<Vec<u8>> {
    // RFC 1952, 2.3: each member begins so, and ends with the length of its content.
    const MAGIC: &[u8] = &[0x1f, 0x8b, 8];
    let length = u32::from_le_bytes(*body.last_chunk()?) as usize;
    // A sender may write any length there: memory is given only to one that both limits allow.
    let allowed = length <= max_output && (length <= RATIO_MATTERS_ABOVE || length / max_ratio.max(1) < body.len());
    // The library stops after the first member without a word of what follows. Compressed bytes that look like a second one only cost time.
    if !allowed || !body.starts_with(MAGIC) || memchr::memmem::find(&body[MAGIC.len()..], MAGIC).is_some() {
        return None;
    }
    let mut out = vec![0; length];
    let written = libdeflater::Decompressor::new().gzip_decompress(body, &mut out).ok()?;
    (written == length).then_some(out)
}

fn read(
    body: &[u8],
    mut content: impl Read,
    packing: Packing,
    (max_output, max_ratio): (usize, usize),
) -> Result<Vec<u8>, InflateError> {
    const CHUNK: usize = 64 << 10;
    // Telemetry rarely compresses less than fourfold; one page is enough for the smallest.
    let mut out = Vec::with_capacity((body.len() * 4).clamp(4096, 1 << 20).min(max_output));
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = content.read(&mut chunk).map_err(|source| InflateError::Corrupt { packing, source })?;
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

    const BOTH: [Packing; 2] = [Packing::Gzip, Packing::Zstd];

    fn pack(bytes: &[u8], packing: Packing) -> Vec<u8> {
        match packing {
            Packing::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    #[test]
    fn parts_one_after_the_other_are_one_body() {
        for packing in BOTH {
            let body = [pack(b"first ", packing), pack(b"second", packing)].concat();

            assert_eq!(inflate(&body, packing, 100, 200).unwrap(), b"first second");
        }
    }

    #[test]
    fn one_member_goes_at_once_and_two_that_are_alike_do_not() {
        let limits = (1 << 20, 200);
        let (one, nothing) = (pack(b"content", Packing::Gzip), pack(b"", Packing::Gzip));

        assert_eq!(at_once(&one, limits).unwrap(), b"content");
        assert_eq!(at_once(&nothing, limits).unwrap(), b"");
        assert_eq!(at_once(&[one.clone(), one.clone()].concat(), limits), None);
        assert_eq!(inflate(&[one.clone(), one.clone()].concat(), Packing::Gzip, 100, 200).unwrap(), b"contentcontent");
        assert_eq!(at_once(&one, (6, 200)), None);
        assert_eq!(at_once(&[one, b"garbage".to_vec()].concat(), limits), None);
    }

    #[test]
    fn trailing_garbage_truncation_and_damage_are_refused() {
        for packing in BOTH {
            let good = pack(b"content that is long enough to be cut", packing);
            let garbage = [good.clone(), b"garbage".to_vec()].concat();
            let mut damaged = good.clone();
            *damaged.last_mut().unwrap() ^= 1;

            for bad in [garbage, damaged] {
                assert!(matches!(inflate(&bad, packing, 100, 200), Err(InflateError::Corrupt { .. })), "{packing:?}");
            }
            for end in 0..good.len() {
                let cut = inflate(&good[..end], packing, 100, 200);
                assert!(matches!(cut, Err(InflateError::Corrupt { .. })), "{packing:?} cut at {end}: {cut:?}");
            }
        }
    }

    #[test]
    fn a_body_that_inflates_too_far_is_stopped() {
        for packing in BOTH {
            let zeros = pack(&vec![0; 4 << 20], packing);
            let stopped = |max_output, max_ratio| inflate(&zeros, packing, max_output, max_ratio).unwrap_err();

            assert!(matches!(stopped(1 << 19, 1_000_000), InflateError::TooLong { limit: 524_288 }), "{packing:?}");
            assert!(matches!(stopped(64 << 20, 200), InflateError::Bomb { limit: 200 }), "{packing:?}");
            assert_eq!(inflate(&zeros, packing, 64 << 20, 1_000_000).unwrap().len(), 4 << 20);
        }
    }

    #[test]
    fn a_frame_that_asks_for_a_large_window_is_refused_before_it_gets_one() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(b"small").unwrap();

        let refused = inflate(&encoder.finish().unwrap(), Packing::Zstd, 64 << 20, 200).unwrap_err();

        assert!(!refused.is_too_large() && refused.to_string().contains("memory"), "{refused}");
    }

    #[test]
    fn one_packing_is_not_taken_for_the_other() {
        for (packed, read) in [(Packing::Gzip, Packing::Zstd), (Packing::Zstd, Packing::Gzip)] {
            let error = inflate(&pack(b"content", packed), read, 100, 200).unwrap_err();
            assert!(error.to_string().starts_with(&format!("the body is not valid {}", read.as_str())), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            for packing in BOTH {
                prop_assert_eq!(&inflate(&pack(&bytes, packing), packing, 5000, 200).unwrap(), &bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            for packing in BOTH {
                let _ = inflate(&bytes, packing, 1000, 200);
            }
        }
    }
}
