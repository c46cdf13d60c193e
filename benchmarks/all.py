"""Run all benchmarks or those that are named, each in a process of its own, and print one table.

``--docs`` writes the table, the machine and the figure of ``scaling.py`` into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import aggregation
import events
import fleets
import multihop
import page
import planning
import quickstart
import record
import scaling
import shares_and_placement
import startup
import sweeps
import training
import workflow
from measuring import Figure, show

BENCHMARKS = (
    startup,
    quickstart,
    events,
    record,
    fleets,
    scaling,
    planning,
    shares_and_placement,
    workflow,
    multihop,
    training,
    aggregation,
    sweeps,
)
NAMED: dict[str, Callable[[], list[Figure]]] = {module.__name__: module.figures for module in BENCHMARKS}


def measured(wanted: Sequence[str], *, draw: bool) -> list[Figure]:
    """Run benchmarks one after the other, since they would disturb each other, and print each one's figures.

    Parameters
    ----------
    wanted : names of benchmarks
    draw : whether the figure of the documentation is drawn
    """
    found = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for name in wanted:
            work = partial(scaling.figures, page.SCALING) if draw and name == "scaling" else NAMED[name]
            began_s = time.perf_counter()
            figures = pool.submit(work).result()
            show(figures)  # the table of all comes minutes later
            print(f"({name}: {time.perf_counter() - began_s:.0f} s)\n", flush=True)
            found += figures
    return found


def main() -> None:
    """Do what is asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMED)}; all by default")
    parser.add_argument("--docs", action="store_true", help="write docs/benchmarks.md")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in NAMED]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMED)}")
    if given.docs and given.names:
        parser.error("--docs writes the table of all benchmarks: name none")
    figures = measured(given.names or list(NAMED), draw=given.docs)
    show(figures)
    if given.docs:
        page.write(figures)


if __name__ == "__main__":
    main()
