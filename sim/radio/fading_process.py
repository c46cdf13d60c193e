"""Fading over time: the power gains of each client, in chunks of blocks that are made when they are needed.

All schemes of a run use one process, so its chunks are kept up to a limit. A chunk belongs to one client. So
no client's gains depend on the other clients, and clients that send nothing cost nothing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...scenarios.random_streams import stream
from ...scenarios.schema.registered import FadingParameters

__all__ = ["BlockModel", "FadingProcess", "FadingSetting", "fading_process"]

Array: TypeAlias = NDArray[np.float64]

BlockModel: TypeAlias = Callable[[Any, np.random.Generator, tuple[int, int]], Array]
"""A model ``(parameters, rng, shape) -> power gains`` whose gains are independent of each other."""

CHUNK_GAINS_MAX = 4096
"""Largest number of gains of a chunk, unless a single block has more."""
CHUNK_BLOCKS_MAX = 128
CACHE_BYTES = 64 * 2**20
"""Memory for chunks that have been made, [byte]."""


@dataclass(frozen=True)
class FadingSetting:
    """The values of a scenario, besides the model's own keys, that decide its fading.

    Attributes
    ----------
    seed : int
        Seed of the scenario.
    num_clients, num_subchannels : int
        The numbers of devices and of subchannels.
    carrier_hz : float
        The carrier frequency, [Hz].
    devices_seed : int or None
        The seed of the devices' attributes, such as speeds; None if it is ``seed``. Another value of ``seed``
        alone is other fading of the same devices.
    """

    seed: int
    num_clients: int
    num_subchannels: int
    carrier_hz: float
    devices_seed: int | None = None


class FadingProcess(ABC):
    """Power gains of mean 1 over time, constant within each block; blocks count from time 0.

    A model whose blocks depend on each other is a subclass that defines :meth:`make_chunk`. It is
    registered under the kind ``fading``, and constructed with the model's keys and a :class:`FadingSetting`.

    Attributes
    ----------
    block_s : float
        The duration of a block, [s]; infinite if the gains never change.
    chunk_blocks : int
        The number of blocks in a chunk.
    """

    def __init__(self, parameters: FadingParameters, setting: FadingSetting) -> None:
        self.block_s = parameters.block_s(setting.carrier_hz)
        self.chunk_blocks = max(1, min(CHUNK_BLOCKS_MAX, CHUNK_GAINS_MAX // setting.num_subchannels))
        chunk_bytes = 8 * self.chunk_blocks * setting.num_subchannels
        self._chunks = lru_cache(maxsize=max(1, CACHE_BYTES // chunk_bytes))(self.make_chunk)

    def chunk(self, client: int, number: int) -> Array:
        """Return the power gains of one client in one chunk, [chunk_blocks, num_subchannels], linear, [1]."""
        return self._chunks(client, number)

    def edges_s(self, number: int) -> Array:
        """Return the edges of the blocks of a chunk, [chunk_blocks + 1], [s]; of one if it never ends."""
        if math.isinf(self.block_s):
            return np.array([0.0, math.inf])
        first = number * self.chunk_blocks
        edges = np.arange(first, first + self.chunk_blocks + 1, dtype=np.float64)
        return np.asarray(edges * self.block_s, np.float64)

    @abstractmethod
    def make_chunk(self, client: int, number: int) -> Array:
        """Make the gains that :meth:`chunk` returns; the chunk begins at block ``number * chunk_blocks``."""


class _IndependentBlocks(FadingProcess):
    """Block fading: the gains of all blocks, clients and subchannels are independent of each other.

    Parameters
    ----------
    draw : callable
        The model; its shape is ``(num_blocks, num_subchannels)``.
    """

    def __init__(self, draw: BlockModel, parameters: FadingParameters, setting: FadingSetting) -> None:
        super().__init__(parameters, setting)
        self._draw = draw
        self._parameters = parameters
        self._seed = setting.seed
        self._shape = (self.chunk_blocks, setting.num_subchannels)

    def make_chunk(self, client: int, number: int) -> Array:
        """Draw the gains from the stream of this client and chunk."""
        return self._draw(self._parameters, stream(self._seed, "fading", number, client), self._shape)


def fading_process(
    model: BlockModel | type[FadingProcess], parameters: FadingParameters, setting: FadingSetting
) -> FadingProcess | None:
    """Return the fading of a scenario by its registered model; None if the model has no fading."""
    if isinstance(model, type):
        process: FadingProcess = model(parameters, setting)
        return process
    if math.isinf(parameters.block_s(setting.carrier_hz)):
        return None
    return _IndependentBlocks(model, parameters, setting)
