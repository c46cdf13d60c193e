"""The names of path losses and allocation methods that a scenario can use.

Importing this module registers them. Entry points are texts, so that naming a method imports nothing.

============ ==========================================================================================
kind         what is behind the name
============ ==========================================================================================
path_loss    ``(parameters, distance_m, centre_hz, seed) -> gains``
fading       ``(parameters, rng, shape) -> power gains of one block``, of mean 1
plan         ``(problem, works, rng) -> plan``: subchannels, power and cut together
subchannels  ``(problem, work, rng) -> owner``
power        ``(problem, work, owner) -> psd_w_per_hz``
cut          ``(cuts, rng) -> cut``, or None to leave it to the planner
============ ==========================================================================================
"""

from __future__ import annotations

from ..scenarios.registry import register
from .radio.fading import NoFadingParameters, RayleighParameters, RicianParameters
from .radio.path_loss import FixedParameters, LogDistanceParameters, SamimiParameters
from .radio.tr38901 import Tr38901Parameters

__all__: list[str] = []

PATH_LOSS = f"{__package__}.radio.path_loss"
FADING = f"{__package__}.radio.fading"
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
    "path_loss",
    "tr38901",
    f"{__package__}.radio.tr38901:tr38901_gains",
    parameters=Tr38901Parameters,
    summary="3GPP TR 38.901 outdoors: UMi, UMa or RMa, with multipath (by Sionna: cutlayer[sionna])",
)
register(
    "fading",
    "none",
    f"{FADING}:no_fading",
    parameters=NoFadingParameters,
    summary="gains stay as they are",
)
register(
    "fading",
    "rayleigh",
    f"{FADING}:rayleigh",
    parameters=RayleighParameters,
    summary="block fading per subchannel without line of sight: exponential power gains",
)
register(
    "fading",
    "rician",
    f"{FADING}:rician",
    parameters=RicianParameters,
    summary="block fading per subchannel with a line-of-sight component k_db above the rest",
)
register(
    "subchannels",
    "greedy",
    f"{ALLOCATION}.greedy:greedy",
    summary="the client with the longest phase gets its best free subchannel (Lin et al. 2024)",
)
register(
    "subchannels",
    "marginal_greedy",
    f"{ALLOCATION}.greedy:marginal_greedy",
    summary="each subchannel goes where it shortens the round most",
)
register(
    "subchannels",
    "exchange",
    f"{ALLOCATION}.exchange:exchange",
    summary="moves and swaps while the round shortens with optimal power; slower, near the optimum",
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
    "subchannels",
    "strongest_signal",
    f"{ALLOCATION}.subchannels:strongest_signal",
    summary="each subchannel to the client received strongest on it, after one to each client",
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
register(
    "plan",
    "bcd",
    f"{ALLOCATION}.bcd:bcd",
    summary="subchannels by exchange, optimal power, optimal cut: near the optimum at any size",
)
register(
    "plan",
    "baseline_a",
    f"{ALLOCATION}.baselines:baseline_a",
    summary="strongest signal, uniform power, random cut (Lin et al. 2024)",
)
register(
    "plan",
    "baseline_b",
    f"{ALLOCATION}.baselines:baseline_b",
    summary="greedy subchannels, optimal power, random cut (Lin et al. 2024)",
)
register(
    "plan",
    "baseline_c",
    f"{ALLOCATION}.baselines:baseline_c",
    summary="strongest signal, optimal power, optimal cut (Lin et al. 2024)",
)
register(
    "plan",
    "baseline_d",
    f"{ALLOCATION}.baselines:baseline_d",
    summary="greedy subchannels, uniform power, optimal cut (Lin et al. 2024)",
)
register(
    "plan",
    "round_robin",
    f"{ALLOCATION}.baselines:round_robin",
    summary="subchannels in turn, uniform power, optimal cut",
)
register(
    "plan",
    "optimal",
    f"{ALLOCATION}.optimum:optimal",
    summary="the true optimum, by brute force: small instances only",
)
