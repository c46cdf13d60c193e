"""From a plan to the links of a world: over a living channel, under the scenario's way of sharing."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np

from ....scenarios.schema.scenario import Radio
from ...links.channel import Channel
from ...links.link_rates import LinkRates, LinkRatesOverTime
from ...links.schedulers import Scheduler, Tdma, WorkConservingOfdma
from ..base import Scheme
from .plan import SchemePlan

__all__ = ["PlannedLinks", "SharingRules", "sharing_rules"]

SharingRules: TypeAlias = tuple[Scheduler, Scheduler] | None


class PlannedLinks:
    """A plan's links over time: its subchannels and powers on the gains of each instant."""

    def __init__(self, plan: SchemePlan, channel: Channel) -> None:
        self._channel = channel
        # One state serves every client's transfers; those of a round look back a few blocks at most.
        self._links = lru_cache(maxsize=16)(lambda state: plan.links_at(channel.gains(state)))

    def at(self, time_s: float) -> tuple[LinkRates, float]:
        """Return the links at an instant, and the instant up to which they stay, [s]."""
        state, until_s = self._channel.state(time_s)
        return self._links(state), until_s


def sharing_rules(
    scheme: Scheme, plan: SchemePlan, channel: Channel, links: LinkRatesOverTime, radio: Radio
) -> SharingRules:
    """Return how uplinks and downlinks share the band; None where each client has links of its own."""
    if scheme.band != "dedicated" or radio.sharing == "dedicated":
        return None
    if radio.sharing == "tdma":
        return (
            Tdma(links, uplink=True, slot_s=radio.tdma_slot_s),
            Tdma(links, uplink=False, slot_s=radio.tdma_slot_s),
        )
    assert plan.owner is not None and plan.psd_w_per_hz is not None
    problem = plan.problem
    downlink = np.full(problem.num_subchannels, problem.band.downlink_w_per_hz)
    unlimited = np.full(problem.num_clients, np.inf)
    return (
        WorkConservingOfdma(problem.band, channel, plan.owner, plan.psd_w_per_hz, problem.power_max_w),
        WorkConservingOfdma(problem.band, channel, plan.owner, downlink, unlimited),
    )
