"""Spans as the benchmark hands them over: frames of raw columns on standard input, see server/benches/store/peers/columns.rs.

The buffers have the layout that Arrow has in memory, so nothing is converted here and a peer pays for its own work only.
"""

import struct
import sys

import numpy
import pyarrow

TEXTS = pyarrow.string()
MAP = pyarrow.map_(TEXTS, TEXTS)


def _exactly(size):
    data = sys.stdin.buffer.read(size)
    if len(data) != size:
        raise EOFError(f"{len(data)} bytes instead of {size}")
    return data


def _buffer():
    (size,) = struct.unpack("<Q", _exactly(8))
    return _exactly(size)


def _texts():
    offsets, data = _buffer(), _buffer()
    buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(data)]
    return pyarrow.Array.from_buffers(TEXTS, len(offsets) // 4 - 1, buffers)


def _offsets():
    data = _buffer()
    return pyarrow.Array.from_buffers(pyarrow.int32(), len(data) // 4, [None, pyarrow.py_buffer(data)])


def _maps():
    return pyarrow.MapArray.from_arrays(_offsets(), _texts(), _texts())


def _numbers(kind):
    data = _buffer()
    return pyarrow.Array.from_buffers(kind, len(data) * 8 // kind.bit_width, [None, pyarrow.py_buffer(data)])


def binary(data, width):
    """Identifiers as they are."""
    kind = pyarrow.binary(width)
    return pyarrow.Array.from_buffers(kind, len(data) // width, [None, pyarrow.py_buffer(data)])


def hexadecimal(data, width):
    """Identifiers as lower-case text; all zeros is none and becomes the empty text."""
    rows = numpy.frombuffer(data, dtype=numpy.uint8).reshape(-1, width)
    there = rows.any(axis=1)
    text = rows[there].tobytes().hex().encode()
    offsets = numpy.zeros(len(rows) + 1, dtype=numpy.int32)
    numpy.cumsum(there * (2 * width), out=offsets[1:])
    buffers = [None, pyarrow.py_buffer(offsets.tobytes()), pyarrow.py_buffer(text)]
    return pyarrow.Array.from_buffers(TEXTS, len(rows), buffers)


def frames():
    """Each frame as a dict of columns; identifiers are raw bytes."""
    while True:
        head = sys.stdin.buffer.read(8)
        if not head:
            return
        times = pyarrow.timestamp("ns", tz="UTC")
        frame = {
            "rows": struct.unpack("<Q", head)[0],
            "start": _numbers(times),
            "duration": _numbers(pyarrow.uint64()),
            "trace_id": _buffer(),
            "span_id": _buffer(),
            "parent_id": _buffer(),
            "kind": _numbers(pyarrow.uint8()),
            "status": _numbers(pyarrow.uint8()),
            "name": _texts(),
            "service": _texts(),
            "scope": _texts(),
            "resource": _maps(),
            "attributes": _maps(),
        }
        ends = _offsets()
        frame["event_times"] = pyarrow.ListArray.from_arrays(ends, _numbers(times))
        frame["event_names"] = pyarrow.ListArray.from_arrays(ends, _texts())
        frame["event_attributes"] = pyarrow.ListArray.from_arrays(ends, _maps())
        yield frame
