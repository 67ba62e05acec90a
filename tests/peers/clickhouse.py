"""ClickHouse in process, with the tables that the OpenTelemetry collector's exporter documents as its default."""

import os

import pyarrow
from chdb import session

import frames
import measure

SPANS = """
CREATE TABLE otel_traces (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    `Events.Timestamp` Array(DateTime64(9)) CODEC(ZSTD(1)),
    `Events.Name` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `Events.Attributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    `Links.TraceId` Array(String) CODEC(ZSTD(1)),
    `Links.SpanId` Array(String) CODEC(ZSTD(1)),
    `Links.TraceState` Array(String) CODEC(ZSTD(1)),
    `Links.Attributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
"""

TIMES = """
CREATE TABLE otel_traces_trace_id_ts (
    TraceId String CODEC(ZSTD(1)),
    Start DateTime64(9) CODEC(Delta, ZSTD(1)),
    End DateTime64(9) CODEC(Delta, ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree
ORDER BY (TraceId, toUnixTimestamp(Start))
"""

TIMES_VIEW = """
CREATE MATERIALIZED VIEW otel_traces_trace_id_ts_mv TO otel_traces_trace_id_ts AS
SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End FROM otel_traces WHERE TraceId != '' GROUP BY TraceId
"""

KINDS = pyarrow.array(["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"])
STATUSES = pyarrow.array(["Unset", "Ok", "Error"])


class ClickHouse:
    def __init__(self, folder):
        self._input = os.path.join(folder, "..", "batch.arrow")
        self._session = session.Session(folder)
        for statement in (SPANS, TIMES, TIMES_VIEW):
            self._session.query(statement)
        self.version = self._lines("SELECT version()")[0]

    def _lines(self, statement):
        return str(self._session.query(statement, "TSV")).split("\n")[:-1]

    def prepare(self, frame):
        """One Arrow stream in the page cache; handing it over by file costs the engine a copy."""
        columns = {
            "Timestamp": frame["start"],
            "TraceId": frames.hexadecimal(frame["trace_id"], 16),
            "SpanId": frames.hexadecimal(frame["span_id"], 8),
            "ParentSpanId": frames.hexadecimal(frame["parent_id"], 8),
            "SpanName": frame["name"],
            "SpanKind": KINDS.take(frame["kind"]),
            "ServiceName": frame["service"],
            "ResourceAttributes": frame["resource"],
            "ScopeName": frame["scope"],
            "SpanAttributes": frame["attributes"],
            "Duration": frame["duration"],
            "StatusCode": STATUSES.take(frame["status"]),
            "Events.Timestamp": frame["event_times"],
            "Events.Name": frame["event_names"],
            "Events.Attributes": frame["event_attributes"],
        }
        table = pyarrow.table(columns)
        with pyarrow.OSFile(self._input, "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
        names = ", ".join(f"`{name}`" for name in columns)
        return f"INSERT INTO otel_traces ({names}) SELECT {names} FROM file('{self._input}', 'ArrowStream')"

    def insert(self, statement):
        self._session.query(statement)

    def settle(self):
        for table in ("otel_traces", "otel_traces_trace_id_ts"):
            self._session.query(f"OPTIMIZE TABLE {table} FINAL")
        os.remove(self._input)

    def bytes(self):
        """Of the parts that are in use: what was merged away stays on the disk for minutes and is not counted."""
        return int(self._lines("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table LIKE 'otel_%'")[0])

    def count(self):
        return int(self._lines("SELECT count() FROM otel_traces")[0])

    def trace(self, trace_id):
        rows = self._lines(
            f"""WITH (SELECT min(Start), max(End) FROM otel_traces_trace_id_ts WHERE TraceId = '{trace_id}') AS bounds
            SELECT * FROM otel_traces
            WHERE TraceId = '{trace_id}' AND Timestamp >= bounds.1 AND Timestamp <= bounds.2 ORDER BY Timestamp"""
        )
        return len(rows)

    def _newest(self, where, page):
        return self._lines(
            f"""SELECT TraceId FROM otel_traces WHERE {where}
            GROUP BY TraceId ORDER BY max(Timestamp) DESC, TraceId DESC LIMIT {page}"""
        )

    def search(self, service, least_ns, page):
        return self._newest(f"ServiceName = '{service}' AND Duration >= {least_ns}", page)

    def by_attribute(self, key, value, page):
        return self._newest(f"SpanAttributes['{key}'] = '{value}'", page)


measure.measure(ClickHouse)
