"""An assignment of subchannels with its optimal powers, and the quantities that the searches need of it."""

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
TOLERANCE = 1e-10  # of the round time, relative
SAVING_MIN = 1e-9  # least power saving of a client, relative to that of all clients


@dataclass(frozen=True)
class LinkTables:
    """The quality of each subchannel for each client; it is the same for every cut.

    Attributes
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    log_snr : ndarray, [num_clients, num_subchannels]
        ln g_ik, where g_ik = Gγ_i^k/σ² is the signal-to-noise ratio of 1 W/Hz, [Hz/W].
    downlink_bps : ndarray, [num_clients, num_subchannels]
        Downlink rates r_ik, [bit/s].
    """

    problem: RadioResources
    log_snr: NDArray[np.float64]
    downlink_bps: NDArray[np.float64]

    @staticmethod
    def of(problem: RadioResources) -> LinkTables:
        """Return the tables of the resources."""
        band = problem.band
        snr_per_w_per_hz = band.snr_per_w_per_hz(problem.gains)
        efficiency = spectral_efficiency(
            band.downlink_w_per_hz * snr_per_w_per_hz, band.efficiency_cap_bps_per_hz
        )
        return LinkTables(problem, np.log(snr_per_w_per_hz), band.subchannel_hz * efficiency)

    @cached_property
    def cap_nats(self) -> float:
        """Return the greatest spectral efficiency of a modem, ŷ, [nat/s/Hz]."""
        return self.problem.band.efficiency_cap_bps_per_hz * LN2

    @cached_property
    def broadcast_bps(self) -> NDArray[np.float64]:
        """Return the broadcast rate R^B as an array without dimensions, [bit/s]."""
        return np.asarray(broadcast_rate(self.problem.band, self.problem.gains))

    # Single numbers are read from lists, because reading them from arrays takes four times as long.

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
        """Return each client's subchannels, the one of the greatest gain first."""
        lists: list[list[int]] = self.problem.preferences.tolist()
        return lists


class Assignment:
    """An assignment of subchannels with its optimal powers (docs/model.md, section 4.2).

    The argument ``near_s`` of the constructor gives the stage ends of a similar assignment, which save time.

    Attributes
    ----------
    tables : LinkTables
        Quality of each subchannel for each client.
    work : RoundWork
        Computation and traffic of a round.
    client_of : ndarray of int, [num_subchannels]
        Client c(k) of each subchannel, from 0.
    ends_s : ndarray, [num_stages]
        Least ends T_j of the two stages, [s]; inf for a stage without bits to send.
    bits : ndarray, [num_stages]
        Bits b_j that each client sends in the stage, [bit].
    power_w : ndarray, [num_clients]
        Least powers P_i that meet both ends, [W].
    log_level : ndarray, [num_clients]
        Natural logarithm of the water levels μ_i, with μ_i in [W/Hz].
    downlink_bps : ndarray, [num_clients]
        Downlink rates R_i^D, [bit/s].
    backward_end_s : ndarray, [num_clients]
        Ends t_i = T_i^D + T_i^B of the backward passes, counted from the start of the downlinks, [s].
    second_stage_binds : ndarray of bool, [num_clients]
        Whether the second stage needs the greater rate.
    saving_w_per_s : ndarray, [num_stages, num_clients]
        Power savings v_ij: what a later end of the stage saves the client, if that stage alone counts, [W/s].
    total_saving_w_per_s : float
        Power saving V of all clients together for a round that is a second longer, [W/s].
    time_s : float
        The part of the round time that the assignment decides, T_1 + (1 − a) t + a T_2, [s].
    round_s : float
        The whole round time, [s].
    """

    def __init__(
        self,
        tables: LinkTables,
        work: RoundWork,
        client_of: NDArray[np.intp],
        near_s: NDArray[np.float64] | None = None,
    ) -> None:
        self.tables, self.work, self.client_of = tables, work, client_of
        share = work.averaging_share
        demand = StageDemand(tables.problem, work, client_of)
        self.ends_s, self.bits = minimal_stage_times(demand, share, TOLERANCE, near_s), demand.bits
        both = demand.power_demand(self.ends_s)
        self.power_w, self.log_level = both.power_w, demand.filling.log_levels(both.levels)
        self.second_stage_binds = both.rate_bps[1] > both.rate_bps[0]
        # A second of the round is one second of the first stage, or 1/a seconds of the second (P10).
        saved = both.saving_w_per_s.sum(axis=1) / np.array([1.0, share or 1.0])
        self.total_saving_w_per_s = float(saved.max()) or 1.0
        ends_of_one_stage_s = (np.where(np.arange(2) == stage, self.ends_s, np.inf) for stage in range(2))
        of_one_stage = (
            demand.power_demand(ends_s).saving_w_per_s.sum(axis=0) for ends_s in ends_of_one_stage_s
        )
        self.saving_w_per_s = np.maximum(
            np.stack(tuple(of_one_stage)), SAVING_MIN * self.total_saving_w_per_s
        )
        self.backward_end_s = demand.starts_s[1]
        subchannel_bps = tables.downlink_bps[client_of, np.arange(len(client_of))]
        self.downlink_bps = np.bincount(client_of, weights=subchannel_bps, minlength=len(self.power_w))
        latest_s = np.array([work.before_uplink_s.max(), self.backward_end_s.max()])
        first_s, upload_s = np.where(self.bits > 0, self.ends_s, latest_s)
        self.time_s = float(first_s + (1.0 - share) * latest_s[1] + share * upload_s)
        broadcast_bits = work.broadcast_bits + share * work.model_broadcast_bits
        self.round_s = self.time_s + work.server_s + float(transfer_s(broadcast_bits, tables.broadcast_bps))

    def subchannels_by_client(self) -> list[list[int]]:
        """Return the subchannels of each client, in ascending order."""
        lists: list[list[int]] = [[] for _ in self.power_w]
        for subchannel, client in enumerate(self.client_of.tolist()):
            lists[client].append(subchannel)
        return lists
