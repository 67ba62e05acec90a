-- Traces that a person wants to keep.
--
-- Read and written by server/crates/store-sqlite: pins.rs, retention.rs. At most a thousand rows.

CREATE TABLE pin (
    trace_id BLOB PRIMARY KEY,
    pinned_at_ns INTEGER NOT NULL,
    actor TEXT NOT NULL,
    note TEXT NOT NULL
) STRICT, WITHOUT ROWID;
