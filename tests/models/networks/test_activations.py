"""Activation functions are torch's, do not change initial weights, and identity makes a model linear."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cutlayer.models.learning.epsl import EpslLearner
from cutlayer.models.networks.parameters import (
    Activation,
    ImageModelParameters,
    LenetParameters,
    MlpParameters,
    ResnetParameters,
    VggParameters,
)
from cutlayer.models.profile import built_profile
from cutlayer.scenarios.registry import lookup
from tests.support.learners import CLASSES, SHAPE, client_data, gap, make, state

FUNCTIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "identity": lambda values: values,
}
KINDS: list[tuple[type[ImageModelParameters], dict[str, object]]] = [
    (MlpParameters, {"name": "mlp", "input_shape": (1, 8, 8), "hidden": (9, 7)}),
    (LenetParameters, {"name": "lenet", "input_shape": (1, 8, 8)}),
    (ResnetParameters, {"name": "resnet18", "input_shape": (1, 8, 8)}),
    (VggParameters, {"name": "vgg16", "input_shape": (1, 32, 32)}),
]


def built(parameters: ImageModelParameters) -> nn.Sequential:
    """Return the model with fixed weights, in double precision."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: nn.Sequential = lookup("model", parameters.name).load()(parameters)
    return model.double()


def images(parameters: ImageModelParameters, count: int = 3) -> Tensor:
    """Return random images of the model's shape."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, *parameters.input_shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_perceptron_by_torch_s_functions(activation: Activation) -> None:
    """A forward pass is linear layers with torch's function after each but the last."""
    parameters = MlpParameters(name="mlp", input_shape=(1, 8, 8), hidden=(9, 7), activation=activation)
    model, f = built(parameters), FUNCTIONS[activation]
    first, second, last = (m for m in model.modules() if isinstance(m, nn.Linear))
    values = images(parameters)
    expected = last(f(second(f(first(values.flatten(1))))))
    assert torch.equal(expected, model(values))


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_lenet_by_torch_s_functions(activation: Activation) -> None:
    """Torch's function follows both convolutions and the hidden layer, but not the logits."""
    parameters = LenetParameters(name="lenet", input_shape=(1, 8, 8), activation=activation)
    model, f = built(parameters), FUNCTIONS[activation]
    weights = list(model.parameters())
    values = images(parameters)
    expected = values
    for weight, bias in (weights[:2], weights[2:4]):
        expected = functional.max_pool2d(f(functional.conv2d(expected, weight, bias, padding=2)), 2)
    hidden = f(functional.linear(expected.flatten(1), *weights[4:6]))
    assert torch.equal(functional.linear(hidden, *weights[6:]), model(values))


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_residual_block_by_torch_s_functions(activation: Activation) -> None:
    """A block is f(BN(conv(f(BN(conv x)))) + x), He et al. 2016, Figure 2, with f instead of ReLU."""
    parameters = ResnetParameters(name="resnet18", input_shape=(1, 8, 8), activation=activation)
    block, f = built(parameters).eval().get_submodule("block1"), FUNCTIONS[activation]
    convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
    values = torch.randn(2, 64, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    inner = f(norms[0](convolutions[0](values)))
    assert torch.equal(f(norms[1](convolutions[1](inner)) + values), block(values))


@pytest.mark.parametrize(("kind", "keys"), KINDS, ids=lambda value: getattr(value, "__name__", ""))
def test_activations_share_weights_and_tables(
    kind: type[ImageModelParameters], keys: dict[str, object]
) -> None:
    """Initial weights, units, FLOPs and sizes do not depend on the activation; ReLU is the default.

    Only ReLU shares the name of the default's unit table, since the activation decides what autograd keeps.
    """
    default = kind.model_validate(keys)
    expected, units = built(default).state_dict(), [name for name, _ in built(default).named_children()]
    table = built_profile(default)
    values = images(default)
    outputs = []
    for activation in FUNCTIONS:
        parameters = kind.model_validate({**keys, "activation": activation})
        model = built(parameters)
        assert units == [name for name, _ in model.named_children()]
        assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())
        other = built_profile(parameters)
        assert (activation == "relu") == (default.table_name == parameters.table_name)
        np.testing.assert_array_equal(table.forward_flops, other.forward_flops)
        np.testing.assert_array_equal(table.activation_bits, other.activation_bits)
        outputs.append(model.eval()(values))
    assert torch.equal(built(default).eval()(values), outputs[0])
    assert not any(torch.equal(outputs[0], other) for other in outputs[1:])


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_only_identity_makes_the_first_unit_linear(activation: Activation) -> None:
    """LeNet's part at cut 1 is affine, f(a) + f(b) = f(a + b) + f(0), with identity and nothing else."""
    parameters = LenetParameters(name="lenet", input_shape=(1, 8, 8), activation=activation)
    part = built(parameters)[:1]
    a, b = images(parameters, 2).unsqueeze(1)
    bend = part(a + b) + part(torch.zeros_like(a)) - part(a) - part(b)
    assert (activation == "identity") == bool(bend.abs().max() <= 1e-12)


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_only_identity_makes_both_forms_of_aggregation_equal(activation: Activation) -> None:
    """After cut 4 LeNet's server is dense: with identity it is linear, and virtual aggregation is exact."""
    parameters = LenetParameters(name="lenet", input_shape=SHAPE, classes=CLASSES, activation=activation)
    learners = [
        make(
            EpslLearner,
            lambda: lookup("model", "lenet").load()(parameters),
            client_data((9, 6), 3),
            cut=4,
            exact=e,
        )
        for e in (False, True)
    ]
    for learner in learners:
        learner.client_forward((0, 1), 1)
        learner.server_step(2, 1)
        learner.client_step()
    virtual, exact = ([*state(*(p.module for p in a.clients), a.server.module)] for a in learners)
    assert (activation == "identity") == (gap(virtual, exact) <= 1e-12)
