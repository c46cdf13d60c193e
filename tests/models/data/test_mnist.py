"""The IDX reader returns the written arrays, and names the faulty file."""

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cutlayer.models.data.dataset import DatasetFileError
from cutlayer.models.data.mnist import MnistParameters, load

RNG = np.random.default_rng(0)
IMAGES = {part: RNG.integers(0, 256, (n, 4, 5), dtype=np.uint8) for part, n in (("train", 30), ("t10k", 12))}
LABELS = {part: np.arange(len(images), dtype=np.uint8) % 10 for part, images in IMAGES.items()}


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(folder: Path, mark: str = "-", end: str = "") -> None:
    for part in IMAGES:
        for name, array, ndim in (("images", IMAGES[part], 3), ("labels", LABELS[part], 1)):
            content = idx(array)
            path = folder / f"{part}-{name}{mark}idx{ndim}-ubyte{end}"
            path.write_bytes(gzip.compress(content) if end else content)


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_files_are_read_back(tmp_path: Path, mark: str, end: str) -> None:
    """Both spellings of the file names, gzipped or not, give the written images and labels."""
    write(tmp_path, mark, end)
    dataset = load(MnistParameters(name="mnist", path=tmp_path), (1, 4, 5))
    assert ((1, 4, 5), 10) == (dataset.input_shape, dataset.classes)
    mean, deviation = IMAGES["train"].mean(), IMAGES["train"].std()
    for part, images, labels in (
        ("train", dataset.train_images, dataset.train_labels),
        ("t10k", dataset.test_images, dataset.test_labels),
    ):
        np.testing.assert_array_equal(LABELS[part], labels)
        np.testing.assert_allclose(IMAGES[part], np.rint(images[:, 0] * deviation + mean))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-labels-idx1-ubyte", idx(LABELS["train"])[:-3], "declares 30 bytes of data; it has 27"),
        ("train-labels-idx1-ubyte", idx(LABELS["train"][:-1]), "29 labels for the 30 images"),
        ("train-labels-idx1-ubyte", idx(LABELS["train"] + 1), r"labels must be in 0\.\.9; 10 is not"),
        ("t10k-images-idx3-ubyte", idx(LABELS["t10k"]), "magic number must be 00000803; it is 00000801"),
        ("t10k-images-idx3-ubyte", b"", "magic number must be 00000803; it is absent"),
        ("t10k-images-idx3-ubyte", idx(IMAGES["t10k"])[:9], "header has 16 bytes; the file ends after 9"),
        (
            "t10k-images-idx3-ubyte",
            struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 2**31),
            rf"declares {2**93} bytes of data; it has 0",
        ),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """Truncated, foreign and mismatched files are refused with their path, the numbers and the source."""
    write(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        DatasetFileError, match=rf"^{re.escape(str(tmp_path / name))}: .*{message}.*yann.lecun"
    ):
        load(MnistParameters(name="mnist", path=tmp_path), (1, 4, 5))


@pytest.mark.parametrize("keep", [40, 5, 0])
def test_a_truncated_gzip_is_named(tmp_path: Path, keep: int) -> None:
    """A gzipped file that ends early is an error with its path."""
    write(tmp_path, end=".gz")
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DatasetFileError, match=re.escape(str(path))):
        load(MnistParameters(name="mnist", path=tmp_path), (1, 4, 5))


def test_a_gzip_that_is_none_is_named(tmp_path: Path) -> None:
    """A plain file under a gzipped file's name is an error with its path."""
    write(tmp_path, end=".gz")
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(idx(IMAGES["train"]))
    with pytest.raises(DatasetFileError, match=rf"{re.escape(str(path))}: Not a gzipped file"):
        load(MnistParameters(name="mnist", path=tmp_path), (1, 4, 5))


def test_a_missing_file_is_named_with_the_names_it_may_have(tmp_path: Path) -> None:
    """The error states the folder, the missing file and the source."""
    with pytest.raises(DatasetFileError) as raised:
        load(MnistParameters(name="mnist", path=tmp_path / "absent"), (1, 4, 5))
    assert str(raised.value).startswith(f"{tmp_path / 'absent'}: no file train-images-idx3-ubyte (or ")
    assert "yann.lecun" in str(raised.value)


def test_parts_of_two_shapes_are_no_data_set(tmp_path: Path) -> None:
    """Training and test images of different sizes are refused, with both shapes and the folder."""
    write(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(IMAGES["t10k"].transpose(0, 2, 1).copy()))
    with pytest.raises(DatasetFileError, match=rf"{re.escape(str(tmp_path))}: .*1, 4, 5.*1, 5, 4"):
        load(MnistParameters(name="mnist", path=tmp_path), (1, 4, 5))


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    """A small file whose header declares many gigabytes is refused before they are read."""
    write(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").unlink(missing_ok=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 60_000, 1000, 1000) + bytes(1000)))
    with pytest.raises(DatasetFileError, match="declares 60000000000 bytes"):
        load(MnistParameters(name="mnist", path=tmp_path), (1, 28, 28))
