"""The parameters of models in scenarios. This module does not import torch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, field_validator

from ...scenarios.registry import Parameters
from ...scenarios.schema.fields import WHOLE_NUMBER, ScenarioPath

__all__ = [
    "Activation",
    "ImageModelParameters",
    "ImportedParameters",
    "LenetParameters",
    "MeasuredParameters",
    "MlpParameters",
    "ResnetParameters",
    "TableParameters",
    "VggParameters",
]

Activation: TypeAlias = Literal["relu", "gelu", "tanh", "sigmoid", "identity"]
CLASSES_MAX = 1_000_000
SIDE_MAX = 100_000
WIDTH_MAX = 1_000_000
LAYERS_MAX = 1000
Size = Annotated[int, Field(ge=1, le=SIDE_MAX), WHOLE_NUMBER]
Width = Annotated[int, Field(ge=1, le=WIDTH_MAX), WHOLE_NUMBER]
InputShape: TypeAlias = tuple[Size, Size, Size]


class ImageModelParameters(Parameters):
    """Parameters of every trainable model: the shape of its images and the number of classes."""

    least_side: ClassVar[int] = 1
    """The smallest height and width of an image that the model's pooling layers can process."""

    input_shape: InputShape = Field(default=(3, 64, 64), description="channels, height, width")
    classes: Annotated[int, Field(ge=2, le=CLASSES_MAX), WHOLE_NUMBER] = Field(
        default=7, description="number of classes, which is that of the outputs"
    )
    profile: ScenarioPath | None = Field(
        default=None, description="folder of measured layer times, as many rows as units, in place of FLOPs"
    )

    @field_validator("input_shape")
    @classmethod
    def _large_enough(cls, shape: InputShape) -> InputShape:
        if min(shape[1:]) < cls.least_side:
            height, width = shape[1:]
            raise ValueError(
                f"images of {height}x{width} are too small for the model's pooling; "
                f"the least size is {cls.least_side}x{cls.least_side}"
            )
        return shape

    @property
    def table_name(self) -> str:
        """Return the name of the model's unit table; equal names mean equal tables.

        The activation is part of the name unless it is ReLU. It decides what autograd keeps.
        """
        activation = getattr(self, "activation", "relu")
        suffix = "" if activation == "relu" else f"_{activation}"
        return f"{self.name}_{'x'.join(str(size) for size in self.input_shape)}_{self.classes}{suffix}"


class MlpParameters(ImageModelParameters):
    """A multilayer perceptron: the widths of its hidden layers."""

    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=LAYERS_MAX)] = Field(
        default=(64, 64), description="numbers of neurons of the hidden layers, in their order"
    )
    activation: Activation = Field(default="relu", description="identity makes the model linear")

    @property
    def table_name(self) -> str:
        """Return the name with the hidden widths."""
        return f"{super().table_name}_{'-'.join(str(width) for width in self.hidden)}"


class LenetParameters(ImageModelParameters):
    """A small convolutional network."""

    least_side: ClassVar[int] = 4  # two poolings halve it

    activation: Activation = Field(default="relu", description="activation function")


class ResnetParameters(ImageModelParameters):
    """A ResNet of basic blocks. Its name states the depth."""

    name: Literal["resnet18", "resnet101_basic"]
    activation: Activation = Field(default="relu", description="activation function")


class VggParameters(ImageModelParameters):
    """A VGG network. Its name states the depth."""

    least_side: ClassVar[int] = 32  # five poolings halve it

    name: Literal["vgg16", "vgg19"]
    activation: Activation = Field(default="relu", description="activation function")


class ImportedParameters(ImageModelParameters):
    """A user's model."""

    factory: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")] = Field(
        description="package.module:name of an nn.Sequential, or of a function or class that returns one"
    )
    arguments: dict[str, Any] = Field(default={}, description="keyword arguments of the factory")


class TableParameters(Parameters):
    """A model without weights, described by its unit table: for timelines only."""

    file: ScenarioPath = Field(description="CSV file of the unit table")


class MeasuredParameters(Parameters):
    """A model without weights, described by measured layer times and sizes: for timelines only."""

    profile: ScenarioPath = Field(
        description="folder of measured layer times: a CSV a device, and memory.csv"
    )
