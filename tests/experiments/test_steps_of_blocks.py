"""SplitFed with sampled clients: the steps of a block of rounds that count in the average at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from cutlayer.experiments.execution.scheme_run import make_world, scheme_learner
from cutlayer.experiments.experiment import Experiment
from cutlayer.experiments.runner import run_experiment
from cutlayer.models.learning.client_data import ClientData
from cutlayer.scenarios.schema.scenario import Stop
from cutlayer.sim.schemes.round_loop import RoundResult, run_rounds
from cutlayer.sim.world.world import World
from tests.support.worlds import experiment

EVERY = 3
SECTIONS = {
    "model": {"name": "mlp", "input_shape": [1, 8, 8], "classes": 10, "hidden": [8]},
    "batch_size": 4,
    "learning": {"dataset": "digits", "optimizer": {"name": "sgd", "client_lr": 0.1, "server_lr": 0.1}},
    "allocation": {"cut": 1, "power": "uniform"},
}
Step = tuple[int, int]
"""A client and the number of a round."""


def prepared(scheme: str = "sfl", **sections: Any) -> Experiment:
    """Return a scenario in which each block of three rounds has four of twelve clients."""
    given = {
        "schemes": [{"name": scheme, "aggregate_every": EVERY}],
        "devices": {"count": 12},
        "participation": {"per_round": 4},
        **SECTIONS,
    }
    return experiment(**{**given, **sections})


def trained(ready: Experiment, rounds: int = EVERY) -> tuple[Any, World, list[RoundResult]]:
    """Run the scheme with learning, and return its learner, its world and its rounds."""
    ((scheme, plan),) = ready.schemes
    world, planner = make_world(ready, scheme, plan)
    learner = scheme_learner(ready, scheme, plan)
    return learner, world, list(run_rounds(scheme, world, learner, planner, Stop(rounds=rounds), rounds))


def weights(learner: Any, client: int) -> list[Tensor]:
    """Return the parameters of a client's model, the client's part and the server's."""
    ((client_part, server_part),) = learner.composites_of([client])
    return [*client_part.parameters(), *server_part.parameters()]


def equal(some: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """Return whether two models are equal to the bit."""
    return all(map(torch.equal, some, others))


@pytest.fixture
def other_samples(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Step]]:
    """A list of steps, to which a test adds: the mini-batches of these steps have other images."""
    steps: list[Step] = []
    batch, batches = ClientData.batch, ClientData.batches

    def one(self: ClientData, client: int, number: int) -> tuple[Tensor, Tensor]:
        images, labels = batch(self, client, number)
        return (images.flip(-1), labels) if (client, number) in steps else (images, labels)

    def several(self: ClientData, clients: Sequence[int], number: int) -> tuple[Tensor, Tensor]:
        images, labels = batches(self, clients, number)
        changed = [(client, number) in steps for client in clients]
        images = torch.stack(
            [rows.flip(-1) if flip else rows for rows, flip in zip(images, changed, strict=True)]
        )
        return images, labels

    monkeypatch.setattr(ClientData, "batch", one)
    monkeypatch.setattr(ClientData, "batches", several)
    yield steps


def counted_steps(ready: Experiment, other_samples: list[Step]) -> set[Step]:
    """Return the steps of the first block whose samples change the average at its end."""
    average = weights(trained(ready)[0], 0)
    counted = set()
    for step in product(block_of(ready), range(1, EVERY + 1)):
        other_samples[:] = [step]
        if not equal(average, weights(trained(ready)[0], 0)):
            counted.add(step)
    other_samples.clear()
    return counted


def block_of(ready: Experiment) -> tuple[int, ...]:
    """Return the clients that are sampled for the first block."""
    _, world, _ = trained(ready, 1)
    assert world.sampled_clients is not None
    return world.sampled_clients


@pytest.mark.parametrize("service", ["barrier", "arrival"])
def test_every_step_of_a_block_counts(service: str, other_samples: list[Step]) -> None:
    """The average depends on the samples of each of the four clients in each of the three rounds."""
    ready = prepared(server={"service": service})
    assert 4 == len(block_of(ready))
    assert set(product(block_of(ready), (1, 2, 3))) == counted_steps(ready, other_samples)


@pytest.mark.parametrize("scheme", ["sfl", "sfl_v2"])
def test_a_block_trains_as_its_clients_alone_do(scheme: str) -> None:
    """Two blocks of sampled clients give the weights of a learner that trains these clients and no others."""
    ready = prepared(scheme)
    learner, _, results = trained(ready, 2 * EVERY)
    ((of_scheme, plan),) = ready.schemes
    expected = scheme_learner(ready, of_scheme, plan)
    blocks = [results[0].outcome.participants, results[EVERY].outcome.participants]
    assert blocks[0] != blocks[1]
    for number in range(1, 2 * EVERY + 1):
        members = blocks[(number - 1) // EVERY]
        expected.client_forward(members, number)
        expected.server_step(0, number)
        expected.client_step()
        if number % EVERY == 0:
            expected.average(members)
    assert equal(weights(expected, 0), weights(learner, 0))


def test_the_steps_of_a_device_that_leaves_within_a_block_are_lost(other_samples: list[Step]) -> None:
    """An empty battery takes the steps of its device out of the average; the other clients are the same."""
    ready = prepared()
    leaving, *remaining = block_of(ready)
    intervals = run_experiment(ready).intervals
    energy_j = intervals[intervals["node"] == f"device-{leaving}"].groupby("round")["energy_j"].sum()
    batteries_j = [1.0] * 12
    batteries_j[leaving] = float(energy_j[1] + energy_j[2] / 2)  # it is empty in the second round
    ready = prepared(devices={"count": 12, "battery_j": batteries_j})
    _, world, results = trained(ready)
    assert {leaving} == set(world.departed_at_s)
    assert results[0].end_s < world.departed_at_s[leaving] < results[1].end_s
    assert tuple(remaining) == world.sampled_clients
    assert set(product(remaining, (1, 2, 3))) == counted_steps(ready, other_samples)


def test_a_late_client_loses_its_step_or_in_the_last_round_all_its_steps(other_samples: list[Step]) -> None:
    """A step counts if its client is on time in its round and in the round that averages."""
    ready = prepared(
        seed=1, round_policy={"deadline_s": 1e-4},
        stragglers={"slowdown": {"factor": 1000, "mean_normal_s": 1e-4, "mean_slow_s": 1e-4}},
    )  # fmt: skip
    _, _, results = trained(ready)
    on_time = {result.number: set(result.outcome.participants) for result in results}
    assert on_time[3] - on_time[2], "no client is late within the block alone"
    assert on_time[2] - on_time[3], "no client is late in the round that averages"
    assert {
        (client, number) for number in on_time for client in on_time[number] & on_time[3]
    } == counted_steps(ready, other_samples)
