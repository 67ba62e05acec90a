-- Erasures that were asked for: what is not done when the program ends goes on at the next start.
--
-- Read and written by server/crates/store-sqlite: erase/job.rs. A row an erasure, so a handful.

CREATE TABLE erasure (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    asked_at_ns INTEGER NOT NULL,
    -- NULL until it is done.
    done_at_ns INTEGER,
    -- All spans are gone; what is left is to forget what it was about.
    erased INTEGER NOT NULL DEFAULT 0,
    -- The filter. Emptied with that: it names what must not be kept.
    filter TEXT NOT NULL,
    whole_traces INTEGER NOT NULL,
    -- For whole traces: their ids, 16 bytes each, once they are known, so that a restart does not look for spans that are gone. Emptied likewise.
    traces BLOB,
    -- What went so far.
    erased_spans INTEGER NOT NULL DEFAULT 0,
    erased_traces INTEGER NOT NULL DEFAULT 0,
    rewritten_blocks INTEGER NOT NULL DEFAULT 0,
    bytes_before INTEGER NOT NULL DEFAULT 0,
    bytes_after INTEGER NOT NULL DEFAULT 0,
    unreadable_blocks INTEGER NOT NULL DEFAULT 0,
    -- Why the last attempt failed; it is tried again.
    failure TEXT NOT NULL DEFAULT ''
) STRICT;
