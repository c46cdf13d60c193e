"""Networks can be cut between any two units, and a cut changes no value and no gradient."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from cutlayer.models.networks import imported, lenet, mlp
from cutlayer.models.networks.parameters import (
    ImageModelParameters,
    ImportedParameters,
    LenetParameters,
    MlpParameters,
    ResnetParameters,
    VggParameters,
)
from cutlayer.scenarios.registry import lookup

ACTIVATIONS = ("relu", "gelu", "tanh", "sigmoid", "identity")
SMALL = [
    *(MlpParameters(name="mlp", input_shape=(1, 8, 8), hidden=(9, 7), activation=a) for a in ACTIVATIONS),
    *(LenetParameters(name="lenet", input_shape=(1, 8, 8), activation=a) for a in ACTIVATIONS),
    LenetParameters(name="lenet", input_shape=(3, 11, 9), classes=2),
]
ALL = [
    *SMALL,
    LenetParameters(name="lenet", input_shape=(1, 28, 28), classes=10),
    LenetParameters(name="lenet", input_shape=(3, 32, 32), classes=10),
    ResnetParameters(name="resnet18", input_shape=(3, 32, 32), classes=10),
    VggParameters(name="vgg16", input_shape=(3, 32, 32), classes=10),
    VggParameters(name="vgg19", input_shape=(1, 32, 32), classes=10),
]


def built(parameters: ImageModelParameters, seed: int = 0) -> nn.Sequential:
    """Return the model with the weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Sequential = lookup("model", parameters.name).load()(parameters)
    return model


