"""ResNets of He, Zhang, Ren, Sun, "Deep residual learning for image recognition", 2016, Table 1.

This module builds ResNet-18 and the ResNet-101 of MP-SL's testbed. The latter has basic blocks instead of
bottlenecks, and its shortcuts between stages are 3x3 convolutions instead of the paper's 1x1 projections.

Each basic block is one unit. A cut inside a block would have to transmit its shortcut too.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from .mlp import ACTIVATIONS
from .parameters import Activation, ResnetParameters

__all__ = ["BasicBlock", "build"]

STAGE_CHANNELS = (64, 128, 256, 512)
BLOCKS_PER_STAGE = {"resnet18": (2, 2, 2, 2), "resnet101_basic": (3, 4, 23, 3)}
# MP-SL publishes the sizes of these blocks, 1169.6, 4631.6 and 18467.6 KiB: they hold 3x3 convolutions.
SHORTCUT_KERNEL = {"resnet18": 1, "resnet101_basic": 3}


def build(parameters: ResnetParameters) -> nn.Sequential:
    """Return the units stem, maxpool, block1, …, avgpool, fc. Weights come from torch's global generator."""
    width = STAGE_CHANNELS[0]
    units: OrderedDict[str, nn.Module] = OrderedDict()
    units["stem"] = nn.Sequential(
        nn.Conv2d(parameters.input_shape[0], width, kernel_size=7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(width),
        ACTIVATIONS[parameters.activation](),
    )
    units["maxpool"] = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
    number = 0
    for stage, outputs in enumerate(STAGE_CHANNELS):
        for position in range(BLOCKS_PER_STAGE[parameters.name][stage]):
            number += 1
            stride = 2 if stage and not position else 1
            units[f"block{number}"] = BasicBlock(
                width, outputs, stride, parameters.activation, SHORTCUT_KERNEL[parameters.name]
            )
            width = outputs
    units["avgpool"] = nn.AdaptiveAvgPool2d(1)
    units["fc"] = nn.Sequential(nn.Flatten(), nn.Linear(width, parameters.classes))
    return nn.Sequential(units)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: He et al. 2016, Figure 2, with option B (a projection).

    Parameters
    ----------
    inputs, outputs : int
        Number of channels.
    stride : int
        Stride of the first convolution and of the projection.
    activation : {"relu", "gelu", "tanh", "sigmoid", "identity"}
        The function that follows the first batch norm, and the sum.
    shortcut_kernel : int
        Height and width of the projection's kernel, an odd number.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, activation: Activation, shortcut_kernel: int
    ) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            ACTIVATIONS[activation](),
            nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(
                    inputs,
                    outputs,
                    kernel_size=shortcut_kernel,
                    stride=stride,
                    padding=shortcut_kernel // 2,
                    bias=False,
                ),
                nn.BatchNorm2d(outputs),
            )
        self.activation = ACTIVATIONS[activation]()

    def forward(self, values: Tensor) -> Tensor:
        """Return ``[num_rows, outputs, height/stride, width/stride]``."""
        result: Tensor = self.activation(self.residual(values) + self.shortcut(values))
        return result
