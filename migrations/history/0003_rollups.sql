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

-- Aggregates are rollups/encoding.rs. The key starts with the bucket: the map of an instant is one range.
CREATE TABLE node_rollup (
    resolution_s INTEGER NOT NULL,
    bucket_s INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    served BLOB NOT NULL,
    PRIMARY KEY (resolution_s, bucket_s, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE edge_rollup (
    resolution_s INTEGER NOT NULL,
    bucket_s INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    caller BLOB NOT NULL,
    callee BLOB NOT NULL,
    PRIMARY KEY (resolution_s, bucket_s, subject)
) STRICT, WITHOUT ROWID;

-- How far the projector came: written with the rows of that step.
CREATE TABLE projection (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    segment INTEGER NOT NULL,
    block INTEGER NOT NULL
) STRICT;
