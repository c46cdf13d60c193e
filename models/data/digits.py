"""The handwritten digits of scikit-learn: 1,797 images of 8x8 in 10 classes, without a download."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...scenarios.registry import Parameters
from .dataset import Dataset, standardised, stratified_split

__all__ = ["DigitsParameters", "load"]

TEST_SHARE = 0.2
_FILE_IN_PACKAGE = ("datasets", "data", "digits.csv.gz")


class DigitsParameters(Parameters):
    """The digits have no parameters."""


def load(parameters: DigitsParameters, input_shape: tuple[int, int, int]) -> Dataset:
    """Return the digits as 1x8x8 images: four fifths of each class for training, one fifth for the test.

    The pixels, 0 to 16, are scaled to mean 0 and variance 1 over the training set.

    Parameters
    ----------
    parameters : DigitsParameters
        Not used.
    input_shape : tuple of int
        Channels, height and width of the model's input; not used.
    """
    images, labels = _digits()
    train, test = stratified_split(labels, TEST_SHARE)
    return standardised(
        "digits",
        train=(images[train], labels[train]),
        test=(images[test], labels[test]),
        classes=10,
    )


def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the images, ``[1797, 1, 8, 8]`` with pixels from 0 to 16, and their labels.

    The file of scikit-learn is read without an import of the package, which takes one to two seconds in every
    worker process. A version of scikit-learn that keeps the file elsewhere is asked for the digits.
    """
    package = importlib.util.find_spec("sklearn")
    folders = [] if package is None else package.submodule_search_locations or []
    for file in (Path(folder, *_FILE_IN_PACKAGE) for folder in folders):
        if file.is_file():
            table = np.loadtxt(file, delimiter=",")  # a row for each image: 64 pixels and the label
            return table[:, :-1].reshape(-1, 1, 8, 8), table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images[:, np.newaxis], digits.target
