"""Path-loss models: each turns distances into channel power gains.

Each model is a function ``(parameters, distance_m, centre_hz, seed) -> gains``. To add one, write such a
function and a class of its scenario keys, and register both under ``path_loss`` (docs/model.md section 2.2).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ...scenarios.input_files import check_input_file
from ...scenarios.random_streams import stream
from ...scenarios.schema.fields import LEVEL_MAX_DB, Level, LevelPerDevice, Positive, ScenarioPath, draw
from ...scenarios.schema.registered import PathLossParameters
from ..csv_files import BYTES_MAX
from .gain_trace import GainTrace, read_gains
from .units import db_to_linear

__all__ = [
    "FixedParameters",
    "LogDistanceParameters",
    "SamimiParameters",
    "fixed_gains",
    "line_of_sight_probability",
    "log_distance_gains",
    "samimi_gains",
    "samimi_path_gains",
]

LIGHT_M_PER_S = 3.0e8  # rounded, so that the constant at 28 GHz is the paper's 61.4 dB
EXPONENT_MAX = 100.0
LOS_EXPONENT, LOS_SHADOWING_DB = 2.1, 3.6
NLOS_EXPONENT, NLOS_SHADOWING_DB = 3.4, 9.7


class SamimiParameters(PathLossParameters):
    """The 28 GHz urban model: its mean over both states, or a state and shadowing drawn for each device."""

    mode: Literal["mean", "sampled"] = Field(
        default="mean",
        description="mean: the mean loss over both states, in dB; sampled: a state and shadowing are drawn"
        " once for each device and seed",
    )


class LogDistanceParameters(PathLossParameters):
    """A loss at the reference distance, and 10·exponent dB more for each tenfold distance."""

    exponent: Annotated[float, Field(strict=True, gt=0, le=EXPONENT_MAX)] = Field(
        description="path loss exponent; 2 in free space"
    )
    reference_loss_db: Level = Field(description="path loss at the reference distance, dB")
    reference_distance_m: Positive = Field(default=1.0, description="reference distance, m")


class FixedParameters(PathLossParameters):
    """Fixed gains in dB, for each device or from a CSV file.

    The file is a table without a heading, with one row for each device and one column for each subchannel. Or
    it is a table with the columns ``device``, ``gain_db`` and, where they are needed, ``subchannel`` and
    ``time_s``.
    """

    gain_db: LevelPerDevice | None = Field(
        default=None,
        description="channel power gain of each device, dB, as a rule negative; absent: give file",
    )
    file: ScenarioPath | None = Field(
        default=None,
        description="CSV file of gains in dB: a bare table with a row for each device and a column for each"
        " subchannel, or one with the columns device, gain_db and, where needed, subchannel and"
        " time_s; absent: give gain_db",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> FixedParameters:
        if (self.gain_db is None) == (self.file is None):
            raise ValueError("give exactly one of gain_db, file")
        return self


def line_of_sight_probability(distance_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``P_LOS = (min(27/d, 1)(1 − e^(−d/71)) + e^(−d/71))²``, Samimi, Rappaport, MacCartney 2015.

    Parameters
    ----------
    distance_m : ndarray, [num_clients]
        Distances to the access point, greater than 0, [m].
    """
    near = np.exp(-distance_m / 71.0)
    return np.square(np.minimum(27.0 / distance_m, 1.0) * (1.0 - near) + near)


