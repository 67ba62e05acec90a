//! Reading a request's body: bounded in bytes as sent, in bytes once decompressed, and in time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use spillway_decode::inflate::{self, Packing};

use super::{Ingest, Refused, Reservation};

/// A sender that needs longer for its body holds memory that others could use.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// What is set aside at first for a body that does not announce its length; it grows with what arrives. Batches of SDKs are far below.
const UNKNOWN_LENGTH: usize = 1 << 20;
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
    packing: Option<Packing>,
}

impl Received {
    /// One that is not compressed.
    pub fn plain(bytes: Bytes) -> Self {
        Self { bytes, packing: None }
    }

    /// Its bytes as they came: what a signature is of.
    pub(super) fn raw(&self) -> &[u8] {
        &self.bytes
    }

    /// True when it is so small that another thread would cost more than the work.
    pub(super) fn is_small(&self) -> bool {
        // Decoding takes some 2 ns a byte, so half a millisecond for what SDKs send at most, 512 spans; telemetry inflates about eightfold.
        const SMALL: usize = 256 << 10;
        let length = match self.packing {
            None => self.bytes.len(),
            Some(_) => self.bytes.len().saturating_mul(8),
        };
        length <= SMALL
    }

    /// Its content, inflated: CPU work.
    ///
    /// # Errors
    /// [`Refused`] when it is broken, or inflates to more than `limit` bytes or [`MAX_RATIO`] times.
    pub(super) fn content(self, limit: usize) -> Result<Bytes, Refused> {
        match self.packing {
            None => Ok(self.bytes),
            Some(packing) => match inflate::inflate(&self.bytes, packing, limit, MAX_RATIO) {
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
        self.read_at_most(headers, body, self.max_body_bytes).await
    }

    /// As [`Self::read`], with a lower limit for the body as sent.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_at_most(
        &self,
        headers: &HeaderMap,
        body: Body,
        most: usize,
    ) -> Result<(Received, Reservation), Refused> {
        let (bytes, mut reservation) = self.collect_at_most(headers, body, most.min(self.max_body_bytes)).await?;
        let encoding =
            headers.get(header::CONTENT_ENCODING).map_or("identity", |encoding| encoding.to_str().unwrap_or("?"));
        let packing = match encoding.trim() {
            "" | "identity" => None,
            "gzip" | "x-gzip" => Some(Packing::Gzip),
            "zstd" => Some(Packing::Zstd),
            other => {
                return Err(Refused::Malformed(format!(
                    "Content-Encoding `{}` is not understood: send gzip, zstd or none",
                    other.chars().take(40).collect::<String>()
                )));
            }
        };
        let received = self.received(bytes, packing, &mut reservation)?;
        Ok((received, reservation))
    }

    /// Reads a body as it was sent, with the memory for it set aside.
    ///
    /// # Errors
    /// [`Refused`] when it is too large, too slow, or the budget is spent.
    pub async fn collect(&self, headers: &HeaderMap, body: Body) -> Result<(Bytes, Reservation), Refused> {
        self.collect_at_most(headers, body, self.max_body_bytes).await
    }

    async fn collect_at_most(
        &self,
        headers: &HeaderMap,
        body: Body,
        most: usize,
    ) -> Result<(Bytes, Reservation), Refused> {
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|announced| announced > most) {
            discard(body).await;
            return Err(self.too_large(most));
        }
        let mut reservation = self.reserve(announced.unwrap_or(UNKNOWN_LENGTH.min(most)))?;
        match tokio::time::timeout(READ_TIMEOUT, self.arrive(body, most, &mut reservation)).await {
            Err(_) => Err(Refused::Malformed(format!("the body did not arrive within {} s", READ_TIMEOUT.as_secs()))),
            Ok(Err(refused)) => Err(refused),
            Ok(Ok(bytes)) => Ok((bytes, reservation)),
        }
    }

    async fn arrive(&self, mut body: Body, most: usize, reservation: &mut Reservation) -> Result<Bytes, Refused> {
        // Most bodies come in one piece, which need not be copied.
        let (mut first, mut more) = (Bytes::new(), BytesMut::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Refused::Malformed(format!("the body broke off: {error}")))?;
            let Ok(piece) = frame.into_data() else { continue };
            let length = first.len().max(more.len()) + piece.len();
            if length > most {
                return Err(self.too_large(most));
            }
            if length > reservation.bytes() {
                self.resize(reservation, (length * 2).min(most))?;
            }
            if first.is_empty() {
                first = piece;
            } else {
                if more.is_empty() {
                    more.extend_from_slice(&first);
                }
                more.extend_from_slice(&piece);
            }
        }
        Ok(if more.is_empty() { first } else { more.freeze() })
    }

    /// A body that has arrived, with memory set aside for what it inflates to.
    ///
    /// # Errors
    /// [`Refused::Overloaded`] when the budget does not have as much.
    pub fn received(
        &self,
        bytes: Bytes,
        packing: Option<Packing>,
        reservation: &mut Reservation,
    ) -> Result<Received, Refused> {
        // The worst case is set aside before the first byte is inflated, what is not needed is given back after.
        let inflated = match packing {
            None => 0,
            Some(_) => self.max_decompressed_bytes.min(bytes.len().saturating_mul(MAX_RATIO)),
        };
        self.resize(reservation, bytes.len() + inflated)?;
        Ok(Received { bytes, packing })
    }

    fn too_large(&self, most: usize) -> Refused {
        let limit = if most == self.max_body_bytes { "ingest.max_body" } else { "without the ingest key" };
        Refused::TooLarge(format!("the body is larger than {most} bytes ({limit}): send smaller batches"))
    }
}
