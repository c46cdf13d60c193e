"""What a sweep costs besides its points, and what a second worker saves.

The points are timelines of one simulated model, so that no library's threads get in the way. All is wall
time from the start of the sweep, checks, start of the workers and tables included. What two processes that
share nothing gain over one, each with half of the points, tells how much of the second core this machine has
to give to such work.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import Figure, interleaved, ratios, show

from cutlayer.api import run
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
LONG = "stop.rounds=16000"  # seconds a point, against which the start of the workers is little
BARE = """\
import sys
from cutlayer.api import run
for seed in range(int(sys.argv[2]), int(sys.argv[3])):
    run(sys.argv[1], overrides=[sys.argv[4]], seed=seed)
"""


def sweep_s(jobs: int, points: int, *overrides: str) -> float:
    """Return the wall time of a sweep of so many equal points, [s]."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder, "benchmark.yaml")
        scenario.write_text(SCENARIO)
        seeds = f"sweep.seeds={points}"
        sweeping = SweepRun(scenario, out=Path(folder, "out"), jobs=jobs, overrides=[seeds, *overrides])
        began_s = time.perf_counter()
        result = sweeping.run()
        taken_s = time.perf_counter() - began_s
    if (result.points["status"] != "finished").any():
        raise RuntimeError("points of the benchmark failed")
    return taken_s


def bare_s(processes: int) -> float:
    """Return the wall time of the long points in so many processes without a sweep, nothing written, [s]."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder, "benchmark.yaml")
        scenario.write_text(SCENARIO.replace("sweep:", "# sweep:"))
        share = POINTS // processes
        began_s = time.perf_counter()
        started = [
            subprocess.Popen(
                [sys.executable, "-c", BARE, str(scenario), str(n * share), str((n + 1) * share), LONG]
            )
            for n in range(processes)
        ]
        if any(process.wait() for process in started):
            raise RuntimeError("a bare process of the benchmark failed")
        return time.perf_counter() - began_s


def run_s(count: int) -> float:
    """Return the wall time of a tiny point that is run without a sweep and not written, [s]."""
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
    one, two, bare_one, bare_two = interleaved(
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
        Figure(f"sweep: {POINTS} equal points, two workers over one", ratios(one, two), "×", "≥ 1.8"),
        Figure("sweep: the points without a sweep, two bare processes over one", ratios(bare_one, bare_two)),
        Figure(f"sweep: {TINY_POINTS} tiny points, one worker, in all", (whole_s,), "s"),
        Figure("sweep: a tiny point run alone, nothing written", (1e3 * alone_s,), "ms"),
        Figure("sweep: overhead a point", (overhead_ms,), "ms", "≤ 50"),
    ]


if __name__ == "__main__":
    show(figures())
