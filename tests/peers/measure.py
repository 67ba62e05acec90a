"""What is measured of a peer, and the questions that it must answer like the oracle."""

import json
import os
import pathlib
import sys
import time


class Cost:
    """CPU seconds of the whole process, without the preparation of the input.

    Everything that is not preparation is the peer's, also what its background threads do meanwhile.
    """

    def __init__(self):
        self._began = time.process_time()
        self._preparing = 0.0

    def prepared(self, frames):
        """Passes frames on; what it takes to make one, on this thread, does not count."""
        while True:
            began = time.thread_time()
            frame = next(frames, None)
            self._preparing += time.thread_time() - began
            if frame is None:
                return
            yield frame

    def seconds(self):
        return time.process_time() - self._began - self._preparing


def disk_bytes(folder):
    """Bytes on the disk, as du counts them."""
    return sum(path.lstat().st_blocks * 512 for path in pathlib.Path(folder).rglob("*"))


def asked(questions, answer, expected, mismatches):
    """Milliseconds of each question, sorted. The first one warms up and is asked again."""
    took = []
    for question in questions[:1] + questions:
        began = time.perf_counter()
        found = answer(question)
        took.append((time.perf_counter() - began) * 1e3)
        if found != expected(question):
            mismatches.append(f"{question} gave {found}"[:300])
    return sorted(took[1:])


def measure(peer):
    """Runs a peer: `prepare(frame)`, `insert(prepared)`, `settle()`, `bytes()`, `count()`, `trace(id)`, `search(...)`, `by_attribute(...)`, `version`."""
    import frames

    data, questions_file = sys.argv[1:3]
    questions = json.loads(pathlib.Path(questions_file).read_text())
    os.makedirs(data, exist_ok=True)
    peer = peer(data)
    cost = Cost()
    for batch in cost.prepared(peer.prepare(frame) for frame in frames.frames()):
        peer.insert(batch)
    insert_cpu_s, bytes_inserted = cost.seconds(), peer.bytes()
    peer.settle()
    settled_cpu_s, bytes_settled = cost.seconds(), peer.bytes()
    page, mismatches = questions["page"], []
    result = {
        "version": peer.version,
        "spans": peer.count(),
        "insert_cpu_s": insert_cpu_s,
        "settled_cpu_s": settled_cpu_s,
        "bytes_inserted": bytes_inserted,
        "bytes_settled": bytes_settled,
        "trace_ms": asked(questions["traces"], lambda q: peer.trace(q["id"]), lambda q: q["spans"], mismatches),
        "search_ms": asked(
            questions["searches"], lambda q: peer.search(q["service"], q["least_ns"], page), lambda q: q["traces"], mismatches
        ),
        "attribute_ms": asked(
            questions["attributes"], lambda q: peer.by_attribute(q["key"], q["value"], page), lambda q: q["traces"], mismatches
        ),
        "mismatches": mismatches,
    }
    print(json.dumps(result))
