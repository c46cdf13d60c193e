"""The memory of a part of a model, written from docs/model.md section 8 alone."""

from __future__ import annotations

from cutlayer.scenarios.model_costs.unit_table import UnitTable

__all__ = ["ADAM", "batch_bits", "resident_bits", "training_bits"]

ADAM = 2
"""Values that Adam keeps for each parameter."""


def resident_bits(units: UnitTable, first: int, end: int, copies: int = ADAM) -> float:
    """Return what a part needs without a mini-batch: model, gradients and optimiser, [bit]."""
    assert units.autograd is not None
    trained_bits = units.autograd.trained_bits[first:end].sum()
    return float(units.parameter_bits[first:end].sum() + (1 + copies) * trained_bits)


def batch_bits(units: UnitTable, first: int, end: int, rows: int) -> float:
    """Return what a mini-batch adds: what autograd keeps, and input, output and gradients at the cuts."""
    own = units.autograd
    assert own is not None
    bits = rows * own.saved_bits[first:end].sum() + own.saved_batch_bits[first:end].sum()
    bits += rows * own.unsaved_output_bits[end - 1]
    if first > 0:
        bits += rows * (units.activation_bits[first - 1] + units.gradient_bits[first - 1])
    if end < len(units):
        bits += rows * units.gradient_bits[end - 1]
    return float(bits)


def training_bits(units: UnitTable, first: int, end: int, rows: int, copies: int = ADAM) -> float:
    """Return what the training of units ``first`` to ``end - 1`` needs, [bit]."""
    return resident_bits(units, first, end, copies) + batch_bits(units, first, end, rows)
