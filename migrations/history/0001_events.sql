-- The log of health and breaker events, and the ids that make a repeated event change nothing.
--
-- Read and written by server/crates/store-sqlite: events.rs, writer/events.rs, retention.rs.
-- Cost on 10M rows: nothing, new files are created with it.

CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at_ns INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    id TEXT NOT NULL,
    -- 0 breaker, 1 health
    kind INTEGER NOT NULL,
    environment TEXT NOT NULL,
    namespace TEXT NOT NULL,
    service TEXT NOT NULL,
    instance TEXT NOT NULL,
    -- Breakers: whom it guards calls to, and its own name. Health: empty.
    target TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Breakers: 0 closed, 1 half open, 2 open. Health: 0 up, 1 degraded, 2 down.
    state INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE INDEX event_by_time ON event (at_ns, seq);
CREATE INDEX event_by_service ON event (service, seq);
CREATE INDEX event_by_target ON event (target, seq) WHERE kind = 0;

-- An id of a source stands for one content for 24 hours.
CREATE TABLE event_id (
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    received_at_ns INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX event_id_by_arrival ON event_id (received_at_ns);
