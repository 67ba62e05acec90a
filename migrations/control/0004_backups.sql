-- Backups that were made: an erasure names those that may still hold what it takes away.
--
-- Read and written by server/crates/store-sqlite: backups.rs, erase/job.rs. A row a backup, at most a thousand.
-- Cost: a handful of erasures get a column.

CREATE TABLE backup (
    -- Where to, as an absolute path of the machine that made it. Made there again, it is another backup.
    path TEXT PRIMARY KEY,
    made_at_ns INTEGER NOT NULL,
    -- Arrival of the newest span in it; NULL when it has none.
    newest_ns INTEGER
) STRICT;

-- Begin of the earliest span that went; NULL when none did, or an older program did it.
ALTER TABLE erasure ADD COLUMN first_start_ns INTEGER;
