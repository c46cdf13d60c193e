"""The gains of a channel over a window of consecutive blocks, computed only where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["GainWindow"]

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

GAINS_MAX = 2**18
"""Largest number of gains that are computed at once when the gains of one block are requested."""


@dataclass(frozen=True, eq=False)
class GainWindow:
    """Channel power gains over consecutive blocks, in each of which they are constant.

    Attributes
    ----------
    edges_s : ndarray, [num_blocks + 1]
        The rising edges of the blocks, [s]; the last may be infinite.
    path : ndarray, [num_instants, num_clients, num_subchannels]
        Path gains, linear, [1].
    instants : ndarray of int, [num_blocks]
        The path gains of each block.
    fading : callable or None
        From a row to the power gains of its client, [chunk_blocks, num_subchannels], [1]; None without
        fading.
    blocks : ndarray of int, [num_blocks], or slice
        The number of each block in ``fading``.
    """

    edges_s: Array
    path: Array
    instants: Indices
    fading: Callable[[int], Array] | None
    blocks: Indices | slice
    _gains: dict[int, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self.instants)

    def index(self, time_s: float) -> int:
        """Return the number of the block that holds an instant of the window."""
        return int(np.searchsorted(self.edges_s, time_s, side="right")) - 1

    def gains(self, block: int) -> Array:
        """Return the gains of one block, [num_clients, num_subchannels]; the same array at each call.

        Often a single block of a window is requested. From the second one on, several are computed at once.
        """
        if block not in self._gains:
            _, num_clients, num_subchannels = self.path.shape
            count = max(1, GAINS_MAX // (num_clients * num_subchannels)) if self._gains else 1
            first = block - block % count
            blocks = slice(first, first + count)
            gains = self._of_clients(np.arange(num_clients), blocks)
            for number, of_block in enumerate(gains, first):
                self._gains.setdefault(number, of_block)
        return self._gains[block]

    def of_clients(self, rows: Indices) -> Array:
        """Return the gains of some clients on all subchannels, [num_blocks, num_rows, num_subchannels]."""
        return self._of_clients(rows, slice(None))

    def _of_clients(self, rows: Indices, blocks: slice) -> Array:
        instants = self.instants[blocks]
        path = self.path[instants[:, np.newaxis], rows] if len(self.path) > 1 else self.path[:, rows]
        if self.fading is None:
            return np.broadcast_to(path, (len(instants), *path.shape[1:]))
        fading = np.stack([self.fading(row)[self.blocks][blocks] for row in rows.tolist()], axis=1)
        return np.multiply(fading, path, out=fading)

    def of_subchannels(self, rows: Indices, subchannels: Indices) -> Array:
        """Return the gain of one client on each of some subchannels, [num_blocks, num_used].

        Parameters
        ----------
        rows : ndarray of int, [num_used]
            The client of each subchannel.
        subchannels : ndarray of int, [num_used]
            The subchannels.
        """
        path = self.path[:, rows, subchannels]
        path = path[self.instants] if len(path) > 1 else path
        if self.fading is None:
            return np.broadcast_to(path, (len(self), len(rows)))
        fading = np.empty((len(self), len(rows)))
        for row in dict.fromkeys(rows.tolist()):
            used = np.flatnonzero(rows == row)
            fading[:, used] = self.fading(row)[self.blocks][:, subchannels[used]]
        return np.multiply(fading, path, out=fading)
