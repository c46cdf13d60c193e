"""The growth of the cost of timelines and plans with devices, subchannels, rounds and schemes.

One variable is changed at a time. Costs are processor times of two kinds. The time of a run extends from the
first event to the tables, for a prepared scenario. The time of a plan is that of preparing the scenario.

The slope of a line is that of log cost over log size, by least squares. A slope of 1 means that the cost is
proportional to the size. Each repeat measures all sizes, and gives one slope. Sizes are so large that the
constant part of the cost is small; nothing is subtracted.

A shared machine may run at half its speed for some time. So bare SimPy time-outs are measured before and
after each measurement, and costs are scaled to the machine's median speed.

With devices, the cost is that of a round, in runs that have equal numbers of intervals. The growth with the
length of a run is a separate line. For devices, function calls are counted too, which do not depend on the
speed of the machine.

``--figure PATH`` draws the medians.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from types import FrameType
from typing import TypeAlias

import numpy as np
from events import timeout_rate
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Chart
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from measuring import Figure, interleaved, show, timed

from cutlayer.analysis.figures.palette import curve_indices, curve_style
from cutlayer.analysis.figures.style import (
    LABEL_PT,
    SMALL_PT,
    WIDTH_IN,
    figure_style,
    plain_axes,
    save_figure,
)
from cutlayer.experiments.experiment import Experiment
from cutlayer.experiments.preparation import prepare
from cutlayer.experiments.runner import run_experiment
from cutlayer.scenarios.loading.loader import LoadedScenario, load_scenario

__all__ = ["figures"]

Measures: TypeAlias = Mapping[int, Callable[[], float]]
"""By size, the function that measures the cost, [s]."""

REPEATS = 5
DEVICE_ROUNDS = 50_000  # devices times rounds
SCHEMES = ("sl", "sfl", "psl", "epsl φ=0.5")
CHEAP = "allocation={subchannels: round_robin, power: uniform, cut: 2}"
PLANS = {
    "plan: greedy": "allocation={subchannels: greedy, power: optimal, cut: 2}",
    "plan: bcd": "allocation.method=bcd",
}
NARROW = "radio.subchannel_hz=1.0e6"  # thousands of such subchannels fit below the carrier frequency
FROM_100, FROM_300 = (tuple(round(first * 10 ** (i / 4)) for i in range(5)) for first in (100, 300))


@dataclass(frozen=True)
class Line:
    """The measured costs of one computation at several sizes.

    Attributes
    ----------
    variable : str
        The variable that the sizes are numbers of, such as ``devices``.
    name : str
        The scheme or the plan that is measured.
    sizes : tuple of int
    costs_s : tuple of tuples of float, [num_repeats][num_sizes]
        Processor time at the machine's median speed, [s].
    style : str
        The scheme whose curve style the line has, or any other text.
    target : str
        Target of the slope; empty where it has none.
    """

    variable: str
    name: str
    sizes: tuple[int, ...]
    costs_s: tuple[tuple[float, ...], ...]
    style: str
    target: str = ""

    @property
    def slopes(self) -> tuple[float, ...]:
        """Return the slope of each repeat."""
        return tuple(float(np.polyfit(np.log(self.sizes), np.log(costs_s), 1)[0]) for costs_s in self.costs_s)

    def figure(self) -> Figure:
        """Return the slope as a figure."""
        span = f"{self.sizes[0]:,} to {self.sizes[-1]:,} {self.variable}"
        return Figure(f"scaling: {span}, {self.name}: slope", self.slopes, "", self.target)


def loaded(*overrides: str, schemes: Sequence[str] | None = ("psl",)) -> LoadedScenario:
    """Return a scenario without learning."""
    return load_scenario("timeline_only", (NARROW, *overrides), schemes=schemes)


def run_s(experiment: Experiment) -> float:
    """Return the time of a run that is made ready."""
    return timed(lambda: run_experiment(experiment))


def plan_s(scenario: LoadedScenario) -> float:
    """Return the time to prepare a scenario, [s]."""
    return timed(lambda: prepare(scenario))


def line(
    variable: str,
    name: str,
    measures: Measures,
    style: str = "",
    target: str = "",
) -> Line:
    """Return the costs by size. Every repeat measures each size once."""
    next(iter(measures.values()))()  # the first time costs more
    rates = []

    def in_time_outs(measure: Callable[[], float]) -> float:
        before = timeout_rate()
        cost_s = measure()
        rates.append((before + timeout_rate()) / 2)
        return cost_s * rates[-1]

    by_size = interleaved(REPEATS, *(partial(in_time_outs, measure) for measure in measures.values()))
    median_rate = median(rates)
    costs_s = tuple(tuple(cost / median_rate for cost in repeat) for repeat in zip(*by_size, strict=True))
    return Line(variable, name, tuple(measures), costs_s, style or name, target=target)


def runs(overrides: Callable[[int], tuple[str, ...]], sizes: Sequence[int], scheme: str = "psl") -> Measures:
    """Return the measurements of one scheme's run at each size."""
    experiments = {size: prepare(loaded(*overrides(size), schemes=[scheme])) for size in sizes}
    return {size: partial(run_s, experiment) for size, experiment in experiments.items()}


