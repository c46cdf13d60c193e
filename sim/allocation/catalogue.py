"""Registers the allocation methods that a scenario can name, as functions of the resources and the work.

============ =====================================================================================
kind         signature of the function behind the name
============ ============================================================================"""

from __future__ import annotations

from ...scenarios.registry import register

__all__: list[str] = []

register(
    "subchannels",
    "greedy",
    f"{__package__}.subchannels.greedy:greedy",
    summary="the client with the longest phase gets its best free subchannel (Lin et al. 2024)",
)
register(
    "subchannels",
    "marginal_greedy",
    f"{__package__}.subchannels.greedy:marginal_greedy",
    summary="each subchannel goes where it shortens the round most; never worse than greedy",
)
register(
    "subchannels",
    "exchange",
    f"{__package__}.cut_search:exchange",
    summary="moves and swaps while the round shortens with optimal power; never worse than both greedy rules",
)
register(
    "subchannels",
    "round_robin",
    f"{__package__}.subchannels.baselines:round_robin",
    summary="subchannel k to client k mod C",
)
register(
    "subchannels",
    "random",
    f"{__package__}.subchannels.baselines:random",
    summary="one subchannel to each client, the rest at random",
)
register(
    "subchannels",
    "strongest_signal",
    f"{__package__}.subchannels.baselines:strongest_signal",
    summary="one subchannel to each client, then each to the client with the strongest signal on it",
)
register(
    "power",
    "optimal",
    f"{__package__}.power.methods:optimal",
    summary="the powers of the shortest round, by water-filling (exact)",
)
register(
    "power",
    "uniform",
    f"{__package__}.power.methods:uniform",
    summary="each client spreads an equal share of the total power evenly over its subchannels",
)
register(
    "power",
    "full",
    f"{__package__}.power.methods:full",
    summary="as optimal, and each device uses all the power that the limits leave",
)
register(
    "cut",
    "optimal",
    f"{__package__}.planner:optimal_cut",
    summary="the cut of the shortest round, chosen with subchannels and power",
)
register(
    "cut",
    "random",
    f"{__package__}.planner:random_cut",
    summary="a random cut, all equally likely",
)
register(
    "plan",
    "bcd",
    f"{__package__}.joint.bcd:bcd",
    summary="subchannels by exchange, optimal power, optimal cut: near the optimum at any size",
)
register(
    "plan",
    "baseline_a",
    f"{__package__}.joint.published_baselines:baseline_a",
    summary="strongest signal, uniform power, random cut (Lin et al. 2024)",
)
register(
    "plan",
    "baseline_b",
    f"{__package__}.joint.published_baselines:baseline_b",
    summary="greedy subchannels, optimal power, random cut (Lin et al. 2024)",
)
register(
    "plan",
    "baseline_c",
    f"{__package__}.joint.published_baselines:baseline_c",
    summary="strongest signal, optimal power, optimal cut (Lin et al. 2024)",
)
register(
    "plan",
    "baseline_d",
    f"{__package__}.joint.published_baselines:baseline_d",
    summary="greedy subchannels, uniform power, optimal cut (Lin et al. 2024)",
)
register(
    "plan",
    "round_robin",
    f"{__package__}.joint.published_baselines:round_robin",
    summary="subchannels in turn, uniform power, optimal cut",
)
register(
    "plan",
    "optimal",
    f"{__package__}.joint.brute_force:optimal",
    summary="the true optimum, by brute force: small instances only",
)
