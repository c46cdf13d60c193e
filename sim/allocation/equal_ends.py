"""The shares of one resource with which all devices end together, for given cuts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["balanced_shares", "device_times_s"]


def balanced_shares(fixed_s: NDArray[np.float64], shared_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares ``β_i = q_i/(T − c_i)`` with T such that they sum to 1, exact to rounding.

    With x = T − max c, and d_i = max c − c_i, ``1/Σ q_i/(x + d_i)`` is concave in x: Newton's steps to 1
    never pass the root. Unlike T, x keeps full precision where the shared times are far below the fixed.

    Parameters
    ----------
    fixed_s : [..., num_devices], float
        c_i, [s].
    shared_s : [..., num_devices], float
        q_i, at least 0, [s].

    Returns
    -------
    shares : [..., num_devices], float
        β_i; 0 where q_i is, [1].
    """
    used = shared_s > 0
    latest_s = np.where(used, fixed_s, -np.inf).max(axis=-1, keepdims=True)
    ahead_s = np.where(used, latest_s - fixed_s, 0.0)  # d
    # Nobody is faster than with the whole resource. Rows that use none of it have any x: all shares are 0.
    beyond_s = np.where(used, shared_s - ahead_s, -np.inf).max(axis=-1, keepdims=True)
    beyond_s = np.where(np.isfinite(beyond_s), beyond_s, 1.0)  # x
    while True:
        shares: NDArray[np.float64] = shared_s / (beyond_s + ahead_s)
        total = shares.sum(axis=-1, keepdims=True)
        slope = (shares / (beyond_s + ahead_s)).sum(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore"):
            stepped_s = beyond_s + total * (total - 1.0) / slope
        rises = stepped_s > beyond_s
        if not rises.any():
            return shares / np.where(total > 0, total, 1.0)
        beyond_s = np.where(rises, stepped_s, beyond_s)


def device_times_s(
    fixed_s: NDArray[np.float64], shared_s: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``T_i = c_i + q_i/β_i``, [..., num_devices], [s]; with no shared part, no share is needed.

    Parameters
    ----------
    fixed_s, shared_s : [..., num_devices], float
        c_i and q_i, [s].
    shares : [..., num_devices], float
        β_i, [1].
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return fixed_s + np.where(shared_s > 0, shared_s / shares, 0.0)
