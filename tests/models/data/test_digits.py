"""The digits of scikit-learn."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from cutlayer.models.data.digits import DigitsParameters, load


def test_digits_are_the_published_ones_in_a_stratified_split() -> None:
    """All 1,797 images occur once, with their 17 grey levels. A fifth of each class is in the test set."""
    dataset = load(DigitsParameters(name="digits"), (1, 8, 8))
    original = load_digits()
    assert ((1, 8, 8), 10) == (dataset.input_shape, dataset.classes)
    pixels = np.concatenate([dataset.train_images, dataset.test_images])
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    levels = np.unique(pixels)
    assert len(levels) == 17
    restored = np.searchsorted(levels, pixels).reshape(-1, 64)

    def rows(images: object, of: object) -> list[tuple[int, ...]]:
        return sorted(map(tuple, np.column_stack([images, of]).astype(int).tolist()))  # type: ignore[arg-type]

    assert rows(original.data, original.target) == rows(restored, labels)
    for label in range(10):
        of_class = np.count_nonzero(original.target == label)
        assert round(0.2 * of_class) == np.count_nonzero(dataset.test_labels == label)


def test_digits_ignore_the_models_shape() -> None:
    """The input shape of the model does not change the images. A later check reports a mismatch."""
    assert (1, 8, 8) == load(DigitsParameters(name="digits"), (3, 64, 64)).input_shape
