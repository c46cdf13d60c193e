"""A linear program: its rows, added one family at a time, and its least cost by HiGHS."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

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

    def least_cost(
        self,
        cost: Floats,
        *,
        whole: NDArray[Any],
        most: ArrayLike,
        least: ArrayLike = 0.0,
        time_limit_s: float | None = None,
    ) -> Any:
        """Return what :func:`scipy.optimize.milp` finds: ``x``, ``status`` and ``mip_dual_bound`` among it.

        Parameters
        ----------
        cost : [num_variables], float
            Of a unit of each variable.
        whole : [num_variables], 0 or 1
            Which variables are whole numbers.
        most, least : [num_variables], float
            Bounds of the variables.
        time_limit_s : None for no limit
        """
        # half a second, which a run that solves no program need not wait for
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array

        cells = (np.concatenate(self._row), np.concatenate(self._column))
        matrix = coo_array((np.concatenate(self._value), cells), shape=(self._count, len(cost)))
        options: Any = {"presolve": False}  # scipy #24141: it may be wrong
        if time_limit_s is not None:
            options["time_limit"] = time_limit_s
        return milp(
            cost,
            integrality=whole,
            bounds=Bounds(least, most),
            constraints=LinearConstraint(matrix.tocsr(), -np.inf, np.concatenate(self._upper)),
            options=options,
        )
