"""Laws of queueing theory for the product's nodes and media, and their comparison with simulations.

``python -m tests.support.queueing_laws`` prints the table of docs/experiments/queueing.md in Markdown;
``python docs/refresh.py queueing`` puts it there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from simpy import Environment
from tabulate import tabulate

from cutlayer.analysis.results.confidence_intervals import Range, centre_and_interval
from tests.support.queueing import (
    Observation,
    Station,
    Work,
    compute_nodes,
    deterministic,
    equal_rates,
    exponential,
    observe,
    pareto,
    single_server,
    tdma,
    work_conserving,
)

__all__ = ["Comparison", "Law", "System", "compare", "erlang_c", "systems", "warm_up_s"]

REPLICATIONS = 20
LENGTH_S = 10_000.0
LOADS = (0.5, 0.8)
SLOT_S = 0.05
_TAIL = 0.05


@dataclass(frozen=True)
class Law:
    """A quantity whose expectation queueing theory knows.

    Attributes
    ----------
    quantity, formula : str
        For the table; the formula uses the symbols of docs/experiments/queueing.md.
    theory : float
    statistic : callable
        Measures the quantity in one replication.
    value_range : Range
        The range of the quantity, for its confidence interval.
    """

    quantity: str
    formula: str
    theory: float
    statistic: Callable[[Observation], float]
    value_range: Range = Range.POSITIVE


@dataclass(frozen=True)
class System:
    """A station with its arrivals, and the laws that it obeys.

    Attributes
    ----------
    name : str
    load : float
        ρ, the arrival rate over the rate at which all processors together serve.
    station : callable
        Makes the station.
    num_servers : int
    work : Work
        Draws the work of a customer, whose mean is 1 s.
    laws : tuple of Law
    """

    name: str
    load: float
    station: Callable[[Environment], Station]
    num_servers: int
    work: Work
    laws: tuple[Law, ...]

    @property
    def rate_hz(self) -> float:
        """Return λ, the arrival rate, [1/s]."""
        return self.load * self.num_servers


@dataclass(frozen=True)
class Comparison:
    """The values of one law's quantity in independent replications.

    Attributes
    ----------
    values : ndarray, [num_replications]
    """

    system: System
    law: Law
    values: NDArray[np.float64]

    @property
    def interval(self) -> tuple[float, float, float]:
        """Return the mean over the replications, and its 95 % confidence interval."""
        return centre_and_interval(self.values, self.law.value_range)

    @property
    def standard_errors(self) -> float:
        """Return the difference between mean and theory, in standard errors of the mean."""
        error = float(self.values.std(ddof=1)) / math.sqrt(len(self.values))
        return (float(self.values.mean()) - self.law.theory) / error

    def holds(self, confidence: float) -> bool:
        """Return whether the theory lies in Student's confidence interval of this level."""
        quantile = stats.t.ppf((1 + confidence) / 2, len(self.values) - 1)
        return abs(self.standard_errors) <= float(quantile)

    def row(self) -> list[str]:
        """Return the cells of the table."""
        mean, low, high = self.interval
        theory = self.law.theory
        error_percent = round(100 * (mean / theory - 1), 2) + 0.0  # the sum has no negative zero
        return [
            self.system.name,
            f"{self.system.load:g}",
            self.law.quantity,
            self.law.formula,
            f"{theory:.4g}",
            f"{mean:.4g}",
            f"{low:.4g} to {high:.4g}",
            f"{error_percent:+.2f}",
        ]


def warm_up_s(load: float, num_servers: int) -> float:
    """Return the time that is left out: ten relaxation times of M/M/1, 10/(cμ(1 − √ρ)²), [s]."""
    return 10 / (num_servers * (1 - math.sqrt(load)) ** 2)


def compare(system: System, *, replications: int, length_s: float, seed: int = 0) -> list[Comparison]:
    """Run independent replications of a system, and return the values of each of its laws."""
    observations = [
        observe(
            system.station,
            system.rate_hz,
            system.work,
            warm_up_s=warm_up_s(system.load, system.num_servers),
            length_s=length_s,
            seed=seed,
            replication=replication,
        )
        for replication in range(replications)
    ]
    return [
        Comparison(system, law, np.array([law.statistic(each) for each in observations]))
        for law in system.laws
    ]


def erlang_c(num_servers: int, load: float) -> float:
    """Return Erlang's C: the probability that a customer of M/M/c waits."""
    offered = num_servers * load
    terms = [offered**n / math.factorial(n) for n in range(num_servers)]
    last = offered**num_servers / math.factorial(num_servers) / (1 - load)
    return last / (sum(terms) + last)


def _mean_sojourn_s(observation: Observation) -> float:
    return float(observation.sojourn_s.mean())


LITTLE = Law(
    "Little: L/(λT), all measured",
    "1",
    1.0,
    lambda o: o.mean_number / (len(o.sojourn_s) / o.length_s * _mean_sojourn_s(o)),
)
"""Little's law: the mean number is the arrival rate times the mean time in the system."""


