"""The CIFAR-10 reader reads pickles of Python 2, and runs no code in them."""

from __future__ import annotations

import io
import pickle
import re
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cutlayer.models.data.cifar10 import Cifar10Parameters, _check_opcodes, load
from cutlayer.models.data.dataset import DatasetFileError

RNG = np.random.default_rng(0)
NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
ROWS = {name: RNG.integers(0, 256, (4, 3072), dtype=np.uint8) for name in NAMES}
LABELS = {name: RNG.integers(0, 10, 4).tolist() for name in NAMES}


def text(value: bytes) -> bytes:
    """Pickle a Python 2 string."""
    return b"T" + struct.pack("<i", len(value)) + value


def array(values: NDArray[np.uint8]) -> bytes:
    """Pickle an array as NumPy did under Python 2, protocol 2."""
    shape = b"".join(b"J" + struct.pack("<i", size) for size in values.shape)
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + text(b"|") + b"NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
    blank = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    return blank + b"(K\x01(" + shape + b"t" + dtype + b"\x89" + text(values.tobytes()) + b"tb"


def batch(rows: NDArray[np.uint8], labels: Sequence[int]) -> bytes:
    """Pickle a batch as its authors did."""
    numbers = b"](" + b"".join(bytes((ord("K"), label)) for label in labels) + b"e"
    names = b"](" + b"".join(text(b"image.png") for _ in labels) + b"e"
    items = [
        text(b"batch_label") + text(b"training batch 1 of 5"),
        text(b"labels") + numbers,
        text(b"data") + array(rows),
        text(b"filenames") + names,
    ]
    return b"\x80\x02}(" + b"".join(items) + b"u."


def write(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        (folder / name).write_bytes(batch(ROWS[name], LABELS[name]))


@pytest.mark.parametrize("inner", [".", "cifar-10-batches-py"])
def test_python_2_batches_are_read_back(tmp_path: Path, inner: str) -> None:
    """The reader finds batches in the folder or in the archive's subfolder, and returns the written rows."""
    write(tmp_path / inner)
    dataset = load(Cifar10Parameters(name="cifar10", path=tmp_path), (3, 32, 32))
    assert ((3, 32, 32), 10) == (dataset.input_shape, dataset.classes)
    train = np.concatenate([ROWS[name] for name in NAMES[:5]]).reshape(-1, 3, 32, 32)
    mean = train.mean(axis=(0, 2, 3), keepdims=True)
    deviation = train.std(axis=(0, 2, 3), keepdims=True)
    np.testing.assert_array_equal(train, np.rint(dataset.train_images * deviation + mean))
    np.testing.assert_array_equal(
        ROWS["test_batch"].reshape(-1, 3, 32, 32), np.rint(dataset.test_images * deviation + mean)
    )
    assert [label for name in NAMES[:5] for label in LABELS[name]] == dataset.train_labels.tolist()
    assert LABELS["test_batch"] == dataset.test_labels.tolist()


def test_batches_written_by_python_3_are_read_too(tmp_path: Path) -> None:
    """Pickles with the module names of NumPy 2 contain the same arrays."""
    write(tmp_path)
    content = {b"data": ROWS["test_batch"], b"labels": LABELS["test_batch"]}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol=4))
    again = load(Cifar10Parameters(name="cifar10", path=tmp_path), (3, 32, 32))
    write(tmp_path)
    first = load(Cifar10Parameters(name="cifar10", path=tmp_path), (3, 32, 32))
    np.testing.assert_array_equal(first.test_images, again.test_images)


class Opens:
    """An object whose pickle calls ``io.open`` and so creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return io.open, (str(self.path), "w")


def test_a_pickle_that_calls_something_is_refused(tmp_path: Path) -> None:
    """Functions that a file names are not called. The error states the name and the file."""
    write(tmp_path)
    marker = tmp_path / "was_run"
    (tmp_path / "data_batch_3").write_bytes(pickle.dumps({b"data": Opens(marker), b"labels": []}))
    with pytest.raises(DatasetFileError, match=r"data_batch_3: .*names _?io\.open, which no batch needs"):
        load(Cifar10Parameters(name="cifar10", path=tmp_path), (3, 32, 32))
    assert not marker.exists()


GOOD = batch(ROWS["test_batch"], LABELS["test_batch"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD[:-100], "not a readable batch"),
        (GOOD[:3], "not a readable batch"),
        (b"", "not a readable batch"),
        (b"plain text", "not a readable batch"),
        (pickle.dumps([1, 2]), "dictionary with the keys data and labels"),
        (pickle.dumps({b"data": 1}), "dictionary with the keys data and labels"),
        (pickle.dumps({b"data": 1, b"labels": []}), "must be an array; it is of type int"),
        (batch(ROWS["test_batch"], [1, 2, 3]), "labels must be a list of 4"),
        (batch(ROWS["test_batch"], [1, 2, 3, 10]), r"labels must be integers in 0\.\.9"),
        (batch(ROWS["test_batch"][:, :1024], [1, 2, 3, 4]), r"\[num_samples, 3072\]; it is \[4, 1024\]"),
        (batch(ROWS["test_batch"][:0], []), r"it is \[0, 3072\]"),
        (batch(ROWS["test_batch"].ravel(), [1, 2, 3, 4]), "whole row-major matrix of unsigned bytes"),
        (GOOD.replace(b"u1", b"O8"), "whole row-major matrix of unsigned bytes"),
        (GOOD.replace(b"\x89T", b"\x88T"), "whole row-major matrix of unsigned bytes"),
        (GOOD.replace(b"(K\x01(J\x04", b"(K\x01(J\x05"), "whole row-major matrix of unsigned bytes"),
    ],
)
def test_a_broken_batch_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    """Truncated, foreign and mismatched batches are refused with path, rule and source."""
    write(tmp_path)
    path = tmp_path / "test_batch"
    path.write_bytes(content)
    with pytest.raises(DatasetFileError, match=rf"^{re.escape(str(path))}: .*{message}.*toronto"):
        load(Cifar10Parameters(name="cifar10", path=tmp_path), (3, 32, 32))


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    """The error states the missing file and the source of the data set."""
    write(tmp_path)
    (tmp_path / "data_batch_4").unlink()
    with pytest.raises(DatasetFileError, match=r"data_batch_4: No such file.*toronto"):
        load(Cifar10Parameters(name="cifar10", path=tmp_path), (3, 32, 32))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02Nr\xff\xff\xff\x7f.", "its memo has the number"),
        (b"\x80\x02)" + b"\x85" * 100 + b".", "it has 101 tuples"),
        (b"\x80\x02)q\x00" + b"h\x00\x86q\x00" * 40 + b".", "40 repeated objects"),
    ],
)
def test_a_pickle_without_bound_is_refused(content: bytes, message: str) -> None:
    """Huge memos and nested tuples are refused before the file is unpickled."""
    with pytest.raises(ValueError, match=message):
        _check_opcodes(content)
