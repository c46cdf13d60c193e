"""Data sets in memory: checks, splits and normalisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.models.data.dataset import (
    Dataset,
    DatasetError,
    DatasetFileError,
    reading,
    standardised,
    stratified_split,
)

GOOD: dict[str, Any] = {
    "train_images": np.zeros((4, 2, 3, 5), np.float32),
    "train_labels": np.array([0, 1, 2, 2]),
    "test_images": np.zeros((2, 2, 3, 5), np.float32),
    "test_labels": np.array([2, 0]),
    "classes": 3,
}


def test_input_shape_is_that_of_an_image() -> None:
    """The input shape is channels, height, width, without the number of samples."""
    assert (2, 3, 5) == Dataset("toy", **GOOD).input_shape


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("train_images", np.zeros((4, 2, 3, 5)), "toy: train_images .* float32.*float64"),
        ("train_images", np.zeros((4, 3, 5), np.float32), r"toy: train_images .*\[4, 3, 5\]"),
        ("test_images", np.zeros((0, 2, 3, 5), np.float32), "toy: test_images .* at least one"),
        ("test_images", np.zeros((2, 2, 5, 3), np.float32), "toy: .*one shape.*2, 3, 5.*2, 5, 3"),
        ("test_images", np.full((2, 2, 3, 5), np.nan, np.float32), "toy: test_images must be finite"),
        ("train_labels", np.array([0, 1, 2]), r"toy: train_labels must be \[4\].*\[3\]"),
        ("train_labels", np.array([0, 1, 2, 2], np.int32), "toy: train_labels .* int64.*int32"),
        ("train_labels", np.array([0, 1, 3, 2]), r"toy: train_labels must be in 0\.\.2; 3 is not"),
        ("test_labels", np.array([-1, 2]), r"toy: test_labels must be in 0\.\.2; -1 is not"),
    ],
)
def test_a_data_set_refuses_what_is_not_one(part: str, value: object, message: str) -> None:
    """Types, shapes, counts, the range of labels and finiteness are checked; the message names the fault."""
    with pytest.raises(DatasetError, match=message):
        Dataset("toy", **{**GOOD, part: value})


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=80),
    test_share=st.floats(0.05, 0.95),
)
def test_the_split_takes_its_share_of_every_class(labels: list[int], test_share: float) -> None:
    """Both sides are disjoint, cover all samples, and split every class in proportion."""
    array = np.array(labels)
    train, test = stratified_split(array, test_share)
    assert list(range(len(labels))) == sorted([*train, *test])
    for label in set(labels):
        assert round(test_share * labels.count(label)) == np.count_nonzero(array[test] == label)


def test_the_split_is_fixed_but_not_in_file_order() -> None:
    """Equal labels give equal splits, and a split is not a plain cut at one position."""
    labels = np.zeros(100, np.int64)
    _, first = stratified_split(labels, 0.2)
    _, second = stratified_split(labels, 0.2)
    assert first.tolist() == second.tolist()
    assert first.tolist() not in (list(range(20)), list(range(80, 100)))


def test_both_parts_are_normalised_by_the_training_set_alone() -> None:
    """Channels have mean 0 and variance 1 over the training set; test images are transformed equally."""
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, size=(50, 3, 4, 4), dtype=np.uint8)
    test = rng.integers(0, 100, size=(20, 3, 4, 4), dtype=np.uint8)
    labels = np.zeros(50, np.uint8)
    dataset = standardised("toy", train=(train, labels), test=(test, labels[:20]), classes=1)
    mean = train.mean(axis=(0, 2, 3), keepdims=True)
    deviation = train.std(axis=(0, 2, 3), keepdims=True)
    np.testing.assert_allclose((train - mean) / deviation, dataset.train_images, atol=1e-6)
    np.testing.assert_allclose((test - mean) / deviation, dataset.test_images, atol=1e-6)
    np.testing.assert_allclose(np.zeros(3), dataset.train_images.mean(axis=(0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(np.ones(3), dataset.train_images.std(axis=(0, 2, 3)), atol=1e-6)


def test_a_constant_channel_stays_finite() -> None:
    """A channel without variance becomes 0 in the training set instead of being divided by 0."""
    images = np.full((3, 1, 2, 2), 7, np.uint8)
    dataset = standardised("toy", train=(images, np.arange(3)), test=(images, np.arange(3)), classes=3)
    assert not dataset.train_images.any()


def test_an_empty_part_is_refused() -> None:
    """A data set without test images is an error that states both numbers."""
    images = np.zeros((3, 1, 2, 2), np.uint8)
    with pytest.raises(DatasetError, match=r"toy: .* it has 3 and 0"):
        standardised("toy", train=(images, np.arange(3)), test=(images[:0], np.arange(0)), classes=3)


@pytest.mark.parametrize(
    "error", [ValueError("bad"), EOFError("bad"), OSError("bad"), NotImplementedError("bad")]
)
def test_faults_of_a_file_name_it_and_its_source(error: Exception) -> None:
    """Every exception about a broken file becomes one error with path, fault and source."""
    with (
        pytest.raises(DatasetFileError, match=r"^folder/file: bad; the data set comes from there$"),
        reading(Path("outer"), "elsewhere"),
        reading(Path("folder/file"), "there"),
    ):
        raise error
