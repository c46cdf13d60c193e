"""The channel of a scenario: the gain of each device on each subchannel, constant or over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from ...scenarios.random_streams import stream
from ...scenarios.registry import lookup
from ...scenarios.schema.scenario import Radio
from ..nodes.fleet import Fleet
from ..radio.gain_trace import GainTrace
from ..radio.rates import Band
from ..radio.resources import RadioResources
from ..radio.units import dbm_to_w

__all__ = ["Channel", "draw_channel", "with_fading"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Channel:
    """Gains over time, the same for every scheme: path gain times block fading.

    Attributes
    ----------
    problem : RadioResources
        The radio resources, with the gains at time 0 without fading; the first plan is made with them.
    trace : GainTrace or None
        Path gains over time; None if they are constant.
    fading : callable or None
        From the number of a fading block, from 0, to its power gains, [num_clients, num_subchannels], [1];
        None without fading.
    fading_of : callable or None
        From the numbers of a block and of a client to that client's power gains, [num_subchannels], [1],
        from the client's random stream; None without fading.
    coherence_s : float
        The duration of a fading block, [s].
    """

    problem: RadioResources
    trace: GainTrace | None = None
    fading: Callable[[int], Array] | None = None
    coherence_s: float = math.inf
    fading_of: Callable[[int, int], Array] | None = None

    def of(self, clients: Sequence[int]) -> Channel:
        """Return the channel of these clients only, in this order; it needs a channel of all clients.

        Fading has one random stream for each client. So its cost grows only with these clients, and the
        fading of one client does not depend on the other clients of the round.
        """
        rows, fading_of = np.asarray(clients, dtype=np.intp), self.fading_of

        def fading(block: int) -> Array:
            assert fading_of is not None
            return np.stack([fading_of(block, client) for client in clients])

        return Channel(
            self.problem.select(rows),
            None if self.trace is None else self.trace.select(rows),
            None if fading_of is None else fading,
            self.coherence_s,
        )

    def keep(self, clients: Sequence[int]) -> Channel:
        """Return the channel of these clients only, in this order, with the fading that they have here.

        Fading is still drawn for all clients, so that clients that are left out change no other's fading.
        """
        rows, fading = np.asarray(clients, dtype=np.intp), self.fading
        return replace(
            self,
            problem=self.problem.select(rows),
            trace=None if self.trace is None else self.trace.select(rows),
            fading=None if fading is None else lambda block: fading(block)[rows],
        )

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
        state, until_s = self.state(time_s)
        return self.gains(state), until_s

    def state(self, time_s: float) -> tuple[tuple[int, int], float]:
        """Return the numbers of path gains and fading block at an instant, and when they change, [s]."""
        instant, block, until_s = 0, 0, math.inf
        if self.trace is not None:
            times_s = self.trace.times_s
            instant = int(np.searchsorted(times_s, time_s, side="right")) - 1
            until_s = float(times_s[instant + 1]) if instant + 1 < len(times_s) else math.inf
        if self.fading is not None:
            block = int(time_s // self.coherence_s)
            if (block + 1) * self.coherence_s <= time_s:  # the quotient was rounded down over the edge
                block += 1
            until_s = min(until_s, (block + 1) * self.coherence_s)
        return (instant, block), until_s

    @cached_property
    def gains(self) -> Callable[[tuple[int, int]], Array]:
        """The function from a state to its gains, [num_clients, num_subchannels], [1]."""
        # One round uses few fading blocks, and every scheme uses the same ones.
        return lru_cache(maxsize=64)(self._product)

    def _product(self, state: tuple[int, int]) -> Array:
        instant, block = state
        path = self.problem.gains if self.trace is None else self.trace.gains[instant]
        return path if self.fading is None else path * self.fading(block)


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
    return with_fading(Channel(problem, trace if len(trace.times_s) > 1 else None), radio, seed)


def with_fading(channel: Channel, radio: Radio, seed: int) -> Channel:
    """Return a channel with the same path gains, and with the fading of a seed.

    Parameters
    ----------
    channel : Channel
        The channel of all devices.
    """
    problem = channel.problem
    fade = lookup("fading", radio.fading.model).load()
    coherence_s = getattr(radio.fading, "coherence_s", math.inf)

    def fading(block: int) -> Array:
        gains: Array = fade(radio.fading, stream(seed, "fading", block), problem.gains.shape)
        return gains

    def fading_of(block: int, client: int) -> Array:
        gains: Array = fade(radio.fading, stream(seed, "fading", block, client), (1, problem.num_subchannels))
        return gains.reshape(problem.num_subchannels)

    fades = not math.isinf(coherence_s)
    return Channel(
        problem,
        channel.trace,
        fading if fades else None,
        coherence_s,
        fading_of if fades else None,
    )


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
    for distance_m in fleet.moves.distance_m:
        gains = gains_at(distance_m)
        if isinstance(gains, GainTrace):
            raise ValueError("gains that change with time are given, and positions that do; give one of them")
        gains_by_time.append(gains)
    return GainTrace(fleet.moves.times_s, np.stack(gains_by_time))
