"""The names of path losses and allocation methods that a scenario can use.

Importing this module registers them. Entry points are texts, so that naming a method imports nothing.

============ ==========================================================================================
kind         what is behind the name
============ ==========================================================================================
path_loss    ``(parameters, distance_m, centre_hz, seed) -> gains``
subchannels  ``(problem, work, rng) -> owner``
power        ``(problem, work, owner) -> psd_w_per_hz``
cut          ``(cuts, rng) -> cut``, or None to leave it to the planner
============ ==========================================================================================
"""

from __future__ import annotations

from ..scenarios.registry import register
from .radio.path_loss import FixedParameters, LogDistanceParameters, SamimiParameters

__all__: list[str] = []

PATH_LOSS = f"{__package__}.radio.path_loss"
ALLOCATION = f"{__package__}.allocation"

register(
    "path_loss",
    "samimi_28ghz",
    f"{PATH_LOSS}:samimi_gains",
    parameters=SamimiParameters,
    summary="28 GHz urban, line of sight by probability (Samimi, Rappaport, MacCartney 2015)",
)
register(
    "path_loss",
    "log_distance",
    f"{PATH_LOSS}:log_distance_gains",
    parameters=LogDistanceParameters,
    summary="a loss at a reference distance and an exponent",
)
register(
    "path_loss",
    "fixed",
    f"{PATH_LOSS}:fixed_gains",
    parameters=FixedParameters,
    summary="gains given in dB, per device or as a CSV table of devices by subchannels",
)
register(
    "subchannels",
    "greedy",
    f"{ALLOCATION}.subchannels:greedy",
    summary="the client with the longest phase gets its best free subchannel (Lin et al. 2024)",
)
register(
    "subchannels",
    "marginal_greedy",
    f"{ALLOCATION}.subchannels:marginal_greedy",
    summary="each subchannel goes where it shortens the round most",
)
register(
    "subchannels",
    "round_robin",
    f"{ALLOCATION}.subchannels:round_robin",
    summary="subchannel k to client k mod C",
)
register(
    "subchannels",
    "random",
    f"{ALLOCATION}.subchannels:random",
    summary="one subchannel to each client, the rest at random",
)
register(
    "power",
    "optimal",
    f"{ALLOCATION}.power:optimal",
    summary="the powers of the shortest round, by water-filling (exact)",
)
register(
    "power",
    "uniform",
    f"{ALLOCATION}.power:uniform",
    summary="each client spreads an equal share of the total power flat over its subchannels",
)
register(
    "cut",
    "optimal",
    f"{ALLOCATION}.planner:optimal_cut",
    summary="the cut of the shortest round, chosen with subchannels and power",
)
register(
    "cut",
    "random",
    f"{ALLOCATION}.planner:random_cut",
    summary="any cut, each as likely",
)