def fixed_overrides(count: int, allocation: str = CHEAP, rounds: int = 100) -> tuple[str, ...]:
    """Return the overrides for a number of devices; all others are the same for each number."""
    return f"devices.count={count}", "radio.subchannels=1000", f"stop.rounds={rounds}", allocation


def round_s(experiment: Experiment, rounds: int) -> float:
    """Return the mean time of a round in a run with this number of rounds, [s]."""
    return run_s(experiment) / rounds


def rounds_of(scheme: str, *overrides: str) -> Measures:
    """Return the measurements of one scheme's round at each number of devices."""
    measures: dict[int, Callable[[], float]] = {}
    for count in FROM_100:
        rounds = round(DEVICE_ROUNDS / count)
        experiment = prepare(loaded(*fixed_overrides(count, rounds=rounds), *overrides, schemes=[scheme]))
        measures[count] = partial(round_s, experiment, rounds)
    return measures


def devices() -> list[Line]:
    """Return the costs of rounds, and of plans by several methods, with devices on 1,000 subchannels."""
    lines = [line("devices", f"{s}, a round", rounds_of(s), s.split()[0], "≤ 1.1") for s in SCHEMES]
    with_deadline = rounds_of("sl", "round_policy={deadline_s: 1.0e6}")
    lines.append(line("devices", "sl, a deadline, a round", with_deadline, target="≤ 1.1"))
    for sharing, sizes in (("tdma", FROM_100), ("work_conserving", FROM_100[::2])):
        shared = runs(lambda n: (*fixed_overrides(n, rounds=1), f"radio.sharing={sharing}"), sizes)  # noqa: B023
        lines.append(line("devices", f"psl, {sharing}, a round", shared, target="≤ 1.1"))
    for name, allocation in PLANS.items():
        plans = {n: partial(plan_s, loaded(*fixed_overrides(n, allocation))) for n in FROM_100}
        lines.append(line("devices", name, plans, target="≤ 1.1"))
    return lines


