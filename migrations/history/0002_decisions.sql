-- What the control plane did: decisions over their time, and every tick of every rule.
--
-- Read and written by server/crates/store-sqlite: decisions.rs, retention.rs. Bodies are formats of the control plane.
-- Cost on 10M rows: nothing, new files are created with it.

CREATE TABLE decision (
    id TEXT PRIMARY KEY,
    began_at_ns INTEGER NOT NULL,
    renewed_at_ns INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    service TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE INDEX decision_by_begin ON decision (began_at_ns, id);
CREATE INDEX decision_by_service ON decision (service, began_at_ns, id);
CREATE INDEX decision_by_renewal ON decision (renewed_at_ns);

CREATE TABLE tick (
    row INTEGER PRIMARY KEY,
    plugin_id TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX tick_by_plugin ON tick (plugin_id, at_ns, tick);
CREATE INDEX tick_by_time ON tick (at_ns);
