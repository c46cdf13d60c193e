"""How the cost of a timeline grows with devices, subchannels, rounds and schemes, one at a time.

Processor time: of the run itself, from the first event to the tables, for a world that is made ready; and of
making it ready, which is the planning and what the plan needs. The slope of a line is that of log cost over
log size by least squares: 1 is cost in proportion to size. Each repeat measures all sizes and gives a slope.
Bare SimPy time-outs before and after each measurement tell how fast the machine is at that time; costs are
given as at its usual speed, for a machine that is shared runs half as fast now and then.
Sizes are large enough for what does not grow with them to be little of the cost, and nothing is subtracted.
Devices are measured by the round, in runs of as many intervals whatever their number; how cost grows with the
length of a run is a line of its own. For them the calls of functions are counted too, which no cache changes.

``--figure PATH`` draws the medians.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
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
from cutlayer.analysis.figures.style import LABEL_PT, SMALL_PT, WIDTH_IN, plain_axes, save_figure
from cutlayer.experiments.preparation import Experiment, prepare
from cutlayer.experiments.runner import run_experiment
from cutlayer.scenarios.loading.loader import LoadedScenario, load_scenario

__all__ = ["figures"]

Measures: TypeAlias = dict[int, Callable[[], float]]
"""What measures a cost, [s], by size."""

REPEATS = 5
DEVICE_ROUNDS = 50_000  # devices times rounds
SCHEMES = ("sl", "sfl", "psl", "epsl φ=0.5")
CHEAP = "allocation={subchannels: round_robin, power: uniform, cut: 2}"
PLANS = {
    "plan: greedy": "allocation={subchannels: greedy, power: optimal, cut: 2}",
    "plan: bcd": "allocation.method=bcd",
}
NARROW = "radio.subchannel_hz=1.0e6"  # so that thousands of them fit below the carrier
FROM_100, FROM_300 = (tuple(round(first * 10 ** (i / 4)) for i in range(5)) for first in (100, 300))


@dataclass(frozen=True)
class Line:
    """How one cost grows with one variable.

    Attributes
    ----------
    variable : what grows
    what : whose cost it is
    sizes : [num_sizes], int
    costs_s : [num_repeats][num_sizes], float
        Processor time at the machine's usual speed, [s].
    look : the scheme whose colour it has, or a text of its own
    target : of the slope; empty where it is for information
    """

    variable: str
    what: str
    sizes: tuple[int, ...]
    costs_s: tuple[tuple[float, ...], ...]
    look: str
    target: str = ""

    @property
    def slopes(self) -> tuple[float, ...]:
        """Return the slope of each repeat."""
        return tuple(float(np.polyfit(np.log(self.sizes), np.log(each), 1)[0]) for each in self.costs_s)

    def figure(self) -> Figure:
        """Return the slope as a figure."""
        span = f"{self.sizes[0]:,} to {self.sizes[-1]:,} {self.variable}"
        return Figure(f"scaling: {span}, {self.what}: slope", self.slopes, "", self.target)


def loaded(*overrides: str, schemes: Sequence[str] | None = ("psl",)) -> LoadedScenario:
    """Return a scenario without learning."""
    return load_scenario("timeline_only", (NARROW, *overrides), schemes=schemes)


def run_s(experiment: Experiment) -> float:
    """Return the time of a run that is made ready."""
    return timed(lambda: run_experiment(experiment))


def plan_s(scenario: LoadedScenario) -> float:
    """Return the time in which a run is made ready."""
    return timed(lambda: prepare(scenario))


def line(
    variable: str,
    what: str,
    measures: Measures,
    look: str = "",
    target: str = "",
) -> Line:
    """Return the costs by size, each measured in its turn in every repeat."""
    next(iter(measures.values()))()  # the first time costs more
    rates = []

    def time_outs(measure: Callable[[], float]) -> float:
        before = timeout_rate()
        cost_s = measure()
        rates.append((before + timeout_rate()) / 2)
        return cost_s * rates[-1]

    by_size = interleaved(REPEATS, *(partial(time_outs, measure) for measure in measures.values()))
    usual = median(rates)
    costs_s = tuple(tuple(cost / usual for cost in each) for each in zip(*by_size, strict=True))
    return Line(variable, what, tuple(measures), costs_s, look or what, target=target)


def runs(overrides: Callable[[int], tuple[str, ...]], sizes: Sequence[int], scheme: str = "psl") -> Measures:
    """Return what measures the run of one scheme at each size."""
    ready = {size: prepare(loaded(*overrides(size), schemes=[scheme])) for size in sizes}
    return {size: partial(run_s, each) for size, each in ready.items()}


def _held(count: int, allocation: str = CHEAP, rounds: int = 100) -> tuple[str, ...]:
    """Return what is the same for all numbers of devices."""
    return f"devices.count={count}", "radio.subchannels=1000", f"stop.rounds={rounds}", allocation


def round_s(ready: tuple[Experiment, int]) -> float:
    """Return the time of a round, [s], in a run of so many."""
    experiment, rounds = ready
    return run_s(experiment) / rounds


def rounds_of(scheme: str, *overrides: str) -> Measures:
    """Return what measures a round of one scheme at each number of devices."""
    measures: Measures = {}
    for count in FROM_100:
        rounds = round(DEVICE_ROUNDS / count)
        experiment = prepare(loaded(*_held(count, rounds=rounds), *overrides, schemes=[scheme]))
        measures[count] = partial(round_s, (experiment, rounds))
    return measures


def devices() -> list[Line]:
    """Return how rounds, and plans by several methods, grow with devices on 1,000 subchannels."""
    lines = [line("devices", f"{s}, a round", rounds_of(s), s.split()[0], "≤ 1.1") for s in SCHEMES]
    late = rounds_of("sl", "round_policy={deadline_s: 1.0e6}")
    lines.append(line("devices", "sl, a deadline, a round", late, target="≤ 1.1"))
    for sharing, sizes in (("tdma", FROM_100), ("work_conserving", FROM_100[::2])):
        shared = runs(lambda n: (*_held(n, rounds=1), f"radio.sharing={sharing}"), sizes)  # noqa: B023
        lines.append(line("devices", f"psl, {sharing}, a round", shared, target="≤ 1.1"))
    for what, allocation in PLANS.items():
        plans = {n: partial(plan_s, loaded(*_held(n, allocation))) for n in FROM_100}
        lines.append(line("devices", what, plans, target="≤ 1.1"))
    return lines


def calls(experiment: Experiment) -> int:
    """Return how many functions a run calls, Python's and others', and how often it resumes a generator."""
    counted = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        run_experiment(experiment)
    finally:
        sys.setprofile(None)
    return counted


def slopes_of_calls() -> list[Figure]:
    """Return how the calls of a run grow with devices."""
    found = []
    for scheme in SCHEMES:
        ready = [prepare(loaded(*_held(n, rounds=30), schemes=[scheme])) for n in FROM_100]
        counts = [calls(each) for each in ready]
        slope = float(np.polyfit(np.log(FROM_100), np.log(counts), 1)[0])
        span = f"{FROM_100[0]:,} to {FROM_100[-1]:,} devices"
        found.append(Figure(f"scaling: {span}, {scheme}: slope of calls", (slope,), "", "≤ 1.1"))
    return found


def subchannels() -> list[Line]:
    """Return how runs and plans of 30 devices grow with subchannels."""

    def held(count: int, allocation: str = CHEAP) -> tuple[str, ...]:
        return "devices.count=30", f"radio.subchannels={count}", "stop.rounds=100", allocation

    lines = [line("subchannels", "psl", runs(held, FROM_300))]
    for what, allocation in PLANS.items():
        plans = {m: partial(plan_s, loaded(*held(m, allocation))) for m in FROM_300}
        lines.append(line("subchannels", what, plans))
    return lines


def rounds() -> list[Line]:
    """Return how runs of 30 devices grow with rounds."""

    def held(count: int) -> tuple[str, ...]:
        return "devices.count=30", "radio.subchannels=30", f"stop.rounds={count}", CHEAP

    return [line("rounds", scheme, runs(held, FROM_300, scheme)) for scheme in ("sl", "psl")]


def schemes() -> list[Line]:
    """Return how runs and plans grow with schemes that differ in φ alone."""

    def given(count: int, allocation: str) -> LoadedScenario:
        epsl = ", ".join(f"{{name: epsl, phi: {(i + 1) / count:g}}}" for i in range(count))
        held = ("devices.count=30", "radio.subchannels=300", "stop.rounds=100")
        return loaded(*held, f"schemes=[{epsl}]", allocation, schemes=None)

    sizes = (2, 4, 8, 16)
    ready = {n: prepare(given(n, CHEAP)) for n in sizes}
    lines = [line("schemes", "epsl", {n: partial(run_s, each) for n, each in ready.items()})]
    for what, allocation in PLANS.items():
        plans = {n: partial(plan_s, given(n, allocation)) for n in sizes}
        lines.append(line("schemes", what, plans))
    return lines


HELD = {
    "devices": "1,000 subchannels",
    "subchannels": "30 devices, 100 rounds",
    "rounds": "30 devices, 30 subchannels",
    "schemes": "30 devices, 300 subchannels, 100 rounds",
}


def drawn(lines: Sequence[Line]) -> Chart:
    """Return the figure: cost over size, log-log, a panel for each variable."""
    figure = Chart(figsize=(WIDTH_IN, 7.0), layout="constrained")
    looks = list(dict.fromkeys(each.look for each in lines))
    style = dict(zip(looks, curve_indices(looks), strict=True))
    for axes, (variable, held) in zip(figure.subplots(2, 2).flat, HELD.items(), strict=True):
        own = [each for each in lines if each.variable == variable]
        for each in own:
            label = f"{each.what.replace('_', '-')} ({np.median(each.slopes):.2f})"
            axes.loglog(
                each.sizes, np.median(each.costs_s, axis=0), **curve_style(style[each.look]), label=label
            )
        finish(axes, variable, held)
    return figure


def finish(axes: Axes, variable: str, held: str) -> None:
    """Give a panel its words, its ticks and its legend."""
    plain_axes(axes)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.4)
    axes.set_title(held, fontsize=LABEL_PT)
    axes.set_xlabel(f"Number of {variable}", fontsize=LABEL_PT)
    axes.set_ylabel("Processor time (s)", fontsize=LABEL_PT)
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
    figure : where the lines are drawn to, if they are
    """
    lines = [*devices(), *subchannels(), *rounds(), *schemes()]
    if figure is not None:
        save_figure(drawn(lines), figure)
    return [*(each.figure() for each in lines), *slopes_of_calls()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", type=Path, help="where the lines are drawn to")
    show(figures(parser.parse_args().figure))
