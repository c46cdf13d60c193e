"""The gains of a channel over a window of consecutive blocks, computed only where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["GainWindow"]

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


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
        """Return the gains of one block, [num_clients, num_subchannels]; they are kept for later calls."""
        if block not in self._gains:
            gains = self.path[self.instants[block]]
            if self.fading is not None:
                fading = [self.fading(row)[self.blocks][block] for row in range(len(gains))]
                gains = gains * np.stack(fading)
            self._gains[block] = gains
        return self._gains[block]

    def of_clients(self, rows: Indices) -> Array:
        """Return the gains of some clients on all subchannels, [num_blocks, num_rows, num_subchannels]."""
        path = self.path[self.instants[:, np.newaxis], rows] if len(self.path) > 1 else self.path[:, rows]
        if self.fading is None:
            return np.broadcast_to(path, (len(self), *path.shape[1:]))
        fading = np.stack([self.fading(row)[self.blocks] for row in rows.tolist()], axis=1)
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
