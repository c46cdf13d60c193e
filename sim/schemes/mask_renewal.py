"""When the masks of pruning are renewed, and what that takes on the air (docs/model.md section 5)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol

from simpy import Event

from ...scenarios.schema.compression import FLOAT_BITS
from ..timeline.phases import Phase
from ..world.world import World
from .base import Round, RoundOutcome, Scheme

__all__ = ["IMPORTANCE_UPLOAD", "MASK_BROADCAST", "MaskRenewal"]

IMPORTANCE_UPLOAD = Phase("importance_upload", "uplink")
MASK_BROADCAST = Phase("mask_broadcast", "downlink")


class MaskedLearner(Protocol):
    """A learner whose clients' parts are pruned between two renewals."""

    def restore_pruned(self) -> None:
        """Give the clients' parts back what the masks left out, for a round that runs unpruned."""

    def renew_masks(self, clients: tuple[int, ...]) -> None:
        """Prune the clients' parts anew, by these clients' importances."""


class MaskRenewal:
    """Runs a scheme's rounds, those in which masks are renewed unpruned and with the renewal at their end.

    Masks are renewed in rounds 1, 1+τ, 1+2τ, …. The clients that took part upload the importance of each
    filter or weight, side by side or, where the scheme's clients send on the whole band, one after the
    other; then the mask is broadcast to all. If nothing arrives, the next round is one of renewal too.

    Attributes
    ----------
    due : the round from which on masks are to be renewed
    """

    def __init__(self, scheme: Scheme, every: int) -> None:
        self._scheme = scheme
        self._every = every
        self.due = 1

    def round(self, world: World, learner: Any, number: int) -> Round:
        """Run one round, and the renewal where it is due."""
        scheme = self._scheme
        scheme.pruned = number < self.due
        if scheme.pruned:
            return (yield from scheme.round(world, learner, number))
        if learner is not None:
            learner.restore_pruned()
        outcome = yield from scheme.round(world, learner, number)
        uploaded = yield from self._renewal(world, learner, outcome)
        if uploaded:
            self.due = number - (number - 1) % self._every + self._every
        return outcome

    def _renewal(
        self, world: World, learner: MaskedLearner | None, outcome: RoundOutcome
    ) -> Generator[Event, Any, tuple[int, ...]]:
        """Renew the masks, and return whose importances they follow from."""
        job, cut = self._scheme.job, self._scheme.cut
        assert job.compression is not None
        if isinstance(cut, tuple):
            cut = cut[0]  # masks are common, and so is the cut
        maskable = job.compression.part(cut or len(job.units), True).maskable

        upload = ((IMPORTANCE_UPLOAD, FLOAT_BITS * maskable),)
        members = tuple(client for client in outcome.participants if client not in world.departed_at_s)
        side_by_side = self._scheme.band != "whole"
        arrived: list[int] = []
        for group in [members] if side_by_side else [(client,) for client in members]:
            if group:
                arrived.extend((yield world.continue_with(upload, group).finished))
        uploaded = tuple(arrived)
        if uploaded and world.clients:
            if learner is not None:
                learner.renew_masks(uploaded)
            yield world.server.broadcast(MASK_BROADCAST, maskable, world.clients)
        return uploaded
