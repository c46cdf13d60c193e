"""The memory for training a part of a model, by its contents (docs/model.md section 8)."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOSS_BITS_PER_ROW", "NO_MEMORY", "AutogradMemory", "PartMemory", "assumed_autograd_memory"]

SAVED_PER_OUTPUT = 4
"""Values that autograd is assumed to keep for each output value of a unit whose own number is not known.

A residual block with two convolutions keeps four tensors of the size of its output.
"""

LOSS_BITS_PER_ROW = 64 + 32
"""A row's label and its weight, [bit], which a loss keeps besides the log-softmax."""


@dataclass(frozen=True)
class PartMemory:
    """The memory for training a part of the model, [bit].

    Attributes
    ----------
    model_bits : float
        Parameters and buffers.
    gradient_bits : float
        Gradients of the parameters.
    optimizer_bits : float
        State of the optimiser: two values for each parameter with Adam, one with momentum.
    activation_bits : float
        The part's inputs, its outputs, and all that autograd keeps between forward and backward pass.
    cut_bits : float
        Gradients of the inputs and of the outputs at the cut layers, and tensors that wait for their turn.
    """

    model_bits: float = 0.0
    gradient_bits: float = 0.0
    optimizer_bits: float = 0.0
    activation_bits: float = 0.0
    cut_bits: float = 0.0

    @property
    def resident_bits(self) -> float:
        """Return the memory that does not depend on mini-batches, [bit]."""
        return self.model_bits + self.gradient_bits + self.optimizer_bits

    @property
    def batch_bits(self) -> float:
        """Return the memory that a mini-batch takes until its backward pass has ended, [bit]."""
        return self.activation_bits + self.cut_bits

    @property
    def total_bits(self) -> float:
        """Return the sum, [bit]."""
        return self.resident_bits + self.batch_bits

    def __add__(self, other: PartMemory) -> PartMemory:
        """Return the memory of both parts together."""
        return PartMemory(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, copies: float) -> PartMemory:
        """Return the memory of several copies."""
        return PartMemory(*(copies * getattr(self, f.name) for f in fields(self)))


NO_MEMORY = PartMemory()
"""The memory of a machine that holds no part of the model."""


@dataclass(frozen=True)
class AutogradMemory:
    """The memory of each unit in training besides its parameters, as autograd uses it.

    Attributes
    ----------
    trained_bits : [num_units], float
        Parameters that require a gradient, [bit]. Each has a gradient and a state of the optimiser.
    saved_bits : [num_units], float
        Tensors that the unit's forward pass creates for one sample and that autograd keeps for the backward
        pass, [bit]. The output counts if this unit or the next one keeps it. The first unit's value includes
        the model's input, the last unit's value the loss.
    saved_batch_bits : [num_units], float
        Tensors that autograd keeps once for a mini-batch of any size, such as a batch norm's means, [bit].
    unsaved_output_bits : [num_units], float
        The unit's output for one sample if autograd does not keep it, and 0 otherwise, [bit]. It counts where
        the unit is the last of a part.
    """

    trained_bits: NDArray[np.float64]
    saved_bits: NDArray[np.float64]
    saved_batch_bits: NDArray[np.float64]
    unsaved_output_bits: NDArray[np.float64]


def assumed_autograd_memory(
    activation_bits: NDArray[np.float64], parameter_bits: NDArray[np.float64]
) -> AutogradMemory:
    """Return the memory that is assumed for units of which only sizes are known.

    Every parameter is trained, and autograd keeps four values for each output value. Most units need less.

    Parameters
    ----------
    activation_bits, parameter_bits : [num_units], float
        Outputs of each unit for one sample, and its parameters, [bit].
    """
    nothing = np.zeros_like(activation_bits)
    return AutogradMemory(parameter_bits.copy(), SAVED_PER_OUTPUT * activation_bits, nothing, nothing)
