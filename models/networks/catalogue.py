"""Registers the models that a scenario can name. Importing this module does not import torch.

The entry point of a model has the signature ``(parameters) -> nn.Sequential`` of units. The models ``table``
and ``measured`` have no weights; their entry point has the signature ``(parameters) -> UnitTable``.
"""

from __future__ import annotations

from ...scenarios.registry import register
from .parameters import (
    ImportedParameters,
    LenetParameters,
    MeasuredParameters,
    MlpParameters,
    ResnetParameters,
    TableParameters,
    VggParameters,
)

__all__: list[str] = []

register(
    "model",
    "mlp",
    f"{__package__}.mlp:build",
    parameters=MlpParameters,
    summary="multilayer perceptron",
)
register(
    "model",
    "lenet",
    f"{__package__}.lenet:build",
    parameters=LenetParameters,
    summary="small convolutional network after LeNet-5, from 4x4 pixels (LeCun et al. 1998)",
)
register(
    "model",
    "resnet18",
    f"{__package__}.resnet:build",
    parameters=ResnetParameters,
    summary="ResNet-18, 12 units (He et al. 2016)",
)
register(
    "model",
    "resnet101_basic",
    f"{__package__}.resnet:build",
    parameters=ResnetParameters,
    summary="ResNet-101 with basic blocks, 37 units, as in MP-SL's testbed (Tirana et al. 2024)",
)
register(
    "model",
    "vgg16",
    f"{__package__}.vgg:build",
    parameters=VggParameters,
    summary="VGG-16 with batch norm, 21 units, from 32x32 pixels (Simonyan, Zisserman 2015)",
)
register(
    "model",
    "vgg19",
    f"{__package__}.vgg:build",
    parameters=VggParameters,
    summary="VGG-19 with batch norm, 24 units, from 32x32 pixels (Simonyan, Zisserman 2015)",
)
register(
    "model",
    "imported",
    f"{__package__}.imported:build",
    parameters=ImportedParameters,
    summary="your own nn.Sequential, by import path",
)
register(
    "model",
    "measured",
    "cutlayer.models.unit_tables:unit_table",
    parameters=MeasuredParameters,
    summary="measured layer times in a folder, for timelines of schemes that take them",
)
register(
    "model",
    "table",
    "cutlayer.models.unit_tables:unit_table",
    parameters=TableParameters,
    summary="a unit table in a CSV file, for timelines",
)
