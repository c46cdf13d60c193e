"""CIFAR-10, the Python version: six files of 32x32 colour images, pickled by Python 2."""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...scenarios.registry import Parameters
from ...scenarios.schema.fields import ScenarioPath
from .dataset import Dataset, reading, standardised

__all__ = ["Cifar10Parameters", "load"]

SOURCE = "https://www.cs.toronto.edu/~kriz/cifar.html (CIFAR-10 python version)"
CLASSES = 10
SHAPE = (3, 32, 32)
MAX_FILE_BYTES = 2**26  # a batch has 31 MB
MAX_MEMO, MAX_TUPLES, MAX_REPEATS = 1_000_000, 64, 16


class Cifar10Parameters(Parameters):
    """Folder of the batch files, or the folder that contains ``cifar-10-batches-py``."""

    path: ScenarioPath = Field(
        description="folder of the Python version, with data_batch_1 to data_batch_5 and test_batch"
    )


def load(parameters: Cifar10Parameters, input_shape: tuple[int, int, int]) -> Dataset:
    """Return the training and test images, 3x32x32, in their published split.

    The pixels, 0 to 255, are scaled per channel to mean 0 and variance 1 over the training set.

    Parameters
    ----------
    parameters : Cifar10Parameters
        Folder of the batch files.
    input_shape : tuple of int
        Channels, height and width of the model's input; not used.

    Raises
    ------
    DatasetFileError
        If a file is missing or broken, or contains objects other than numbers, text and byte arrays.
    """
    inner = parameters.path / "cifar-10-batches-py"
    folder = inner if inner.is_dir() else parameters.path
    batches = [_batch(folder / f"data_batch_{number}") for number in range(1, 6)]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return standardised(
        "cifar10", train=(images, labels), test=_batch(folder / "test_batch"), classes=CLASSES
    )


def _batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images, [num_samples, 3, 32, 32], and labels, [num_samples], of one batch."""
    with reading(path, SOURCE):
        content = _unpickle(path)
        if not isinstance(content, dict) or not {b"data", b"labels"} <= content.keys():
            raise ValueError("a batch must be a dictionary with the keys data and labels; this one is not")
        data, labels = content[b"data"], content[b"labels"]
        if not isinstance(data, _Array):
            raise ValueError(f"data must be an array; it is of type {type(data).__name__}")
        rows = data.bytes()
        if rows.shape[1] != math.prod(SHAPE) or not len(rows):
            raise ValueError(f"data must be [num_samples, {math.prod(SHAPE)}]; it is {list(rows.shape)}")
        if not isinstance(labels, list) or len(labels) != len(rows):
            raise ValueError(f"labels must be a list of {len(rows)}, one an image; it is not")
        if any(not isinstance(label, int) or not 0 <= label < CLASSES for label in labels):
            raise ValueError(f"labels must be integers in 0..{CLASSES - 1}; some are not")
    return rows.reshape(-1, *SHAPE), np.array(labels, dtype=np.int64)


def _unpickle(path: Path) -> Any:
    size = path.stat().st_size
    if not path.is_file() or size > MAX_FILE_BYTES:
        raise ValueError(f"must be a file of at most {MAX_FILE_BYTES} bytes; it has {size}")
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES)
        try:
            _check_opcodes(content)
            return _Unpickler(io.BytesIO(content), encoding="bytes").load()
        except Exception as error:  # a broken file may raise any exception (documentation of pickle)
            raise ValueError(f"not a readable batch: {error}") from None


def _check_opcodes(content: bytes) -> None:
    """Raise a ValueError for a pickle that could take memory or time without bound.

    A memo has an entry for each number up to its largest. Tuples that are nested or repeated many times take
    a time that is exponential in their number when they are hashed as the key of a dictionary.
    """
    tuples = repeats = 0
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("PUT", "LONG_BINPUT") and int(argument or 0) > MAX_MEMO:
            raise ValueError(f"its memo has the number {argument}; at most {MAX_MEMO} is read")
        tuples += "TUPLE" in opcode.name
        repeats += opcode.name in ("GET", "BINGET", "LONG_BINGET", "DUP")
    if tuples > MAX_TUPLES or repeats > MAX_REPEATS:
        raise ValueError(
            f"it has {tuples} tuples and {repeats} repeated objects; at most {MAX_TUPLES} and {MAX_REPEATS}"
            " are read"
        )


class _Array:
    """Replaces ``numpy.ndarray`` in a pickle. It stores the state, and accepts arrays of bytes only."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def bytes(self) -> NDArray[np.uint8]:
        """Return the array. Raise a ValueError if it is not a row-major matrix of unsigned bytes."""
        match self.state:
            case (_, (int(rows), int(columns)), _Type(code="u1"), False | 0, bytes(data)):
                if len(data) == rows * columns:
                    return np.frombuffer(data, np.uint8).reshape(rows, columns)
        raise ValueError("data must be a whole row-major matrix of unsigned bytes; it is not")


class _Type:
    """Replaces ``numpy.dtype`` in a pickle. It stores the code of the type; bytes have no byte order."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code.decode() if isinstance(code, bytes) else code

    def __setstate__(self, state: Any) -> None:
        """Ignore the byte order."""


class _Unpickler(pickle.Unpickler):
    """Reads numbers, text, containers and byte arrays. It rejects every other name in the file.

    A pickle can call any function that it names. So even the functions of NumPy are replaced by the classes
    above, which only store their arguments.
    """

    REPLACEMENTS = {  # noqa: RUF012 - constant
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,  # the name in NumPy 2
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Type,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return the class that replaces a name.

        Raises
        ------
        UnpicklingError
            If no class replaces the name.
        """
        try:
            return self.REPLACEMENTS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no batch needs") from None
