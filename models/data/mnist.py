"""MNIST and data sets in its format (Fashion-MNIST, KMNIST): four IDX files, optionally gzipped."""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...scenarios.registry import Parameters
from ...scenarios.schema.fields import ScenarioPath
from .dataset import Dataset, check_expansion, reading, standardised

__all__ = ["MnistParameters", "load"]

SOURCE = (
    "http://yann.lecun.com/exdb/mnist (MNIST) or "
    "https://github.com/zalandoresearch/fashion-mnist (Fashion-MNIST, the same format)"
)
CLASSES = 10
UNSIGNED_BYTE = 0x08  # code of the data type in the IDX format; all files of the data set have it


class MnistParameters(Parameters):
    """Folder of the four files."""

    path: ScenarioPath = Field(description="folder with the four IDX files, gzipped or not")


def load(parameters: MnistParameters, input_shape: tuple[int, int, int]) -> Dataset:
    """Return the training and test images, 1x28x28, in their published split.

    The pixels, 0 to 255, are scaled to mean 0 and variance 1 over the training set.

    Parameters
    ----------
    parameters : MnistParameters
        Folder of the files.
    input_shape : tuple of int
        Channels, height and width of the model's input; not used.

    Raises
    ------
    DatasetFileError
        If a file is missing, truncated, of another format, or does not match the other file of its part.
    """
    folder = parameters.path
    with reading(folder, SOURCE):
        return standardised(
            "mnist", train=_part(folder, "train"), test=_part(folder, "t10k"), classes=CLASSES
        )


def _part(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images, [num_samples, 1, height, width], and labels, [num_samples], of one part."""
    images = _idx(_find(folder, f"{part}-images", dimensions=3), dimensions=3)
    labels_path = _find(folder, f"{part}-labels", dimensions=1)
    labels = _idx(labels_path, dimensions=1)
    with reading(labels_path, SOURCE):
        if len(images) != len(labels):
            raise ValueError(f"{len(labels)} labels for the {len(images)} images of the file beside it")
        if labels.size and labels.max() >= CLASSES:
            raise ValueError(f"labels must be in 0..{CLASSES - 1}; {labels.max()} is not")
    return images[:, np.newaxis], labels


def _find(folder: Path, stem: str, *, dimensions: int) -> Path:
    names = [f"{stem}{mark}idx{dimensions}-ubyte{end}" for mark in "-." for end in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    with reading(folder, SOURCE):
        raise FileNotFoundError(f"no file {names[0]} (or {', '.join(names[1:])}) in it")


def _idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Return the array of an IDX file: a magic number, a big-endian uint32 per dimension, then the bytes."""
    magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    header = 4 + 4 * dimensions
    with reading(path, SOURCE):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(header)
            if content[:4] == magic and len(content) == header:  # read no more than the header promises
                promised = math.prod(struct.unpack_from(f">{dimensions}I", content, 4))
                size = path.stat().st_size
                if path.suffix == ".gz":
                    check_expansion(size, promised)
                content += file.read((promised if path.suffix == ".gz" else min(promised, size)) + 1)
        if content[:4] != magic:
            raise ValueError(f"the magic number must be {magic.hex()}; it is {content[:4].hex() or 'absent'}")
        if len(content) < header:
            raise ValueError(f"the header has {header} bytes; the file ends after {len(content)}")
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
        data = np.frombuffer(content, np.uint8, offset=header)
        # as Python integers, since the sizes in a broken header may overflow
        expected = int(np.prod(shape, dtype=object))
        if data.size != expected:
            raise ValueError(f"its header declares {expected} bytes of data; it has {data.size}")
        return data.reshape(shape)
