"""Replications: independent pairs of simulated rounds, in which plans are compared.

Every replication has faults and fading of its own, drawn from a seed that is derived from the scenario's. The
run itself draws others, so no plan knows its future. All candidates meet the same draws in one replication,
which statistics calls common random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...scenarios.random_streams import stream_seed
from ...scenarios.schema.scenario import Stop
from ...sim.faults.effects import Faults, faults_of
from ...sim.faults.slowdown import with_drawn_slowdowns
from ...sim.links.channel import with_fading
from ...sim.schemes.base import Scheme
from ...sim.schemes.planning.plan import SchemePlan
from ...sim.schemes.round_loop import RoundCursor, run_rounds
from ...sim.schemes.round_planners.fixed_plan import FixedPlan
from ..execution.scheme_run import make_world
from ..experiment import Experiment

__all__ = ["BLOCKS", "Replications", "SimulatedRounds"]

BLOCKS = 2
"""Blocks of rounds in a replication."""
_NO_RENEWAL = 10**9
"""A round in which pruning masks would be renewed; none that is simulated."""
_BLOCK_ROUNDS_MAX = 10
"""Most rounds of a block. If models are averaged less often, the simulated rounds average none."""
_SHORTEST_S = 1e-300
_FAULTS_MAX = 256
"""Replications whose faults are kept."""


@dataclass(frozen=True)
class SimulatedRounds:
    """Simulated rounds of one plan. A block is one round, or all rounds from one averaging to the next.

    Attributes
    ----------
    latency_s : ndarray, [num_replications, num_blocks]
        Mean time of a round in each block, [s].
    share : ndarray, [num_replications, num_blocks]
        Mean share of the clients that took part in a round, from 0 to 1.
    """

    latency_s: NDArray[np.float64]
    share: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of replications."""
        return len(self.latency_s)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Return the weight of each block in averages over a long run, [num_replications, num_blocks].

        A replication begins at an instant of time, while averages of a run are over its rounds. While devices
        are slow, fewer rounds begin. A block therefore counts by the rate of rounds, estimated from the other
        blocks of its replication. Averages are then right both if states last for many rounds, and if rounds
        are independent.
        """
        others_s = (self.latency_s.sum(axis=1, keepdims=True) - self.latency_s) / (BLOCKS - 1)
        weights: NDArray[np.float64] = 1.0 / np.maximum(others_s, _SHORTEST_S)
        return weights

    def joined(self, later: SimulatedRounds) -> SimulatedRounds:
        """Return these rounds and later ones."""
        return SimulatedRounds(
            np.concatenate((self.latency_s, later.latency_s)), np.concatenate((self.share, later.share))
        )


NO_ROUNDS = SimulatedRounds(np.empty((0, BLOCKS)), np.empty((0, BLOCKS)))


class Replications:
    """The replications of one scenario, in which the plans of all its schemes can be simulated.

    No battery is ever empty in them, and plans stay as they are: rounds neither sample other clients nor plan
    again.

    Parameters
    ----------
    experiment : Experiment
        The prepared scenario; neither its schemes nor its data are used.
    """

    def __init__(self, experiment: Experiment) -> None:
        scenario = with_drawn_slowdowns(experiment.loaded.scenario)
        loaded = replace(experiment.loaded, scenario=scenario)
        fleet = replace(experiment.fleet, battery_j=None)
        self._experiment = replace(experiment, loaded=loaded, fleet=fleet)
        self._faults = lru_cache(maxsize=_FAULTS_MAX)(self._drawn_faults)

    def simulate(
        self, scheme: Scheme, plan: SchemePlan, clients: Sequence[int], first: int, end: int
    ) -> SimulatedRounds:
        """Return the rounds of a plan in the replications ``first`` to ``end - 1``.

        Parameters
        ----------
        clients : sequence of int
            The devices that the plan is for.
        """
        each = [self._rounds(scheme, plan, clients, number) for number in range(first, end)]
        values = np.array(each, dtype=np.float64).reshape(-1, 2, BLOCKS)
        return SimulatedRounds(values[:, 0], values[:, 1])

    def _rounds(
        self, scheme: Scheme, plan: SchemePlan, clients: Sequence[int], number: int
    ) -> tuple[list[float], list[float]]:
        """Return time and participation of each block of one replication."""
        planner = FixedPlan(plan, clients)
        world, _ = make_world(self._replication(number), scheme, plan, planner=planner)
        length, before = min(scheme.sampling_period, _BLOCK_ROUNDS_MAX), scheme.first_planned_round - 1
        cursor = RoundCursor(finished=before, masks_due=_NO_RENEWAL)
        stop = Stop(rounds=before + BLOCKS * length)
        ends_s, shares = [0.0], []
        for result in run_rounds(scheme, world, None, planner, stop, 1, cursor):
            ends_s.append(result.end_s)
            shares.append(len(result.outcome.participants) / len(clients))
        blocks_s = np.diff(ends_s[::length]) / length
        return blocks_s.tolist(), np.reshape(shares, (BLOCKS, length)).mean(axis=1).tolist()

    def _replication(self, number: int) -> Experiment:
        """Return the experiment with the draws of one replication."""
        experiment = self._experiment
        scenario, context = experiment.loaded.scenario, experiment.context
        seed = stream_seed(scenario.seed, "planning", number)
        return replace(
            experiment,
            faults=self._faults(seed),
            context=replace(
                context, channel=with_fading(context.channel, scenario.radio, seed, scenario.seed)
            ),
        )

    def _drawn_faults(self, seed: int) -> Faults:
        """Return the faults of a replication, which all candidates and schemes share."""
        experiment = self._experiment
        redrawn = experiment.loaded.scenario.model_copy(update={"seed": seed})
        return faults_of(redrawn, experiment.fleet)
