"""Synthetic images: shape, balance, independent random draws and difficulty."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestCentroid
from sklearn.neural_network import MLPClassifier

from cutlayer.models.data.dataset import Dataset
from cutlayer.models.data.synthetic import SyntheticParameters, load

SHAPE = (1, 12, 12)


def synthetic(shape: tuple[int, int, int] = SHAPE, **keys: object) -> Dataset:
    return load(SyntheticParameters.model_validate({"name": "synthetic", **keys}), shape)


def accuracy(classifier: NearestCentroid | MLPClassifier, dataset: Dataset) -> float:
    flat = [images.reshape(len(images), -1) for images in (dataset.train_images, dataset.test_images)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(flat[0], dataset.train_labels)
    return float(classifier.score(flat[1], dataset.test_labels))


def mlp() -> MLPClassifier:
    return MLPClassifier((64,), max_iter=30, random_state=0)


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    classes=st.integers(2, 12),
    sizes=st.tuples(st.integers(12, 40), st.integers(12, 40)),
)
def test_images_have_the_models_shape_and_the_sizes_asked_for(
    shape: tuple[int, int, int], classes: int, sizes: tuple[int, int]
) -> None:
    """All shapes and numbers of classes are possible. With equal weights every class occurs."""
    dataset = synthetic(shape, classes=classes, train_samples=sizes[0], test_samples=sizes[1])
    assert shape == dataset.input_shape
    assert sizes == (len(dataset.train_labels), len(dataset.test_labels))
    assert set(range(classes)) == set(dataset.train_labels.tolist())


@given(
    weights=st.lists(st.floats(0.1, 10.0), min_size=2, max_size=9),
    samples=st.integers(1, 300),
)
def test_class_sizes_follow_the_weights(weights: list[float], samples: int) -> None:
    """Each class's number of samples is within 1 of its weight's share."""
    dataset = synthetic(
        (1, 1, 1), classes=len(weights), class_weights=weights, train_samples=samples, test_samples=1
    )
    counts = np.bincount(dataset.train_labels, minlength=len(weights))
    assert (np.abs(counts - samples * np.array(weights) / sum(weights)) <= 1 + 1e-9).all()


def test_the_set_depends_on_its_seed_alone() -> None:
    """Equal parameters give equal images to the bit; another seed gives others."""
    first, again, other = synthetic(), synthetic(), synthetic(seed=1)
    np.testing.assert_array_equal(first.train_images, again.train_images)
    np.testing.assert_array_equal(first.test_labels, again.test_labels)
    assert not np.array_equal(first.train_images, other.train_images)


def test_parts_do_not_depend_on_each_others_size() -> None:
    """The number of training samples changes the test set by its normalisation only."""
    small, large = synthetic(train_samples=100), synthetic(train_samples=1000)
    np.testing.assert_array_equal(small.test_labels, large.test_labels)
    slope, offset = np.polyfit(small.test_images.ravel(), large.test_images.ravel(), 1)
    np.testing.assert_allclose(slope * small.test_images + offset, large.test_images, atol=1e-4)


def test_training_and_test_samples_are_drawn_apart() -> None:
    """No test image is in the training set, and neither part is sorted by class."""
    dataset = synthetic(train_samples=400, test_samples=400)
    training, test = (images.reshape(400, -1) for images in (dataset.train_images, dataset.test_images))
    correlation = np.corrcoef(training, test)[:400, 400:]  # [training image, test image]
    assert correlation.max() < 0.95
    for labels in (dataset.train_labels, dataset.test_labels):
        assert set(range(7)) == set(labels[:60].tolist())


def test_defaults_are_learnable_but_not_trivial() -> None:
    """Class means do better than chance and worse than 0.95; a small network clearly beats them."""
    dataset = synthetic()
    means, network = accuracy(NearestCentroid(), dataset), accuracy(mlp(), dataset)
    assert 1.5 / dataset.classes < means < 0.95
    assert means + 0.1 < network


def test_noise_is_difficulty() -> None:
    """More noise lowers the accuracy of the same network, but never below that of guessing."""
    easy, hard = (accuracy(mlp(), synthetic((1, 8, 8), noise=noise)) for noise in (0.1, 1.5))
    assert 1 / 7 < hard < easy - 0.2


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"classes": 3, "class_weights": [1, 2]}, "lists 2 values for 3 classes"),
        ({"class_weights": [1, 0, 1, 1, 1, 1, 1]}, "greater than 0"),
        ({"class_weights": [1e308] * 7}, "less than or equal to 1000000"),  # their sum would overflow
        ({"classes": 1}, "greater than or equal to 2"),
        ({"sampels": 3}, "unknown key"),
    ],
)
def test_impossible_sets_are_refused(keys: dict[str, Any], message: str) -> None:
    """Class weights must be positive, one per class, and there must be at least two classes."""
    with pytest.raises(ValidationError, match=message):
        synthetic(**keys)
