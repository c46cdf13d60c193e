"""Profiles equal hand formulas, published counts and committed tables, and change no model."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cutlayer.models.networks.lenet import build as build_lenet
from cutlayer.models.networks.parameters import (
    ImageModelParameters,
    ImportedParameters,
    LenetParameters,
    MlpParameters,
    ResnetParameters,
    TableParameters,
    VggParameters,
)
from cutlayer.models.profile import COMMITTED, built_profile, profile, write_tables
from cutlayer.models.unit_tables import TABLES, named_unit_table, unit_table
from cutlayer.scenarios.model_costs.unit_table import UnitTable, UnitTableError, unit_table_csv
from cutlayer.scenarios.registry import Parameters

BITS = 32  # of a value, single precision
MEBI = 8 * 2**20  # bits of a MiB


def assert_equal(expected: UnitTable, actual: UnitTable) -> None:
    """Assert that two tables agree in every value."""
    assert unit_table_csv(expected) == unit_table_csv(actual)


def test_resnet18_at_64_pixels_is_as_published() -> None:
    """ResNet-18 on 3x64x64, 7 classes: multiply-accumulates, activations, size (docs/model.md section 4)."""
    table = built_profile(ResnetParameters(name="resnet18"))
    blocks = [18.874, 18.874, 14.680, 18.874, 14.680, 18.874, 14.680, 18.874]
    assert [9.634, 0, *blocks, 0, 0.0036] == pytest.approx(table.forward_flops / 1e6, abs=6e-4)
    assert 148.05 == pytest.approx(table.forward_flops.sum() / 1e6, abs=5e-3)
    activations = [65536, 16384, 16384, 16384, 8192, 8192, 4096, 4096, 2048, 2048, 512, 7]
    assert activations == list(table.activation_bits / BITS)
    assert 42.69 == pytest.approx(table.parameter_bits.sum() / MEBI, abs=5e-3)


def test_resnet18_parameters_without_buffers() -> None:
    """Without buffers ResNet-18 is 42.65 MiB at 7 classes; at 1000 it has 11,689,512 parameters."""
    for classes, expected in ((7, 42.65 * MEBI / BITS), (1000, 11_689_512)):
        table = built_profile(ResnetParameters(name="resnet18", input_shape=(3, 224, 224), classes=classes))
        channels = 64 + 4 * 64 + 5 * 128 + 5 * 256 + 5 * 512
        buffers = 2 * channels * BITS + 20 * 64  # mean and variance a channel, a 64-bit counter a layer
        assert expected == pytest.approx(
            (table.parameter_bits.sum() - buffers) / BITS, rel=1e-4 if classes == 7 else 0
        )


@pytest.mark.parametrize(
    ("parameters", "billions"),
    [
        (ResnetParameters(name="resnet18", input_shape=(3, 224, 224), classes=1000), 1.8),
        (VggParameters(name="vgg19", input_shape=(3, 224, 224), classes=1000), 19.6),
    ],
)
def test_multiply_accumulates_at_224_pixels_are_as_published(
    parameters: ImageModelParameters, billions: float
) -> None:
    """ResNet-18 1.8, VGG-19 19.6 billion multiply-accumulates (He et al. 2016, Table 1, section 3.3)."""
    assert billions == pytest.approx(built_profile(parameters).forward_flops.sum() / 1e9, abs=0.05)


def test_the_testbeds_resnet_has_the_published_sizes() -> None:
    """Blocks of ResNet-101 weigh what MP-SL's authors publish, the shortcuts between stages included.

    Their sheet gives sizes of files, [KiB]. A file adds 3.86 to 3.99 KiB for each convolution and its batch
    norm, whatever their number of channels.
    """
    table = built_profile(ResnetParameters(name="resnet101_basic", input_shape=(3, 32, 32), classes=10))
    published_kib = {"block1": 298.004, "block4": 1169.600, "block8": 4631.600, "block31": 18467.600}
    for block, expected_kib in published_kib.items():
        convolutions = 2 if block == "block1" else 3
        kib = table.parameter_bits[table.units.index(block)] / 8192
        assert 3.8 <= (expected_kib - kib) / convolutions <= 4.1


@pytest.mark.parametrize(("name", "published"), [("vgg16", 138_357_544), ("vgg19", 143_667_240)])
def test_vgg_parameters_are_as_published(name: str, published: int) -> None:
    """At 224 pixels and 1000 classes the count is the published one, with batch norm instead of biases.

    The published networks have one bias per channel. Batch norm has weight, bias, mean and variance per
    channel, and a 64-bit counter per layer.
    """
    parameters = VggParameters.model_validate({"name": name, "input_shape": (3, 224, 224), "classes": 1000})
    table = built_profile(parameters)
    per_stage = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}[name]
    channels = sum(count * width for count, width in zip(per_stage, (64, 128, 256, 512, 512), strict=True))
    expected_bits = (published + 3 * channels) * BITS + 64 * sum(per_stage)
    assert expected_bits == table.parameter_bits.sum()


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_vgg_units_by_hand(name: str) -> None:
    """Each convolution costs 9·C_in·C_out·H·W, each layer in·out; a pool halves the sides at no FLOPs."""
    table = built_profile(
        VggParameters.model_validate({"name": name, "input_shape": (3, 40, 64), "classes": 10})
    )
    channels, height, width = 3, 40, 64
    flops, values = [], []
    stages = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}[name]
    for count, outputs in zip(stages, (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            flops.append(9 * channels * outputs * height * width)
            channels = outputs
            values.append(channels * height * width)
        height, width = height // 2, width // 2
        flops.append(0)
        values.append(channels * height * width)
    flops += [channels * height * width * 4096, 4096 * 4096, 4096 * 10]
    assert flops == list(table.forward_flops)
    assert [*values, 4096, 4096, 10] == list(table.activation_bits / BITS)


def test_lenet_by_hand() -> None:
    """LeNet: 25·C_in·C_out·H·W per convolution, in·out per layer, weights and biases of 32 bits."""
    table = built_profile(LenetParameters(name="lenet", input_shape=(2, 9, 7), classes=5))
    sides = 9 * 7, 4 * 3, 2 * 1
    flops = [25 * 2 * 16 * sides[0], 0, 25 * 16 * 32 * sides[1], 0, 32 * sides[2] * 64, 64 * 5]
    assert flops == list(table.forward_flops)
    values = [16 * sides[0], 16 * sides[1], 32 * sides[1], 32 * sides[2], 64, 5]
    assert values == list(table.activation_bits / BITS)
    weights = [25 * 2 * 16 + 16, 0, 25 * 16 * 32 + 32, 0, 32 * sides[2] * 64 + 64, 64 * 5 + 5]
    assert weights == list(table.parameter_bits / BITS)


def test_mlp_by_hand() -> None:
    """A perceptron's layer costs in·out multiply-accumulates and has (in + 1)·out parameters."""
    table = built_profile(MlpParameters(name="mlp", input_shape=(3, 5, 2), hidden=(11, 13), classes=4))
    assert [30 * 11, 11 * 13, 13 * 4] == list(table.forward_flops)
    assert [11, 13, 4] == list(table.activation_bits / BITS)
    assert [31 * 11, 12 * 13, 14 * 4] == list(table.parameter_bits / BITS)