def images(parameters: ImageModelParameters, count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return images of the model's shape."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, *parameters.input_shape, generator=generator, dtype=dtype)


def name_of(parameters: ImageModelParameters) -> str:
    """Return a test's name for the model."""
    return f"{parameters.table_name}-{getattr(parameters, 'activation', '')}"


def gradients(model: nn.Module) -> list[Tensor | None]:
    """Return the gradients of all parameters, and delete them."""
    found = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    return found


@pytest.mark.parametrize("parameters", ALL, ids=name_of)
def test_cut_changes_no_value(parameters: ImageModelParameters) -> None:
    """Units 1..j and then j+1..L give the whole model's logits to the bit, for every cut j."""
    model, batch = built(parameters).eval(), images(parameters, 2)
    with torch.no_grad():
        expected = model(batch)
        assert (2, parameters.classes) == expected.shape
        for cut in range(1, len(model)):
            assert torch.equal(expected, model[cut:](model[:cut](batch))), cut


@pytest.mark.parametrize(
    "parameters",
    [
        *SMALL,
        *(
            ResnetParameters(name="resnet18", input_shape=(3, 16, 16), classes=3, activation=a)
            for a in ("relu", "gelu")
        ),
    ],
    ids=name_of,
)
def test_cut_changes_no_gradient(parameters: ImageModelParameters) -> None:
    """The split step's gradients equal the unsplit model's for every cut (float64, batch norm training)."""
    model = built(parameters).double().train()
    batch, labels = images(parameters, 4, torch.float64), torch.tensor([0, 1, 1, 0])
    functional.cross_entropy(model(batch), labels).backward()
    expected = gradients(model)
    for cut in range(1, len(model)):
        smashed = model[:cut](batch)
        received = smashed.detach().requires_grad_()
        loss = functional.cross_entropy(model[cut:](received), labels)
        loss.backward()
        if smashed.requires_grad:  # a first unit without parameters has nothing to train
            smashed.backward(received.grad)
        for whole, split in zip(expected, gradients(model), strict=True):
            torch.testing.assert_close(split, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("parameters", ALL, ids=name_of)
def test_cut_parts_the_weights(parameters: ImageModelParameters) -> None:
    """The parts have the weights and buffers of the whole model, each exactly once under its name."""
    model = built(parameters)
    for cut in range(1, len(model)):
        parts = [*model[:cut].state_dict(), *model[cut:].state_dict()]
        assert list(model.state_dict()) == parts


@pytest.mark.parametrize("parameters", ALL, ids=name_of)
def test_no_bias_before_batch_norm(parameters: ImageModelParameters) -> None:
    """In a model with batch norm no convolution has a bias: its gradient would be rounding noise."""
    modules = list(built(parameters).modules())
    if any(isinstance(module, nn.BatchNorm2d) for module in modules):
        assert all(m.bias is None for m in modules if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize("parameters", ALL, ids=name_of)
def test_weights_are_of_the_seed_and_passes_draw_nothing(parameters: ImageModelParameters) -> None:
    """Equal seeds give equal weights, other seeds others, and a training pass draws no random number."""
    model, again, other = (built(parameters, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(model[key], again[key]) for key in model)
    assert any(not torch.equal(model[key], other[key]) for key in model)
    before = torch.get_rng_state()
    built(parameters).train()(images(parameters, 2))
    assert torch.equal(before, torch.get_rng_state())


def test_unit_names() -> None:
    """Units have the names of the unit tables, in the order of the papers."""
    lenet_names = ["conv1", "pool1", "conv2", "pool2", "fc1", "fc2"]
    assert lenet_names == names(LenetParameters(name="lenet"))
    assert ["fc1", "fc2", "fc3", "fc4"] == names(MlpParameters(name="mlp", hidden=(5, 4, 3)))
    blocks = [f"block{number}" for number in range(1, 9)]
    assert ["stem", "maxpool", *blocks, "avgpool", "fc"] == names(ResnetParameters(name="resnet18"))
    stages = [
        ["1_1", "1_2"],
        ["2_1", "2_2"],
        ["3_1", "3_2", "3_3"],
        ["4_1", "4_2", "4_3"],
        ["5_1", "5_2", "5_3"],
    ]
    vgg16 = [
        name
        for stage, convolutions in enumerate(stages, start=1)
        for name in (*(f"conv{c}" for c in convolutions), f"pool{stage}")
    ]
    assert [*vgg16, "fc1", "fc2", "fc3"] == names(VggParameters(name="vgg16"))


def names(parameters: ImageModelParameters) -> list[str]:
    """Return the names of the model's units."""
    return [name for name, _ in built(parameters).named_children()]


def test_vgg_stages_have_the_published_depth() -> None:
    """VGG-16 has 13 convolutions, VGG-19 16; both have 3 dense layers (Simonyan, Zisserman 2015)."""
    for name, convolutions in (("vgg16", 13), ("vgg19", 16)):
        modules = list(built(VggParameters(name=name, input_shape=(3, 32, 32))).modules())
        assert convolutions == sum(isinstance(module, nn.Conv2d) for module in modules)
        assert 3 == sum(isinstance(module, nn.Linear) for module in modules)


def test_identity_activation_is_linear() -> None:
    """With identity activations the perceptron is affine: f(a) + f(b) = f(a + b) + f(0)."""
    parameters = MlpParameters(name="mlp", input_shape=(1, 4, 4), activation="identity")
    model = mlp.build(parameters).double()
    a, b = images(parameters, 2, torch.float64).unsqueeze(1)
    torch.testing.assert_close(
        model(a + b) + model(torch.zeros_like(a)), model(a) + model(b), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("parameters", ALL, ids=name_of)
def test_only_logits_leave_the_activation_s_range(parameters: ImageModelParameters) -> None:
    """With ReLU all outputs of units are 0 or more, except logits, which follow no activation."""
    if getattr(parameters, "activation", "relu") != "relu":
        return
    values = 10 * images(parameters, 8)
    units = list(built(parameters).train())
    for unit in units[:-1]:
        values = unit(values)
        assert 0 <= float(values.detach().min())
    logits = units[-1](values).detach()
    assert float(logits.min()) < 0 < float(logits.max())


@pytest.mark.parametrize(
    ("parameters_class", "name", "least"),
    [(LenetParameters, "lenet", 4), (VggParameters, "vgg16", 32), (VggParameters, "vgg19", 32)],
)
def test_least_size(parameters_class: type[ImageModelParameters], name: str, least: int) -> None:
    """The smallest size gives logits; one pixel less in height or width is an error that states the size."""
    parameters = parameters_class(name=name, input_shape=(3, least, least))
    assert (1, 7) == built(parameters).eval()(images(parameters, 1)).shape
    for shape in ((3, least - 1, least), (3, least, least - 1)):
        with pytest.raises(ValueError, match=f"least size is {least}x{least}"):
            parameters_class(name=name, input_shape=shape)


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": 1},
        {"input_shape": (3, 8)},
        {"input_shape": (0, 8, 8)},
        {"hidden": ()},
        {"activation": "swish"},
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, object]) -> None:
    """One class, an image without three sizes, no hidden layer or an unknown activation is an error."""
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        MlpParameters.model_validate({"name": "mlp", **wrong})


USERS_MODULE = """
from collections import OrderedDict
from torch import nn

def factory(width=4):
    body = nn.Sequential(nn.Flatten(), nn.Linear(64, width))
    return nn.Sequential(OrderedDict(body=body, head=nn.Linear(width, 3)))

MODEL = factory()
NUMBER = 7
def bare():
    return nn.Linear(2, 2)
def tied():
    shared = nn.Linear(4, 4)
    return nn.Sequential(OrderedDict(a=shared, b=nn.ReLU(), c=shared))
"""
_module_numbers = itertools.count()


@pytest.fixture
def users_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the name of a user's importable module, a new one for each test."""
    name = f"users_networks_{next(_module_numbers)}"
    (tmp_path / f"{name}.py").write_text(USERS_MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name


def of_user(factory: str, **options: object) -> ImportedParameters:
    """Return the parameters of an imported model for images of 1x8x8."""
    return ImportedParameters.model_validate(
        {"name": "imported", "factory": factory, "input_shape": (1, 8, 8), "classes": 3, **options}
    )


def test_imported_factory_is_called_with_its_arguments(users_module: str) -> None:
    """A factory's model equals the result of the same call in Python."""
    model = imported.build(of_user(f"{users_module}:factory", arguments={"width": 6}))
    assert ["body", "head"] == [name for name, _ in model.named_children()]
    assert (3, 6) == model.state_dict()["head.weight"].shape


def test_imported_model_is_copied(users_module: str) -> None:
    """Two builds of a model that a module holds share no weight, and keep its values."""
    first, second = (imported.build(of_user(f"{users_module}:MODEL")) for _ in range(2))
    first_weights, second_weights = first.state_dict()["head.weight"], second.state_dict()["head.weight"]
    assert torch.equal(first_weights, second_weights)
    first_weights.zero_()  # a state dict shares the parameters' memory
    assert bool(second_weights.any())


def test_imported_model_has_values_when_a_profile_imports_it_first(users_module: str) -> None:
    """A module whose first import happens in a profile keeps real weights."""
    with torch.device("meta"):
        imported.build(of_user(f"{users_module}:MODEL"))
    weights = imported.build(of_user(f"{users_module}:MODEL")).state_dict()["head.weight"]
    assert "cpu" == weights.device.type


@pytest.mark.parametrize(
    ("attribute", "options", "message"),
    [
        ("absent", {}, "cannot be imported.*absent"),
        ("NUMBER", {}, "must give an nn.Sequential.*int"),
        ("bare", {}, "must give an nn.Sequential.*Linear"),
        ("factory", {"arguments": {"depth": 3}}, "depth"),
        ("MODEL", {"arguments": {"width": 3}}, "takes no arguments"),
        ("tied", {}, "'a' and 'c' share a parameter"),
    ],
)
def test_imported_errors_name_the_factory(
    users_module: str, attribute: str, options: dict[str, object], message: str
) -> None:
    """An unusable factory is a ValueError that names the import path and the fault."""
    with pytest.raises(ValueError, match=message) as caught:
        imported.build(of_user(f"{users_module}:{attribute}", **options))
    assert f"{users_module}:{attribute}" in str(caught.value)


def test_imported_module_that_is_missing() -> None:
    """A missing module is a ValueError; a path without a name is rejected by the schema."""
    with pytest.raises(ValueError, match="cannot be imported: No module named 'no_such_module'"):
        imported.build(of_user("no_such_module:build"))
    with pytest.raises(ValidationError, match="factory"):
        of_user("no_such_module")


def test_lenet_learns_its_batch() -> None:
    """Gradient steps lower the small CNN's loss on a fixed batch by an order of magnitude."""
    parameters = LenetParameters(name="lenet", input_shape=(1, 8, 8), classes=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = lenet.build(parameters)
    batch, labels = images(parameters, 16), torch.arange(16) % 4
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        loss = functional.cross_entropy(model(batch), labels)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.1 * losses[0]
