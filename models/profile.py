"""Computes the costs of each unit of a model: FLOPs, bits, and the memory that autograd uses.

The model runs on torch's "meta" device, so nothing is computed.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from ..scenarios.model_costs.training_memory import AutogradMemory, assumed_autograd_memory
from ..scenarios.model_costs.unit_table import UnitTable, unit_table_csv
from ..scenarios.registry import lookup
from .networks.parameters import (
    ImageModelParameters,
    LenetParameters,
    MlpParameters,
    ResnetParameters,
    VggParameters,
)

__all__ = ["COMMITTED", "built_profile", "profile", "write_tables"]

COMMITTED: tuple[ImageModelParameters, ...] = (
    MlpParameters(name="mlp", input_shape=(1, 8, 8), classes=10),
    MlpParameters(name="mlp", input_shape=(1, 28, 28), classes=10),
    LenetParameters(name="lenet", input_shape=(1, 8, 8), classes=10),
    LenetParameters(name="lenet", input_shape=(1, 28, 28), classes=10),
    ResnetParameters(name="resnet18", input_shape=(3, 64, 64), classes=7),
    ResnetParameters(name="resnet18", input_shape=(3, 32, 32), classes=10),
    ResnetParameters(name="resnet101_basic", input_shape=(3, 32, 32), classes=10),
    VggParameters(name="vgg16", input_shape=(3, 32, 32), classes=10),
    VggParameters(name="vgg19", input_shape=(3, 32, 32), classes=10),
)
"""Models whose unit tables are part of the package, so that their timelines need no torch."""

# torch counts a multiply-accumulate as two, the papers as one (docs/model.md section 1)
TORCH_FLOPS_PER_MULTIPLY_ACCUMULATE = 2
# the usual ratio: the gradients of inputs and of weights each cost as much as the forward pass
BACKWARD_PER_FORWARD = 2


def profile(model: nn.Sequential, input_shape: Sequence[int]) -> UnitTable:
    """Return the unit table of a model, whose children are the units (docs/model.md section 1).

    FLOPs of matrix products and convolutions are counted, and no others. Memory is that of a training step
    with a cross-entropy loss: autograd reports each tensor that it keeps. The model is not changed.

    Parameters
    ----------
    model : nn.Sequential
        The units 1..L.
    input_shape : sequence of int
        Shape of one sample, without the batch dimension.

    Raises
    ------
    ValueError
        If a unit cannot process the output of the previous unit, or its output is not one row per sample.
    """
    return _profile_units(model, input_shape)[0]


def _profile_units(model: nn.Sequential, input_shape: Sequence[int]) -> tuple[UnitTable, torch.Size]:
    """Return the unit table and the shape of one sample's output."""
    units = copy.deepcopy(model).to("meta").eval()  # batch norm can't train on one sample
    dtype = next((p.dtype for p in units.parameters() if p.is_floating_point()), torch.float32)
    values = torch.empty(1, *input_shape, dtype=dtype, device="meta")
    forward_flops, activation_bits, parameter_bits = [], [], []
    for name, unit in units._modules.items():  # named_children leaves out a module's second occurrence
        assert unit is not None
        values, flops = _run(name, unit, values)
        forward_flops.append(flops)
        activation_bits.append(_bits(values))
        parameter_bits.append(sum(_bits(tensor) for tensor in (*unit.parameters(), *unit.buffers())))
    forward = np.array(forward_flops, dtype=np.float64)
    activations = np.array(activation_bits, dtype=np.float64)
    parameters = np.array(parameter_bits, dtype=np.float64)
    table = UnitTable(
        units=tuple(units._modules),
        forward_flops=forward,
        backward_flops=BACKWARD_PER_FORWARD * forward,
        activation_bits=activations,
        gradient_bits=activations.copy(),
        parameter_bits=parameters,
        autograd=_autograd_memory(units, input_shape, dtype, activations, parameters),
    )
    return table, values.shape[1:]


def _run(name: str, unit: nn.Module, values: Tensor) -> tuple[Tensor, float]:
    """Return the output of the unit for one sample, and its number of multiply-accumulates."""
    counter = FlopCounterMode(display=False)
    shape = _text(values.shape[1:])
    try:
        with torch.no_grad(), counter:
            result: Any = unit(values)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"unit {name!r} doesn't take a sample of {shape}: {reason}") from error
    if not isinstance(result, Tensor):
        raise ValueError(f"unit {name!r} must give one tensor; it gives {type(result).__name__}")
    if result.shape[:1] != (1,):
        raise ValueError(
            f"unit {name!r} must keep the batch dimension; "
            f"it makes {list(result.shape)} of {list(values.shape)}"
        )
    return result, counter.get_total_flops() / TORCH_FLOPS_PER_MULTIPLY_ACCUMULATE


