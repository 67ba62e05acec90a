-- Spans in compressed blocks, and what finds them. The schema of two kinds of files:
--
-- fresh/NNNNNN.db     what was committed, in that order: a block a commit. Short-lived: deleted when compaction has taken all of it over.
-- segments/NNNNNN.db  what compaction made of it: blocks of whole traces. Deleted by retention, never rewritten.
--
-- Read and written by server/crates/store-sqlite: segment.rs (open), writer.rs, compact.rs, trace.rs, search.rs, replay.rs, retention.rs.
-- Cost on a full segment (some 15,000 blocks, 20M spans): nothing, new files are created with it.
-- Times are nanoseconds since the Unix epoch, capped at 2^63 - 1.

-- One row a block; small, so that a search reads it without touching spans. In fresh files the id is the place in the log of commits.
CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    -- Of the last request in it.
    received_at_ns INTEGER NOT NULL,
    start_min_ns INTEGER NOT NULL,
    start_max_ns INTEGER NOT NULL,
    span_count INTEGER NOT NULL,
    -- Fresh: 32 bytes for each request whose spans are in the block.
    digests BLOB NOT NULL,
    -- Count, longest and time range by (operation, status), in compacted files by (service, status): block/summary.rs.
    summary BLOB NOT NULL
) STRICT;

-- A search walks blocks from the newest span on; start_min_ns makes it cover the cursor's bound.
CREATE INDEX block_by_start ON block (start_max_ns, start_min_ns);

-- Where to replay from. Appended to, since arrival only goes forward.
CREATE INDEX block_by_arrival ON block (received_at_ns);

-- The spans: docs/BLOCK_FORMAT.md.
CREATE TABLE block_data (
    block INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- Fresh: sorted 32-bit hashes of a block's traces, until a run takes them over.
CREATE TABLE block_traces (
    block INTEGER PRIMARY KEY,
    hashes BLOB NOT NULL
) STRICT;

-- (hash, block) pairs of consecutive blocks, sorted, in pages of 192: a lookup reads one page a run. Runs of one level are merged into
-- one of the next, so that there are few.
CREATE TABLE trace_run (
    id INTEGER PRIMARY KEY,
    level INTEGER NOT NULL,
    first_block INTEGER NOT NULL,
    last_block INTEGER NOT NULL
) STRICT;

CREATE TABLE trace_page (
    run INTEGER NOT NULL,
    first_hash INTEGER NOT NULL,
    entries BLOB NOT NULL,
    PRIMARY KEY (run, first_hash)
) STRICT, WITHOUT ROWID;

-- Compacted: which attributes and operations are in the blocks of a group, a Bloom filter a block, laid side by side so that one row
-- answers for all of them: docs/BLOCK_FORMAT.md.
CREATE TABLE filter_group (
    first_block INTEGER PRIMARY KEY,
    last_block INTEGER NOT NULL,
    slots INTEGER NOT NULL
) STRICT;

CREATE TABLE filter_slot (
    first_block INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    bits BLOB NOT NULL,
    -- With rowids on purpose: without them a row of more than a quarter page takes a page of its own besides.
    PRIMARY KEY (first_block, slot)
) STRICT;

-- Compacted: services of the file; block summaries name them by id.
CREATE TABLE service (
    id INTEGER PRIMARY KEY,
    environment TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL
) STRICT;

-- Compacted: digests of the requests that a compaction took over, 32 bytes each, for as long as a repeat may come.
CREATE TABLE request (
    received_at_ns INTEGER PRIMARY KEY,
    digests BLOB NOT NULL
) STRICT;

-- Compacted: fresh blocks that did not decode, as they were. Nobody reads them but `spillway check`.
CREATE TABLE damaged (
    fresh_file INTEGER NOT NULL,
    fresh_block INTEGER NOT NULL,
    why TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (fresh_file, fresh_block)
) STRICT, WITHOUT ROWID;

-- Operations of the file; block summaries of the log name them by id. Id 0 is never given: it stands for operations past the cap.
CREATE TABLE operation (
    id INTEGER PRIMARY KEY,
    environment TEXT NOT NULL,
    namespace TEXT NOT NULL,
    service TEXT NOT NULL,
    name TEXT NOT NULL
) STRICT;

-- Sums over all blocks, so that opening a file reads one row.
CREATE TABLE total (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    blocks INTEGER NOT NULL,
    last_block INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    first_received_at_ns INTEGER NOT NULL,
    last_received_at_ns INTEGER NOT NULL,
    start_max_ns INTEGER NOT NULL,
    -- Compacted: the last place in the log that this file or one before it holds. What is fresh up to there is not read any more.
    through_file INTEGER NOT NULL,
    through_block INTEGER NOT NULL
) STRICT;

INSERT INTO total (
    one, blocks, last_block, spans, first_received_at_ns, last_received_at_ns, start_max_ns, through_file, through_block)
VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0);