@pytest.mark.parametrize("parameters", COMMITTED, ids=lambda parameters: parameters.table_name)
def test_backward_is_twice_forward_and_gradients_weigh_as_activations(
    parameters: ImageModelParameters,
) -> None:
    """ϖ = 2ρ and χ = ψ for every unit (docs/model.md section 1)."""
    table = unit_table(parameters)
    np.testing.assert_array_equal(2 * table.forward_flops, table.backward_flops)
    np.testing.assert_array_equal(table.activation_bits, table.gradient_bits)


def test_committed_tables_are_fresh(tmp_path: Path) -> None:
    """The tables of the package are those of the present networks, and there are no others."""
    write_tables(tmp_path)
    fresh = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert len(COMMITTED) == len(fresh)
    assert fresh == {path.name: path.read_text(encoding="utf-8") for path in TABLES.iterdir()}


def test_activations_change_the_memory_alone() -> None:
    """Models that differ in the activation have equal FLOPs and sizes. Only ReLU's tables are files."""
    for parameters in (p for p in COMMITTED if isinstance(p, MlpParameters | LenetParameters)):
        relu = unit_table(parameters)
        for activation in ("gelu", "tanh", "sigmoid", "identity"):
            changed = parameters.model_copy(update={"activation": activation})
            assert parameters.table_name != changed.table_name
            assert_equal(replace(relu, autograd=None), replace(built_profile(changed), autograd=None))