def systems(load: float) -> list[System]:
    """Return all systems at this load. The mean work is 1 s, so that μ = 1/s."""
    return [
        _mm1(load),
        _md1(load),
        _mmc(load, 3),
        *(
            System(f"M/{name}/1-PS, equal rates", load, equal_rates, 1, work, _processor_sharing(load))
            for name, work in (("M", exponential), ("D", deterministic), ("Pareto", pareto))
        ),
        # a message shorter than a slot waits for its turn, so the time over the work has another mean
        System("M/M/1-PS, TDMA", load, tdma(SLOT_S), 1, exponential, (_mean_time(load), LITTLE)),
        System("M/M/1, work-conserving OFDMA", load, work_conserving, 1, exponential, _busy_periods(load)),
    ]


def _mm1(load: float) -> System:
    sojourn_s = 1 / (1 - load)
    limit_s = -math.log(_TAIL) * sojourn_s
    laws = (
        Law("mean wait [s]", "ρ/(μ − λ)", load * sojourn_s, lambda o: float(o.wait_s.mean())),
        Law(
            f"share longer than {limit_s:.3g} s",
            "exp(−(μ − λ)t)",
            _TAIL,
            lambda o: float((o.sojourn_s > limit_s).mean()),
            Range.FRACTION,
        ),
        _mean_number(load, sojourn_s),
        LITTLE,
        *_busy_periods(load),
    )
    return System("M/M/1, server", load, single_server, 1, exponential, laws)


def _md1(load: float) -> System:
    wait_s = load / (2 * (1 - load))
    square = 2 * wait_s**2 + load / (3 * (1 - load))
    laws = (
        Law("mean wait [s]", "ρ/(2μ(1 − ρ))", wait_s, lambda o: float(o.wait_s.mean())),
        Law(
            "mean square of wait [s²]",
            "2W² + λE[S³]/(3(1 − ρ))",
            square,
            lambda o: float((o.wait_s**2).mean()),
        ),
        LITTLE,
    )
    return System("M/D/1, compute node", load, compute_nodes(1), 1, deterministic, laws)


def _mmc(load: float, num_servers: int) -> System:
    waiting = erlang_c(num_servers, load)
    wait_s = waiting / (num_servers * (1 - load))
    laws = (
        Law(
            "probability of waiting",
            "C(c, cρ)",
            waiting,
            lambda o: float((o.wait_s > 0).mean()),
            Range.FRACTION,
        ),
        Law("mean wait [s]", "C(c, cρ)/(cμ − λ)", wait_s, lambda o: float(o.wait_s.mean())),
        Law(
            "probability of waiting longer than 1 s",
            "C(c, cρ) exp(−(cμ − λ)t)",
            waiting * math.exp(-num_servers * (1 - load)),
            lambda o: float((o.wait_s > 1).mean()),
            Range.FRACTION,
        ),
        _mean_number(load * num_servers, wait_s + 1),
        LITTLE,
    )
    name = f"M/M/{num_servers}, compute nodes"
    return System(name, load, compute_nodes(num_servers), num_servers, exponential, laws)


def _processor_sharing(load: float) -> tuple[Law, ...]:
    slowdown = Law(
        "mean of time in system over work",
        "1/(1 − ρ)",
        1 / (1 - load),
        lambda o: float((o.sojourn_s / o.work_s).mean()),
    )
    return _mean_time(load), slowdown, LITTLE


def _mean_time(load: float) -> Law:
    return Law("mean time in system [s]", "E[S]/(1 − ρ)", 1 / (1 - load), _mean_sojourn_s)


def _mean_number(rate_hz: float, sojourn_s: float) -> Law:
    return Law("mean number in system", "λT", rate_hz * sojourn_s, lambda o: o.mean_number)


def _busy_periods(load: float) -> tuple[Law, ...]:
    """Return laws of every discipline that never idles while there is work."""
    return (
        Law("share of time busy", "ρ", load, lambda o: o.busy_share, Range.FRACTION),
        Law("mean busy period [s]", "E[S]/(1 − ρ)", 1 / (1 - load), lambda o: o.mean_busy_s),
    )


_COLUMNS = ("system", "ρ", "quantity", "formula", "theory", "measured", "95 % interval", "error [%]")


def table(comparisons: Iterable[Comparison]) -> str:
    """Return the table in Markdown, with a line on how many intervals contain the theory."""
    listed = list(comparisons)
    sides = ("left", "right", "left", "left", *["right"] * 4)
    rows = tabulate(
        [each.row() for each in listed], _COLUMNS, tablefmt="pipe", disable_numparse=True, colalign=sides
    )
    inside = sum(low <= each.law.theory <= high for each in listed for _, low, high in [each.interval])
    return f"{rows}\n\nThe theory lies in {inside} of {len(listed)} intervals."


if __name__ == "__main__":
    print(
        table(
            comparison
            for load in LOADS
            for system in systems(load)
            for comparison in compare(system, replications=REPLICATIONS, length_s=LENGTH_S)
        )
    )
