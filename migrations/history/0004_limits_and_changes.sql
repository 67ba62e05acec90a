-- Bulkheads and rate limiters (kind 2) and changes (kind 3) in the log of events.
--
-- Read and written by server/crates/store-sqlite: events.rs, writer/events.rs, history.rs.
-- Cost on 10M rows: the columns nothing, they are NULL in rows of before; the two indexes one scan of the table each, some ten seconds.

-- Limits: 0 bulkhead, 1 rate limiter. Their state: 0 free, 1 exhausted.
ALTER TABLE event ADD COLUMN guard INTEGER;
ALTER TABLE event ADD COLUMN in_use INTEGER;
-- What it lets in: "limit" is a word of SQL.
ALTER TABLE event ADD COLUMN room INTEGER;
ALTER TABLE event ADD COLUMN waiting INTEGER;
-- Changes: 0 deploy, 1 config, 2 flag, 3 scale stand in state, the title in detail.
ALTER TABLE event ADD COLUMN version TEXT;
ALTER TABLE event ADD COLUMN url TEXT;

-- A limit guards calls to a target as a breaker does.
DROP INDEX event_by_target;
CREATE INDEX event_by_target ON event (target, seq) WHERE kind IN (0, 2);

-- Changes are few among many heartbeats.
CREATE INDEX event_by_change ON event (at_ns, seq) WHERE kind = 3;
