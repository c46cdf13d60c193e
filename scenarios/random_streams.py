"""Random streams: every draw of a run comes from a generator named after what it is for."""

from __future__ import annotations

import zlib

import numpy as np

__all__ = ["stream", "stream_seed"]


def stream(seed: int, purpose: str, *keys: int) -> np.random.Generator:
    """Return the generator of one purpose, the same in every process and whatever else was drawn.

    Parameters
    ----------
    seed : int
        Seed of the scenario.
    purpose : str
        What the draws are for, for example ``"placement"``.
    keys : int
        Further keys, for example a device's index and a round's number.
    """
    return np.random.default_rng(_sequence(seed, purpose, keys))


def stream_seed(seed: int, purpose: str, *keys: int) -> int:
    """Return a 63-bit seed of the same stream, for libraries with generators of their own."""
    return int(_sequence(seed, purpose, keys).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _sequence(seed: int, purpose: str, keys: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(entropy=seed, spawn_key=(zlib.crc32(purpose.encode()), *keys))
