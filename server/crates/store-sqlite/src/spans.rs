//! Reading spans: the trait, and what needs no file of its own.

use std::collections::BTreeSet;

use spillway_model::{
    batch::SpanBatch,
    identity::{ServiceKey, TraceId},
};
use spillway_query::{AttributeKey, Listing, Place};
use spillway_store::{OperationRow, ReplayedBatch, SpanReader, StoreError, TracePage, TraceQuery, Usage, Watermark};

use crate::{
    SqliteStore, replay,
    search::{self, listing},
    trace,
};

impl SpanReader for SqliteStore {
    #[tracing::instrument(name = "db.trace", skip_all, fields(trace.id = %id), err)]
    async fn trace(&self, id: TraceId) -> Result<Option<SpanBatch>, StoreError> {
        trace::read(&self.inner, id).await
    }

    #[tracing::instrument(name = "db.search", skip_all, err)]
    async fn search(&self, query: &TraceQuery) -> Result<TracePage, StoreError> {
        search::search(&self.inner, query).await
    }

    #[tracing::instrument(name = "db.operations", skip_all, err)]
    async fn operations(&self, limit: usize) -> Result<Vec<OperationRow>, StoreError> {
        let mut operations = BTreeSet::new();
        for segment in self.inner.catalogue.all() {
            let Some(mut connection) = segment.reader().await? else { continue };
            let rows: Vec<(String, String, String, String)> = sqlx::query_as(
                "SELECT environment, namespace, service, name
                 FROM operation
                 ORDER BY environment, namespace, service, name
                 LIMIT ?",
            )
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *connection)
            .await
            .map_err(segment.failed("list operations"))?;
            operations.extend(rows.into_iter().map(|(environment, namespace, service, name)| OperationRow {
                service: ServiceKey::new(&environment, &namespace, &service),
                name,
            }));
            while operations.len() > limit {
                operations.pop_last();
            }
        }
        Ok(operations.into_iter().collect())
    }

    #[tracing::instrument(name = "db.attribute_keys", skip_all, err)]
    async fn attribute_keys(&self, place: Place, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut listing = Listing::new(prefix, limit);
        listing::newest(&self.inner, |batch| listing.keys(batch, place)).await?;
        Ok(listing.finish())
    }

    #[tracing::instrument(name = "db.attribute_values", skip_all, err)]
    async fn attribute_values(
        &self,
        key: &AttributeKey,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let mut listing = Listing::new(prefix, limit);
        listing::newest(&self.inner, |batch| listing.values(batch, key)).await?;
        Ok(listing.finish())
    }

    #[tracing::instrument(name = "db.replay", skip_all, err)]
    async fn replay(&self, after: Option<Watermark>, span_limit: usize) -> Result<Vec<ReplayedBatch>, StoreError> {
        replay::read(&self.inner, after, span_limit).await
    }

    async fn watermark_before(&self, received_at_ns: i64) -> Result<Option<Watermark>, StoreError> {
        replay::watermark_before(&self.inner, received_at_ns).await
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        let segments = self.inner.catalogue.all();
        let spans = segments.iter().map(|segment| segment.spans()).sum();
        let files = [&self.inner.control.path, &self.inner.history.path]
            .into_iter()
            .chain(segments.iter().map(|segment| &segment.path));
        Ok(Usage { spans, bytes: files.map(|path| crate::catalogue::size_bytes(path)).sum() })
    }
}
