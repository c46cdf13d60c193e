"""A small convolutional network after LeNet-5, without batch norm, for images from 4x4 pixels.

LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998: two 5x5
convolutions, each followed by a pooling that halves height and width, then fully connected layers. The
original has no padding, average pooling, 6 and 16 channels, and two hidden layers. This network pads the
convolutions, so that images of 8x8 are large enough, and has max pooling, 16 and 32 channels, and one hidden
layer of 64 neurons.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from .mlp import ACTIVATIONS, dense_units
from .parameters import Activation, LenetParameters
from .pooling import HalvingMaxPool

__all__ = ["build"]

CHANNELS = (16, 32)
HIDDEN = 64


def build(parameters: LenetParameters) -> nn.Sequential:
    """Return the units conv1, pool1, conv2, pool2, fc1, fc2, with weights from torch's global generator."""
    channels, height, width = parameters.input_shape
    units: OrderedDict[str, nn.Module] = OrderedDict()
    for number, outputs in enumerate(CHANNELS, start=1):
        units[f"conv{number}"] = _convolution(channels, outputs, parameters.activation)
        units[f"pool{number}"] = HalvingMaxPool()
        channels, height, width = outputs, height // 2, width // 2
    units |= dense_units(channels * height * width, (HIDDEN, parameters.classes), parameters.activation)
    return nn.Sequential(units)


def _convolution(inputs: int, outputs: int, activation: Activation) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel_size=5, padding=2), ACTIVATIONS[activation]())
