"""The round that PSL, EPSL and SplitFed share, for each service discipline of the server."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

from simpy import Event

from ...scenarios.schema.registered import SchemeParameters
from ..costs.stages import Stages
from ..nodes.device import Device
from ..timeline.phases import (
    BROADCAST,
    CLIENT_BACKWARD,
    CLIENT_FORWARD,
    DOWNLINK,
    MODEL_UPLOAD,
    SERVER_BACKWARD,
    SERVER_FORWARD,
    UPLINK,
)
from ..world.batched_activities import ActivitySequence
from .base import RoundContext, Scheme, TrainingTask

__all__ = ["SERVICE_DISCIPLINES", "ParallelSplit", "SplitLearner"]

SplitRound: TypeAlias = Generator[Event, Any, tuple[tuple[int, ...], tuple[int, ...]]]
"""A split round as a SimPy process: it yields events, and returns the clients that took part or finished."""


class SplitLearner(Protocol):
    """The steps that the learner of a parallel split scheme offers, in a round's order."""

    def client_forward(self, clients: tuple[int, ...], number: int) -> None:
        """Run the forward pass of these clients' parts on their mini-batches of this round."""

    def server_step(self, merged: int, number: int) -> None:
        """Train the server's part on the smashed data, of which ``merged`` slots are aggregated."""

    def client_step(self, clients: tuple[int, ...]) -> None:
        """Back-propagate the cut layer's gradients through the parts of these clients, and update them.

        They are the clients of the forward pass that have received their gradients and ended their round.
        """


class ParallelSplit(Scheme):
    """Clients run their forward passes in parallel, and the server trains on their smashed data.

    Attributes
    ----------
    backward_all_rows : bool
        Whether all rows of a mini-batch go back through the server's part, also aggregated ones.
    forward_twice : bool
        Whether a second forward pass on the server is charged in rounds that aggregate gradients.
    """

    compresses = frozenset({"pruning", "dropout", "activations", "gradients"})
    backward_all_rows = False
    forward_twice = False

    def __init__(self, parameters: SchemeParameters, task: TrainingTask) -> None:
        super().__init__(parameters, task)
        self._stages = lru_cache(maxsize=None)(self._stages_at)  # rounds use only a few values

    def stages(self, context: RoundContext, clients: int, merged: int = 0) -> Stages:
        """Return the FLOPs and bits of a round with this number of participants, at the planned cut."""
        return self._stages(context.plan.cuts.common, clients, merged, context.masks_on)

    def _stages_at(self, cut: int, clients: int, merged: int, masks_on: bool) -> Stages:
        return self.task.stages(
            cut,
            clients,
            merged=merged,
            backward_all_rows=self.backward_all_rows,
            forward_twice=self.forward_twice,
            masks_on=masks_on,
        )

    def split_round(self, context: RoundContext, merged: int, *, upload_model: bool) -> SplitRound:
        """Run a round until its last client has ended.

        Returns
        -------
        on_time : tuple of int
            The clients whose smashed data the server has trained on.
        finished : tuple of int
            Those of them that have ended their round, and uploaded their parts if ``upload_model``.

        Parameters
        ----------
        merged : int
            The number of aggregated slots of this round, n_a.
        upload_model : bool
            Whether each client uploads its part at the end, for averaging.
        """
        return (yield from SERVICE_DISCIPLINES[context.world.service](self, context, merged, upload_model))


def _barrier_round(
    scheme: ParallelSplit, context: RoundContext, merged: int, upload_model: bool
) -> SplitRound:
    """Serve all clients together, after the last smashed data have arrived (docs/model.md section 3.1)."""
    world = context.world
    learner: SplitLearner | None = context.learner
    one = scheme.stages(context, 1, merged)
    forward = ((CLIENT_FORWARD, one.client_forward_flops), (UPLINK, one.uplink_bits))
    backward: ActivitySequence = (
        (DOWNLINK, one.downlink_bits),
        (CLIENT_BACKWARD, one.client_backward_flops),
    )
    if upload_model:
        backward = (*backward, (MODEL_UPLOAD, one.model_bits))

    on_time: tuple[int, ...] = yield world.start(forward, world.clients).on_time
    if not on_time:
        return (), ()
    if learner:
        learner.client_forward(on_time, context.number)
    together = scheme.stages(context, len(on_time), merged)
    yield world.server.compute(SERVER_FORWARD, together.all_forward_flops)
    yield world.server.compute(SERVER_BACKWARD, together.all_backward_flops)
    if learner:
        learner.server_step(merged, context.number)
    yield world.server.broadcast(BROADCAST, together.broadcast_bits, world.members.present(on_time))
    finished: tuple[int, ...] = yield world.continue_with(backward, on_time).finished
    if learner:
        learner.client_step(finished)
    return on_time, finished


def _arrival_round(
    scheme: ParallelSplit, context: RoundContext, merged: int, upload_model: bool
) -> SplitRound:
    """Serve clients in their order of arrival; aggregated slots wait for all (docs/model.md section 3.2)."""
    world = context.world
    learner: SplitLearner | None = context.learner
    one = scheme.stages(context, 1, merged)
    aggregated = world.env.event()

    def turn(device: Device) -> Generator[Event, Any, None]:
        yield device.compute(CLIENT_FORWARD, one.client_forward_flops)
        yield device.uplink(UPLINK, one.uplink_bits)
        accepted = world.mark_on_time(device.client)
        if accepted is not None:
            yield accepted
        stages = ((SERVER_FORWARD, one.server_forward_flops), (SERVER_BACKWARD, one.server_backward_flops))
        yield world.server.serve(stages, device.client)
        if one.downlink_bits:
            yield device.downlink(DOWNLINK, one.downlink_bits)
        if merged:
            yield aggregated
        yield device.compute(CLIENT_BACKWARD, one.client_backward_flops)
        if upload_model:
            yield device.uplink(MODEL_UPLOAD, one.model_bits)

    step = world.start(turn, world.clients)
    on_time: tuple[int, ...] = yield step.on_time
    if not on_time:
        yield world.server.compute(SERVER_FORWARD, 0.0)  # the server may have served clients in vain
        return (), ()
    if learner:
        learner.client_forward(on_time, context.number)
        learner.server_step(merged, context.number)
    if merged:
        together = scheme.stages(context, len(on_time), merged)
        yield world.server.compute(SERVER_FORWARD, together.merged_forward_flops)
        yield world.server.compute(SERVER_BACKWARD, together.merged_backward_flops)
        # The broadcast takes the whole band, so it waits for the clients' own downlinks.
        if one.downlink_bits:
            yield world.received(on_time)
        yield world.server.broadcast(BROADCAST, one.broadcast_bits, world.members.present(on_time))
        aggregated.succeed()
    finished: tuple[int, ...] = yield step.finished
    if len(finished) < len(on_time):
        yield world.server.compute(SERVER_FORWARD, 0.0)  # it also serves clients that have left meanwhile
    if learner:
        learner.client_step(finished)
    return on_time, finished


SERVICE_DISCIPLINES: Mapping[str, Callable[[ParallelSplit, RoundContext, int, bool], SplitRound]] = {
    "barrier": _barrier_round,
    "arrival": _arrival_round,
}
"""The service disciplines of the server, by the values of the scenario's key ``server.service``."""
