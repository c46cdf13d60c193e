"""Laws of measured layer profiles: units, the published totals, errors that name the place."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cutlayer.scenarios.model_costs.layer_profile import LayerProfileError, read_layer_profile

TIMES = "layer,forward_ms,backward_ms,update_ms\n0,1,2,0\n1,30,40,0.5\n"
MEMORY = "layer,activation_kib,weight_kib\n0,8,1\n1,4,0.5\n"
PUBLISHED = os.environ.get("CUTLAYER_PROFILES", "")
needs_published = pytest.mark.skipif(
    not PUBLISHED, reason="set CUTLAYER_PROFILES to a folder with resnet101_cifar10/ and vgg19_cifar10/"
)


def folder_of(tmp_path: Path, **texts: str) -> Path:
    """Write the profile of two layers and one device, with some of its files replaced."""
    for name, text in {"memory": MEMORY, "laptop": TIMES, **texts}.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def test_units_are_seconds_and_bits(tmp_path: Path) -> None:
    """Milliseconds become seconds, KiB become 8,192 bits each; a device has the name of its file."""
    profile = read_layer_profile(folder_of(tmp_path, vm=TIMES.replace("30", "3e1")))
    assert ["laptop", "vm"] == list(profile.devices)
    assert 2 == len(profile)
    for device in profile.devices:
        times = profile.times(device)
        np.testing.assert_allclose([0.001, 0.03], times.forward_s, rtol=1e-15)
        np.testing.assert_allclose([0.002, 0.04], times.backward_s, rtol=1e-15)
        np.testing.assert_allclose([0.0, 0.0005], times.update_s, rtol=1e-15)
    np.testing.assert_array_equal([65536.0, 32768.0], profile.activation_bits)
    np.testing.assert_array_equal([8192.0, 4096.0], profile.weight_bits)


def test_columns_are_identified_by_name(tmp_path: Path) -> None:
    """The order of the columns, further ones and a spreadsheet's byte-order mark change nothing."""
    other = "\ufeffweight_kib,note,layer,activation_kib\n1,first,0,8\n0.5,last,1,4\n"
    swapped = read_layer_profile(folder_of(tmp_path, memory=other))
    np.testing.assert_array_equal([65536.0, 32768.0], swapped.activation_bits)
    np.testing.assert_array_equal([8192.0, 4096.0], swapped.weight_bits)


def test_unknown_devices_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    """The error names the measured devices and the most similar name."""
    profile = read_layer_profile(folder_of(tmp_path, vm=TIMES))
    with pytest.raises(LayerProfileError, match=r"'latpop'.*laptop, vm; did you mean 'laptop'\?"):
        profile.times("latpop")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("laptop", "", r"laptop\.csv:1: no column layer, forward_ms, backward_ms, update_ms"),
        ("laptop", "layer,forward_ms,update_ms\n", r"laptop\.csv:1: no column backward_ms; the header must"),
        ("memory", "layer,activation_kib\n0,1\n", r"memory\.csv:1: no column weight_kib"),
        ("laptop", TIMES.splitlines()[0], r"laptop\.csv: a model needs at least one layer"),
        ("laptop", TIMES.replace("\n1,", "\n2,"), r"laptop\.csv:3: layer is '2'; .* must be 1"),
        ("memory", MEMORY.replace("\n0,", "\n1,"), r"memory\.csv:2: layer is '1'; .* must be 0"),
        ("laptop", TIMES + "2,1,1,1\n", r"laptop\.csv: 3 layers; memory\.csv has 2"),
        ("laptop", TIMES.replace("40", "-40"), r"laptop\.csv:3: backward_ms is '-40'; .* 0 or more"),
        ("laptop", TIMES.replace("40", "inf"), r"laptop\.csv:3: backward_ms is 'inf'"),
        ("memory", MEMORY.replace("0.5", "nan"), r"memory\.csv:3: weight_kib is 'nan'"),
        ("laptop", TIMES.replace("40", "x"), r"laptop\.csv:3: backward_ms is 'x'"),
        ("laptop", TIMES.replace("\n1", "\n\n\n1").replace(",0.5", ""), r"laptop\.csv:5: update_ms is ''"),
    ],
)
def test_wrong_files_are_named_with_the_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    """A file that is no table of layers is an error with its name, and the wrong line if there is one."""
    with pytest.raises(LayerProfileError, match=message):
        read_layer_profile(folder_of(tmp_path, **{name: text}))


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    """A missing folder, a missing memory.csv, no device at all and a file that is no text are errors."""
    with pytest.raises(LayerProfileError, match="absent must be a folder"):
        read_layer_profile(tmp_path / "absent")
    with pytest.raises(LayerProfileError, match=r"has no memory\.csv"):
        read_layer_profile(tmp_path)
    (tmp_path / "memory.csv").write_text(MEMORY, encoding="utf-8")
    with pytest.raises(LayerProfileError, match="at least one device"):
        read_layer_profile(tmp_path)
    (tmp_path / "vm.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(LayerProfileError, match=r"cannot read .*vm\.csv"):
        read_layer_profile(tmp_path)


@needs_published
def test_the_published_profiles_have_their_published_totals() -> None:
    """VGG-19 takes 742.43 MiB a participant, the vm 849.8, 3003.0 and 150.9 ms; ResNet-101 has 37 layers."""
    vgg = read_layer_profile(Path(PUBLISHED) / "vgg19_cifar10")
    all_bits = float((vgg.activation_bits + vgg.weight_bits).sum())
    assert pytest.approx(742.43, abs=0.005) == all_bits / 8 / 2**20
    assert pytest.approx(77.8, abs=0.06) == 100 * all_bits / 8 / 1e9
    vm = vgg.times("vm")
    totals_ms = [1e3 * float(column.sum()) for column in (vm.forward_s, vm.backward_s, vm.update_s)]
    assert pytest.approx([849.8, 3003.0, 150.9], abs=0.05) == totals_ms
    assert 37 == len(read_layer_profile(Path(PUBLISHED) / "resnet101_cifar10"))
