"""Round policies: how long a step of a round waits for its clients. The client pool leaves out the others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from ...scenarios.schema.round_policy import RoundPolicy as RoundPolicySection

__all__ = ["WAIT_FOR_ALL", "Deadline", "RoundPolicy", "WaitForAll", "round_policy_of"]


class RoundPolicy(Protocol):
    """Decides when a step of a round stops waiting for clients.

    A client that is not on time by then is left out of the round, and stops its activities. The pool of
    clients asks the policy once, when a step starts.
    """

    @property
    def waits_s(self) -> float:
        """The longest time that a step waits for its clients, [s]; infinity if it waits for all of them."""


@dataclass(frozen=True)
class WaitForAll:
    """A round waits for all of its clients."""

    waits_s: float = math.inf


@dataclass(frozen=True)
class Deadline:
    """A round waits until a deadline; a client that is on time at that very instant takes part.

    Parameters
    ----------
    waits_s : float
        The time from the start of a step to its deadline, [s].
    """

    waits_s: float


WAIT_FOR_ALL = WaitForAll()


def round_policy_of(section: RoundPolicySection) -> RoundPolicy:
    """Return the policy of a scenario's section ``round_policy``."""
    return WAIT_FOR_ALL if section.deadline_s is None else Deadline(section.deadline_s)
