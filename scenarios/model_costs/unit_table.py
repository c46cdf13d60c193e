"""The unit table: FLOPs and bits of each indivisible unit of a model, per sample, and its memory."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..text import control_character
from .csv_text import csv_text
from .training_memory import SAVED_PER_OUTPUT, AutogradMemory, PartMemory, assumed_autograd_memory

__all__ = ["UnitTable", "UnitTableError", "read_unit_table", "unit_table_csv"]

UNITS_MAX = 10_000
VALUE_MAX = 1e30
"""Largest number of FLOPs or bits of one unit, far beyond every network."""

COLUMNS = ("forward_flops", "backward_flops", "activation_bits", "gradient_bits", "parameter_bits")
MEMORY_COLUMNS = ("trained_bits", "saved_bits", "saved_batch_bits", "unsaved_output_bits")
"""Columns that a file may have besides, all of them or none: those of :class:`AutogradMemory`."""


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
    autograd : AutogradMemory or None
        The memory of the units in training. None if a part is said to need its parameters and the outputs of
        its units alone, as in the memory model of MP-SL (docs/model.md section 8).
    """

    units: tuple[str, ...]
    forward_flops: NDArray[np.float64]
    backward_flops: NDArray[np.float64]
    activation_bits: NDArray[np.float64]
    gradient_bits: NDArray[np.float64]
    parameter_bits: NDArray[np.float64]
    autograd: AutogradMemory | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not self.units:
            raise UnitTableError("a model needs at least one unit")
        columns = {column: getattr(self, column) for column in COLUMNS}
        if self.autograd is not None:
            columns |= {column: getattr(self.autograd, column) for column in MEMORY_COLUMNS}
        for column, values in columns.items():
            if values.shape != (len(self.units),):
                raise UnitTableError(f"{column} has {values.size} values for {len(self.units)} units")
            # a table without columns of memory gets values that are greater than its outputs
            largest = VALUE_MAX if column in COLUMNS else SAVED_PER_OUTPUT * VALUE_MAX
            invalid = np.flatnonzero(~((values >= 0) & (values <= largest)))
            if invalid.size:
                unit, value = self.units[invalid[0]], values[invalid[0]]
                rule = f"at most {largest:g}" if value > largest else "0 or more"
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

    def part_memory(self, first: int, end: int, rows: int, optimizer_copies: int) -> PartMemory:
        """Return the memory for training units ``first`` to ``end - 1``, counted from 0.

        Parameters
        ----------
        rows : int
            Samples of the mini-batch.
        optimizer_copies : int
            Values that the optimiser keeps for each parameter.
        """
        units = slice(first, end)
        model_bits = float(self.parameter_bits[units].sum())
        if self.autograd is None:
            return PartMemory(model_bits, activation_bits=rows * float(self.activation_bits[units].sum()))
        if first >= end:
            return PartMemory()
        own = self.autograd
        trained_bits = float(own.trained_bits[units].sum())
        sample_bits = float(own.saved_bits[units].sum() + own.unsaved_output_bits[end - 1])
        cut_bits = 0.0
        if first:
            sample_bits += float(self.activation_bits[first - 1])
            cut_bits += float(self.gradient_bits[first - 1])
        if end < len(self):
            cut_bits += float(self.gradient_bits[end - 1])
        return PartMemory(
            model_bits,
            trained_bits,
            optimizer_copies * trained_bits,
            rows * sample_bits + float(own.saved_batch_bits[units].sum()),
            rows * cut_bits,
        )

    def cut_memory_bits(self, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the memory that a part's ends add to that of its units, two of [num_units + 1], [bit].

        A part of units ``first`` to ``end - 1`` needs the memory of its units inside a longer part, the first
        array's value at ``first``, and the second array's value at ``end``.

        Parameters
        ----------
        rows : int
            Samples of the mini-batch.
        """
        begin_bits, end_bits = np.zeros(len(self) + 1), np.zeros(len(self) + 1)
        if self.autograd is not None:
            begin_bits[1:] = rows * (self.activation_bits + self.gradient_bits)
            end_bits[1:] = rows * self.autograd.unsaved_output_bits
            end_bits[1:-1] += rows * self.gradient_bits[:-1]
        return begin_bits, end_bits

    def unit_memory_bits(self, rows: int, optimizer_copies: int) -> NDArray[np.float64]:
        """Return the memory of each unit inside a longer part, [num_units], [bit].

        Parameters
        ----------
        rows : int
            Samples of the mini-batch.
        optimizer_copies : int
            Values that the optimiser keeps for each parameter.
        """
        if self.autograd is None:
            return self.parameter_bits + rows * self.activation_bits
        trained_bits = (1 + optimizer_copies) * self.autograd.trained_bits
        saved_bits = rows * self.autograd.saved_bits + self.autograd.saved_batch_bits
        return self.parameter_bits + trained_bits + saved_bits


def read_unit_table(path: Path) -> UnitTable:
    """Read a unit table: ``unit,forward_flops,backward_flops,activation_bits,gradient_bits,parameter_bits``.

    Four more columns may give the memory of the units: ``trained_bits,saved_bits,saved_batch_bits,
    unsaved_output_bits``. Without them autograd is assumed to keep four values for each output value.

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
    if rows and rows[0] == [*header, *MEMORY_COLUMNS]:
        header = rows[0]
    if not rows or rows[0] != header:
        raise UnitTableError(
            f"{path}:1: the header must be {','.join(header)}, optionally with the columns of memory"
            f" {','.join(MEMORY_COLUMNS)} behind them"
        )
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
    columns = np.array(values, dtype=np.float64).reshape(len(values), len(header) - 1).T
    try:
        return _table(tuple(row[0] for row in rows[1:]), list(columns))
    except UnitTableError as error:
        raise UnitTableError(f"{path}: {error}") from None


def _table(names: tuple[str, ...], columns: list[NDArray[np.float64]]) -> UnitTable:
    """Return the table of these columns; the memory is assumed if it has no columns."""
    forward_flops, backward_flops, activation_bits, gradient_bits, parameter_bits, *memory = columns
    assumed = assumed_autograd_memory(activation_bits, parameter_bits)
    autograd = AutogradMemory(*memory) if memory else assumed
    return UnitTable(
        names,
        forward_flops,
        backward_flops,
        activation_bits,
        gradient_bits,
        parameter_bits,
        autograd=autograd,
    )


def unit_table_csv(table: UnitTable) -> str:
    """Return the table as CSV text with one row for each unit and numbers in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = {column: getattr(table, column) for column in COLUMNS}
    if table.autograd is not None:
        columns |= {column: getattr(table.autograd, column) for column in MEMORY_COLUMNS}
    writer.writerow(("unit", *columns))
    for index, unit in enumerate(table.units):
        numbers = (float(values[index]) for values in columns.values())
        writer.writerow((unit, *(f"{n:.0f}" if n.is_integer() else repr(n) for n in numbers)))
    return text.getvalue()
