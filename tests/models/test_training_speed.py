"""Short cuts of training and evaluation change no bit, and spare imports."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from cutlayer.models.learning.parts.eager_optimizer import new_optimizer, step
from cutlayer.models.networks.pooling import HalvingMaxPool
from tests.support.processes import python


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 1, 2, 4), (2, 3, 7, 8), (3, 4, 5)])
def test_both_ways_of_pooling_give_the_same_bits(shape: tuple[int, ...]) -> None:
    """With and without gradients, with values that are not finite, and at odd sizes."""
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    images.flatten()[0], images.flatten()[1] = float("inf"), float("nan")
    expected = nn.MaxPool2d(2)(images)
    with torch.no_grad():
        torch.testing.assert_close(HalvingMaxPool()(images), expected, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(HalvingMaxPool()(images), expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch.optim.Adam, {"weight_decay": 0.1, "foreach": True}),
        (torch.optim.Adam, {"foreach": False}),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    ],
)
def test_steps_equal_those_of_torch(kind: type[torch.optim.Optimizer], options: dict[str, object]) -> None:
    """Weights after three steps are those of torch's own calls, and hooks are called."""
    weights = []
    for own in (True, False):
        parameter = nn.Parameter(torch.linspace(-1, 1, 5))
        groups = [{"params": [parameter]}]
        optimizer = new_optimizer(kind, groups, **options) if own else kind(groups, **options)  # type: ignore[arg-type]
        for _ in range(3):
            parameter.grad = parameter.detach() ** 2
            if own:
                step(optimizer)
            else:
                optimizer.step()
        weights.append(parameter.detach().clone())
    assert weights[0].equal(weights[1])
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    step(optimizer)
    assert ["before", "after"] == calls


def test_training_imports_neither_the_compiler_nor_scikit_learn(tmp_path: Path) -> None:
    """Their imports take seconds in every worker process."""
    script = (
        "import sys, cutlayer;"
        "cutlayer.run('quickstart', overrides=['stop.rounds=1']);"
        "print(sorted({'torch._dynamo', 'sklearn'} & sys.modules.keys()))"
    )
    assert "[]\n" == python(script, tmp_path)


def test_the_digits_are_those_of_scikit_learn() -> None:
    """The file is read as scikit-learn reads it."""
    from sklearn.datasets import load_digits

    from cutlayer.models.data import digits

    images, labels = digits._digits()
    expected = load_digits()
    assert (images[:, 0] == expected.images).all()
    assert (labels == expected.target).all()
    assert (images.dtype, labels.dtype) == (expected.images.dtype, expected.target.dtype)