def test_saved_bits_by_hand() -> None:
    """Autograd keeps a unit's inputs of products, outputs of ReLU, and indices of poolings, each once.

    The first unit's value includes the image, the last one's log-softmax, label and weight. A GELU
    keeps its input besides its output.
    """
    lenet = built_profile(LenetParameters(name="lenet", input_shape=(1, 8, 8), classes=10)).autograd
    assert lenet is not None
    values = [64 + 16 * 64, 16 * 16 * 3, 32 * 16, 32 * 4 * 3, 64, 10 + 2 + 1]
    assert values == list(lenet.saved_bits / BITS)
    assert [0, 0, 0, 0, 0, 10] == list(lenet.unsaved_output_bits / BITS)
    gelu = LenetParameters(name="lenet", input_shape=(1, 8, 8), classes=10, activation="gelu")
    kept = built_profile(gelu).autograd
    assert kept is not None
    assert [16 * 64, 0, 32 * 16, 0, 64, 0] == list((kept.saved_bits - lenet.saved_bits) / BITS)


def test_frozen_parameters_have_no_gradient() -> None:
    """A parameter that is not trained counts as part of the model, without gradient or optimiser state."""
    frozen = nn.Linear(4, 4).requires_grad_(False)
    table = profile(nn.Sequential(frozen, nn.Linear(4, 3)), (4,))
    assert table.autograd is not None
    assert [0, 15 * BITS] == list(table.autograd.trained_bits)
    assert [20 * BITS, 15 * BITS] == list(table.parameter_bits)


@pytest.mark.parametrize(
    ("parameters", "low", "high"),
    [
        (ResnetParameters(name="resnet18"), 3.1, 3.2),
        (VggParameters(name="vgg19", input_shape=(3, 32, 32), classes=10), 2.0, 2.1),
        (LenetParameters(name="lenet", input_shape=(1, 28, 28), classes=10), 1.3, 1.45),
    ],
    ids=lambda value: value.table_name if isinstance(value, ImageModelParameters) else "",
)
def test_autograd_keeps_more_than_the_outputs(
    parameters: ImageModelParameters, low: float, high: float
) -> None:
    """Autograd keeps several times the outputs of the units, since a unit has inner tensors too."""
    table = unit_table(parameters)
    assert table.autograd is not None
    assert low <= table.autograd.saved_bits.sum() / table.activation_bits.sum() <= high


def test_a_shape_that_is_not_committed_is_profiled() -> None:
    """Another shape, class count or width gives the table of that model, not that of a similar file."""
    for parameters in (
        LenetParameters(name="lenet", input_shape=(1, 8, 8), classes=9),
        LenetParameters(name="lenet", input_shape=(1, 8, 9), classes=10),
        MlpParameters(name="mlp", input_shape=(1, 8, 8), classes=10, hidden=(64, 65)),
    ):
        assert not (TABLES / f"{parameters.table_name}.csv").exists()
        assert_equal(built_profile(parameters), unit_table(parameters))


def test_table_is_read_from_its_file(tmp_path: Path) -> None:
    """``table`` reads its file; a missing file is an error that names it."""
    table = unit_table(COMMITTED[0])
    file = tmp_path / "units.csv"
    file.write_text(unit_table_csv(table), encoding="utf-8")
    assert_equal(table, unit_table(TableParameters(name="table", file=file)))
    with pytest.raises(UnitTableError, match=r"absent\.csv"):
        unit_table(TableParameters(name="table", file=tmp_path / "absent.csv"))


def test_parameters_without_a_shape_are_refused() -> None:
    """A model without an input shape cannot be profiled; the error names the model."""
    with pytest.raises(ValueError, match=r"'bare'.*ImageModelParameters"):
        unit_table(Parameters(name="bare"))


