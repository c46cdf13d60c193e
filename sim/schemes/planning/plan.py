"""The plan of a scheme: an immutable value that is decided before a round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....scenarios.schema.allocation import PlanFor
from ...links.channel import Channel
from ...links.gain_window import GainWindow
from ...links.link_rates import Direction, LinkRates, LinkRatesOverTime, LinkSnr, RateWindow
from ...radio.resources import RadioResources
from ..deployment import MemoryDemand
from .medium_access import MediumAccess

__all__ = ["Cuts", "PlannedLinks", "RadioPlan", "SchemePlan"]

# All transfers at an instant use the same block, and those of a round use few windows.
CACHED_BLOCKS = 16
CACHED_WINDOWS = 16


@dataclass(frozen=True)
class Cuts:
    """The cut of each client: the number of units of its part.

    Attributes
    ----------
    of_clients : tuple of int
        The cut of each client, in the order of the plan; 0 if the model is not split.
    per_device : bool
        Whether the scheme chooses a cut for each device, instead of one common cut.
    """

    of_clients: tuple[int, ...]
    per_device: bool = False

    @property
    def common(self) -> int:
        """Return the common cut of all clients.

        Raises
        ------
        ValueError
            If the clients have different cuts.
        """
        if len(set(self.of_clients)) > 1:
            raise ValueError(f"clients have different cuts: {self}")
        return self.of_clients[0]

    def __str__(self) -> str:
        """Return the common cut, or the cut of each device, as tables show them: ``2`` or ``1|2|2``."""
        cuts = self.of_clients if self.per_device else self.of_clients[:1]
        return "|".join(str(cut) for cut in cuts)


@dataclass(frozen=True)
class RadioPlan:
    """The radio's part of a plan.

    Attributes
    ----------
    cut : int
        The common cut of all clients.
    access : MediumAccess
        The way in which clients send.
    predicted_s : float
        The predicted time of a round, [s].
    """

    cut: int
    access: MediumAccess
    predicted_s: float


@dataclass(frozen=True)
class SchemePlan:
    """All decisions for a scheme's rounds with certain clients.

    Attributes
    ----------
    cuts : Cuts
        The cuts of the clients.
    resources : RadioResources
        The radio's resources, with the channel gains that the plan is based on.
    access : MediumAccess
        The way in which clients send.
    predicted_s : float
        The predicted time of a round, without stragglers, deadlines and fading, [s].
    memory : MemoryDemand
        The memory that the parts of the model need.
    prediction_is_bound : bool
        Whether ``predicted_s`` is a lower bound of a round's time.
    server_shares : tuple of float
        Each client's share of the server's processor; empty if the server is one processor for all.
    units_on_nodes : mapping of str to str
        For each compute node, the units that it trains, for example ``3-18``.
    learner_bounds : mapping of int to sequence of int
        For each client, the bounds of the parts of its model; empty for schemes with one common cut.
    structure : Any
        Further decisions that only the scheme's round uses.
    notes : mapping
        Further results of planning for ``summary.json``.
    planned_s : float or None
        The planned mean time of a round, [s]; None where it is ``predicted_s``.
    uses_means : bool
        Whether the plan was made for the stationary means of faults and fading.
    plan_for : {"nominal", "mean", "simulated"}
        The conditions that ``planned_s`` assumes.
    """

    cuts: Cuts
    resources: RadioResources
    access: MediumAccess
    predicted_s: float
    memory: MemoryDemand
    prediction_is_bound: bool = False
    server_shares: tuple[float, ...] = ()
    units_on_nodes: Mapping[str, str] = field(default_factory=dict)
    learner_bounds: Mapping[int, Sequence[int]] = field(default_factory=dict)
    structure: Any = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    planned_s: float | None = None
    uses_means: bool = False
    plan_for: PlanFor = "nominal"

    @property
    def planned_round_s(self) -> float:
        """Return the planned mean time of a round, [s]."""
        return self.predicted_s if self.planned_s is None else self.planned_s

    @property
    def planned_is_bound(self) -> bool:
        """Return whether ``planned_round_s`` is a lower bound of a round's time."""
        return self.prediction_is_bound and self.plan_for != "simulated"

    @cached_property
    def links(self) -> LinkRates:
        """Return the links on the gains that the plan is based on."""
        return self.access.links(self.resources)


class PlannedLinks(LinkRatesOverTime):
    """The links of a plan over time, on the channel gains at each instant.

    Rates are computed for all blocks of a window at once, and only for the links that are used.
    """

    def __init__(self, plan: SchemePlan, channel: Channel) -> None:
        self._plan = plan
        self._channel = channel
        self._links = lru_cache(maxsize=CACHED_BLOCKS)(self._links_of_block)
        self._rates = lru_cache(maxsize=CACHED_WINDOWS)(self._rates_of_window)

    def at(self, time_s: float) -> tuple[LinkRates, float]:
        """Return the links at an instant, and the instant up to which they stay, [s]."""
        return self._start if time_s == 0.0 else self._at(time_s)

    @cached_property
    def _start(self) -> tuple[LinkRates, float]:
        """The links at time 0, which every connection of a link asks for its power."""
        return self._at(0.0)

    def _at(self, time_s: float) -> tuple[LinkRates, float]:
        window = self._channel.window(time_s)
        block = window.index(time_s)
        return self._links(window, block), float(window.edges_s[block + 1])

    def window(self, direction: Direction, rows: NDArray[np.intp], time_s: float) -> RateWindow:
        """Return the rates of some links in many blocks, one of which holds an instant."""
        gains = self._channel.window(time_s)
        return RateWindow(gains.edges_s, self._rates(direction, gains).of(rows))

    def mean_snr(self) -> LinkSnr | None:
        """Return the mean signal-to-noise ratios on the plan's gains; None on links of fixed rates."""
        return self._plan.access.link_snr(self._plan.resources)

    def _links_of_block(self, window: GainWindow, block: int) -> LinkRates:
        return self._plan.access.links(replace(self._plan.resources, gains=window.gains(block)))

    def _rates_of_window(self, direction: Direction, gains: GainWindow) -> _WindowRates:
        return _WindowRates(self._plan, direction, gains)


class _WindowRates:
    """The rates of all clients in one direction and one window, each computed when it is first used."""

    def __init__(self, plan: SchemePlan, direction: Direction, gains: GainWindow) -> None:
        self._plan = plan
        self._direction = direction
        self._gains = gains
        num_clients = plan.resources.num_clients
        self._rates_bps = np.empty((len(gains), num_clients))
        self._computed = np.zeros(num_clients, dtype=bool)

    def of(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the rates of some clients, [num_blocks, num_rows], [bit/s]."""
        access, computed = self._plan.access, self._computed
        if not computed[rows].all():
            together = access.computes_together(self._direction)
            missing = np.flatnonzero(~computed) if together else rows[~computed[rows]]
            self._rates_bps[:, missing] = access.rates_bps(
                self._direction, self._plan.resources, self._gains, missing
            )
            computed[missing] = True
        return self._rates_bps[:, rows]
