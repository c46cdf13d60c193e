"""The handwritten digits of scikit-learn: 1,797 images of 8x8 in 10 classes, without a download."""

from __future__ import annotations

import numpy as np

from ...scenarios.registry import Parameters
from .dataset import Dataset, standardised, stratified_split

__all__ = ["DigitsParameters", "load"]

TEST_SHARE = 0.2


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
    from sklearn.datasets import load_digits  # imported here because it takes a second

    digits = load_digits()
    images = digits.images[:, np.newaxis]  # [1797, 1, 8, 8]
    labels = digits.target
    train, test = stratified_split(labels, TEST_SHARE)
    return standardised(
        "digits",
        train=(images[train], labels[train]),
        test=(images[test], labels[test]),
        classes=10,
    )
