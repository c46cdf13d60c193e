"""A data set in memory, split once into training and test samples, and its errors."""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...scenarios.random_streams import stream

__all__ = ["Dataset", "DatasetError", "DatasetFileError", "reading", "standardised", "stratified_split"]

SPLIT_SEED = 0
"""Not the scenario's: the test set is the same for every seed and scheme."""

FILE_FAULTS = (OSError, EOFError, ValueError, RuntimeError, csv.Error, zipfile.BadZipFile, zlib.error)
"""What readers raise for missing and broken files; zipfile has RuntimeError for features that it lacks."""


class DatasetError(ValueError):
    """A data set or a partition that can't be used; the message names it, the rule and the value."""


class DatasetFileError(DatasetError):
    """A missing or broken file; the message names its path and where the data set comes from."""

    def __init__(self, path: Path, fault: object, source: str) -> None:
        super().__init__(f"{path}: {fault}; the data set comes from {source}")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images, split into training and test samples.

    Attributes
    ----------
    name : str
        For messages.
    train_images, test_images : [num_samples, channels, height, width], float32
        Images, normalised with statistics of the training set alone.
    train_labels, test_labels : [num_samples], int64
        Classes, counted from 0.
    classes : int
        Number of classes.
    validation : pair of images and labels, or None
        Held out of the training set, [num_samples, channels, height, width] and [num_samples].

    Raises
    ------
    DatasetError
        If an array has another type or shape, is empty, or holds a label or number out of range.
    """

    name: str
    train_images: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]
    classes: int
    validation: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            self._check(part, getattr(self, f"{part}_images"), getattr(self, f"{part}_labels"))
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            shapes = f"{self.train_images.shape[1:]} in training, {self.test_images.shape[1:]} in test"
            raise DatasetError(f"{self.name}: images must have one shape; they have {shapes}")

    def _check(self, part: str, images: NDArray[Any], labels: NDArray[Any]) -> None:
        if images.dtype != np.float32 or images.ndim != 4 or images.size == 0:
            raise DatasetError(
                f"{self.name}: {part}_images must be [num_samples, channels, height, width], float32, "
                f"with at least one image; they are {list(images.shape)}, {images.dtype}"
            )
        if labels.dtype != np.int64 or labels.shape != (len(images),):
            raise DatasetError(
                f"{self.name}: {part}_labels must be [{len(images)}], int64, one an image; "
                f"they are {list(labels.shape)}, {labels.dtype}"
            )
        outside = labels[(labels < 0) | (labels >= self.classes)]
        if outside.size:
            raise DatasetError(
                f"{self.name}: {part}_labels must be in 0..{self.classes - 1}; {outside[0]} is not"
            )
        if not np.isfinite(images).all():
            raise DatasetError(f"{self.name}: {part}_images must be finite; some are not")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Return channels, height and width of an image."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width


def standardised(
    name: str,
    *,
    train: tuple[NDArray[Any], NDArray[Any]],
    test: tuple[NDArray[Any], NDArray[Any]],
    classes: int,
) -> Dataset:
    """Return the data set with each channel brought to mean 0 and variance 1 over the training set.

    The test images are shifted and scaled by the same numbers, so that nothing is learnt from them; a
    constant channel is only shifted.

    Parameters
    ----------
    name : str
        The data set's, for messages.
    train, test : pairs of images and labels
        Images [num_samples, channels, height, width], of any real type; labels [num_samples], integers.
    classes : int
        Number of classes.

    Raises
    ------
    DatasetError
        As :class:`Dataset`.
    """
    sizes = len(train[0]), len(test[0])
    if 0 in sizes:
        raise DatasetError(f"{name}: needs training and test images; it has {sizes[0]} and {sizes[1]}")
    train_images, test_images = (part[0].astype(np.float32) for part in (train, test))
    for channel in range(train_images.shape[1]):  # one at a time: the float64 copies stay small
        mean = float(train_images[:, channel].mean(dtype=np.float64))
        deviation = float(train_images[:, channel].std(dtype=np.float64)) or 1.0
        for images in (train_images, test_images):
            images[:, channel] = (images[:, channel] - mean) / deviation
    train_labels, test_labels = (part[1].astype(np.int64) for part in (train, test))
    return Dataset(name, train_images, train_labels, test_images, test_labels, classes)


def stratified_split(
    labels: NDArray[np.int64], share: float, *, purpose: str = "train_test_split"
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the training and of the set-apart samples, in rising order, always the same.

    Parameters
    ----------
    labels : [num_samples], int64
        Classes; each is split in the same proportion, to the nearest sample.
    share : float
        Share of the samples that are set apart (for test), in (0, 1).
    purpose : str
        Names the stream of the draw, so that splits for different ends are independent.
    """
    order = stream(SPLIT_SEED, purpose).permutation(len(labels))
    apart: list[NDArray[np.int64]] = []
    for label in np.unique(labels):
        members = order[labels[order] == label]
        apart.append(members[: round(share * len(members))])
    chosen = np.isin(np.arange(len(labels)), np.concatenate(apart))
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


@contextmanager
def reading(path: Path, source: str) -> Iterator[None]:
    """Turn what a missing or broken file raises into an error that names it.

    Parameters
    ----------
    path : the file or folder that is read
    source : where the data set comes from, in words and with its address

    Raises
    ------
    DatasetFileError
        For any fault of the file's.
    """
    try:
        yield
    except DatasetFileError:
        raise
    except FILE_FAULTS as error:
        # the path is named once, so the system's own text goes without it
        raise DatasetFileError(path, getattr(error, "strerror", None) or error, source) from None
