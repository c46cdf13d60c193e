"""Mixed precision: tensors between units are float32, and weights stay near those of float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import cutlayer
from cutlayer.models.learning.chain import ChainLearner
from cutlayer.models.learning.epsl import EpslLearner
from cutlayer.models.learning.fl import FedAvgLearner
from cutlayer.models.learning.parts.part import MixedSequential
from cutlayer.models.learning.sfl import PrivateServerLearner
from tests.support.learners import SHAPE, adam, client_data, composites, make, smooth, state

BFLOAT16 = 2.0**-8
"""Relative rounding of a product."""


def mixed() -> nn.Sequential:
    """Return the smooth model in mixed precision."""
    return MixedSequential(*smooth())


def test_products_are_rounded_and_nothing_else() -> None:
    """Outputs are float32 with the rounding error of bfloat16; weights and gradients are float32."""
    torch.manual_seed(0)
    plain = smooth()
    rounded = MixedSequential(*plain)
    inputs = torch.randn(20, *SHAPE)
    one, other = plain(inputs), rounded(inputs)
    assert torch.float32 == other.dtype
    assert 0 < float((one - other).detach().abs().max()) <= 4 * BFLOAT16
    other.sum().backward()
    gradients = [p.grad for p in rounded.parameters()]
    assert all(g is not None and g.dtype == torch.float32 for g in gradients)


def test_slices_are_in_mixed_precision_too() -> None:
    """At every cut, the two parts compute the outputs of the whole model."""
    model, inputs = mixed(), torch.randn(3, *SHAPE)
    for cut in range(5):
        assert torch.allclose(model(inputs), model[cut:](model[:cut](inputs)), atol=4 * BFLOAT16)
        assert {MixedSequential} == {type(model[:cut]), type(model[cut:])}


@pytest.mark.parametrize("clients_pass", ["looped", "batched"])
@pytest.mark.parametrize("kind", [EpslLearner, PrivateServerLearner, FedAvgLearner, ChainLearner])
def test_learners_stay_near_float32(kind: Any, clients_pass: Any) -> None:
    """Five rounds of SGD in mixed precision end near those in float32, but not exactly there."""
    ends = []
    for build in (smooth, mixed):
        options: dict[str, Any] = {}
        if kind is ChainLearner:
            options = {"bounds": dict.fromkeys(range(3), (0, 2, 4)), "at_client": (True, False)}
        data = client_data((12, 9, 6), 3, torch.float32)
        learner = make(kind, build, data, clients_pass=clients_pass, **options)
        start = state(learner.new_model())
        for number in range(1, 6):
            if hasattr(learner, "local_steps"):
                learner.local_steps((0, 1, 2), number)
            else:
                learner.client_forward((0, 1, 2), number)
                assert {torch.float32} == {own.dtype for own in learner.smashed}
                learner.server_step(0, number)
                learner.client_step()
        ends.append(torch.cat([value.flatten() for value in state(*composites(learner)[0])]))
    moved = float((ends[0] - torch.cat([value.flatten() for value in start])).norm())
    assert 0 < float((ends[0] - ends[1]).norm()) <= 0.05 * moved


def test_a_run_sends_the_same_bits_at_the_same_times(tmp_path: Path) -> None:
    """The timeline does not depend on the precision, and compressed training runs too."""
    overrides = ["stop.rounds=3", "learning.evaluate_every=3"]
    runs = [
        cutlayer.run("fedsl", overrides=[*overrides, f"learning.precision={precision}"]).summary["schemes"]
        for precision in ("float32", "mixed")
    ]
    message = [[one["timeline_fingerprint"] for one in schemes.values()] for schemes in runs]
    learnt = [[one["weights_fingerprint"] for one in schemes.values()] for schemes in runs]
    assert message[0] == message[1]
    assert all(one != other for one, other in zip(*learnt, strict=True))


def test_evaluation_is_of_the_model_as_it_trains() -> None:
    """A mixed learner's composites compute in mixed precision."""
    data = client_data((6, 6), 3, torch.float32)
    learner = make(EpslLearner, mixed, data, optimizer=adam())
    assert {MixedSequential} == {type(module) for module in composites(learner)[0]}
