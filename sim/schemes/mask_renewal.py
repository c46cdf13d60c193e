"""The renewal of pruning masks: its rounds, and its transfers (docs/model.md section 5.3)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, Protocol

from simpy import Event

from ...scenarios.schema.compression import FLOAT_BITS
from ..timeline.phases import Phase
from .base import Round, RoundContext, RoundOutcome, Scheme

__all__ = ["IMPORTANCE_UPLOAD", "MASK_BROADCAST", "MaskRenewal"]

IMPORTANCE_UPLOAD = Phase("importance_upload", "uplink")
MASK_BROADCAST = Phase("mask_broadcast", "downlink")


class MaskedLearner(Protocol):
    """A learner whose clients' parts are pruned between two renewals."""

    def restore_pruned(self) -> None:
        """Restore the pruned weights of the clients' parts, for a round without masks."""

    def renew_masks(self, clients: tuple[int, ...]) -> None:
        """Prune the clients' parts again, by the importances that these clients uploaded."""


class MaskRenewal:
    """Runs a scheme's rounds, and renews the pruning masks at the end of some of them.

    Masks are renewed in rounds 1, 1+τ, 1+2τ, …, which run without masks. At the end of such a round its
    participants upload the importance of each filter or weight. They upload in parallel, or one after the
    other if the plan gives each client the whole band. Then the new mask is broadcast to all clients. If no
    importance arrives, the next round renews the masks too.

    Parameters
    ----------
    every : int
        τ, the number of rounds from one renewal to the next.

    Attributes
    ----------
    due : int
        The first round in which masks are renewed again.
    """

    def __init__(self, scheme: Scheme, every: int) -> None:
        self._scheme = scheme
        self._every = every
        self.due = 1

    def round(self, context: RoundContext) -> Round:
        """Run one round, with a renewal if one is due."""
        scheme, number = self._scheme, context.number
        if number < self.due:
            return (yield from scheme.round(context))
        unmasked = replace(context, masks_on=False)
        if context.learner is not None:
            context.learner.restore_pruned()
        outcome = yield from scheme.round(unmasked)
        uploaded = yield from self._renewal(unmasked, outcome)
        if uploaded:
            self.due = number - (number - 1) % self._every + self._every
        return outcome

    def _renewal(
        self, context: RoundContext, outcome: RoundOutcome
    ) -> Generator[Event, Any, tuple[int, ...]]:
        """Renew the masks, and return the clients whose importances arrived."""
        task, world = self._scheme.task, context.world
        learner: MaskedLearner | None = context.learner
        assert task.compression is not None
        cut = context.plan.cuts.common  # all clients have the same masks, so they have the same cut
        maskable = task.compression.part(cut or len(task.units), True).maskable

        upload = ((IMPORTANCE_UPLOAD, FLOAT_BITS * maskable),)
        members = tuple(client for client in outcome.participants if world.is_present(client))
        groups = [(client,) for client in members] if context.plan.access.one_at_a_time else [members]
        arrived: list[int] = []
        for group in groups:
            if group:
                arrived.extend((yield world.continue_with(upload, group).finished))
        uploaded = tuple(arrived)
        if uploaded and world.clients:
            if learner is not None:
                learner.renew_masks(uploaded)
            yield world.server.broadcast(MASK_BROADCAST, maskable, world.clients)
        return uploaded
