"""What is allocated, for what work, and how long a round then takes (docs/model.md sections 3 and 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..radio.rates import broadcast_rate, downlink_rates, uplink_rates
from ..radio.resources import RadioResources

__all__ = ["Rates", "RoundWork", "link_rates", "round_time_s", "transfer_s"]


@dataclass(frozen=True)
class RoundWork:
    """What one round asks for, at a given cut, of a scheme whose clients send in parallel.

    Bits are those of one client. Symbols are those of docs/model.md section 3.

    Attributes
    ----------
    before_uplink_s : [num_clients], float
        Compute before the uplink, T_i^F, [s].
    uplink_bits : float
        Smashed data, bψ_j, [bit].
    server_s : float
        The server's work, T_s^F + T_s^B, [s].
    broadcast_bits : float
        Aggregated gradients, n_aχ_j, [bit].
    downlink_bits : float
        A client's own gradients, (b − n_a)χ_j, [bit].
    after_downlink_s : [num_clients], float
        Compute after the downlink, T_i^B, [s].
    model_upload_bits, model_broadcast_bits : float
        The client model Λ_j to be averaged, and the average, [bit].
    averaging_share : float
        Share 1/I of the rounds in which models are exchanged, from 0 to 1, [1].
    """

    before_uplink_s: NDArray[np.float64]
    uplink_bits: float
    server_s: float
    broadcast_bits: float
    downlink_bits: float
    after_downlink_s: NDArray[np.float64]
    model_upload_bits: float = 0.0
    model_broadcast_bits: float = 0.0
    averaging_share: float = 0.0


@dataclass(frozen=True)
class Rates:
    """The rates of one allocation, [bit/s].

    Attributes
    ----------
    uplink_bps, downlink_bps : [num_clients], float
        Rates on each client's own subchannels, [bit/s].
    broadcast_bps : float
        Rate of the whole band at the weakest client, [bit/s].
    """

    uplink_bps: NDArray[np.float64]
    downlink_bps: NDArray[np.float64]
    broadcast_bps: float


def link_rates(problem: RadioResources, owner: NDArray[np.intp], psd_w_per_hz: NDArray[np.float64]) -> Rates:
    """Return the rates of an allocation.

    Parameters
    ----------
    problem : the resources
    owner : [num_subchannels], int
        The client of each subchannel, from 0; -1 for none.
    psd_w_per_hz : [num_subchannels], float
        Uplink transmit power spectral densities p_k, [W/Hz].
    """
    band, gains = problem.band, problem.gains
    return Rates(
        uplink_rates(band, gains, owner, psd_w_per_hz),
        downlink_rates(band, gains, owner),
        broadcast_rate(band, gains),
    )


def transfer_s(bits: float, rate_bps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the time of a transfer at each rate, [s]; no bits take no time, even at rate zero.

    Parameters
    ----------
    bits : float
        Size, [bit].
    rate_bps : [...], float
        Rates, [bit/s].
    """
    if bits == 0:
        return np.zeros_like(rate_bps)
    with np.errstate(divide="ignore"):
        return bits / rate_bps


def round_time_s(work: RoundWork, rates: Rates) -> float:
    """Return the mean time of a round, [s]: two barriers, and what happens between and after them.

    ``max_i(T_i^F + T_i^U) + T_s + T^B + (1 − a) max_i(T_i^D + T_i^B) + a [max_i(T_i^D + T_i^B + Λ/R_i^U) +
    Λ/R^B]``, where a is the share of rounds that exchange models (docs/model.md section 3). FedAvg fits
    too: its uplink and broadcast carry the model, and nothing comes after.

    Parameters
    ----------
    work : what the round asks for
    rates : the rates it gets
    """
    share = work.averaging_share
    broadcast_bps = np.asarray(rates.broadcast_bps)
    first_s = (work.before_uplink_s + transfer_s(work.uplink_bits, rates.uplink_bps)).max()
    second_s = transfer_s(work.downlink_bits, rates.downlink_bps) + work.after_downlink_s
    total_s = first_s + work.server_s + transfer_s(work.broadcast_bits, broadcast_bps)
    if share < 1:
        total_s += (1.0 - share) * second_s.max()
    if share > 0:
        upload_s = transfer_s(work.model_upload_bits, rates.uplink_bps)
        exchange_s = (second_s + upload_s).max() + transfer_s(work.model_broadcast_bits, broadcast_bps)
        total_s += share * exchange_s
    return float(total_s)
