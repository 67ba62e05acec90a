-- Whom somebody asked the server to ask. Those of the configuration and of discovery are not in it.
--
-- Read and written by server/crates/store-sqlite: targets.rs. At most a thousand rows.

CREATE TABLE target (
    id TEXT PRIMARY KEY,
    -- JSON, as the API shows it.
    spec TEXT NOT NULL,
    added_at_ns INTEGER NOT NULL,
    actor TEXT NOT NULL
) STRICT;
