"""What a training scheme is: its work for the planner, its round for the event loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from ...scenarios.named import SchemeParameters
from ...scenarios.unit_table import UnitTable
from ..allocation.problem import Rates, RoundWork, round_time_s
from ..world import World

__all__ = ["Job", "Outcome", "Round", "Scheme", "Speeds"]


@dataclass(frozen=True)
class Job:
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
    """

    units: UnitTable
    batch_size: int
    clients: int
    deadline_s: float | None = None


@dataclass(frozen=True)
class Speeds:
    """Compute times, [s/FLOP]: of each device ``[num_devices]``, and of the server."""

    device_s_per_flop: NDArray[np.float64]
    server_s_per_flop: float


@dataclass(frozen=True)
class Outcome:
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


Round: TypeAlias = Generator[Event, Any, Outcome]


class Scheme(ABC):
    """A training scheme. Subclasses override :meth:`round`, and :meth:`work` or :meth:`round_time_s`.

    Attributes
    ----------
    band : how clients send: ``dedicated`` (side by side, each on its own subchannels), ``whole`` (one
        after the other, each on the whole band) or ``none`` (no radio)
    has_cut : whether the model is split
    learner : ``"module:Class"`` of the learner whose steps :meth:`round` calls; it is made with
        ``learner_options`` as keyword arguments
    cut : the planned cut, set before the first round
    planned_from : the first of the rounds whose time :meth:`round_time_s` gives
    """

    band: ClassVar[Literal["dedicated", "whole", "none"]] = "dedicated"
    has_cut: ClassVar[bool] = True
    learner: ClassVar[str]

    def __init__(self, parameters: SchemeParameters, job: Job) -> None:
        self.parameters = parameters
        self.job = job
        self.cut = 0
        self.planned_from = 1
        self.learner_options: dict[str, Any] = {}

    def cuts(self) -> range:
        """Return the cuts to choose from; only 0 where the model is not split."""
        return range(1, len(self.job.units)) if self.has_cut else range(1)

    def work(self, cut: int, speeds: Speeds) -> RoundWork:
        """Return a round's work for the planner; for schemes whose ``band`` is ``dedicated``."""
        raise NotImplementedError(f"{type(self).__name__} sends on dedicated subchannels and needs work()")

    def round_time_s(self, cut: int, speeds: Speeds, rates: Rates) -> float:
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
