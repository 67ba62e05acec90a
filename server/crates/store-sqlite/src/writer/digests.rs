//! Which requests were committed lately: a repeat of one changes nothing.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;
use spillway_store::{RequestDigest, StoreError};

use crate::{catalogue::Catalogue, error, segment::Kind};

/// Senders retry for some five minutes; a digest is known for at least ten.
pub(crate) const KEPT_NS: i64 = 15 * 60 * 1_000_000_000;
/// Some 100 MB. At more than 2,000 requests a second the oldest are forgotten before their time.
const MOST: usize = 2_000_000;

/// Index: block_by_arrival.
pub(crate) const FRESH: &str = "SELECT received_at_ns, digests
     FROM block
     WHERE received_at_ns >= ?
     ORDER BY received_at_ns";

/// Primary key.
pub(crate) const COMPACTED: &str = "SELECT received_at_ns, digests
     FROM request
     WHERE received_at_ns >= ?
     ORDER BY received_at_ns";

/// Half of a SHA-256 is enough to tell requests apart.
type Half = [u8; 16];

fn half(digest: &RequestDigest) -> Half {
    *digest.0.first_chunk().expect("16 of 32 bytes")
}

#[derive(Default)]
pub(super) struct Digests {
    known: FxHashSet<Half>,
    order: VecDeque<(i64, Half)>,
    newest_ns: i64,
}

impl Digests {
    /// Those of the requests that arrived last. Time goes on while the program is down, so this is never too few.
    pub(super) async fn load(catalogue: &Catalogue) -> Result<Self, StoreError> {
        let segments = catalogue.all();
        let newest = segments.iter().map(|segment| segment.totals().last_received_at_ns).max().unwrap_or_default();
        let from = newest.saturating_sub(KEPT_NS);
        let mut digests = Self::default();
        for segment in segments.iter().filter(|segment| segment.totals().last_received_at_ns >= from) {
            let Some(mut connection) = segment.reader().await? else { continue };
            let statement = match segment.name.kind {
                Kind::Fresh => FRESH,
                Kind::Compacted => COMPACTED,
            };
            let rows: Result<Vec<(i64, Vec<u8>)>, _> =
                sqlx::query_as(statement).bind(from).fetch_all(&mut *connection).await;
            // Where a page of it is damaged, a request that is sent again is stored again: better than no start. Readers see its spans once.
            let rows = error::left_out(rows.map_err(segment.failed("read the digests")))?;
            for (received_at_ns, bytes) in rows.unwrap_or_default() {
                for digest in bytes.as_chunks::<32>().0 {
                    digests.insert(RequestDigest(*digest), received_at_ns);
                }
            }
        }
        Ok(digests)
    }

    pub(super) fn contains(&self, digest: &RequestDigest) -> bool {
        self.known.contains(&half(digest))
    }

    pub(super) fn insert(&mut self, digest: RequestDigest, received_at_ns: i64) {
        let half = half(&digest);
        if !self.known.insert(half) {
            return;
        }
        self.order.push_back((received_at_ns, half));
        self.newest_ns = self.newest_ns.max(received_at_ns);
        let bound = self.newest_ns.saturating_sub(KEPT_NS);
        while let Some((received_at_ns, half)) = self.order.front() {
            if *received_at_ns >= bound && self.order.len() <= MOST {
                break;
            }
            self.known.remove(half);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u8) -> RequestDigest {
        RequestDigest([number; 32])
    }

    #[test]
    fn a_digest_is_known_for_ten_minutes_and_not_for_ever() {
        let mut digests = Digests::default();
        let minute = 60 * 1_000_000_000;

        digests.insert(digest(1), 0);
        digests.insert(digest(2), 10 * minute);
        assert!(digests.contains(&digest(1)));

        digests.insert(digest(3), 20 * minute);
        assert!(!digests.contains(&digest(1)) && digests.contains(&digest(2)));
    }
}
