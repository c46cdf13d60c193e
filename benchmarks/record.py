"""The cost of the record: time to add one interval, and memory and time of a run with ten million intervals.

The reference of the time is the least work of an event loop, one time-out of a bare SimPy process. The long
run is the timeline of PSL with 200 devices, with run folder and chart. It has its own process. The peak
memory is that of the whole process, which includes Python, pandas and matplotlib.
"""

from __future__ import annotations

import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from events import DEVICES, OVERRIDES, timeout_rate
from measuring import Figure, interleaved, ratios, show
from pyarrow import parquet

import cutlayer
from cutlayer.sim.timeline.interval_record import IntervalRecord
from cutlayer.sim.timeline.phases import UPLINK

__all__ = ["figures"]

REPEATS = 41
APPENDED = 20_000
PER_ROUND = 4 * DEVICES + 2
LONG_ROUNDS = 10_000_000 // PER_ROUND + 1


def append_rate() -> float:
    """Return the number of rows that are added to a record per second of processor time."""
    append = IntervalRecord(["server", "device-0"]).append
    start_s = time.process_time()
    for _ in range(APPENDED):
        append(1, UPLINK, 1.0, 2.0, 0.0, 8.0, 0.0, 1.0, -1)
    return APPENDED / (time.process_time() - start_s)


def long_run() -> tuple[int, float, float]:
    """Return the number of intervals of a long run, its peak memory, [MiB], and its processor time, [s]."""
    overrides = [*OVERRIDES, f"stop.rounds={LONG_ROUNDS}"]
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "long"
        start_s = time.process_time()
        cutlayer.run("timeline_only", out=folder, overrides=overrides, schemes=["psl"])
        spent_s = time.process_time() - start_s
        rows = parquet.read_metadata(folder / "intervals.parquet").num_rows
    return rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, spent_s


def figures() -> list[Figure]:
    """Return the cost of a row in time-outs, and the memory and time of a long run."""
    timeouts, rows = interleaved(REPEATS, timeout_rate, append_rate)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        count, peak_mib, spent_s = pool.submit(long_run).result()
    return [
        Figure("record: one interval / one SimPy time-out", ratios(timeouts, rows), "×", "≤ 1"),
        Figure("record: intervals of the long run", (count / 1e6,), "million"),
        Figure("record: peak memory of its process", (peak_mib,), "MiB", "≤ 512"),
        Figure("record: its processor time, with folder and chart", (spent_s,), "s"),
    ]


if __name__ == "__main__":
    show(figures())
