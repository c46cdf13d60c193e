"""The work of one round, the rates of one allocation, and the round time that follows from both.

The symbols are those of docs/model.md, sections 1 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..radio.rates import broadcast_rate, downlink_rates, uplink_rates
from ..radio.resources import RadioResources

__all__ = ["Rates", "RoundWork", "link_rates", "round_time_s", "transfer_s"]


@dataclass(frozen=True)
class RoundWork:
    """The computation and the traffic of one round at one cut, for schemes whose clients send in parallel.

    All numbers of bits are those of one client.

    Attributes
    ----------
    before_uplink_s : ndarray, [num_clients]
        Computation time before the uplink, T_i^F, [s].
    uplink_bits : float
        Smashed data, bψ_j, [bit].
    server_s : float
        Computation time of the server, T_s^F + T_s^B, [s].
    broadcast_bits : float
        Aggregated gradients, n_aχ_j, [bit].
    downlink_bits : float
        Gradients that are for one client alone, (b − n_a)χ_j, [bit].
    after_downlink_s : ndarray, [num_clients]
        Computation time after the downlink, T_i^B, [s].
    model_upload_bits : float
        Client model that is uploaded to be averaged, Λ_j, [bit].
    model_broadcast_bits : float
        Averaged model that is broadcast, Λ_j, [bit].
    averaging_share : float
        Share a = 1/I of the rounds in which models are averaged, from 0 to 1.
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
    """The rates of one allocation.

    Attributes
    ----------
    uplink_bps : ndarray, [num_clients]
        Uplink rate of each client on its own subchannels, R_i^U, [bit/s].
    downlink_bps : ndarray, [num_clients]
        Downlink rate of each client on its own subchannels, R_i^D, [bit/s].
    broadcast_bps : float
        Rate of the whole band at the weakest client, R^B, [bit/s].
    """

    uplink_bps: NDArray[np.float64]
    downlink_bps: NDArray[np.float64]
    broadcast_bps: float


def link_rates(
    problem: RadioResources, client_of: NDArray[np.intp], psd_w_per_hz: NDArray[np.float64]
) -> Rates:
    """Return the rates of an allocation.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    client_of : ndarray of int, [num_subchannels]
        Client of each subchannel, from 0; -1 for none.
    psd_w_per_hz : ndarray, [num_subchannels]
        Uplink transmit power spectral densities p_k, [W/Hz].
    """
    band, gains = problem.band, problem.gains
    return Rates(
        uplink_rates(band, gains, client_of, psd_w_per_hz),
        downlink_rates(band, gains, client_of),
        broadcast_rate(band, gains),
    )


def transfer_s(bits: float, rate_bps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the transfer time at each rate, [s]; zero bits take no time, even at rate zero.

    Parameters
    ----------
    bits : float
        Size of the message, [bit].
    rate_bps : ndarray, any shape
        Rates, [bit/s].
    """
    if bits == 0:
        return np.zeros_like(rate_bps)
    with np.errstate(divide="ignore"):
        return bits / rate_bps


def round_time_s(work: RoundWork, rates: Rates) -> float:
    """Return the mean time of a round, [s].

    A round has two barriers: the server waits for all uplinks, and the round ends with its last client.
    With a, the share of the rounds that average models, the mean is::

        max_i(T_i^F + T_i^U) + T_s + T^B + (1 − a) max_i(T_i^D + T_i^B)
            + a [max_i(T_i^D + T_i^B + Λ/R_i^U) + Λ/R^B]

    (docs/model.md, section 3.1). FedAvg has the same form: its uplink and its broadcast carry the model, and
    all later terms are zero.
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
