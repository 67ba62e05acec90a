-- Spans in compressed blocks, and what finds them. One file holds what arrived within a day, or 1 GiB.
--
-- Read and written by server/crates/store-sqlite: segment.rs (open), writer.rs, trace.rs, search.rs, replay.rs, retention.rs.
-- Cost on a full segment (some 30,000 blocks, 15M spans): nothing, new files are created with it.
-- Times are nanoseconds since the Unix epoch, capped at 2^63 - 1.

-- One row a block, in the order of commits; small, so that a search reads it without touching spans.
CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    received_at_ns INTEGER NOT NULL,
    start_min_ns INTEGER NOT NULL,
    start_max_ns INTEGER NOT NULL,
    span_count INTEGER NOT NULL,
    -- 32 bytes for each request whose spans are in the block.
    digests BLOB NOT NULL,
    -- Count, longest and time range by (operation, status): block/summary.rs.
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

-- Sorted 32-bit hashes of a block's traces, until a run takes them over.
CREATE TABLE block_traces (
    block INTEGER PRIMARY KEY,
    hashes BLOB NOT NULL
) STRICT;

-- (hash, block) pairs of about a thousand blocks, sorted, in pages of 512: a lookup reads one page a run.
CREATE TABLE trace_run (
    id INTEGER PRIMARY KEY,
    first_block INTEGER NOT NULL,
    last_block INTEGER NOT NULL
) STRICT;

CREATE TABLE trace_page (
    run INTEGER NOT NULL,
    first_hash INTEGER NOT NULL,
    entries BLOB NOT NULL,
    PRIMARY KEY (run, first_hash)
) STRICT, WITHOUT ROWID;

-- Operations of the segment; block summaries name them by id. Id 0 is never given: it stands for operations past the cap.
CREATE TABLE operation (
    id INTEGER PRIMARY KEY,
    environment TEXT NOT NULL,
    namespace TEXT NOT NULL,
    service TEXT NOT NULL,
    name TEXT NOT NULL
) STRICT;

-- Sums over all blocks, so that opening a segment reads one row.
CREATE TABLE total (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    blocks INTEGER NOT NULL,
    last_block INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    first_received_at_ns INTEGER NOT NULL,
    last_received_at_ns INTEGER NOT NULL,
    start_max_ns INTEGER NOT NULL
) STRICT;

INSERT INTO total (one, blocks, last_block, spans, first_received_at_ns, last_received_at_ns, start_max_ns)
VALUES (1, 0, 0, 0, 0, 0, 0);
