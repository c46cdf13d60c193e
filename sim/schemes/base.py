"""What a training scheme is: its work for the planner, its round for the event loop."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from ...scenarios.model_costs.unit_table import UnitTable
from ...scenarios.schema.compression import Compressible
from ...scenarios.schema.registered import SchemeParameters
from ..allocation.problem import Rates, RoundWork, round_time_s
from ..costs.compressed_sizes import CompressedSizes
from ..costs.stages import Stages, split_stages
from ..links.link_rates import LinkRates
from ..planning_error import PlanningError
from ..radio.units import mib_text
from ..world.world import World
from .deployment import Deployment, MemoryDemand

__all__ = ["ComputeTimes", "Cut", "Round", "RoundOutcome", "Scheme", "TrainingTask"]

Cut: TypeAlias = int | tuple[int, ...]
"""Units on the client, the same for all or one number a device; 0 where the model is not split."""


@dataclass(frozen=True)
class TrainingTask:
    """What is trained, by how many.

    Attributes
    ----------
    units : the model's unit table
    batch_size : int
        Samples of each client in a round, b.
    clients : int
        Number of clients, C.
    deadline_s : float or None
        The round policy: clients later than this are left out.
    device_memory_bits : float
        What fits into the device with the least memory, [bit].
    compression : Compressor or None
        What the scheme's clients compress.
    """

    units: UnitTable
    batch_size: int
    clients: int
    deadline_s: float | None = None
    device_memory_bits: float = math.inf
    compression: CompressedSizes | None = None

    def stages(
        self,
        cut: int,
        clients: int = 1,
        *,
        merged: int = 0,
        all_rows_back: bool = False,
        pruned: bool = True,
    ) -> Stages:
        """Return the stages of a split round as compression leaves them; see :func:`split_stages`.

        Parameters
        ----------
        pruned : bool
            Whether masks hold, where the clients' parts are pruned: in every round but those that renew them.
        """
        batch = self.batch_size
        stages = split_stages(self.units, cut, batch, clients, merged=merged, backward_all_rows=all_rows_back)
        if self.compression is None:
            return stages
        return self.compression.compressed(stages, cut, batch, merged, pruned=pruned)


@dataclass(frozen=True)
class ComputeTimes:
    """Compute times, [s/FLOP]: of each device ``[num_devices]``, and of the server."""

    device_s_per_flop: NDArray[np.float64]
    server_s_per_flop: float

    def of(self, devices: NDArray[np.intp]) -> ComputeTimes:
        """Return the speeds of these devices alone, in this order, and of the server."""
        return ComputeTimes(self.device_s_per_flop[devices], self.server_s_per_flop)


@dataclass(frozen=True)
class RoundOutcome:
    """What a round came to.

    Attributes
    ----------
    participants : tuple of int
        The clients whose batches were trained on.
    updates : int
        Steps by which the server's model (of FL: a client's model) moved on.
    samples : int
        Samples trained on, over all participants.
    """

    participants: tuple[int, ...]
    updates: int
    samples: int


Round: TypeAlias = Generator[Event, Any, RoundOutcome]


class Scheme(ABC):
    """A training scheme. Subclasses override :meth:`round`, and :meth:`work` or :meth:`round_time_s`.

    Those that decide more than a common cut override :meth:`arrange` too.

    Attributes
    ----------
    band : how clients send: ``dedicated`` (side by side, each on its own subchannels), ``shares`` (side by
        side, each on a share of the whole band, ``band_shares``), ``whole`` (one after the other, each on
        the whole band) or ``none`` (no radio)
    has_cut : whether the model is split
    own_cut : whether the scheme itself says where the model is cut, and not the scenario's allocation
    measurable : whether it can reckon with measured layer times, ``model.profile``
    compresses : what of it ``job.compression`` can compress
    learner : ``"module:Class"`` of the learner whose steps :meth:`round` calls; it is made with
        ``learner_options`` as keyword arguments
    cut : the planned cut, set before the first round
    planned_from : the first of the rounds whose time :meth:`round_time_s` gives
    pruned : whether masks hold in the round at hand, where the clients' parts are pruned
    own_plan : cut, shares of the band (None: the links are given) and round time, [s], where :meth:`arrange`
        has decided all three
    server_shares : the clients' own shares of the server's processor; empty where it is not shared out
    predicts : whether :meth:`round_time_s`, or the plan, gives a round's time or a lower ``bound`` of it
    details : further figures for the summary of a run
    """

    band: ClassVar[Literal["dedicated", "shares", "whole", "none"]] = "dedicated"
    has_cut: ClassVar[bool] = True
    own_cut: ClassVar[bool] = False
    measurable: ClassVar[bool] = False
    predicts: ClassVar[Literal["time", "bound"]] = "time"
    compresses: ClassVar[frozenset[Compressible]] = frozenset()
    learner: ClassVar[str]

    def __init__(self, parameters: SchemeParameters, job: TrainingTask) -> None:
        self.parameters = parameters
        self.job = job
        self.cut: Cut = 0
        self.planned_from = 1
        self.pruned = True
        self.own_plan: tuple[Cut, NDArray[np.float64] | None, float] | None = None
        self.learner_options: dict[str, Any] = {}
        self.server_shares: Sequence[float] = ()
        self.details: dict[str, Any] = {}

    def cuts(self) -> Sequence[int]:
        """Return the cuts to choose from, those that fit into every device; only 0 where nothing is split.

        Raises
        ------
        AllocationError
            If no cut fits.
        """
        job, count = self.job, len(self.job.units)
        cuts = range(1, count) if self.has_cut else range(1)
        needed = {cut: self.device_bits(cut) for cut in cuts}
        fitting = [cut for cut in cuts if needed[cut] <= job.device_memory_bits]
        if cuts and not fitting:
            raise PlanningError(
                f"{self.parameters.name} needs {mib_text(min(needed.values()))} on every device at the least;"
                f" the smallest has {mib_text(job.device_memory_bits)}",
                ("devices", "memory_mib"),
            )
        return fitting

    def arrange(self, site: Deployment) -> None:  # noqa: B027 - most schemes have nothing to arrange
        """Decide, before anything else is planned, what is the scheme's own to decide; nothing by default.

        Raises
        ------
        AllocationError
            If it can't be had.
        """

    def settle(self, links: LinkRates, site: Deployment) -> float | None:
        """Decide what is left when the planned links are known; nothing by default.

        Returns
        -------
        float or None
            The round's predicted time where that follows only now, [s].

        Raises
        ------
        AllocationError
            If it can't be had.
        """
        return None

    def sampling_unsupported(self) -> str | None:
        """Return why the scheme's rounds can't draw their clients from a population; None: they can."""
        return None

    def device_bits(self, cut: int) -> float:
        """Return what a device's part of the model needs in memory at a common cut, [bit]."""
        return self.job.units.memory_bits(0, cut, self.job.batch_size)

    def server_bits(self) -> float:
        """Return what the server's parts need at the planned cut; by default those of one client, [bit]."""
        assert isinstance(self.cut, int)
        return self.job.units.memory_bits(self.cut, len(self.job.units), self.job.batch_size)

    def memory(self) -> MemoryDemand:
        """Return what the planned parts of the model need in memory."""
        assert isinstance(self.cut, int)
        needed = np.full(self.job.clients, self.device_bits(self.cut))
        return MemoryDemand(needed, self.server_bits(), {})

    def units_on_nodes(self) -> dict[str, str]:
        """Return which units each compute node trains, for example ``3-18``; none by default."""
        return {}

    def work(self, cut: int, speeds: ComputeTimes) -> RoundWork:
        """Return a round's work for the planner; for schemes whose ``band`` is ``dedicated``."""
        raise NotImplementedError(f"{type(self).__name__} sends on dedicated subchannels and needs work()")

    def round_time_s(self, cut: int, speeds: ComputeTimes, rates: Rates) -> float:
        """Return the closed form of a round's time without stragglers, [s]."""
        return round_time_s(self.work(cut, speeds), rates)

    @abstractmethod
    def round(self, world: World, learner: Any, number: int) -> Round:
        """Run one round: yield what takes time, call the learner when its tensors exist.

        Parameters
        ----------
        world : where it runs
        learner : an instance of :attr:`learner`, or None for the timeline alone
        number : int
            The round's number, from 1.

        Returns
        -------
        Outcome
        """