def samimi_gains(
    parameters: SamimiParameters, distance_m: NDArray[np.float64], centre_hz: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Return the gains of Samimi, Rappaport, MacCartney, "Probabilistic omnidirectional path loss
    models for millimeter-wave outdoor communications", 2015: ``20 log10(4πF/c) + 10 n log10(d) + X`` dB.

    In line of sight n = 2.1 and X ~ N(0, 3.6 dB), else n = 3.4 and X ~ N(0, 9.7 dB). Mode ``mean``
    averages both losses in dB, without X, weighted by the probability of line of sight. Mode ``sampled``
    draws the state and X once for each device and seed (docs/model.md section 2.2).

    Parameters
    ----------
    parameters : SamimiParameters
        The mode.
    distance_m : ndarray, [num_clients]
        Distances to the access point, floored at 1 m, [m].
    centre_hz : ndarray, [num_subchannels]
        Centre frequencies F_k, [Hz].
    seed : int
        Seed of the scenario.

    Returns
    -------
    gains : ndarray, [num_clients, num_subchannels]
        Channel power gains, linear, [1].
    """
    return _samimi(parameters, distance_m, centre_hz, seed)[0]


def samimi_path_gains(
    parameters: SamimiParameters, distance_m: NDArray[np.float64], centre_hz: NDArray[np.float64], seed: int
) -> NDArray[np.float64] | GainTrace:
    """Return the gains of :func:`samimi_gains`; in mode ``sampled`` with the devices in line of sight."""
    gains, in_sight = _samimi(parameters, distance_m, centre_hz, seed)
    return gains if in_sight is None else GainTrace(np.zeros(1), gains[np.newaxis], in_sight[np.newaxis])


def _samimi(
    parameters: SamimiParameters, distance_m: NDArray[np.float64], centre_hz: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    """Return the gains, and the devices in line of sight, [num_clients], or None in mode ``mean``."""
    distance_m = np.maximum(distance_m, 1.0)
    decades = np.log10(distance_m)
    los_probability = line_of_sight_probability(distance_m)
    in_sight = None
    if parameters.mode == "mean":
        exponent = los_probability * LOS_EXPONENT + (1.0 - los_probability) * NLOS_EXPONENT
        shadowing_db = np.zeros(len(distance_m))
    else:
        draws = [stream(seed, "shadowing", device) for device in range(len(distance_m))]
        in_sight = np.array([rng.uniform() for rng in draws]) < los_probability
        exponent = np.where(in_sight, LOS_EXPONENT, NLOS_EXPONENT)
        deviation_db = np.where(in_sight, LOS_SHADOWING_DB, NLOS_SHADOWING_DB)
        shadowing_db = deviation_db * np.array([rng.standard_normal() for rng in draws])
    device_loss_db = 10.0 * exponent * decades + shadowing_db  # [num_clients]
    constant_db = 20.0 * np.log10(4.0 * math.pi * centre_hz / LIGHT_M_PER_S)  # [num_subchannels]
    return db_to_linear(-(device_loss_db[:, np.newaxis] + constant_db)), in_sight


def log_distance_gains(
    parameters: LogDistanceParameters,
    distance_m: NDArray[np.float64],
    centre_hz: NDArray[np.float64],
    seed: int,
) -> NDArray[np.float64]:
    """Return the gains of the log-distance model, ``PL = PL_0 + 10 n log10(d/d_0)`` dB on all subchannels.

    Parameters
    ----------
    parameters : LogDistanceParameters
        The exponent, the reference distance and the loss there.
    distance_m, centre_hz, seed
        As for :func:`samimi_gains`, but distances are floored at the reference distance.

    Returns
    -------
    gains : ndarray, [num_clients, num_subchannels]
        Channel power gains, linear, [1].
    """
    ratio = np.maximum(distance_m / parameters.reference_distance_m, 1.0)
    gain_db = -(parameters.reference_loss_db + 10.0 * parameters.exponent * np.log10(ratio))
    return _on_all_subchannels(gain_db, centre_hz)


def fixed_gains(
    parameters: FixedParameters, distance_m: NDArray[np.float64], centre_hz: NDArray[np.float64], seed: int
) -> NDArray[np.float64] | GainTrace:
    """Return the gains that the scenario gives; they do not depend on the distances.

    Parameters
    ----------
    parameters : FixedParameters
        Gains in dB, for each device or in a file.
    distance_m, centre_hz, seed
        As for :func:`samimi_gains`.

    Returns
    -------
    gains : ndarray, [num_clients, num_subchannels], or GainTrace
        Channel power gains, linear, [1]; a trace where the file has more than one instant.

    Raises
    ------
    ValueError
        If the file cannot be read, a gain is not finite, or the number of gains is wrong.
    """
    if parameters.gain_db is not None:
        levels_db = parameters.gain_db
        if isinstance(levels_db, tuple) and len(levels_db) != len(distance_m):
            raise ValueError(f"gain_db lists {len(levels_db)} values; there are {len(distance_m)} devices")
        return _on_all_subchannels(
            draw(levels_db, len(distance_m), stream(seed, "gain_db"), largest=LEVEL_MAX_DB), centre_hz
        )
    assert parameters.file is not None
    if _has_heading(parameters.file):
        times_s, gain_db = read_gains(parameters.file, len(distance_m), len(centre_hz))
        gains = db_to_linear(gain_db)
        return GainTrace(times_s, gains) if len(times_s) > 1 else gains[0]
    return db_to_linear(_read_bare_table(parameters.file, (len(distance_m), len(centre_hz))))


def _has_heading(path: Path) -> bool:
    try:
        check_input_file(path, BYTES_MAX)
        with path.open(encoding="utf-8") as lines:
            return "device" in lines.readline()
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read the gains in {path}: {error}") from None


def _read_bare_table(path: Path, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return a table without a heading, one row a device and one column a subchannel, [dB]."""
    try:
        table_db = np.loadtxt(str(path), delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read the gains in {path}: {error}") from None
    if table_db.shape != shape:
        rows, columns = table_db.shape
        raise ValueError(
            f"{path} holds {rows} x {columns} gains; {shape[0]} devices x {shape[1]} subchannels are needed"
        )
    if not np.isfinite(table_db).all():
        device, subchannel = np.argwhere(~np.isfinite(table_db))[0]
        raise ValueError(
            f"{path}: device {device}, subchannel {subchannel}: the gain must be a finite number"
            f" of dB, not {table_db[device, subchannel]}"
        )
    return np.asarray(table_db, dtype=np.float64)


def _on_all_subchannels(gain_db: NDArray[np.float64], centre_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.repeat(db_to_linear(gain_db)[:, np.newaxis], len(centre_hz), axis=1)
