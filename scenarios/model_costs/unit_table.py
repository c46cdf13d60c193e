"""The unit table: FLOPs and bits of each indivisible unit of a model, per sample."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..text import control_character
from .csv_text import csv_text

__all__ = ["UnitTable", "UnitTableError", "read_unit_table", "unit_table_csv"]

UNITS_MAX = 10_000
VALUE_MAX = 1e30
"""Largest number of FLOPs or bits of one unit, far beyond every network."""

COLUMNS = ("forward_flops", "backward_flops", "activation_bits", "gradient_bits", "parameter_bits")


class UnitTableError(ValueError):
    """A unit table that cannot be used; the message names the file, the row and the rule."""


@dataclass(frozen=True)
class UnitTable:
    """Units 1..L of a model in order (docs/model.md section 1); one multiply-accumulate is one FLOP.

    Attributes
    ----------
    units : tuple of str
        Names of the L units.
    forward_flops, backward_flops : [num_units], float
        FLOPs of one unit for one sample, [FLOP]; not cumulative.
    activation_bits, gradient_bits : [num_units], float
        Bits of the activations leaving the unit, and of their gradients, for one sample, [bit].
    parameter_bits : [num_units], float
        Bits of the unit's parameters and buffers, [bit].
    """

    units: tuple[str, ...]
    forward_flops: NDArray[np.float64]
    backward_flops: NDArray[np.float64]
    activation_bits: NDArray[np.float64]
    gradient_bits: NDArray[np.float64]
    parameter_bits: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not self.units:
            raise UnitTableError("a model needs at least one unit")
        for column in COLUMNS:
            values = getattr(self, column)
            if values.shape != (len(self.units),):
                raise UnitTableError(f"{column} has {values.size} values for {len(self.units)} units")
            invalid = np.flatnonzero(~((values >= 0) & (values <= VALUE_MAX)))
            if invalid.size:
                unit, value = self.units[invalid[0]], values[invalid[0]]
                rule = f"at most {VALUE_MAX:g}" if value > VALUE_MAX else "0 or more"
                raise UnitTableError(f"unit {unit!r}: {column} is {value:g}; it must be {rule}")

    def __len__(self) -> int:
        """Return L, the number of units."""
        return len(self.units)

    def forward_flops_to(self, cut: int) -> float:
        """Return ρ_j, the forward FLOPs of units 1..j for one sample."""
        return float(self.forward_flops[:cut].sum())

    def backward_flops_to(self, cut: int) -> float:
        """Return ϖ_j, the backward FLOPs of units 1..j for one sample."""
        return float(self.backward_flops[:cut].sum())

    def activation_bits_at(self, cut: int) -> float:
        """Return ψ_j, the bits of the smashed data of one sample."""
        return float(self.activation_bits[cut - 1])

    def gradient_bits_at(self, cut: int) -> float:
        """Return χ_j, the bits of the activation gradients of one sample."""
        return float(self.gradient_bits[cut - 1])

    def parameter_bits_to(self, cut: int) -> float:
        """Return Λ_j, the bits of the parameters and buffers of units 1..j."""
        return float(self.parameter_bits[:cut].sum())

    def memory_bits(self, first: int, end: int, batch_size: int) -> float:
        """Return the memory for training units ``first`` to ``end - 1``: weights and activations, [bit]."""
        per_sample = self.activation_bits[first:end].sum()
        return float(self.parameter_bits[first:end].sum() + batch_size * per_sample)


def read_unit_table(path: Path) -> UnitTable:
    """Read a unit table: ``unit,forward_flops,backward_flops,activation_bits,gradient_bits,parameter_bits``.

    Raises
    ------
    UnitTableError
        If the file or a column is missing, or a value is not a number of 0 or more.
    """
    try:
        text = csv_text(path)
    except (OSError, ValueError) as error:
        raise UnitTableError(f"cannot read the unit table {path}: {error}") from None
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:  # for example a cell of more than 128 KiB
        raise UnitTableError(f"cannot read the unit table {path}: {error}") from None
    header = ["unit", *COLUMNS]
    if not rows or rows[0] != header:
        raise UnitTableError(f"{path}:1: the header must be {','.join(header)}")
    if len(rows) > UNITS_MAX:
        raise UnitTableError(f"{path} has {len(rows) - 1:,} units; at most {UNITS_MAX:,} are allowed")
    values: list[list[float]] = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            values.append([float(value) for value in row[1:]])
        except ValueError as error:
            raise UnitTableError(f"{path}:{number}: {error}") from None
        if row and (escape := control_character(row[0])) is not None:
            raise UnitTableError(f"{path}:{number}: a unit's name has the control character {escape}")
        if len(row) != len(header):
            raise UnitTableError(f"{path}:{number}: {len(row)} values, {len(header)} expected")
    columns = np.array(values, dtype=np.float64).reshape(len(values), len(COLUMNS)).T
    try:
        return UnitTable(tuple(row[0] for row in rows[1:]), *columns)
    except UnitTableError as error:
        raise UnitTableError(f"{path}: {error}") from None


def unit_table_csv(table: UnitTable) -> str:
    """Return the table as CSV text with one row for each unit and numbers in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("unit", *COLUMNS))
    for index, unit in enumerate(table.units):
        numbers = (float(getattr(table, column)[index]) for column in COLUMNS)
        writer.writerow((unit, *(f"{n:.0f}" if n.is_integer() else repr(n) for n in numbers)))
    return text.getvalue()
