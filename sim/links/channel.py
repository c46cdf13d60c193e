"""The channel of a scenario: the gain of each device on each subchannel, constant or over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from ...scenarios.registry import lookup
from ...scenarios.schema.scenario import Radio
from ..nodes.fleet import Fleet
from ..radio.fading_process import FadingProcess, FadingSetting, fading_process
from ..radio.gain_trace import GainTrace
from ..radio.rates import Band
from ..radio.resources import RadioResources
from ..radio.units import dbm_to_w
from .gain_window import GainWindow

__all__ = ["Channel", "draw_channel", "with_fading"]

Array = NDArray[np.float64]


WINDOW_INSTANTS = 128
"""Number of instants of a gain trace in one window."""
CACHED_WINDOWS = 16


@dataclass(frozen=True)
class Channel:
    """Gains over time, the same for every scheme: path gain times fading.

    Attributes
    ----------
    problem : RadioResources
        The radio resources, with the gains at time 0 without fading; the first plan is made with them.
    trace : GainTrace or None
        Path gains over time; None if they are constant.
    path_gains : GainTrace or None
        The path gains of all instants, also if there is only one, with the devices in line of sight; None in
        a channel of some clients only.
    fading : FadingProcess or None
        The fading of all devices; None without fading.
    devices : sequence of int, [num_clients], or None
        The device of each row of the gains; None if they are all devices in their order.
    """

    problem: RadioResources
    trace: GainTrace | None = None
    fading: FadingProcess | None = None
    devices: Sequence[int] | None = None
    path_gains: GainTrace | None = None

    def of(self, clients: Sequence[int]) -> Channel:
        """Return the channel of these clients only, in this order; it needs a channel of all clients.

        Their gains are the same as in the channel of all clients, and the cost grows only with these clients.
        """
        rows = np.asarray(clients, dtype=np.intp)
        trace = None if self.trace is None else self.trace.select(rows)
        return Channel(self.problem.select(rows), trace, self.fading, tuple(clients))

    @property
    def constant(self) -> bool:
        """Return whether the gains never change."""
        return self.trace is None and self.fading is None

    def at(self, time_s: float) -> tuple[Array, float]:
        """Return the gains at an instant, and the instant up to which they stay.

        Parameters
        ----------
        time_s : float
            The instant, from 0, [s].

        Returns
        -------
        gains : ndarray, [num_clients, num_subchannels]
            Channel power gains, linear, [1].
        until_s : float
            An instant after ``time_s``, [s].
        """
        window = self.window(time_s)
        block = window.index(time_s)
        return window.gains(block), float(window.edges_s[block + 1])

    def state(self, time_s: float) -> tuple[tuple[int, int], float]:
        """Return the numbers of path gains and fading block at an instant, and when they change, [s]."""
        instant, block, until_s = 0, 0, math.inf
        if self.trace is not None:
            times_s = self.trace.times_s
            instant = int(np.searchsorted(times_s, time_s, side="right")) - 1
            until_s = float(times_s[instant + 1]) if instant + 1 < len(times_s) else math.inf
        if self.fading is not None:
            block_s = self.fading.block_s
            block = int(time_s // block_s)
            if (block + 1) * block_s <= time_s:  # the quotient was rounded down over the edge
                block += 1
            until_s = min(until_s, (block + 1) * block_s)
        return (instant, block), until_s

    def window(self, time_s: float) -> GainWindow:
        """Return the gains in many blocks, one of which holds an instant."""
        (instant, block), _ = self.state(time_s)
        chunk = 0 if self.fading is None else block // self.fading.chunk_blocks
        return self._window(instant // WINDOW_INSTANTS, chunk)

    @cached_property
    def _window(self) -> Callable[[int, int], GainWindow]:
        """The function from the numbers of a group of instants and of a chunk of blocks to their window."""
        return lru_cache(maxsize=CACHED_WINDOWS)(self._make_window)

    def _make_window(self, group: int, chunk: int) -> GainWindow:
        blocks_s, fading = np.array([0.0, math.inf]), None
        if self.fading is not None:
            blocks_s = self.fading.edges_s(chunk)
            fading = partial(self._fading_of_row, self.fading, chunk)
        if self.trace is None:
            instants, path = np.zeros(len(blocks_s) - 1, dtype=np.intp), self.problem.gains[np.newaxis]
            return GainWindow(blocks_s, path, instants, fading, slice(len(instants)))
        times_s = np.append(self.trace.times_s, math.inf)[group * WINDOW_INSTANTS :][: WINDOW_INSTANTS + 1]
        edges_s = np.union1d(times_s, blocks_s)
        start_s, end_s = max(times_s[0], blocks_s[0]), min(times_s[-1], blocks_s[-1])
        edges_s = edges_s[(edges_s >= start_s) & (edges_s <= end_s)]
        return GainWindow(
            edges_s,
            self.trace.gains,
            np.searchsorted(self.trace.times_s, edges_s[:-1], side="right") - 1,
            fading,
            np.searchsorted(blocks_s, edges_s[:-1], side="right") - 1,
        )

    def _fading_of_row(self, fading: FadingProcess, chunk: int, row: int) -> Array:
        return fading.chunk(row if self.devices is None else self.devices[row], chunk)


def draw_channel(radio: Radio, fleet: Fleet, seed: int) -> Channel:
    """Return the channel of a fleet; its random streams depend only on the seed, not on the scheme.

    Raises
    ------
    ValueError
        If the path loss model does not support these devices and subchannels.
    """
    # [num_subchannels] F_k = f_c + (k − (M+1)/2)·B, k = 1..M
    offsets = np.arange(1.0, radio.subchannels + 1, dtype=np.float64) - (radio.subchannels + 1) / 2
    band = Band(
        subchannel_hz=radio.subchannel_hz,
        centre_hz=np.asarray(radio.carrier_hz + offsets * radio.subchannel_hz, np.float64),
        noise_w_per_hz=float(dbm_to_w(radio.noise_dbm_per_hz)),
        antenna_gain=radio.antenna_gain,
        downlink_w_per_hz=float(dbm_to_w(radio.downlink_dbm_per_hz)),
        efficiency_cap_bps_per_hz=radio.spectral_efficiency_max or math.inf,
    )
    trace = _path_gains(radio, fleet, band, seed)
    total_w = float(dbm_to_w(radio.uplink_total_power_max_dbm))
    problem = RadioResources(band, trace.gains[0], fleet.power_max_w, total_w)
    for gains in trace.gains[1:]:
        replace(problem, gains=gains)  # its constructor checks the gains
    return with_fading(
        Channel(problem, trace if len(trace.times_s) > 1 else None, path_gains=trace), radio, seed
    )


def with_fading(channel: Channel, radio: Radio, seed: int, devices_seed: int | None = None) -> Channel:
    """Return a channel with the same path gains, and with the fading of a seed.

    Parameters
    ----------
    channel : Channel
        The channel of all devices.
    devices_seed : int, optional
        The seed of the devices' speeds; by default ``seed``.
    """
    problem = channel.problem
    setting = FadingSetting(
        seed, problem.num_clients, problem.num_subchannels, radio.carrier_hz, devices_seed
    )
    model = lookup("fading", radio.fading.model).load()
    return replace(channel, fading=fading_process(model, radio.fading, setting))


def _path_gains(radio: Radio, fleet: Fleet, band: Band, seed: int) -> GainTrace:
    """Return the path gains at every instant at which a device moves or the path loss changes."""
    path_loss = lookup("path_loss", radio.path_loss.model).load()

    def gains_at(distance_m: Array) -> Array | GainTrace:
        gains: Array | GainTrace = path_loss(radio.path_loss, distance_m, band.centre_hz, seed)
        return gains

    if fleet.moves is None:
        gains = gains_at(fleet.distance_m)
        return gains if isinstance(gains, GainTrace) else GainTrace(np.zeros(1), gains[np.newaxis])
    gains_by_time: list[Array] = []
    in_sight: list[NDArray[np.bool_]] = []
    for distance_m in fleet.moves.distance_m:
        gains = gains_at(distance_m)
        if isinstance(gains, GainTrace):
            if len(gains.times_s) > 1:
                raise ValueError("both the gains and the positions change over time; give only one of them")
            in_sight += [] if gains.in_sight is None else [gains.in_sight[0]]
            gains = gains.gains[0]
        gains_by_time.append(gains)
    return GainTrace(fleet.moves.times_s, np.stack(gains_by_time), np.stack(in_sight) if in_sight else None)
