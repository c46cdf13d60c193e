"""Vanilla split learning: clients train one after the other, and pass the client model on.

Gupta and Raskar, "Distributed learning of deep neural network over multiple agents", 2018; docs/model.md
section 3.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol

from simpy import Event

from ..allocation.problem import Rates
from ..nodes.device import Device
from ..timeline.phases import (
    CLIENT_BACKWARD,
    CLIENT_FORWARD,
    DOWNLINK,
    MODEL_DOWNLOAD,
    MODEL_UPLOAD,
    SERVER_BACKWARD,
    SERVER_FORWARD,
    UPLINK,
)
from .base import Round, RoundContext, RoundOutcome, Scheme
from .deployment import Deployment
from .planning.plan import SchemePlan
from .planning.radio_planner import RadioPlanner

__all__ = ["SL"]


class SequentialSplitLearner(Protocol):
    """The steps that the learner of sequential split learning offers."""

    def turn(self, client: int, number: int) -> None:
        """Train the one model on this client's mini-batch."""


class SL(Scheme):
    """Sequential split learning: the active client has the whole band.

    After each turn, the client model goes through the access point to the next client; after the last turn
    it goes to the first client. A deadline counts from the start of a client's turn. If the client misses it,
    or leaves during its turn, the next client gets the model from before that turn. If the round goes on with
    the first K clients, it ends after K turns in which a client has trained.
    """

    uses_subchannels = False
    takes_turns = True
    learner = "cutlayer.models.learning.sl:SequentialSplitLearner"
    compresses = frozenset({"pruning", "dropout", "activations", "gradients", "models"})

    def plan(self, deployment: Deployment, planner: RadioPlanner) -> SchemePlan:
        """Return the plan with the best cut on the rates of the whole band."""
        return self.plan_from_radio(planner.for_sequential_clients(self, deployment), deployment)

    def round_time_s(self, cut: int, deployment: Deployment, rates: Rates) -> float:
        """Return the sum over the turns, [s]; the rates are those of the whole band."""
        stages = self.task.stages(cut)
        client_flops = stages.client_forward_flops + stages.client_backward_flops
        up_bits = stages.uplink_bits + stages.model_bits
        down_bits = stages.downlink_bits + stages.model_download_bits  # each client downloads once
        return float(
            deployment.compute_s(client_flops, computations=2).sum()
            + deployment.num_clients * stages.server_flops * deployment.server_s_per_flop
            + (up_bits / rates.uplink_bps).sum()
            + (down_bits / rates.downlink_bps).sum()
        )

    def planned_step_s(self, plan: SchemePlan) -> float:
        """Return the planned time of a turn, in the clients' mean, [s]."""
        return plan.predicted_s / len(plan.cuts.of_clients)

    def round(self, context: RoundContext) -> Round:
        """Run one round: every client has its turn, or as many as the round policy asks for."""
        world = context.world
        learner: SequentialSplitLearner | None = context.learner
        stages = self.task.stages(context.plan.cuts.common, masks_on=context.masks_on)
        server_stages = (
            (SERVER_FORWARD, stages.server_forward_flops),
            (SERVER_BACKWARD, stages.server_backward_flops),
        )

        def turn(device: Device) -> Generator[Event, Any, None]:
            yield device.compute(CLIENT_FORWARD, stages.client_forward_flops)
            yield device.uplink(UPLINK, stages.uplink_bits)
            world.mark_on_time(device.client)  # alone in its step, it is accepted at once
            yield world.server.serve(server_stages, device.client)
            yield device.downlink(DOWNLINK, stages.downlink_bits)
            yield device.compute(CLIENT_BACKWARD, stages.client_backward_flops)
            yield device.uplink(MODEL_UPLOAD, stages.model_bits)

        download = ((MODEL_DOWNLOAD, stages.model_download_bits),)
        trained: list[int] = []
        order = world.clients
        enough = world.enough(len(order))
        for position, client in enumerate(order):
            if len(trained) >= enough:
                world.members.leave_out_late(order[position:], len(trained))
                break
            if position and not (yield from world.run_alone(download, client, under_policy=False)):
                continue
            if (yield from world.run_alone(turn, client)):
                trained.append(client)
                if learner:
                    learner.turn(client, context.number)
        if world.clients:
            yield from world.run_alone(download, world.clients[0], under_policy=False)
        return RoundOutcome(tuple(trained), len(trained), len(trained) * self.task.batch_size)
