//! Signatures of webhooks, checked on the bytes as they came, before anything reads them.
//!
//! | form | headers | signed |
//! |---|---|---|
//! | Standard Webhooks 1.0 | `webhook-id`, `webhook-timestamp` (Unix seconds), `webhook-signature` (`v1,<base64>`, several with spaces between) | `id.timestamp.body` |
//! | GitHub | `x-hub-signature-256` (`sha256=<hex>`) | the body |
//! | Grafana | `x-grafana-alerting-signature` (hex), and `x-grafana-alerting-timestamp` (Unix seconds) where it is set | the body, or `timestamp:body` |
//!
//! All are HMAC-SHA256. Those with a time are taken within [`TOLERANCE`] of it; one without can be sent again, which changes nothing, since
//! an event is known by its id. Ed25519 signatures (`v1a`) are not checked, and so do not count.

use std::time::Duration;

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// How far a signed time may be from ours: what the libraries of Standard Webhooks take.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Signatures of one request that are looked at: a sender that changes its secret sends two.
const MAX_SIGNATURES: usize = 8;

/// Fewer bytes could be guessed.
const MIN_SECRET_BYTES: usize = 16;

/// With or without `=` at the end: people lose it when they copy.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A sender and the secret that it signs with.
#[derive(Clone)]
pub struct Signer {
    name: String,
    key: Vec<u8>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Signer {
    /// Reads `NAME:SECRET`; a secret that begins with `whsec_` is base64 behind it.
    ///
    /// # Errors
    /// What would be right; it does not hold the secret.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, secret) = text.split_once(':').ok_or("expected NAME:SECRET")?;
        let name = name.trim();
        let word = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(word) {
            return Err("the name before `:` has 1 to 64 letters, digits, `-`, `_` or `.`");
        }
        let key = match secret.trim().strip_prefix("whsec_") {
            Some(encoded) => BASE64.decode(encoded).map_err(|_| "what follows `whsec_` must be base64")?,
            None => secret.trim().as_bytes().to_vec(),
        };
        if key.len() < MIN_SECRET_BYTES {
            return Err("the secret is shorter than 16 bytes: take a random one");
        }
        Ok(Self { name: name.to_owned(), key })
    }

    /// Whose secret it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn signed(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        // Any length is a key to HMAC.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return false };
        parts.iter().for_each(|part| mac.update(part));
        // Takes the same time wherever they differ.
        mac.verify_slice(signature).is_ok()
    }
}

/// What a request carries of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Standard Webhooks.
    Standard {
        /// `webhook-id`.
        id: String,
        /// `webhook-timestamp`.
        timestamp: String,
        /// `webhook-signature`.
        signatures: String,
    },
    /// GitHub.
    Github(String),
    /// Grafana.
    Grafana {
        /// `x-grafana-alerting-signature`.
        signature: String,
        /// `x-grafana-alerting-timestamp`, where it is set.
        timestamp: Option<String>,
    },
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// A part of it is missing.
    #[error("the signature needs the headers webhook-id, webhook-timestamp and webhook-signature")]
    Incomplete,
    /// It is not written as it should be.
    #[error("the signature is not written as its kind is")]
    Malformed,
    /// Its time is too far from ours.
    #[error("the signed time is more than 5 minutes from this server's clock: repeat it with a new signature")]
    Stale,
    /// No secret made it.
    #[error("no configured secret makes this signature of this body")]
    Wrong,
}

impl Signature {
    /// The signature of a request, `None` when it carries none. `header` looks one up by its name in lower case.
    ///
    /// # Errors
    /// [`BadSignature::Incomplete`].
    pub fn of<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Result<Option<Self>, BadSignature> {
        let text = |name: &str| header(name).map(str::to_owned);
        if let Some(signatures) = text("webhook-signature") {
            let (Some(id), Some(timestamp)) = (text("webhook-id"), text("webhook-timestamp")) else {
                return Err(BadSignature::Incomplete);
            };
            return Ok(Some(Self::Standard { id, timestamp, signatures }));
        }
        if let Some(signature) = text("x-hub-signature-256") {
            return Ok(Some(Self::Github(signature)));
        }
        let timestamp = text("x-grafana-alerting-timestamp");
        Ok(text("x-grafana-alerting-signature").map(|signature| Self::Grafana { signature, timestamp }))
    }

    /// Whose secret made it. `now_s` is the receiver's clock, in Unix seconds.
    ///
    /// # Errors
    /// [`BadSignature`] when nobody's did, or it is too old.
    pub fn verify<'a>(&self, signers: &'a [Signer], body: &[u8], now_s: i64) -> Result<&'a Signer, BadSignature> {
        let by = |parts: &[&[u8]], signature: &[u8]| signers.iter().find(|signer| signer.signed(parts, signature));
        match self {
            Self::Standard { id, timestamp, signatures } => {
                fresh(timestamp, now_s)?;
                let versions = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,")).take(MAX_SIGNATURES);
                let mut seen = false;
                for encoded in versions {
                    let Ok(signature) = BASE64.decode(encoded) else { return Err(BadSignature::Malformed) };
                    seen = true;
                    let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
                    if let Some(signer) = by(&parts, &signature) {
                        return Ok(signer);
                    }
                }
                Err(if seen { BadSignature::Wrong } else { BadSignature::Malformed })
            }
            Self::Github(signature) => {
                let hex = signature.strip_prefix("sha256=").ok_or(BadSignature::Malformed)?;
                by(&[body], &unhex(hex)?).ok_or(BadSignature::Wrong)
            }
            Self::Grafana { signature, timestamp: None } => by(&[body], &unhex(signature)?).ok_or(BadSignature::Wrong),
            Self::Grafana { signature, timestamp: Some(timestamp) } => {
                fresh(timestamp, now_s)?;
                by(&[timestamp.as_bytes(), b":", body], &unhex(signature)?).ok_or(BadSignature::Wrong)
            }
        }
    }
}

fn fresh(timestamp: &str, now_s: i64) -> Result<(), BadSignature> {
    let at_s: i64 = timestamp.parse().map_err(|_| BadSignature::Malformed)?;
    if now_s.abs_diff(at_s) <= TOLERANCE.as_secs() { Ok(()) } else { Err(BadSignature::Stale) }
}

fn unhex(text: &str) -> Result<Vec<u8>, BadSignature> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or(BadSignature::Malformed);
    match text.as_bytes().as_chunks::<2>() {
        (pairs, []) => pairs.iter().map(|[high, low]| Ok(digit(*high)? * 16 + digit(*low)?)).collect(),
        _ => Err(BadSignature::Malformed),
    }
}

#[cfg(test)]
mod tests;