def test_profile_leaves_the_model_and_the_generator_alone() -> None:
    """Profiling changes no weight, mode or device of the model, and draws nothing from torch's generator."""
    model = build_lenet(LenetParameters(name="lenet", input_shape=(1, 8, 8))).train()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    before = torch.get_rng_state()
    profile(model, (1, 8, 8))
    for parameters in COMMITTED:
        built_profile(parameters)
    assert torch.equal(before, torch.get_rng_state())
    assert model.training
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in weights.items())


def test_profile_of_any_sequential() -> None:
    """A module that occurs twice counts as two units; bits depend on the type of the values."""
    relu = nn.ReLU()
    layers = OrderedDict(a=nn.Linear(4, 6), act1=relu, b=nn.Linear(6, 6, bias=False), act2=relu)
    table = profile(nn.Sequential(layers).double(), (4,))
    assert ("a", "act1", "b", "act2") == table.units
    assert [24, 0, 36, 0] == list(table.forward_flops)
    assert [6 * 64] * 4 == list(table.activation_bits)
    assert [30 * 64, 0, 36 * 64, 0] == list(table.parameter_bits)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        (nn.Conv2d(5, 2, 3), "unit 'second' doesn't take a sample of 3x6x6"),
        (nn.Linear(5, 2), "unit 'second' doesn't take a sample of 3x6x6"),
        (nn.Flatten(0), "unit 'second' must keep the batch dimension"),
        (nn.MaxPool2d(2, return_indices=True), "unit 'second' must give one tensor; it gives tuple"),
    ],
)
def test_units_that_do_not_chain_are_named(unit: nn.Module, message: str) -> None:
    """A unit that does not fit the previous one is a ValueError with its name and its input shape."""
    model = nn.Sequential(OrderedDict(first=nn.Conv2d(1, 3, 3), second=unit))
    with pytest.raises(ValueError, match=message):
        profile(model, (1, 8, 8))


def test_imported_model_is_profiled_and_its_classes_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An imported model has the profile of the same model in Python, and needs one logit per class."""
    text = "from torch import nn\ndef build(): return nn.Sequential(nn.Flatten(), nn.Linear(12, 4))\n"
    (tmp_path / "users_profiled_network.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    options = {"name": "imported", "factory": "users_profiled_network:build", "input_shape": (3, 2, 2)}
    before = torch.get_rng_state()
    table = unit_table(ImportedParameters.model_validate({**options, "classes": 4}))
    assert torch.equal(before, torch.get_rng_state())
    assert_equal(profile(nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), (3, 2, 2)), table)
    with pytest.raises(ValueError, match="'imported' gives 4 values a sample; classes is 5"):
        unit_table(ImportedParameters.model_validate({**options, "classes": 5}))


def test_named_unit_table() -> None:
    """A model's name gives the table of its defaults; options change the table."""
    assert_equal(unit_table(ResnetParameters(name="resnet18")), named_unit_table("resnet18"))
    digits = LenetParameters(name="lenet", input_shape=(1, 8, 8), classes=10)
    assert_equal(unit_table(digits), named_unit_table("lenet", (1, 8, 8), 10))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lenett",), "no model is named 'lenett'.*did you mean 'lenet'"),
        (("vgg16", (3, 31, 32)), "'vgg16': input_shape: .*31x32.*least size is 32x32"),
        (("lenet", None, 1), "'lenet': classes: .*2"),
        (("table",), "'table': file: this key is required"),
        (("imported",), "'imported': factory: this key is required"),
    ],
)
def test_named_unit_table_errors(arguments: tuple[object, ...], message: str) -> None:
    """A wrong name, a wrong or a missing option is a ValueError that names the model and the key."""
    with pytest.raises(ValueError, match=message):
        named_unit_table(*arguments)  # type: ignore[arg-type]


def test_committed_tables_need_no_torch() -> None:
    """The catalogue and the tables of the package are usable without importing torch."""
    code = """
import sys
from cutlayer.models.networks import catalogue
from cutlayer.models.unit_tables import named_unit_table
assert 12 == len(named_unit_table("resnet18"))
assert 6 == len(named_unit_table("lenet", (1, 8, 8), 10))
assert "torch" not in sys.modules
named_unit_table("lenet", (1, 8, 8), 9)
assert "torch" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
