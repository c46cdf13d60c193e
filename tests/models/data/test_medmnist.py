"""The MedMNIST reader."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cutlayer.models.data.dataset import Dataset, DatasetFileError
from cutlayer.models.data.medmnist import MedMnistParameters, load

RNG = np.random.default_rng(0)


def arrays(*image: int) -> dict[str, Any]:
    sizes = {"train": 20, "val": 6, "test": 8}
    images = {f"{part}_images": RNG.integers(0, 256, (n, *image), np.uint8) for part, n in sizes.items()}
    labels = {f"{part}_labels": RNG.integers(0, 5, (n, 1), np.uint8) for part, n in sizes.items()}
    labels["train_labels"][:5, 0] = range(5)
    return images | labels


def loaded(path: Path) -> Dataset:
    return load(MedMnistParameters(name="medmnist", path=path), (3, 28, 28))


@pytest.mark.parametrize(("image", "shape"), [((6, 7), (1, 6, 7)), ((6, 7, 3), (3, 6, 7))])
def test_grey_and_colour_images_are_read_back(
    tmp_path: Path, image: tuple[int, ...], shape: tuple[int, int, int]
) -> None:
    """Pixels and labels are the written ones, channels first. Validation images are in neither part."""
    content = arrays(*image)
    np.savez(tmp_path / "toy.npz", **content)
    dataset = loaded(tmp_path / "toy.npz")
    assert ("toy", shape, 5) == (dataset.name, dataset.input_shape, dataset.classes)
    train = content["train_images"].reshape(20, 6, 7, -1)
    mean, deviation = train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2))
    for part, images, labels in (
        ("train", dataset.train_images, dataset.train_labels),
        ("test", dataset.test_images, dataset.test_labels),
    ):
        written = content[f"{part}_images"].reshape(len(images), 6, 7, -1)
        np.testing.assert_array_equal(written, np.rint(images.transpose(0, 2, 3, 1) * deviation + mean))
        np.testing.assert_array_equal(content[f"{part}_labels"][:, 0], labels)


def test_classes_are_counted_over_the_whole_file(tmp_path: Path) -> None:
    """A class that only occurs in the validation part is counted, as in published results."""
    content = arrays(6, 7)
    content["val_labels"][0] = 8
    np.savez(tmp_path / "toy.npz", **content)
    assert 9 == loaded(tmp_path / "toy.npz").classes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_labels": None}, "it lacks test_labels"),
        ({"train_images": np.zeros((20, 6, 7))}, "train_images must be .* uint8.*float64"),
        ({"train_images": np.zeros((20, 6, 7, 8), np.uint8)}, r"train_images must be .*\[20, 6, 7, 8\]"),
        ({"train_labels": np.zeros((20, 14), np.uint8)}, r"one label an image.*\[20, 14\]"),
        ({"train_labels": np.zeros((20, 1))}, "one label an image.*float64"),
        ({"train_labels": np.zeros((19, 1), np.uint8)}, r"train_labels must be \[20\].*\[19\]"),
        ({"test_images": np.zeros((8, 7, 7), np.uint8)}, "one shape.*1, 6, 7.*1, 7, 7"),
        ({"test_images": np.zeros((0, 6, 7), np.uint8), "test_labels": np.zeros((0, 1), int)}, "20 and 0"),
        ({"test_labels": np.full((8, 1), None)}, "allow_pickle"),
    ],
)
def test_an_unsuitable_file_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """Missing arrays, 3-D images, several labels and objects are errors with path, rule and source."""
    content = {name: value for name, value in (arrays(6, 7) | change).items() if value is not None}
    path = tmp_path / "toy.npz"
    np.savez(path, **content)
    with pytest.raises(DatasetFileError, match=rf"^{re.escape(str(path))}: .*{message}.*medmnist\.com"):
        loaded(path)


def test_a_missing_truncated_or_foreign_file_is_named(tmp_path: Path) -> None:
    """A file that is missing, truncated, damaged or no archive is an error with its path."""
    path = tmp_path / "toy.npz"
    with pytest.raises(DatasetFileError, match=rf"{re.escape(str(path))}: No such file"):
        loaded(path)
    np.savez_compressed(path, **arrays(6, 7))
    whole = path.read_bytes()
    flipped = whole[:300] + bytes(byte ^ 255 for byte in whole[300:400]) + whole[400:]
    for content in (whole[:-200], b"", b"no archive", flipped):
        path.write_bytes(content)
        with pytest.raises(DatasetFileError, match=re.escape(str(path))):
            loaded(path)


def npy_header(shape: tuple[int, ...], descr: str = "|u1") -> bytes:
    """Return the header of a .npy file that declares an array of this shape."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("train_images.npy", npy_header((10**6, 10**6)) + bytes(100), "declares 1000000000000 bytes"),
        ("train_images.npy", npy_header((20, 6, 7), "|O") + bytes(100), "allow_pickle|object|Object"),
        ("test_labels.npy", npy_header((2**40, 1)), "declares 1099511627776 bytes"),
        ("train_labels.npy", b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, "header"),
    ],
    ids=["array of a terabyte", "objects", "labels of a terabyte", "nested header"],
)
def test_a_hostile_array_is_refused(tmp_path: Path, member: str, content: bytes, message: str) -> None:
    """The header of an array decides, so that no memory is allocated and nothing is unpickled."""
    path = tmp_path / "toy.npz"
    np.savez(path, **{name: values for name, values in arrays(6, 7).items() if f"{name}.npy" != member})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, content)
    with pytest.raises(DatasetFileError, match=message):
        loaded(path)


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    """A member of a few hundred kilobytes that expands to more than 256 MiB is not read."""
    path = tmp_path / "toy.npz"
    np.savez(path, **{name: values for name, values in arrays(6, 7).items() if name != "train_images"})
    zeros = bytes(2**20)
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("train_images.npy", "w") as file,
    ):
        file.write(npy_header((7_000_000, 6, 7)))
        for _ in range(281):
            file.write(zeros)
    assert path.stat().st_size < 2**20
    with pytest.raises(DatasetFileError, match=r"declares \d{9} bytes from \d{6} compressed ones"):
        loaded(path)
