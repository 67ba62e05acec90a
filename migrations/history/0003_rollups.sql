-- Sums over time of nodes and edges, projected from the log of span commits.
--
-- Read and written by server/crates/store-sqlite: rollups.rs and below, retention.rs.
-- Cost on 10M rows: nothing, new files are created with it.

-- Nodes and edges, each named once. For a node the columns of the target are empty and protocol is -1.
CREATE TABLE subject (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    environment TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    target_kind INTEGER NOT NULL,
    target_environment TEXT NOT NULL,
    target_namespace TEXT NOT NULL,
    target_name TEXT NOT NULL,
    protocol INTEGER NOT NULL,
    UNIQUE (name, target_name, namespace, target_namespace, environment, target_environment, kind, target_kind, protocol)
) STRICT;

-- The sums of 64 neighbouring subjects (shard = id / 64) in one bucket: rollups/encoding.rs. The key starts with the bucket: the map of an
-- instant is one range.
CREATE TABLE rollup (
    resolution_s INTEGER NOT NULL,
    bucket_s INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    sums BLOB NOT NULL,
    PRIMARY KEY (resolution_s, bucket_s, shard)
) STRICT;

-- What lies before was forgotten, and is not written again.
CREATE TABLE rollup_floor (
    resolution_s INTEGER PRIMARY KEY,
    from_s INTEGER NOT NULL
) STRICT;

-- How far the projector came, and until when it let the time go on without a commit: written with the rows of that step.
CREATE TABLE projection (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    segment INTEGER NOT NULL,
    block INTEGER NOT NULL,
    settled_ns INTEGER NOT NULL
) STRICT;