def _autograd_memory(
    units: nn.Sequential,
    input_shape: Sequence[int],
    dtype: torch.dtype,
    activation_bits: NDArray[np.float64],
    parameter_bits: NDArray[np.float64],
) -> AutogradMemory:
    """Return the memory of the units, from training passes on two and on three samples.

    The passes run without values. If a unit needs the values of its tensors for training, the memory is
    assumed from the sizes of parameters and outputs.
    """
    for module in units.train().modules():
        if hasattr(module, "inplace"):  # as in training: no unit may overwrite what it receives
            setattr(module, "inplace", False)  # noqa: B010 - torch types attributes as tensors
        if isinstance(module, _BatchNorm) and module.momentum is None:
            module.momentum = 0.1  # a cumulative average reads a value, and keeps no more than a moving one
    try:
        with torch.random.fork_rng(devices=[]):  # dropout draws random values
            two, three = (_training_pass(units, (rows, *input_shape), dtype) for rows in (2, 3))
    except RuntimeError:
        return assumed_autograd_memory(activation_bits, parameter_bits)
    # autograd keeps the values of a sample two and three times, and those of a batch once
    sample_bits = three.saved_bits - two.saved_bits
    return AutogradMemory(
        trained_bits=two.trained_bits,
        saved_bits=sample_bits,
        saved_batch_bits=np.maximum(two.saved_bits - 2 * sample_bits, 0.0),
        unsaved_output_bits=three.unsaved_output_bits - two.unsaved_output_bits,
    )


def _training_pass(units: nn.Sequential, shape: tuple[int, ...], dtype: torch.dtype) -> AutogradMemory:
    """Return the memory of the units for all samples of a mini-batch of this shape.

    Tensors that are views of one storage count once. A storage belongs to the unit that creates it, the input
    to the first unit, and what the loss keeps to the last unit.
    """
    batch = torch.empty(*shape, dtype=dtype, device="meta")
    resident = {_storage(tensor) for tensor in (*units.parameters(), *units.buffers())}
    kept = {_storage(batch): batch}
    creators = {_storage(batch): 0}
    outputs: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        if _storage(tensor) not in resident:
            kept.setdefault(_storage(tensor), tensor)
            creators.setdefault(_storage(tensor), min(len(outputs), len(units) - 1))
        return tensor

    values = batch
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        for unit in units._modules.values():
            assert unit is not None
            values = unit(values)
            creators.setdefault(_storage(values), len(outputs))
            outputs.append(values)
        loss = _loss(values)
    saved_bits = np.zeros(len(units))
    for storage, tensor in kept.items():
        saved_bits[creators[storage]] += 8 * tensor.untyped_storage().nbytes()
    del loss  # with it autograd's graph, whose tensors had to stay until they were counted
    trained_bits = [
        sum(_bits(tensor) for tensor in unit.parameters() if tensor.requires_grad)
        for unit in units._modules.values()
        if unit is not None
    ]
    unsaved = [0 if _storage(output) in kept else _bits(output) for output in outputs]
    return AutogradMemory(
        np.array(trained_bits, dtype=np.float64),
        saved_bits,
        np.zeros(len(units)),
        np.array(unsaved, dtype=np.float64),
    )


def _loss(logits: Tensor) -> Tensor:
    """Return a weighted cross-entropy, as the learners use it; 0 if the outputs are not logits of classes."""
    if logits.dim() != 2:
        return logits.new_zeros(())
    labels = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
    losses = functional.cross_entropy(logits, labels, reduction="none")
    return losses @ losses.new_empty(len(logits))


def _storage(tensor: Tensor) -> int:
    """Return a number that tensors on the same memory have in common, as long as one of them exists."""
    return int(tensor.untyped_storage()._cdata)


def _bits(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size() * 8


def _text(shape: torch.Size) -> str:
    return "x".join(str(size) for size in shape)


def built_profile(parameters: ImageModelParameters) -> UnitTable:
    """Build a registered model and return its unit table. The state of torch's generator does not change.

    Raises
    ------
    ValueError
        As in ``profile``, and if the number of the model's outputs is not the number of classes.
    """
    build = lookup("model", parameters.name).load()
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        model: nn.Sequential = build(parameters)
    table, output = _profile_units(model, parameters.input_shape)
    if output != (parameters.classes,):
        raise ValueError(
            f"model {parameters.name!r} gives {_text(output)} values a sample; "
            f"classes is {parameters.classes}"
        )
    return table


def write_tables(folder: Path) -> None:
    """Write the unit tables that are part of the package. Call this after a network has changed.

    Parameters
    ----------
    folder : Path
        Folder of the files ``<table_name>.csv``.
    """
    for parameters in COMMITTED:
        text = unit_table_csv(built_profile(parameters))
        (folder / f"{parameters.table_name}.csv").write_text(text, encoding="utf-8")
