"""An assignment of subchannels with its optimal powers, and what the searches read off it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...radio.rates import broadcast_rate, spectral_efficiency
from ...radio.resources import RadioResources
from ..power.stage_deadlines import StageDemand, minimal_stage_times
from ..problem import RoundWork, transfer_s

__all__ = ["Assignment", "LinkTables"]

LN2 = math.log(2.0)
TOLERANCE = 1e-10  # relative; of the round time
LEAST = 1e-9  # relative; nobody saves less power than this by a second more


@dataclass(frozen=True)
class LinkTables:
    """What one client gets of one subchannel: the same for every cut.

    Attributes
    ----------
    problem : the resources
    log_snr : [num_clients, num_subchannels], float
        Natural logarithm of Gγ/σ², the signal-to-noise ratio of 1 W/Hz.
    downlink_bps : [num_clients, num_subchannels], float
        Downlink rates, [bit/s].
    """

    problem: RadioResources
    log_snr: NDArray[np.float64]
    downlink_bps: NDArray[np.float64]

    @staticmethod
    def of(problem: RadioResources) -> LinkTables:
        """Return the tables of a problem."""
        band = problem.band
        snr_per_w_per_hz = band.snr_per_w_per_hz(problem.gains)
        efficiency = spectral_efficiency(
            band.downlink_w_per_hz * snr_per_w_per_hz, band.efficiency_cap_bps_per_hz
        )
        return LinkTables(problem, np.log(snr_per_w_per_hz), band.subchannel_hz * efficiency)

    @cached_property
    def cap_nats(self) -> float:
        """Return the most that a modem carries, [nat/s/Hz]."""
        return self.problem.band.efficiency_cap_bps_per_hz * LN2

    @cached_property
    def broadcast_bps(self) -> NDArray[np.float64]:
        """Return the broadcast rate R^B, [], [bit/s]."""
        return np.asarray(broadcast_rate(self.problem.band, self.problem.gains))

    # Single numbers are read from lists: from arrays that takes four times as long.

    @cached_property
    def log_snr_lists(self) -> list[list[float]]:
        """Return ``log_snr`` as lists."""
        lists: list[list[float]] = self.log_snr.tolist()
        return lists

    @cached_property
    def downlink_lists(self) -> list[list[float]]:
        """Return ``downlink_bps`` as lists."""
        lists: list[list[float]] = self.downlink_bps.tolist()
        return lists

    @cached_property
    def preferences(self) -> list[list[int]]:
        """Return each client's subchannels, best first."""
        lists: list[list[int]] = self.problem.preferences.tolist()
        return lists


class Assignment:
    """An assignment of subchannels with its optimal powers.

    Attributes
    ----------
    tables, work : what it is for
    owner : [num_subchannels], int
        The client of each subchannel, from 0.
    ends_s : [num_stages], float
        Ends of the stages that clients send in, [s]; inf where there is nothing to send.
    bits : [num_stages], float
        What a client sends in them, [bit].
    power_w : [num_clients], float
        The least powers that meet the ends, [W].
    log_level : [num_clients], float
        Natural logarithm of the water levels, of [W/Hz].
    downlink_bps, second_s : [num_clients], float
        Downlink rates, [bit/s], and when each client has gone back, [s].
    second_binds : [num_clients], bool
        Whether a client's rate is the one that the second stage needs.
    each_w_per_s : [num_stages, num_clients], float
        What an end later by a second saves each client if the other stage needed no power, [W/s].
    all_w_per_s : float
        What a round longer by a second saves all of them, [W/s].
    time_s : float
        What the assignment decides of the round time: all but the server's work and the broadcasts, [s].
    round_s : float
        The round time, [s].
    """

    def __init__(self, tables: LinkTables, work: RoundWork, owner: NDArray[np.intp]) -> None:
        self.tables, self.work, self.owner = tables, work, owner
        share = work.averaging_share
        needs = StageDemand(tables.problem, work, owner)
        self.ends_s, self.bits = minimal_stage_times(needs, share, TOLERANCE), needs.bits
        strain = needs.strain(self.ends_s)
        self.power_w, self.log_level = strain.power_w, needs.filling.log_levels(strain.levels)
        self.second_binds = strain.rate_bps[1] > strain.rate_bps[0]
        # A second of the round is one of the first stage, or 1/a of the second.
        saved = strain.saved_w_per_s.sum(axis=1) / np.array([1.0, share or 1.0])
        self.all_w_per_s = float(saved.max()) or 1.0
        alone = (
            needs.strain(np.where(np.arange(2) == stage, self.ends_s, np.inf)).saved_w_per_s.sum(axis=0)
            for stage in range(2)
        )
        self.each_w_per_s = np.maximum(np.stack(tuple(alone)), LEAST * self.all_w_per_s)
        self.second_s = needs.starts_s[1]
        own_bps = tables.downlink_bps[owner, np.arange(len(owner))]
        self.downlink_bps = np.bincount(owner, weights=own_bps, minlength=len(self.power_w))
        latest_s = np.array([work.before_uplink_s.max(), self.second_s.max()])
        first_s, upload_s = np.where(self.bits > 0, self.ends_s, latest_s)
        self.time_s = float(first_s + (1.0 - share) * latest_s[1] + share * upload_s)
        broadcast_bits = work.broadcast_bits + share * work.model_broadcast_bits
        self.round_s = self.time_s + work.server_s + float(transfer_s(broadcast_bits, tables.broadcast_bps))

    def own(self) -> list[list[int]]:
        """Return each client's subchannels."""
        lists: list[list[int]] = [[] for _ in self.power_w]
        for subchannel, client in enumerate(self.owner.tolist()):
            lists[client].append(subchannel)
        return lists
