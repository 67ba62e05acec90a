//! The segment that takes new blocks.

use std::{path::Path, sync::Arc};

use spillway_store::StoreError;

use super::{Codec, Failure, SealedBlock, plan::Source};
use crate::{
    OpenOptions, Synchronous,
    connect::{Purpose, WriterConnection},
    error, open,
    segment::{
        self, FileName, Segment, Totals,
        operations::{OperationNumbers, Table},
        runs,
    },
};

/// The segment, the one connection that writes it, and what encoding keeps.
pub(crate) struct Active {
    segment: Arc<Segment>,
    pub(crate) connection: WriterConnection,
    /// On a blocking thread while blocks are encoded.
    codec: Option<Box<Codec>>,
    size_bytes: u64,
}

impl Active {
    pub(super) async fn create(dir: &Path, name: FileName, synchronous: Synchronous) -> Result<Self, StoreError> {
        let (segment, connection) = Segment::open_for_writing(dir, name, synchronous).await?;
        // The name of the file must be as durable as the commits in it.
        open::sync_dir(&name.kind.folder(dir))?;
        Ok(Self { segment: Arc::new(segment), connection, codec: Some(Box::default()), size_bytes: 0 })
    }

    pub(super) async fn reopen(segment: Arc<Segment>, synchronous: Synchronous) -> Result<Self, StoreError> {
        let mut connection = WriterConnection::open(&segment.path, Purpose::Log, synchronous).await?;
        let size_bytes =
            std::fs::metadata(&segment.path).map_err(error::io(format!("read the size of {}", segment.file())))?.len();
        let codec = Box::new(Codec::new(
            OperationNumbers::load(connection.statement(), Table::Operation, &segment.file()).await?,
        ));
        Ok(Self { segment, connection, codec: Some(codec), size_bytes })
    }

    /// A file that is complete needs no memory: the rest of its trace index is written too.
    pub(super) async fn seal_index(&mut self) -> Result<(), StoreError> {
        runs::fold(&self.segment, &mut self.connection).await
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        self.connection.close().await.map_err(error::sql(format!("checkpoint {}", self.segment.path.display())))
    }

    /// Writes a run when enough blocks have come together. A failure costs memory, and the next commit tries again; only one that leaves the
    /// file in doubt is returned.
    pub(super) async fn fold(&mut self, blocks_a_run: usize) -> Result<(), StoreError> {
        let due = self.segment.state.read().expect("no panic while it was held").recent.len() >= blocks_a_run;
        match if due { runs::fold(&self.segment, &mut self.connection).await } else { Ok(()) } {
            Err(StoreError::Full { what }) => {
                tracing::warn!(
                    segment.number = self.segment.number(),
                    "the disk is full, the trace index stays in memory: {what}"
                );
                Ok(())
            }
            folded => folded,
        }
    }

    /// Closes the file without a checkpoint of its own.
    pub(super) async fn discard(self) {
        self.connection.discard().await;
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    pub(super) fn is_full(&self, options: &OpenOptions, received_at_ns: i64) -> bool {
        self.segment.is_full(self.size_bytes, options.fresh_bytes, options.fresh_age, received_at_ns)
    }

    /// Encodes on a thread for blocking work: 512 spans take longer than a task may keep its thread.
    pub(super) async fn seal(
        &mut self,
        sources: Vec<Source>,
    ) -> Result<Vec<Result<SealedBlock, StoreError>>, StoreError> {
        let mut codec = match self.codec.take() {
            Some(codec) => codec,
            // The last one was lost in a panic, and numbers that it gave may not have been committed.
            None => {
                let file = self.segment.file();
                Box::new(Codec::new(
                    OperationNumbers::load(self.connection.statement(), Table::Operation, &file).await?,
                ))
            }
        };
        let sealing = tokio::task::spawn_blocking(move || {
            let sealed = codec.seal(&sources);
            (codec, sealed)
        });
        let (codec, sealed) = sealing
            .await
            .map_err(|panic| StoreError::Io { action: "encode blocks".into(), source: Box::new(panic) })?;
        self.codec = Some(codec);
        Ok(sealed)
    }

    /// Commits blocks in one transaction, then shows them to readers. Returns the id of the first.
    pub(super) async fn insert(&mut self, blocks: &[&SealedBlock]) -> Result<u64, Failure> {
        let before = self.segment.totals();
        let first = before.last_block + 1;
        let after = sum(before, blocks);
        let operations = &mut self.codec.as_mut().expect("it came back from encoding").operations;
        if let Err(failure) =
            insert_all(&mut self.connection, &self.segment.file(), operations, blocks, first, &after).await
        {
            operations.rolled_back();
            return Err(failure);
        }
        operations.committed();
        self.size_bytes += blocks
            .iter()
            .map(|block| (block.data.len() + block.summary.len() + block.digests.len()) as u64)
            .sum::<u64>();
        let mut state = self.segment.state.write().expect("no panic while it was held");
        state.totals = after;
        state.recent.extend(blocks.iter().zip(first..).map(|(block, id)| (id, block.hashes.clone())));
        Ok(first)
    }
}

fn sum(mut totals: Totals, blocks: &[&SealedBlock]) -> Totals {
    blocks.iter().for_each(|block| totals.add(block.received_at_ns, block.start_max_ns, block.span_count as u64));
    totals
}

async fn insert_all(
    connection: &mut WriterConnection,
    file: &str,
    operations: &OperationNumbers,
    blocks: &[&SealedBlock],
    first: u64,
    totals: &Totals,
) -> Result<(), Failure> {
    let failed = || Failure::sql(format!("commit spans to {file}"));
    let mut tx = connection.begin().await.map_err(failed())?;
    operations.write_added(&mut tx).await.map_err(failed())?;
    for (block, id) in blocks.iter().zip(first as i64..) {
        // Three statements in one text: each text is a trip to the driver's thread and back, which costs as much as an insert.
        sqlx::query(
            "INSERT INTO block (id, received_at_ns, start_min_ns, start_max_ns, span_count, digests, summary)
             VALUES (?, ?, ?, ?, ?, ?, ?);
             INSERT INTO block_data (block, data) VALUES (?, ?);
             INSERT INTO block_traces (block, hashes) VALUES (?, ?)",
        )
        .bind(id)
        .bind(block.received_at_ns)
        .bind(block.start_min_ns)
        .bind(block.start_max_ns)
        .bind(block.span_count as i64)
        .bind(block.digests.as_slice())
        .bind(block.summary.as_slice())
        .bind(id)
        .bind(block.data.as_slice())
        .bind(id)
        .bind(block.hashes.to_bytes())
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
    }
    segment::write_totals(&mut tx, totals).await.map_err(failed())?;
    tx.commit().await.map_err(failed())?;
    connection.committed();
    Ok(())
}
