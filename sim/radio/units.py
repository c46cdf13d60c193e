"""Conversions of decibels and mebibytes to linear SI units and back; no other module converts them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["BITS_PER_MIB", "db_to_linear", "dbm_to_w", "linear_to_db", "mib_text"]

BITS_PER_MIB = 8.0 * 2**20

Value = TypeVar("Value", float, NDArray[np.float64])


def mib_text(bits: float) -> str:
    """Return a memory size, [bit], as text in MiB, such as ``4,014.2 MiB`` or ``0.1266 MiB``."""
    mib = bits / BITS_PER_MIB
    return f"{mib:,.1f} MiB" if mib >= 1000 else f"{mib:.4g} MiB"


def db_to_linear(value_db: Value) -> Value:
    """Return the power ratio, [1], of a level, [dB]."""
    ratio: Value = 10.0 ** (value_db / 10.0)
    return ratio


def linear_to_db(ratio: Value) -> Value:
    """Return the level, [dB], of a power ratio, [1]."""
    level: Value = 10.0 * np.log10(ratio)
    return level


def dbm_to_w(value_dbm: Value) -> Value:
    """Return the power, [W], of a level, [dBm]; likewise the PSD, [W/Hz], of a level, [dBm/Hz]."""
    return db_to_linear(value_dbm) / 1000.0
