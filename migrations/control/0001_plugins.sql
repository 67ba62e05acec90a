-- Uploaded rules, how rules run, what they remember, and who changed what.
--
-- Read and written by server/crates/store-sqlite: control.rs. Small: hundreds of rows, and some MB of Wasm.

CREATE TABLE plugin (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    description TEXT NOT NULL,
    config_schema TEXT NOT NULL,
    tick_ms INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    uploaded_at_ns INTEGER NOT NULL,
    -- 0 off, 1 shadow, 2 active
    mode INTEGER NOT NULL,
    config TEXT NOT NULL,
    demoted INTEGER NOT NULL
) STRICT;

CREATE INDEX plugin_by_name ON plugin (name, uploaded_at_ns);

CREATE TABLE plugin_wasm (
    plugin TEXT PRIMARY KEY REFERENCES plugin (id) ON DELETE CASCADE,
    wasm BLOB NOT NULL
) STRICT;

-- Settings of rules that are built in, by `builtin:<name>`.
CREATE TABLE builtin_setting (
    id TEXT PRIMARY KEY,
    mode INTEGER NOT NULL,
    config TEXT NOT NULL,
    demoted INTEGER NOT NULL
) STRICT;

-- No reference to plugin: built-in rules remember things too.
CREATE TABLE plugin_kv (
    plugin TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (plugin, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ns INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
