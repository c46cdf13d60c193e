"""The forward passes that EPSL's server computes are those that its timeline charges."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor, nn

from cutlayer.models.learning.epsl import EpslLearner
from cutlayer.sim.costs.stages import merged_slots
from cutlayer.sim.schemes.base import TrainingTask
from cutlayer.sim.schemes.epsl import EPSL
from tests.support.learners import client_data, make, normed
from tests.support.worlds import make_scheme, unit_table

B, CUT, CLIENTS = 6, 2, 3
SERVER_UNIT_FLOPS = 1.0
"""Each of the two units of the server's part costs one FLOP for one row."""


def charged_flops(phi: float, **parameters: Any) -> float:
    """Return the FLOPs of the server's forward passes in the timeline of a round."""
    task = TrainingTask(unit_table([(SERVER_UNIT_FLOPS, 2.0, 1.0, 1.0, 1.0)] * 4), B)
    scheme = make_scheme("epsl", task, phi=phi, **parameters)
    assert isinstance(scheme, EPSL)
    stages = task.stages(
        CUT,
        CLIENTS,
        merged=merged_slots(phi, B),
        backward_all_rows=scheme.backward_all_rows,
        forward_twice=scheme.forward_twice,
    )
    return stages.all_forward_flops


def computed_rows(phi: float, *, exact: bool) -> int:
    """Return the rows that go forward through the server's part in one step of the learner."""
    learner = make(EpslLearner, normed, client_data([B] * CLIENTS, B), cut=CUT, exact=exact)
    rows: list[int] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        rows.append(len(output))

    learner.server.module.register_forward_hook(count)
    learner.client_forward(tuple(range(CLIENTS)), 1)
    learner.server_step(merged_slots(phi, B), 1)
    return sum(rows)


@pytest.mark.parametrize("aggregation", ["virtual", "exact"])
@pytest.mark.parametrize("phi", [0.0, 0.3, 0.5, 1.0])
def test_the_server_is_charged_for_the_rows_that_it_computes(phi: float, aggregation: str) -> None:
    """By default the FLOPs of the timeline are those of the learner's forward passes, for any φ."""
    rows = computed_rows(phi, exact=aggregation == "exact")
    assert 2 * rows * SERVER_UNIT_FLOPS == charged_flops(phi, aggregation=aggregation)


@pytest.mark.parametrize("phi", [0.0, 0.3, 1.0])
def test_the_papers_accounting_has_one_forward_pass(phi: float) -> None:
    """Without the second pass the server forwards each client's rows once, whatever φ is."""
    assert 2 * CLIENTS * B * SERVER_UNIT_FLOPS == charged_flops(phi, charge_second_forward=False)
