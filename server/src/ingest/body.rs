//! Reading a request's body: bounded in bytes as sent, in bytes once decompressed, and in time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use spillway_decode::gzip;

use super::{Ingest, Refused, Reservation};

/// A sender that needs longer for its body holds memory that others could use.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a refused body is read, and for how long.
const DISCARD_BYTES: usize = 64 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(5);
/// Real telemetry compresses 5 to 30 times; more than this is a bomb.
const MAX_RATIO: usize = 200;

/// Reads on for a while without keeping anything: a sender that is cut off in the middle of its body sees a broken connection
/// instead of the answer that says why.
async fn discard(mut body: Body) {
    let read = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > DISCARD_BYTES {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME, read).await;
}

/// A body as it was sent.
#[derive(Clone, Debug)]
pub struct Received {
    bytes: Bytes,
    packing: Packing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
}

impl Received {
    /// One that is not compressed.
    pub fn plain(bytes: Bytes) -> Self {
        Self { bytes, packing: Packing::Plain }
    }

    /// True when it is so small that another thread would cost more than the work.
    pub(super) fn is_small(&self) -> bool {
        // Decoding takes some 2 ns a byte, so half a millisecond for what SDKs send at most, 512 spans; telemetry inflates about eightfold.
        const SMALL: usize = 256 << 10;
        let length = match self.packing {
            Packing::Plain => self.bytes.len(),
            Packing::Gzip => self.bytes.len().saturating_mul(8),
        };
        length <= SMALL
    }

    /// Its content, inflated: CPU work.
    ///
    /// # Errors
    /// [`Refused`] when it is broken, or inflates to more than `limit` bytes or [`MAX_RATIO`] times.
    pub(super) fn content(self, limit: usize) -> Result<Bytes, Refused> {
        match self.packing {
            Packing::Plain => Ok(self.bytes),
            Packing::Gzip => match gzip::inflate(&self.bytes, limit, MAX_RATIO) {
                Ok(inflated) => Ok(inflated.into()),
                Err(error) if error.is_too_large() => Err(Refused::TooLarge(error.to_string())),
                Err(error) => Err(Refused::Malformed(error.to_string())),
            },
        }
    }
}

impl Ingest {
    /// Reads a body, with the memory for it set aside first, also for what it inflates to.
    ///
    /// # Errors
    /// [`Refused`] when it is too large, too slow, compressed in a way that is not understood, or the budget is spent.
    pub async fn read(&self, headers: &HeaderMap, body: Body) -> Result<(Received, Reservation), Refused> {
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|announced| announced > self.max_body_bytes) {
            discard(body).await;
            return Err(self.too_large());
        }
        let mut reservation = self.reserve(announced.unwrap_or(self.max_body_bytes))?;
        let collected = tokio::time::timeout(READ_TIMEOUT, Limited::new(body, self.max_body_bytes).collect()).await;
        let bytes = match collected {
            Err(_) => {
                return Err(Refused::Malformed(format!("the body did not arrive within {} s", READ_TIMEOUT.as_secs())));
            }
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(self.too_large()),
            Ok(Err(error)) => return Err(Refused::Malformed(format!("the body broke off: {error}"))),
            Ok(Ok(collected)) => collected.to_bytes(),
        };
        let encoding =
            headers.get(header::CONTENT_ENCODING).map_or("identity", |encoding| encoding.to_str().unwrap_or("?"));
        let received = match encoding.trim() {
            "" | "identity" => {
                self.resize(&mut reservation, bytes.len())?;
                Received::plain(bytes)
            }
            "gzip" | "x-gzip" => {
                // The worst case is set aside before the first byte is inflated, what is not needed is given back after.
                self.resize(
                    &mut reservation,
                    bytes.len() + self.max_decompressed_bytes.min(bytes.len().saturating_mul(MAX_RATIO)),
                )?;
                Received { bytes, packing: Packing::Gzip }
            }
            other => {
                return Err(Refused::Malformed(format!(
                    "Content-Encoding `{}` is not understood: send gzip or none",
                    other.chars().take(40).collect::<String>()
                )));
            }
        };
        Ok((received, reservation))
    }

    fn too_large(&self) -> Refused {
        Refused::TooLarge(format!(
            "the body is larger than {} bytes (ingest.max_body): send smaller batches",
            self.max_body_bytes
        ))
    }
}
