"""Synthetic images of any shape: smooth patterns with random shifts, contrasts, distractors and noise."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ...scenarios.random_streams import stream
from ...scenarios.registry import Parameters
from ...scenarios.schema.fields import WHOLE_NUMBER, NonNegative, Positive, PositiveInt, Seed
from .dataset import Dataset, standardised

__all__ = ["SyntheticParameters", "load"]

CLASSES_MAX = 1_000_000
DEFAULT_CLASSES = 7  # the classes of HAM10000, which this data set replaces
PATTERNS_PER_CLASS = 2  # more than one, so that the mean image does not describe a class
DISTRACTORS = 8
DISTRACTION = 0.75  # root mean square of the distractors, relative to the patterns of the classes
HIGHEST_FREQUENCY = 3  # cycles per image
SHIFT_SHARE = 0.125  # of height and width


class SyntheticParameters(Parameters):
    """Size, balance and difficulty of the data set; its images have the model's input shape."""

    classes: Annotated[int, Field(ge=2, le=CLASSES_MAX), WHOLE_NUMBER] | None = Field(
        default=None, description="by default, as many as the model has"
    )
    train_samples: PositiveInt = Field(
        default=2000, description="number of training samples, of all clients together"
    )
    test_samples: PositiveInt = Field(default=500, description="number of test samples")
    class_weights: tuple[Positive, ...] | None = Field(
        default=None, description="relative sizes of the classes, one each; equal by default"
    )
    seed: Seed = Field(default=0, description="of the data set, not of the scenario")
    noise: NonNegative = Field(default=0.5, description="standard deviation; the patterns' is 1")

    @model_validator(mode="after")
    def _one_weight_a_class(self) -> SyntheticParameters:
        weights = self.class_weights
        if weights is not None and len(weights) != self.num_classes:
            count = len(weights)
            raise ValueError(
                f"class_weights lists {count} values for {self.num_classes} classes; one each is needed"
            )
        return self

    @property
    def num_classes(self) -> int:
        """Return the number of classes, or its default."""
        return DEFAULT_CLASSES if self.classes is None else self.classes


def load(parameters: SyntheticParameters, input_shape: tuple[int, int, int]) -> Dataset:
    """Return images that are learnable but not trivial. Equal parameters and shapes give equal images.

    Each class has a few smooth random patterns. A sample is the sum of three terms: a pattern of its class;
    0.75 times a distractor, a smooth pattern that all classes share; and white noise. Pattern and distractor
    are shifted cyclically by up to an eighth of the image and scaled by U[0.5, 1.5]. The images are scaled
    per channel to mean 0 and variance 1 over the training set. The random draws of the
    training set do not depend on the size of the test set, nor the other way round.

    Parameters
    ----------
    parameters : SyntheticParameters
        Size, balance and difficulty of the data set.
    input_shape : tuple of int
        Channels, height and width of the images.
    """
    patterns = _smooth_fields(
        (parameters.num_classes, PATTERNS_PER_CLASS, *input_shape),
        stream(parameters.seed, "synthetic_patterns"),
    )
    distractors = _smooth_fields(
        (DISTRACTORS, *input_shape), stream(parameters.seed, "synthetic_distractors")
    )
    parts = [
        _samples(parameters, size, patterns, distractors, stream(parameters.seed, f"synthetic_{part}"))
        for part, size in (("train", parameters.train_samples), ("test", parameters.test_samples))
    ]
    return standardised("synthetic", train=parts[0], test=parts[1], classes=parameters.num_classes)


def _smooth_fields(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return periodic random fields of low frequency over the last two axes, with mean square 1."""
    spectrum = np.fft.fft2(rng.standard_normal(shape))
    rows, columns = (np.abs(np.fft.fftfreq(size, 1 / size)) <= HIGHEST_FREQUENCY for size in shape[-2:])
    fields = np.fft.ifft2(spectrum * np.outer(rows, columns)).real
    mean_square = np.square(fields).mean(axis=(-3, -2, -1), keepdims=True)
    scaled: NDArray[np.float32] = (fields / np.sqrt(mean_square)).astype(np.float32)
    return scaled


def _samples(
    parameters: SyntheticParameters,
    size: int,
    patterns: NDArray[np.float32],
    distractors: NDArray[np.float32],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the images, [size, channels, height, width], and labels, [size], of one part."""
    labels = rng.permutation(_balanced_labels(parameters, size))
    chosen = patterns[labels, rng.integers(patterns.shape[1], size=size)]
    common = distractors[rng.integers(DISTRACTORS, size=size)]
    images = _varied(chosen, rng) + DISTRACTION * _varied(common, rng)
    images += np.float32(parameters.noise) * rng.standard_normal(images.shape, dtype=np.float32)
    return images, labels


def _balanced_labels(parameters: SyntheticParameters, size: int) -> NDArray[np.int64]:
    """Return labels in rising order. The size of each class is within 1 of its weight's share."""
    weights = np.asarray(parameters.class_weights or np.ones(parameters.num_classes))
    bounds = np.rint(np.cumsum(weights) / weights.sum() * size).astype(np.int64)
    return np.repeat(np.arange(parameters.num_classes), np.diff(bounds, prepend=0))


def _varied(images: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return each image with a random cyclic shift and a random scale."""
    size, channels, height, width = images.shape

    def shifted(length: int) -> NDArray[np.int64]:
        most = round(SHIFT_SHARE * length)
        return (np.arange(length) + rng.integers(-most, most, size=(size, 1), endpoint=True)) % length

    rows, columns = shifted(height), shifted(width)
    scale = rng.uniform(0.5, 1.5, size=(size, 1, 1, 1)).astype(np.float32)
    sample, channel = np.arange(size).reshape(-1, 1, 1, 1), np.arange(channels).reshape(-1, 1, 1)
    return (
        scale
        * images[sample, channel, rows[:, np.newaxis, :, np.newaxis], columns[:, np.newaxis, np.newaxis]]
    )
