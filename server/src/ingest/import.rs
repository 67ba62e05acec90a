//! Requests of an export: the same way in, but spans that are stored already are left out first, however long ago they came.

use std::sync::Arc;

use spillway_api::Imported;
use spillway_decode::{otlp, redact::RedactionCounts};
use spillway_store::{SpanReader, Write, WriteOutcome};

use super::{Ingest, Refused, Reservation, body::Received, digest};
use crate::{clock, exchange};

impl Ingest {
    /// Stores what is new of one OTLP/JSON request; returns after the commit.
    ///
    /// # Errors
    /// [`Refused`]; nothing of the request is stored then.
    pub async fn import(
        &self,
        store: &impl SpanReader,
        body: Received,
        reservation: Reservation,
    ) -> Result<Imported, Refused> {
        let received_at_ns = clock::unix_ns();
        let (redactor, limits) = (self.redactor.clone(), self.limits.clone());
        let decoded = self.decode(None, body, reservation, move |body| {
            let digest = digest("/api/v1/import", body);
            let mut decoded =
                otlp::json::decode_traces(body, &limits).map_err(|error| Refused::Malformed(error.to_string()))?;
            let mut counts = RedactionCounts::default();
            redactor.redact_batch(&mut decoded.batch, &mut counts);
            Ok((decoded, counts, digest))
        });
        let ((decoded, counts, digest), mut reservation) = decoded.await?;
        self.count_redactions(&counts);
        let (rejected, message) = (decoded.rejected.spans, decoded.message());
        let (batch, known) = exchange::without_known(store, decoded.batch).await.map_err(|error| {
            tracing::error!(%error, "what is stored already cannot be read");
            Refused::Failed
        })?;
        let mut imported = Imported { stored: batch.len() as u64, known: known as u64, rejected, message };
        if !batch.is_empty() {
            self.resize(&mut reservation, batch.size_bytes())?;
            let write = Write::Spans { digest, batch: Arc::new(batch), received_at_ns };
            // Another import of the same line was faster, or its spans were erased a moment ago.
            if self.commit(write, reservation).await? == WriteOutcome::Repeated {
                (imported.stored, imported.known) = (0, imported.known + imported.stored);
            }
        }
        Ok(imported)
    }
}
