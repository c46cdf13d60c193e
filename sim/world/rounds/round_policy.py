"""Round policies: how long a step of a round waits for its clients. The client pool leaves out the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ....scenarios.schema.round_policy import RoundPolicy as RoundPolicySection

__all__ = [
    "NO_LIMITS",
    "WAIT_FOR_ALL",
    "Deadline",
    "FirstClients",
    "PlannedDeadline",
    "Quorum",
    "RoundPolicy",
    "StepLimits",
    "WaitForAll",
    "round_policy_of",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StepLimits:
    """The limits of one step: when it closes, that is, when it stops waiting for clients.

    A step closes when all of its clients are on time, or when ``enough`` of them are. It also closes at its
    deadline if ``least`` clients are on time by then, or else as soon as they are. If fewer than ``least``
    are on time at ``max_wait_s``, it closes without any client.

    Attributes
    ----------
    waits_s : float
        The time from the start of the step to its deadline, [s]; infinite without a deadline.
    enough : int or None
        The number of clients with which the step goes on at once; None if it needs all of them.
    least : int
        The number of clients without which the deadline does not count.
    max_wait_s : float
        The time from the start of the step for which it waits for ``least`` clients, [s]; infinite without a
        limit.
    """

    waits_s: float = math.inf
    enough: int | None = None
    least: int = 0
    max_wait_s: float = math.inf

    @property
    def counts_clients(self) -> bool:
        """Return whether the end of the step depends on the number of clients that are on time."""
        return self.enough is not None or self.least > 0

    def close(self, ends_s: Array, clients: Sequence[int], start_s: float) -> tuple[NDArray[np.bool_], float]:
        """Return the clients that are on time, and when the step closes.

        Parameters
        ----------
        ends_s : ndarray, [num_clients]
            When each client would end, [s].
        clients : sequence of int, [num_clients]
            The numbers of the clients.
        start_s : float
            The start of the step, [s].

        Returns
        -------
        on_time : ndarray of bool, [num_clients]
        closes_s : float
            The end of the last client on time if no client is late, or the instant at which the late ones
            stop, [s].
        """
        if self.enough is not None:
            order = np.lexsort((np.asarray(clients), ends_s))[
                : self.enough
            ]  # of equal ends, the lower number first
            on_time = np.zeros(ends_s.shape, dtype=bool)
            on_time[order] = ends_s[order] < math.inf
            return on_time, float(ends_s[order].max())
        closes_s, last_s = start_s + self.waits_s, float(ends_s.max())
        if self.least > 0:
            enough_s = float(np.partition(ends_s, self.least - 1)[self.least - 1])
            if enough_s > start_s + self.max_wait_s:
                return np.zeros(ends_s.shape, dtype=bool), start_s + self.max_wait_s
            closes_s = max(closes_s, enough_s)
        if last_s <= closes_s:
            return np.ones(ends_s.shape, dtype=bool), last_s
        return ends_s <= closes_s, closes_s


NO_LIMITS = StepLimits()


class RoundPolicy(Protocol):
    """Decides when a step of a round stops waiting for clients.

    A client that is not on time by then is left out of the round, and stops its activities.
    """

    @property
    def may_stop_clients(self) -> bool:
        """Whether a step may stop waiting for a client."""

    def limits(self, num_clients: int, planned_s: float) -> StepLimits:
        """Return the limits of a step.

        Parameters
        ----------
        num_clients : int
            The number of clients that start the step, at least 1.
        planned_s : float
            The planned time of the step, [s].
        """


@dataclass(frozen=True)
class WaitForAll:
    """A round waits for all of its clients."""

    @property
    def may_stop_clients(self) -> bool:
        """Return False."""
        return False

    def limits(self, num_clients: int, planned_s: float) -> StepLimits:
        """Return no limits."""
        return NO_LIMITS


@dataclass(frozen=True)
class Deadline:
    """A round waits until a deadline; a client that is on time at that very instant takes part.

    Parameters
    ----------
    waits_s : float
        The time from the start of a step to its deadline, [s].
    """

    waits_s: float

    @property
    def may_stop_clients(self) -> bool:
        """Return True."""
        return True

    def limits(self, num_clients: int, planned_s: float) -> StepLimits:
        """Return the deadline."""
        return StepLimits(self.waits_s)


@dataclass(frozen=True)
class PlannedDeadline:
    """A round waits until a deadline that is a multiple of its planned time.

    Parameters
    ----------
    multiple : float
        The deadline over the planned time, [1].
    """

    multiple: float

    @property
    def may_stop_clients(self) -> bool:
        """Return True."""
        return True

    def limits(self, num_clients: int, planned_s: float) -> StepLimits:
        """Return the deadline."""
        return StepLimits(self.multiple * planned_s)


@dataclass(frozen=True)
class FirstClients:
    """A round goes on with the first clients; of clients that end at one instant, the lower number is first.

    Parameters
    ----------
    count : int
        K, the number of clients. A round with K clients or fewer waits for all of them.
    """

    count: int

    @property
    def may_stop_clients(self) -> bool:
        """Return True."""
        return True

    def limits(self, num_clients: int, planned_s: float) -> StepLimits:
        """Return the number of clients; no limits if there are no more than that."""
        return StepLimits(enough=self.count) if self.count < num_clients else NO_LIMITS


@dataclass(frozen=True)
class Quorum:
    """A deadline that counts only if a share of the round's clients is on time.

    Parameters
    ----------
    deadline : Deadline or PlannedDeadline
        The deadline.
    share : float
        The share of the clients that start a step, above 0 and at most 1. It is rounded up to a number of
        clients.
    max_wait_s : float
        The time from the start of a step after which it closes without any client, [s].
    """

    deadline: Deadline | PlannedDeadline
    share: float
    max_wait_s: float = math.inf

    @property
    def may_stop_clients(self) -> bool:
        """Return True."""
        return True

    def limits(self, num_clients: int, planned_s: float) -> StepLimits:
        """Return the deadline with the least number of clients."""
        waits_s = self.deadline.limits(num_clients, planned_s).waits_s
        # the decimal number that the scenario gives, so that 0.1 of 30 clients are 3
        least = math.ceil(Fraction(repr(self.share)) * num_clients)
        return StepLimits(waits_s, least=least, max_wait_s=self.max_wait_s)


WAIT_FOR_ALL = WaitForAll()


def round_policy_of(section: RoundPolicySection) -> RoundPolicy:
    """Return the policy of a section ``round_policy``."""
    if section.first is not None:
        return FirstClients(section.first)
    deadline: Deadline | PlannedDeadline
    if section.deadline_multiple is not None:
        deadline = PlannedDeadline(section.deadline_multiple)
    elif section.deadline_s is not None and section.deadline_s < math.inf:
        deadline = Deadline(section.deadline_s)
    elif section.deadline_s is not None and section.max_wait_s is not None:
        deadline = Deadline(math.inf)
    else:
        return WAIT_FOR_ALL
    if section.quorum is None:
        return deadline
    return Quorum(deadline, section.quorum, math.inf if section.max_wait_s is None else section.max_wait_s)
