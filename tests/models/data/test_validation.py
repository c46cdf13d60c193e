"""Validation samples leave the training set, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.models.data.dataset import Dataset, DatasetError
from cutlayer.models.data.validation import hold_out


def numbered(labels: list[int]) -> Dataset:
    """Return a data set whose training images are one pixel each: the sample's number; test images are −1."""
    images = np.arange(len(labels), dtype=np.float32).reshape(-1, 1, 1, 1)
    test = np.full((2, 1, 1, 1), -1, np.float32), np.array([0, 1])
    return Dataset("numbered", images, np.array(labels), *test, classes=5)


@given(
    labels=st.lists(st.integers(0, 4), min_size=10, max_size=80),
    share=st.floats(0.1, 0.9),
)
def test_held_out_samples_and_the_rest_are_the_training_set(labels: list[int], share: float) -> None:
    """Each sample is on exactly one side, each class in proportion, and the test set is unchanged."""
    whole = numbered(labels)
    counts = [round(share * labels.count(label)) for label in range(5)]
    if sum(counts) in (0, len(labels)):
        return  # refused, as the next test says
    split = hold_out(whole, share)
    assert split.validation is not None
    images, held = split.validation
    sides = [
        *zip(split.train_images.ravel().tolist(), split.train_labels.tolist(), strict=True),
        *zip(images.ravel().tolist(), held.tolist(), strict=True),
    ]
    assert list(enumerate(labels)) == sorted(sides)
    assert counts == np.bincount(held, minlength=5).tolist()
    assert split.test_images is whole.test_images
    assert split.test_labels is whole.test_labels


def test_no_share_leaves_the_data_set_as_it_is() -> None:
    """A share of 0 returns the same object, without validation samples."""
    whole = numbered([0, 1, 2])
    assert whole is hold_out(whole, 0.0)
    assert whole.validation is None


@pytest.mark.parametrize(
    ("share", "sides"),
    [(0.01, "0 for validation and 12 for training"), (0.99, "12 for validation and 0 for training")],
)
def test_a_share_that_empties_a_side_is_refused(share: float, sides: str) -> None:
    """The message states the share, the data set, its size and the number of samples on each side."""
    with pytest.raises(DatasetError, match=f"{share:g} of the 12 samples of numbered gives {sides}"):
        hold_out(numbered([0, 1, 2] * 4), share)
