"""Registers the data sets that a scenario can name.

The entry point of a data set has the signature ``load(parameters, input_shape) -> Dataset``. Entry points are
strings, so a data set and its libraries are imported only when it is loaded.
"""

from __future__ import annotations

from ...scenarios.registry import register
from .cifar10 import Cifar10Parameters
from .digits import DigitsParameters
from .ham10000 import Ham10000Parameters
from .medmnist import MedMnistParameters
from .mnist import MnistParameters
from .synthetic import SyntheticParameters

__all__: list[str] = []

register(
    "dataset",
    "digits",
    f"{__package__}.digits:load",
    parameters=DigitsParameters,
    summary="scikit-learn's handwritten digits, 1x8x8, 10 classes, nothing to download",
)
register(
    "dataset",
    "synthetic",
    f"{__package__}.synthetic:load",
    parameters=SyntheticParameters,
    summary="seeded images of the model's shape, with any number and balance of classes",
)
register(
    "dataset",
    "mnist",
    f"{__package__}.mnist:load",
    parameters=MnistParameters,
    summary="MNIST or Fashion-MNIST from its IDX files, 1x28x28, 10 classes",
)
register(
    "dataset",
    "cifar10",
    f"{__package__}.cifar10:load",
    parameters=Cifar10Parameters,
    summary="CIFAR-10 from its python batches, 3x32x32, 10 classes",
)
register(
    "dataset",
    "medmnist",
    f"{__package__}.medmnist:load",
    parameters=MedMnistParameters,
    summary="a two-dimensional MedMNIST set from its .npz file",
)
register(
    "dataset",
    "ham10000",
    f"{__package__}.ham10000:load",
    parameters=Ham10000Parameters,
    summary="HAM10000 skin lesions, resized to the model's input, 7 classes",
)
