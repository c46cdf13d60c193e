"""Mean durations of computations under faults, for plans (docs/model.md section 4.3)."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["MeanDuration", "slowdown_mean_s"]

Array: TypeAlias = NDArray[np.float64]

_SERIES_BELOW = 1e-4  # below it, the closed form of the integral loses digits


class MeanDuration(Protocol):
    """Gives the mean durations of computations on one device."""

    def __call__(self, work_s: Array, /) -> Array:
        """Return the mean durations of computations that begin at a stationary instant, [s].

        Parameters
        ----------
        work_s : ndarray, any shape
            Their durations without the fault, [s].
        """


def slowdown_mean_s(work_s: Array, factor: float, mean_normal_s: float, mean_slow_s: float) -> Array:
    """Return the mean duration of work on a processor that switches between a normal and a slow speed, [s].

    Let a = 1/``mean_normal_s`` and b = 1/``mean_slow_s`` be the rates at which the processor leaves its
    states, K the factor, and D(w) the additional mean time of work w if it begins in the slow state. Then
    D' = K − 1 − ηD with η = a + Kb, so that D(w) = (K − 1)(1 − exp(−ηw))/η. Work that begins in the normal
    state takes w + a∫D on average, and at a stationary instant p·D(w) more, with p = a/(a + b).

    Parameters
    ----------
    work_s : ndarray, any shape
        Durations at the normal speed, [s].
    factor : float
        Computations take this many times longer in the slow state, K.
    mean_normal_s, mean_slow_s : float
        The mean durations of the states, [s]; at most one of them is infinite.
    """
    leave_normal, leave_slow = 1.0 / mean_normal_s, 1.0 / mean_slow_s
    slow_share = leave_normal / (leave_normal + leave_slow)
    decay = leave_normal + factor * leave_slow
    decayed = np.asarray(decay * work_s, dtype=np.float64)
    extra_s = (factor - 1.0) * -np.expm1(-decayed) / decay
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(
            decayed < _SERIES_BELOW, 0.5 - decayed / 6.0, (decayed + np.expm1(-decayed)) / decayed**2
        )
    integral = (factor - 1.0) * np.square(work_s) * ratio
    mean_s: Array = work_s + leave_normal * integral + slow_share * extra_s
    return mean_s
