"""A mixed-integer linear program that grows row by row, solved by HiGHS."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LinearProgram"]

Floats: TypeAlias = NDArray[np.float64]
Columns: TypeAlias = NDArray[np.intp]

HIGHS_LINE = re.compile(rb"HighsMipSolverData::transformNewIntegerFeasibleSolution[^\n]*\n?")
_stdout_lock = threading.Lock()


class LinearProgram:
    """A linear program that grows row by row; each row says that a sum of terms is at most ``upper``."""

    def __init__(self) -> None:
        self._row: list[Columns] = []
        self._column: list[Columns] = []
        self._value: list[Floats] = []
        self._upper: list[Floats] = []
        self._count = 0

    def add(self, upper: Floats | float, *terms: tuple[Columns, Floats | float]) -> None:
        """Add rows.

        Parameters
        ----------
        upper : float or ndarray, [num_rows]
            Upper bound of each row.
        *terms : pairs of an ndarray of int, [num_rows] or [num_rows, num_summed], and a float or ndarray
            Variables in each row, and their coefficients.
        """
        rows = self._count + np.arange(len(terms[0][0]))
        for columns, values in terms:
            shape = columns.shape
            self._row.append(np.broadcast_to(rows.reshape(-1, *(1,) * (columns.ndim - 1)), shape).ravel())
            self._column.append(columns.ravel())
            self._value.append(np.broadcast_to(values, shape).ravel())
        self._upper.append(np.broadcast_to(upper, rows.shape))
        self._count += len(rows)

    def minimise(
        self,
        cost: Floats,
        *,
        is_integer: NDArray[Any],
        upper: ArrayLike,
        lower: ArrayLike = 0.0,
        time_limit_s: float | None = None,
    ) -> Any:
        """Return the result of :func:`scipy.optimize.milp`, with ``x``, ``status`` and ``mip_dual_bound``.

        Parameters
        ----------
        cost : ndarray, [num_variables]
            Coefficients of the objective.
        is_integer : ndarray of 0 and 1, [num_variables]
            Variables that must be integers.
        upper, lower : float or ndarray, [num_variables]
            Bounds of the variables.
        time_limit_s : float or None
            Wall-clock limit, [s]; None for no limit.
        """
        # This import takes half a second, which a run without a program need not spend.
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array

        cells = (np.concatenate(self._row), np.concatenate(self._column))
        matrix = coo_array((np.concatenate(self._value), cells), shape=(self._count, len(cost)))
        options: Any = {"presolve": False}  # presolve may give wrong results: scipy issue 24141
        if time_limit_s is not None:
            options["time_limit"] = time_limit_s
        with _without_highs_line():
            return milp(
                cost,
                integrality=is_integer,
                bounds=Bounds(lower, upper),
                constraints=LinearConstraint(matrix.tocsr(), -np.inf, np.concatenate(self._upper)),
                options=options,
            )


@contextmanager
def _without_highs_line() -> Iterator[None]:
    """Hold standard output back during a solve, and then pass it on without one line of HiGHS.

    HiGHS writes this line to file descriptor 1, and none of its options turns it off, ``disp=False`` included
    (HiGHS.jl issue 312). Output of other threads during a solve arrives after it, and is not lost. Only one
    thread solves at a time, so that the descriptor is restored in the right order.
    """
    with _stdout_lock, tempfile.TemporaryFile() as held_back:
        sys.stdout.flush()
        original = os.dup(1)
        try:
            os.dup2(held_back.fileno(), 1)
            yield
        finally:
            os.dup2(original, 1)
            os.close(original)
            held_back.seek(0)
            with open(1, "wb", closefd=False) as stdout:
                stdout.write(HIGHS_LINE.sub(b"", held_back.read()))
