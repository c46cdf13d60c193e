"""The two-dimensional sets of MedMNIST with one label an image: a single .npz each."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...scenarios.registry import Parameters
from ...scenarios.schema.fields import ScenarioPath
from .dataset import Dataset, reading, standardised

__all__ = ["MedMnistParameters", "load"]

SOURCE = "https://medmnist.com (MedMNIST, for example dermamnist.npz)"
PARTS = ("train", "val", "test")


class MedMnistParameters(Parameters):
    """Which file: one of the collection's ``.npz``."""

    path: ScenarioPath


def load(parameters: MedMnistParameters, input_shape: tuple[int, int, int]) -> Dataset:
    """Return the training and test images in their published split, in the file's resolution.

    The validation images are left out of both, so that results compare with published ones; their
    labels only help to count the classes. The pixels, 0 to 255, are scaled channel by channel to mean 0
    and variance 1 over the training set.

    Parameters
    ----------
    parameters : the file
    input_shape : channels, height, width
        What the model takes; not used.

    Raises
    ------
    DatasetFileError
        If the file is missing, broken, lacks an array, or is one of a set in three dimensions or with
        several labels an image.
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
    """Return the arrays that are used; the validation images stay on disk."""
    needed = [*(f"{part}_labels" for part in PARTS), "train_images", "test_images"]
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("must be a .npz archive; it is none, or is cut short")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            absent = sorted(set(needed) - set(archive.files))
            if absent:
                raise ValueError(f"must hold {', '.join(sorted(needed))}; it lacks {', '.join(absent)}")
            return {name: archive[name] for name in needed}


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
