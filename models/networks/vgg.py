"""VGG-16 and VGG-19 with batch norm, for images from 32x32 pixels.

Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015, Table 1,
configurations D and E. Batch norm replaces the dropout and follows every convolution, which has no bias. The
input size of the first fully connected layer depends on the image: 512x7x7 values for the paper's 224x224,
and 512 values for 32x32.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from .mlp import ACTIVATIONS, dense_units
from .parameters import Activation, VggParameters
from .pooling import HalvingMaxPool

__all__ = ["build"]

STAGE_CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS_PER_STAGE = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
HIDDEN = (4096, 4096)


def build(parameters: VggParameters) -> nn.Sequential:
    """Return the units conv1_1, …, pool1, …, fc1..fc3. Weights come from torch's global generator."""
    channels, height, width = parameters.input_shape
    units: OrderedDict[str, nn.Module] = OrderedDict()
    convolutions = CONVOLUTIONS_PER_STAGE[parameters.name]
    for stage, (count, outputs) in enumerate(zip(convolutions, STAGE_CHANNELS, strict=True), start=1):
        for position in range(1, count + 1):
            units[f"conv{stage}_{position}"] = _convolution(channels, outputs, parameters.activation)
            channels = outputs
        units[f"pool{stage}"] = HalvingMaxPool()
        height, width = height // 2, width // 2
    units |= dense_units(channels * height * width, (*HIDDEN, parameters.classes), parameters.activation)
    return nn.Sequential(units)


def _convolution(inputs: int, outputs: int, activation: Activation) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        ACTIVATIONS[activation](),
    )
