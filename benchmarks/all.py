"""Run all benchmarks or those that are named, each in a process of its own, and print one table.

``--docs`` writes the table, the machine and the figure of ``scaling.py`` into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context

import page
from measuring import Figure, show

BENCHMARKS = (
    "startup",
    "quickstart",
    "events",
    "record",
    "fleets",
    "scaling",
    "planning",
    "shares_and_placement",
    "workflow",
    "multihop",
    "training",
    "learning_speed",
    "aggregation",
    "sweeps",
)
"""By name: a process imports its own alone, so that none has another's libraries in its memory."""


def figures_of(name: str, *options: object) -> list[Figure]:
    """Return the figures of a benchmark."""
    found: list[Figure] = import_module(name).figures(*options)
    return found


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
            options = (page.SCALING,) if draw and name == "scaling" else ()
            began_s = time.perf_counter()
            figures = pool.submit(figures_of, name, *options).result()
            show(figures)  # the table of all comes minutes later
            print(f"({name}: {time.perf_counter() - began_s:.0f} s)\n", flush=True)
            found += figures
    return found


def main() -> None:
    """Do what is asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--docs", action="store_true", help="write docs/benchmarks.md")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if given.docs and given.names:
        parser.error("--docs writes the table of all benchmarks: name none")
    figures = measured(given.names or BENCHMARKS, draw=given.docs)
    show(figures)
    if given.docs:
        page.write(figures)


if __name__ == "__main__":
    main()