def calls(experiment: Experiment) -> int:
    """Return the number of function calls in a run, with C functions and resumed generators."""
    count = 0

    def add(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(add)
    try:
        run_experiment(experiment)
    finally:
        sys.setprofile(None)
    return count


def slopes_of_calls() -> list[Figure]:
    """Return the growth of a run's function calls with devices."""
    rows = []
    for scheme in SCHEMES:
        experiments = [prepare(loaded(*fixed_overrides(n, rounds=30), schemes=[scheme])) for n in FROM_100]
        counts = [calls(experiment) for experiment in experiments]
        slope = float(np.polyfit(np.log(FROM_100), np.log(counts), 1)[0])
        span = f"{FROM_100[0]:,} to {FROM_100[-1]:,} devices"
        rows.append(Figure(f"scaling: {span}, {scheme}: slope of calls", (slope,), "", "≤ 1.1"))
    return rows


def subchannels() -> list[Line]:
    """Return the costs of runs and plans of 30 devices, with subchannels."""

    def overrides(count: int, allocation: str = CHEAP) -> tuple[str, ...]:
        return "devices.count=30", f"radio.subchannels={count}", "stop.rounds=100", allocation

    lines = [line("subchannels", "psl", runs(overrides, FROM_300))]
    for name, allocation in PLANS.items():
        plans = {m: partial(plan_s, loaded(*overrides(m, allocation))) for m in FROM_300}
        lines.append(line("subchannels", name, plans))
    return lines


def rounds() -> list[Line]:
    """Return the costs of runs of 30 devices, with rounds."""

    def overrides(count: int) -> tuple[str, ...]:
        return "devices.count=30", "radio.subchannels=30", f"stop.rounds={count}", CHEAP

    return [line("rounds", scheme, runs(overrides, FROM_300, scheme)) for scheme in ("sl", "psl")]


def schemes() -> list[Line]:
    """Return the costs of runs and plans, with schemes that differ only in φ."""

    def epsl_scenario(count: int, allocation: str) -> LoadedScenario:
        epsl = ", ".join(f"{{name: epsl, phi: {(i + 1) / count:g}}}" for i in range(count))
        fixed = ("devices.count=30", "radio.subchannels=300", "stop.rounds=100")
        return loaded(*fixed, f"schemes=[{epsl}]", allocation, schemes=None)

    sizes = (2, 4, 8, 16)
    experiments = {n: prepare(epsl_scenario(n, CHEAP)) for n in sizes}
    measures = {n: partial(run_s, experiment) for n, experiment in experiments.items()}
    lines = [line("schemes", "epsl", measures)]
    for name, allocation in PLANS.items():
        plans = {n: partial(plan_s, epsl_scenario(n, allocation)) for n in sizes}
        lines.append(line("schemes", name, plans))
    return lines


FIXED = {
    "devices": "1,000 subchannels",
    "subchannels": "30 devices, 100 rounds",
    "rounds": "30 devices, 30 subchannels",
    "schemes": "30 devices, 300 subchannels, 100 rounds",
}


@figure_style()
def draw(lines: Sequence[Line]) -> Chart:
    """Return the chart of cost over size, log-log, with one panel for each variable."""
    chart = Chart(figsize=(WIDTH_IN, 7.0), layout="constrained")
    styles = list(dict.fromkeys(line.style for line in lines))
    index_of = dict(zip(styles, curve_indices(styles), strict=True))
    for axes, (variable, fixed) in zip(chart.subplots(2, 2).flat, FIXED.items(), strict=True):
        for line in (one for one in lines if one.variable == variable):
            label = f"{line.name.replace('_', '-')} ({np.median(line.slopes):.2f})"
            axes.loglog(
                line.sizes, np.median(line.costs_s, axis=0), **curve_style(index_of[line.style]), label=label
            )
        finish_axes(axes, variable, fixed)
    return chart


def finish_axes(axes: Axes, variable: str, fixed: str) -> None:
    """Set the labels, the ticks and the legend of a panel."""
    plain_axes(axes)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.4)
    axes.set_title(fixed, fontsize=LABEL_PT)
    axes.set_xlabel(f"Number of {variable}", fontsize=LABEL_PT)
    axes.set_ylabel("Processor time [s]", fontsize=LABEL_PT)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if axis is axes.yaxis else (1, 2, 3, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axis.set_minor_locator(NullLocator())
    axes.legend(
        title="cost (slope)",
        title_fontsize=SMALL_PT,
        fontsize=SMALL_PT,
        frameon=False,
        ncols=2,
        loc="upper center",
        bbox_to_anchor=(0.45, -0.16),
        handlelength=2.5,
        columnspacing=1.0,
    )


def figures(figure: Path | None = None) -> list[Figure]:
    """Return the slopes.

    Parameters
    ----------
    figure : Path, optional
        The file to draw the lines to; by default they are not drawn.
    """
    lines = [*devices(), *subchannels(), *rounds(), *schemes()]
    if figure is not None:
        save_figure(draw(lines), figure)
    return [*(line.figure() for line in lines), *slopes_of_calls()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", type=Path, help="file to draw the lines to")
    show(figures(parser.parse_args().figure))
