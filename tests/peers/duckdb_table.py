"""DuckDB in process, with one plain table: a column a field, maps for attributes."""

import os

import duckdb
import pyarrow

import frames
import measure

TABLE = """
CREATE TABLE spans (
    start TIMESTAMP_NS, duration UBIGINT, trace_id BLOB, span_id BLOB, parent_id BLOB, kind UTINYINT, status UTINYINT,
    name VARCHAR, service VARCHAR, scope VARCHAR, resource MAP(VARCHAR, VARCHAR), attributes MAP(VARCHAR, VARCHAR),
    event_times TIMESTAMP_NS[], event_names VARCHAR[], event_attributes MAP(VARCHAR, VARCHAR)[]
)
"""


class DuckDb:
    version = duckdb.__version__

    def __init__(self, folder):
        self._folder = folder
        self._connection = duckdb.connect(os.path.join(folder, "spans.duckdb"))
        self._connection.execute(TABLE)

    def prepare(self, frame):
        """An Arrow table in memory, which the engine reads as it is."""
        columns = {name: column for name, column in frame.items() if name != "rows"}
        times = pyarrow.timestamp("ns")
        columns["start"] = frame["start"].view(times)
        columns["event_times"] = pyarrow.ListArray.from_arrays(
            frame["event_times"].offsets, frame["event_times"].values.view(times)
        )
        columns["trace_id"] = frames.binary(frame["trace_id"], 16)
        columns["span_id"] = frames.binary(frame["span_id"], 8)
        columns["parent_id"] = frames.binary(frame["parent_id"], 8)
        return pyarrow.table(columns)

    def insert(self, batch):
        self._connection.register("batch", batch)
        self._connection.execute("INSERT INTO spans SELECT * FROM batch")
        self._connection.unregister("batch")

    def settle(self):
        self._connection.execute("CHECKPOINT")

    def bytes(self):
        return measure.disk_bytes(self._folder)

    def count(self):
        return self._connection.execute("SELECT count(*) FROM spans").fetchone()[0]

    def trace(self, trace_id):
        rows = self._connection.execute("SELECT * FROM spans WHERE trace_id = ? ORDER BY start", [bytes.fromhex(trace_id)])
        return len(rows.fetchall())

    def _newest(self, where, values, page):
        rows = self._connection.execute(
            f"""SELECT trace_id FROM spans WHERE {where}
            GROUP BY trace_id ORDER BY max(start) DESC, trace_id DESC LIMIT {page}""",
            values,
        )
        return [bytes(row[0]).hex() for row in rows.fetchall()]

    def search(self, service, least_ns, page):
        return self._newest("service = ? AND duration >= ?", [service, least_ns], page)

    def by_attribute(self, key, value, page):
        return self._newest("attributes[?] = ?", [key, value], page)


measure.measure(DuckDb)
