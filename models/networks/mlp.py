"""The multilayer perceptron, whose units are fully connected. ``identity`` activations make it linear."""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import pairwise

from torch import nn

from .parameters import Activation, MlpParameters

__all__ = ["ACTIVATIONS", "build", "dense_units"]

ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}


def dense_units(
    features: int, widths: tuple[int, ...], activation: Activation
) -> OrderedDict[str, nn.Module]:
    """Return the units fc1, fc2, …, one per layer. The first flattens its input; the last has no activation.

    Parameters
    ----------
    features : int
        Number of input values per sample of fc1.
    widths : tuple of int, [num_layers]
        Number of outputs of each layer; the last is the number of classes.
    activation : {"relu", "gelu", "tanh", "sigmoid", "identity"}
        The function that follows every layer but the last.
    """
    units: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (inputs, outputs) in enumerate(pairwise((features, *widths)), start=1):
        layers: list[nn.Module] = [nn.Linear(inputs, outputs)]
        if number == 1:
            layers.insert(0, nn.Flatten())
        if number < len(widths):
            layers.append(ACTIVATIONS[activation]())
        units[f"fc{number}"] = nn.Sequential(*layers) if len(layers) > 1 else layers[0]
    return units


def build(parameters: MlpParameters) -> nn.Sequential:
    """Return the perceptron with units fc1..fcL. Its weights come from torch's global generator."""
    widths = (*parameters.hidden, parameters.classes)
    return nn.Sequential(dense_units(math.prod(parameters.input_shape), widths, parameters.activation))
