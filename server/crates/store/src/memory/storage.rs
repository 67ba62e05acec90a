//! Sizes in the oracle: all that there is, is the log.

use std::collections::BTreeMap;

use spillway_model::identity::ServiceKey;

use super::MemoryStore;
use crate::{Arrivals, ServiceArrivals, SpanReader as _, StorageParts, StorageReader, StorageState, StoreError};

impl StorageReader for MemoryStore {
    async fn storage(&self, since_ns: i64) -> Result<StorageState, StoreError> {
        let usage = self.usage().await?;
        let state = self.state();
        let mut services: BTreeMap<ServiceKey, (u64, i64)> = BTreeMap::new();
        for committed in &state.log {
            for span in committed.batch.iter() {
                let of = services.entry(span.batch().service(span.resource())).or_insert((0, i64::MAX));
                of.0 += u64::from(committed.received_at_ns > since_ns);
                of.1 = of.1.min(committed.received_at_ns);
            }
        }
        let mut services: Vec<ServiceArrivals> = services
            .into_iter()
            .filter(|(_, (spans, _))| *spans > 0)
            .map(|(service, (spans, oldest_ns))| ServiceArrivals { service, spans, oldest_ns: Some(oldest_ns) })
            .collect();
        services.sort_by_key(|of| std::cmp::Reverse(of.spans));
        let arrivals = || state.log.iter().map(|committed| committed.received_at_ns);
        Ok(StorageState {
            parts: StorageParts { log_bytes: usage.bytes, ..StorageParts::default() },
            disk_free_bytes: None,
            spans: usage.spans,
            compacted_spans: 0,
            compacted_net_bytes: 0,
            oldest_ns: arrivals().min(),
            newest_ns: arrivals().max(),
            lately: Arrivals { from_ns: since_ns, spans: services.iter().map(|of| of.spans).sum(), services },
        })
    }
}
