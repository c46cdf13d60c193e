"""Independent streams of random numbers, one for each purpose.

The draws of one purpose do not change when another purpose draws more or fewer numbers.
"""

from __future__ import annotations

import zlib

import numpy as np

__all__ = ["stream", "stream_seed"]


def stream(seed: int, purpose: str, *keys: int) -> np.random.Generator:
    """Return the generator of one purpose; it is the same in each process and does not depend on other draws.

    Parameters
    ----------
    seed : int
        Seed of the scenario.
    purpose : str
        Name of the stream, for example ``"placement"``.
    *keys : int
        Further keys, for example the index of a device and the number of a round.
    """
    return np.random.default_rng(_sequence(seed, purpose, keys))


def stream_seed(seed: int, purpose: str, *keys: int) -> int:
    """Return a 63-bit seed derived from the same stream, for libraries that have their own generators."""
    return int(_sequence(seed, purpose, keys).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _sequence(seed: int, purpose: str, keys: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(entropy=seed, spawn_key=(zlib.crc32(purpose.encode()), *keys))
