"""The two-dimensional data sets of MedMNIST with one label per image. Each is one .npz file."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...scenarios.registry import Parameters
from ...scenarios.schema.fields import ScenarioPath
from .dataset import Dataset, check_expansion, reading, standardised

__all__ = ["MedMnistParameters", "load"]

SOURCE = "https://medmnist.com (MedMNIST, for example dermamnist.npz)"
PARTS = ("train", "val", "test")


class MedMnistParameters(Parameters):
    """Path of the ``.npz`` file of a data set."""

    path: ScenarioPath = Field(description="NPZ file of a MedMNIST data set, for example dermamnist.npz")


def load(parameters: MedMnistParameters, input_shape: tuple[int, int, int]) -> Dataset:
    """Return the training and test images in their published split and in the resolution of the file.

    The validation images are not used, so that results are comparable with published ones. Their labels only
    help to count the classes. The pixels, 0 to 255, are scaled per channel to mean 0 and variance 1 over the
    training set.

    Parameters
    ----------
    parameters : MedMnistParameters
        Path of the file.
    input_shape : tuple of int
        Channels, height and width of the model's input; not used.

    Raises
    ------
    DatasetFileError
        If the file is missing or broken, lacks an array, or contains three-dimensional images or several
        labels per image.
    """
    path = parameters.path
    with reading(path, SOURCE):
        arrays = _arrays(path)
        images = {part: _images(part, arrays[f"{part}_images"]) for part in ("train", "test")}
        labels = {part: _labels(part, arrays[f"{part}_labels"]) for part in PARTS}
        return standardised(
            path.stem,
            train=(images["train"], labels["train"]),
            test=(images["test"], labels["test"]),
            classes=1 + max(int(values.max(initial=0)) for values in labels.values()),
        )


def _arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the arrays that are used. The validation images are not read."""
    needed = [*(f"{part}_labels" for part in PARTS), "train_images", "test_images"]
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("must be a .npz archive; it is not, or it is truncated")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            absent = sorted(set(needed) - set(archive.files))
            if absent:
                raise ValueError(f"must hold {', '.join(sorted(needed))}; it lacks {', '.join(absent)}")
            for name in needed:  # a few kilobytes may expand to any size
                member = archive.zip.getinfo(f"{name}.npy")
                check_expansion(member.compress_size, member.file_size)
                with archive.zip.open(member) as content:
                    check_expansion(member.file_size, _promised_bytes(content))
            return {name: archive[name] for name in needed}


def _promised_bytes(content: IO[bytes]) -> int:
    """Return the size of an array by the header of its .npy file, [byte]."""
    version = np.lib.format.read_magic(content)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(content)
    return int(math.prod(shape) * dtype.itemsize)


def _images(part: str, images: NDArray[Any]) -> NDArray[np.uint8]:
    """Return [num_samples, channels, height, width] from grey or colour images, channels last."""
    grey, colour = images.ndim == 3, images.ndim == 4 and images.shape[-1] == 3
    if images.dtype != np.uint8 or not (grey or colour):
        raise ValueError(
            f"{part}_images must be [num_samples, height, width] or [num_samples, height, width, 3], uint8; "
            f"they are {list(images.shape)}, {images.dtype}"
        )
    return images[:, np.newaxis] if grey else images.transpose(0, 3, 1, 2)


def _labels(part: str, labels: NDArray[Any]) -> NDArray[np.int64]:
    if labels.shape[1:] not in [(), (1,)] or labels.ndim == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{part}_labels must be [num_samples, 1], integer: one label an image; "
            f"they are {list(labels.shape)}, {labels.dtype}"
        )
    return labels.reshape(-1).astype(np.int64)
