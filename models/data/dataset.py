"""A data set in memory, split into training and test samples, and the errors of data sets."""

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

__all__ = [
    "Dataset",
    "DatasetError",
    "DatasetFileError",
    "check_expansion",
    "reading",
    "standardised",
    "stratified_split",
]

SPLIT_SEED = 0
"""Seed of all splits. It is not the scenario's seed: every scenario has the same test set."""

FILE_FAULTS = (
    OSError,
    EOFError,
    MemoryError,
    OverflowError,
    ValueError,
    RuntimeError,
    csv.Error,
    zipfile.BadZipFile,
    zlib.error,
)
"""Exceptions for missing and broken files. RuntimeError comes from features that zipfile lacks."""

MAX_EXPANSION, MAX_SMALL_BYTES = 100, 2**28
"""Compressed data may be as large as the second number, or the first number times the file's size, [byte]."""


class DatasetError(ValueError):
    """Raised if a data set or a partition is not usable. The message names it, the rule and the value."""


class DatasetFileError(DatasetError):
    """Raised for a missing or broken file. The message names its path and the source of the data set."""

    def __init__(self, path: Path, fault: object, source: str) -> None:
        super().__init__(f"{path}: {fault}; the data set comes from {source}")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images, split into training and test samples.

    Attributes
    ----------
    name : str
        Name in messages.
    train_images, test_images : ndarray, [num_samples, channels, height, width], float32
        Images, normalised with statistics of the training set alone.
    train_labels, test_labels : ndarray, [num_samples], int64
        Classes, counted from 0.
    classes : int
        Number of classes.
    validation : pair of ndarray, [num_samples, channels, height, width] and [num_samples], or None
        Images and labels that are held out of the training set.

    Raises
    ------
    DatasetError
        If an array has a wrong type or shape, is empty, or contains a label or number out of range.
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
        """Return the channels, height and width of an image."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width


def standardised(
    name: str,
    *,
    train: tuple[NDArray[Any], NDArray[Any]],
    test: tuple[NDArray[Any], NDArray[Any]],
    classes: int,
) -> Dataset:
    """Return the data set with each channel scaled to mean 0 and variance 1 over the training set.

    The test images are shifted and scaled by the same numbers, so the test set has no influence on training.
    A constant channel is only shifted.

    Parameters
    ----------
    name : str
        Name of the data set in messages.
    train, test : pairs of ndarray, [num_samples, channels, height, width] and [num_samples]
        Images of any real type, and integer labels.
    classes : int
        Number of classes.

    Raises
    ------
    DatasetError
        As in :class:`Dataset`, and if there are no training or no test images.
    """
    sizes = len(train[0]), len(test[0])
    if 0 in sizes:
        raise DatasetError(f"{name}: needs training and test images; it has {sizes[0]} and {sizes[1]}")
    train_images, test_images = (part[0].astype(np.float32) for part in (train, test))
    for channel in range(train_images.shape[1]):  # one by one, so that the float64 copies are small
        mean = float(train_images[:, channel].mean(dtype=np.float64))
        deviation = float(train_images[:, channel].std(dtype=np.float64)) or 1.0
        for images in (train_images, test_images):
            images[:, channel] = (images[:, channel] - mean) / deviation
    train_labels, test_labels = (part[1].astype(np.int64) for part in (train, test))
    return Dataset(name, train_images, train_labels, test_images, test_labels, classes)


def stratified_split(
    labels: NDArray[np.int64], share: float, *, purpose: str = "train_test_split"
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the training samples and of the held-out samples, each in rising order.

    The split is random, but always the same for the same arguments.

    Parameters
    ----------
    labels : ndarray, [num_samples], int64
        Classes. Each is split in the same proportion, to the nearest sample.
    share : float
        Fraction of the samples that are held out, in (0, 1).
    purpose : str
        Name of the random stream, so that splits for different purposes are independent.
    """
    order = stream(SPLIT_SEED, purpose).permutation(len(labels))
    held_out: list[NDArray[np.int64]] = []
    for label in np.unique(labels):
        members = order[labels[order] == label]
        held_out.append(members[: round(share * len(members))])
    chosen = np.isin(np.arange(len(labels)), np.concatenate(held_out))
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def check_expansion(compressed_bytes: int, expanded_bytes: int) -> None:
    """Raise a ValueError if compressed data would expand far beyond the images of any data set.

    Parameters
    ----------
    compressed_bytes, expanded_bytes : int
        Size of the compressed file or member, and of its content, [byte].
    """
    allowed = max(MAX_SMALL_BYTES, MAX_EXPANSION * compressed_bytes)
    if expanded_bytes > allowed:
        raise ValueError(
            f"declares {expanded_bytes} bytes from {compressed_bytes} compressed ones; at most {allowed} are"
            " read"
        )


@contextmanager
def reading(path: Path, source: str) -> Iterator[None]:
    """Convert exceptions about a missing or broken file into errors that name the file.

    Parameters
    ----------
    path : Path
        The file or folder that is read.
    source : str
        Address and name of the data set's source.

    Raises
    ------
    DatasetFileError
        If the file is missing or broken.
    """
    try:
        yield
    except DatasetFileError:
        raise
    except FILE_FAULTS as error:
        # strerror leaves out the path, which the new message names
        raise DatasetFileError(path, getattr(error, "strerror", None) or error, source) from None
