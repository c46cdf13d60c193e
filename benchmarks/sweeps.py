"""The overhead of a sweep, and the speed-up by a second worker.

The points are timelines without a learner, so that no library's threads interfere. All times are wall times
of the whole sweep, with its checks, the start of its workers and its tables. For comparison, the same points
run in one or two separate processes without a sweep. Their speed-up shows how much of the second core this
machine can offer.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import Figure, interleaved, ratios, show

from cutlayer.api.running import run
from cutlayer.experiments.sweep.sweep import SweepRun

__all__ = ["figures"]

POINTS, TINY_POINTS = 16, 1000
REPEATS = 3
SCENARIO = """\
name: benchmark
stop: {rounds: 1}
schemes: [psl]
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
devices: {count: 20}
sweep: {seeds: 1}
"""
LONG = "stop.rounds=16000"  # some seconds for each point, much longer than the start of the workers
BARE = """\
import sys
from cutlayer.api.running import run
for seed in range(int(sys.argv[2]), int(sys.argv[3])):
    run(sys.argv[1], overrides=[sys.argv[4]], seed=seed)
"""


def sweep_s(jobs: int, points: int, *overrides: str) -> float:
    """Return the wall time of a sweep of equal points, [s]."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder, "benchmark.yaml")
        scenario.write_text(SCENARIO)
        seeds = f"sweep.seeds={points}"
        sweep = SweepRun(scenario, out=Path(folder, "out"), jobs=jobs, overrides=[seeds, *overrides])
        began_s = time.perf_counter()
        result = sweep.run()
        wall_s = time.perf_counter() - began_s
    if (result.points["status"] != "finished").any():
        raise RuntimeError("points of the benchmark failed")
    return wall_s


def bare_s(processes: int) -> float:
    """Return the wall time of the long points in separate processes, without sweep and files, [s]."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder, "benchmark.yaml")
        scenario.write_text(SCENARIO.replace("sweep:", "# sweep:"))
        per_process = POINTS // processes
        began_s = time.perf_counter()
        running = []
        for first in range(0, POINTS, per_process):
            seeds = str(first), str(first + per_process)
            running.append(subprocess.Popen([sys.executable, "-c", BARE, str(scenario), *seeds, LONG]))
        if any(process.wait() for process in running):
            raise RuntimeError("a bare process of the benchmark failed")
        return time.perf_counter() - began_s


def run_s(count: int) -> float:
    """Return the mean wall time of a tiny point, run without a sweep and without files, [s]."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder, "benchmark.yaml")
        scenario.write_text(SCENARIO.replace("sweep:", "# sweep:"))
        run(scenario)
        began_s = time.perf_counter()
        for seed in range(count):
            run(scenario, seed=seed)
        return (time.perf_counter() - began_s) / count


def figures() -> list[Figure]:
    """Return the speed-up by a second worker, and the overhead of a point."""
    one_s, two_s, bare_one_s, bare_two_s = interleaved(
        REPEATS,
        lambda: sweep_s(1, POINTS, LONG),
        lambda: sweep_s(2, POINTS, LONG),
        lambda: bare_s(1),
        lambda: bare_s(2),
    )
    tiny = interleaved(1, lambda: sweep_s(1, TINY_POINTS), lambda: run_s(TINY_POINTS // 10))
    whole_s, alone_s = (values[0] for values in tiny)
    overhead_ms = 1e3 * (whole_s / TINY_POINTS - alone_s)
    return [
        Figure(f"sweep: {POINTS} equal points, two workers over one", ratios(one_s, two_s), "×", "≥ 1.8"),
        Figure(
            "sweep: the points without a sweep, two bare processes over one", ratios(bare_one_s, bare_two_s)
        ),
        Figure(f"sweep: {TINY_POINTS} tiny points, one worker, in all", (whole_s,), "s"),
        Figure("sweep: a tiny point run alone, nothing written", (1e3 * alone_s,), "ms"),
        Figure("sweep: overhead a point", (overhead_ms,), "ms", "≤ 50"),
    ]


if __name__ == "__main__":
    show(figures())
