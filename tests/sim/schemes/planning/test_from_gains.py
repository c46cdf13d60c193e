"""From gains and an allocation to latency: rates are computed here, by docs/model.md section 2 alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.schema.scenario import Stop
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources
from cutlayer.sim.schemes.base import TrainingTask
from cutlayer.sim.schemes.round_loop import run_rounds
from cutlayer.sim.schemes.round_planners.fixed_plan import FixedPlan
from cutlayer.sim.world.world import World
from tests.support.closed_forms import Forms
from tests.support.worlds import (
    Setting,
    deployment_of,
    links,
    make_scheme,
    positive,
    radio_planner,
    settings_of,
)


@dataclass(frozen=True)
class Radio:
    """A channel and an allocation, as a scenario would give them."""

    B: float
    sigma2: float
    G: float
    downlink_w_per_hz: float
    gains: list[list[float]]
    owned: list[list[int]]
    dbm_per_hz: list[float]

    def rate(self, client: int, subchannels: list[int], density: float) -> float:
        """Return Σ_k B log2(1 + p G γ/σ²)."""
        snr = [density * self.G * self.gains[client][k] / self.sigma2 for k in subchannels]
        return sum(self.B * math.log2(1 + x) for x in snr)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Setting, int, Radio]:
    """Return a setting, a cut, and a radio whose every subchannel is given to somebody at some density."""
    setting = draw(settings_of(max_clients=4))
    C = setting.clients
    M = draw(st.integers(C, C + 3))
    owners = [*range(C), *draw(st.lists(st.integers(0, C - 1), min_size=M - C, max_size=M - C))]
    radio = Radio(
        B=draw(positive(1e4, 1e7)),
        sigma2=draw(positive(1e-21, 1e-19)),
        G=draw(positive(1, 100)),
        downlink_w_per_hz=draw(positive(1e-10, 1e-7)),
        gains=[[draw(positive(1e-14, 1e-8)) for _ in range(M)] for _ in range(C)],
        owned=[[k for k in range(M) if owners[k] == i] for i in range(C)],
        dbm_per_hz=[draw(st.floats(-80, -50)) for _ in range(C)],
    )
    return setting, draw(st.integers(1, len(setting.units) - 1)), radio


@given(cases(), st.sampled_from(["psl", "epsl", "sfl", "fl", "sl"]))
def test_latency_from_gains_and_allocations(case: tuple[Setting, int, Radio], name: str) -> None:
    """Plan and simulator turn gains, subchannels and densities into the closed form's latency."""
    setting, cut, radio = case
    C, M = setting.clients, len(radio.gains[0])
    band = Band(radio.B, np.arange(float(M)), radio.sigma2, radio.G, radio.downlink_w_per_hz)
    limit_w = 1e6
    problem = RadioResources(band, np.array(radio.gains), np.full(C, limit_w), limit_w * C)
    scheme = make_scheme(name, TrainingTask(setting.units, setting.batch_size))
    server_s_per_flop = setting.server.cycles_per_flop / setting.server.clock_hz
    deployment = deployment_of(problem, setting.fleet.seconds_per_flop, server_s_per_flop, setting.units)
    allocation: dict[str, Any] = {
        "subchannels": radio.owned,
        "power": {"dbm_per_hz": radio.dbm_per_hz},
        "cut": cut,
    }
    plan = scheme.plan(deployment, radio_planner(**allocation))
    world = World(setting.server, setting.fleet, plan.links)
    (result,) = run_rounds(scheme, world, None, FixedPlan(plan, range(C)), Stop(rounds=1), 1)

    density = [10 ** (dbm / 10) / 1e3 for dbm in radio.dbm_per_hz]
    everything = list(range(M))
    down = [radio.rate(i, radio.owned[i], radio.downlink_w_per_hz) for i in range(C)]
    whole = [radio.rate(i, everything, radio.downlink_w_per_hz) for i in range(C)]
    up = [radio.rate(i, radio.owned[i], density[i]) for i in range(C)]
    if name == "sl":  # the whole band, at the stated density
        up, down = [radio.rate(i, everything, density[i]) for i in range(C)], whole
    own = Setting(setting.units, setting.batch_size, setting.fleet, setting.server, links(up, down, whole))
    forms = Forms(own, cut)
    b = setting.batch_size
    expected = {
        "psl": lambda: forms.epsl(0),
        "epsl": lambda: forms.epsl(math.ceil(b / 2), forward_twice=True),
        "sfl": forms.sfl,
        "fl": lambda: forms.fl(1),
        "sl": forms.sl,
    }[name]()
    assert expected == pytest.approx(result.end_s, rel=1e-9)
