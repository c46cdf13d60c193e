"""Run all benchmarks, each in a process of its own, and print one table."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import aggregation
import events
import fleets
import learning_speed
import multihop
import planning
import quickstart
import record
import shares_and_placement
import startup
import sweeps
import training
import workflow
from measuring import show

BENCHMARKS = (
    startup,
    quickstart,
    events,
    fleets,
    record,
    planning,
    shares_and_placement,
    workflow,
    multihop,
    training,
    learning_speed,
    aggregation,
    sweeps,
)


def main() -> None:
    """Run the benchmarks one after the other, since they would disturb each other."""
    found = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for benchmark in BENCHMARKS:
            figures = pool.submit(benchmark.figures).result()
            show(figures)  # the table of all comes minutes later
            print(flush=True)
            found += figures
    show(found)


if __name__ == "__main__":
    main()
