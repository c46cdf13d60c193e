"""Rates of many blocks at once: they are those of the links in each block, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cutlayer.sim.links.link_rates import Direction
from cutlayer.sim.schemes.planning.medium_access import (
    BandShares,
    DedicatedSubchannels,
    MediumAccess,
    NoRadio,
    TimeSlots,
    WholeBand,
)
from cutlayer.sim.schemes.planning.plan import PlannedLinks, SchemePlan
from cutlayer.sim.schemes.planning.window_rates import whole_band_window_rates
from tests.support.worlds import experiment

FADING = {"model": "rayleigh", "coherence_s": 0.01}
DIRECTIONS: tuple[Direction, ...] = ("uplink", "downlink", "broadcast")
ACCESS: list[tuple[str, str, type[MediumAccess]]] = [
    ("psl", "dedicated", DedicatedSubchannels),
    ("psl", "tdma", TimeSlots),
    ("sl", "dedicated", WholeBand),
    ("edgesplit", "dedicated", BandShares),
    ("centralised", "dedicated", NoRadio),
]


def planned(scheme: str, **radio: Any) -> tuple[SchemePlan, PlannedLinks]:
    """Return the plan of a scheme for three clients, and its links over time."""
    ready = experiment(schemes=[scheme], radio={"fading": FADING, **radio})
    ((_, plan),) = ready.schemes
    return plan, PlannedLinks(plan, ready.context.channel)


@pytest.mark.parametrize(("scheme", "sharing", "access"), ACCESS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_window_has_the_rates_of_the_links(
    scheme: str, sharing: str, access: type[MediumAccess], direction: Direction
) -> None:
    """Whichever clients are asked for, and in whatever order, each rate is that of the links of the block."""
    plan, links = planned(scheme, sharing=sharing)
    assert access is type(plan.access)
    for rows in ([1], [2, 0], [0, 1, 2]):
        window = links.window(direction, np.array(rows), 1.5)
        for block in (0, 7, len(window.rates_bps) - 1):
            block_links, until_s = links.at(float(window.edges_s[block]))
            assert until_s == window.edges_s[block + 1]
            assert block_links.rates_bps(direction)[rows].tolist() == window.rates_bps[block].tolist()


def test_many_clients_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the gains that are computed at once changes no bit of the rates."""
    ready = experiment(devices={"count": 7}, schemes=["sl"], radio={"fading": FADING})
    resources, gains = ready.deployment.resources, ready.context.channel.window(0.0)
    whole = whole_band_window_rates(resources, gains, 1e-9, np.arange(7))
    module = "cutlayer.sim.schemes.planning.window_rates.GAINS_MAX"
    monkeypatch.setattr(module, 2 * len(gains) * resources.num_subchannels)
    assert whole.tolist() == whole_band_window_rates(resources, gains, 1e-9, np.arange(7)).tolist()


def test_rates_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dedicated links of all clients are computed together, those on the whole band one by one."""
    computed = list[list[int]]()
    for scheme in ("psl", "sl"):
        plan, links = planned(scheme)
        original = type(plan.access).rates_bps

        def rates_bps(
            self: Any, direction: Any, resources: Any, gains: Any, clients: Any, original: Any = original
        ) -> Any:
            computed.append(clients.tolist())
            return original(self, direction, resources, gains, clients)

        monkeypatch.setattr(type(plan.access), "rates_bps", rates_bps)
        for rows in ([1], [1], [1, 2]):
            links.window("uplink", np.array(rows), 0.0)
    assert [[0, 1, 2], [1], [2]] == computed
