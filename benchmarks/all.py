"""Run all benchmarks, or the named ones, each in its own process, and print one table.

``--docs`` writes the table, the machine and the chart of ``scaling.py`` into docs/benchmarks.md.
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
    "planning_by_simulation",
    "fading_speed",
    "fault_speed",
    "shares_and_placement",
    "workflow",
    "multihop",
    "training",
    "learning_speed",
    "aggregation",
    "sweeps",
    "report_size",
)
"""Names of modules. A process imports its own benchmark alone, and so no libraries of the others."""


def figures_of(name: str, *options: object) -> list[Figure]:
    """Return the figures of a benchmark."""
    figures: list[Figure] = import_module(name).figures(*options)
    return figures


def run_benchmarks(names: Sequence[str], *, plot: bool) -> list[Figure]:
    """Run benchmarks one after another, since they would disturb each other, and print their figures.

    Parameters
    ----------
    names : sequence of str
        Names of benchmarks.
    plot : bool
        Whether the chart of the documentation is drawn.
    """
    all_figures = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for name in names:
            options = (page.SCALING,) if plot and name == "scaling" else ()
            began_s = time.perf_counter()
            figures = pool.submit(figures_of, name, *options).result()
            show(figures)  # at once, because the table of all benchmarks comes minutes later
            print(f"({name}: {time.perf_counter() - began_s:.0f} s)\n", flush=True)
            all_figures += figures
    return all_figures


def main() -> None:
    """Run the benchmarks that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--docs", action="store_true", help="write docs/benchmarks.md")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in BENCHMARKS]:
        parser.error(f"unknown benchmark {', '.join(unknown)}; choose from {', '.join(BENCHMARKS)}")
    if arguments.docs and arguments.names:
        parser.error("--docs writes the table of all benchmarks, so it takes no names")
    figures = run_benchmarks(arguments.names or BENCHMARKS, plot=arguments.docs)
    show(figures)
    if arguments.docs:
        page.write(figures)


if __name__ == "__main__":
    main()
