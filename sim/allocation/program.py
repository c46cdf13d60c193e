"""The rows of a linear program, added one family at a time."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint
from scipy.sparse import coo_array

__all__ = ["Rows"]

Floats: TypeAlias = NDArray[np.float64]


class Rows:
    """The constraints of a linear program in the making: sums of terms, at most ``upper``."""

    def __init__(self) -> None:
        self._row: list[NDArray[np.intp]] = []
        self._column: list[NDArray[np.intp]] = []
        self._value: list[Floats] = []
        self._upper: list[Floats] = []
        self._count = 0

    def add(self, upper: Floats | float, *terms: tuple[NDArray[np.intp], Floats | float]) -> None:
        """Add rows; a term is its variables, [num_rows] or [num_rows, num_summed], and their coefficients."""
        rows = self._count + np.arange(len(terms[0][0]))
        for columns, values in terms:
            shape = columns.shape
            self._row.append(np.broadcast_to(rows.reshape(-1, *(1,) * (columns.ndim - 1)), shape).ravel())
            self._column.append(columns.ravel())
            self._value.append(np.broadcast_to(values, shape).ravel())
        self._upper.append(np.broadcast_to(upper, rows.shape))
        self._count += len(rows)

    def constraint(self, num_variables: int) -> LinearConstraint:
        """Return all rows as a constraint for :func:`scipy.optimize.milp`."""
        cells = (np.concatenate(self._row), np.concatenate(self._column))
        matrix = coo_array((np.concatenate(self._value), cells), shape=(self._count, num_variables))
        return LinearConstraint(matrix.tocsr(), -np.inf, np.concatenate(self._upper))
