"""One power rule for all schemes of a run: limits at every instant, full power, least power."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.power.methods import shared_limits_w, with_remaining_power
from cutlayer.sim.allocation.shares.band import PowerLimits, ShareUplinks
from cutlayer.sim.radio.rates import whole_band_rates
from cutlayer.sim.radio.units import dbm_to_w
from tests.support.networks import run_all
from tests.support.worlds import experiment, positive

ONE_AT_A_TIME = ["sl"]
AT_ONE_TIME = ["sfl", "psl", {"name": "epsl", "phi": 0.5}, "fl", "edgesplit", "esfl"]
EQUAL = [{"name": name, "shares": "equal", "label": f"{name} equal"} for name in ("edgesplit", "esfl")]
SCHEMES = [*ONE_AT_A_TIME, *AT_ONE_TIME, *EQUAL]
TOLERANCE = 1 + 1e-9


@st.composite
def sections(draw: st.DrawFn) -> dict[str, Any]:
    """Return two to four devices at any distance, and power limits of which either may bind."""
    count = draw(st.integers(2, 4))

    def each(low: float, high: float) -> list[float]:
        return draw(st.lists(st.floats(low, high), min_size=count, max_size=count))

    return {
        "stop": {"rounds": 1},
        "devices": {
            "count": count,
            "distance_m": each(5, 300),
            "power_max_dbm": each(20, 35),
            "clock_hz": draw(st.lists(positive(1e8, 1e11), min_size=count, max_size=count)),
        },
        "radio": {"uplink_total_power_max_dbm": draw(st.floats(20, 40)), "subchannels": 8},
        "schemes": SCHEMES,
    }


def limits(given: dict[str, Any]) -> tuple[np.ndarray[Any, np.dtype[np.float64]], float]:
    """Return the limits of each device and of all of them, [W]."""
    devices_w = np.asarray(dbm_to_w(np.array(given["devices"]["power_max_dbm"])))
    return devices_w, float(dbm_to_w(given["radio"]["uplink_total_power_max_dbm"]))


@settings(max_examples=8)
@given(sections(), st.sampled_from(["optimal", "full", "uniform"]))
def test_limits_hold_at_every_instant(given_sections: dict[str, Any], rule: str) -> None:
    """In no scheme does a device exceed its limit, or all that send at one time the common limit."""
    ran = run_all(**{**given_sections, "allocation": {"power": rule}})
    devices_w, total_w = limits(given_sections)
    for label, one in ran.items():
        table = one.table
        rows = table[(table["lane"] == "uplink") & (table["end_s"] > table["start_s"])]
        power_w = (rows["energy_j"] / (rows["end_s"] - rows["start_s"])).to_numpy()
        clients = rows["node"].astype(str).str.removeprefix("device-").astype(int).to_numpy()
        assert (power_w <= devices_w[clients] * TOLERANCE).all(), label
        starts_s, ends_s = rows["start_s"].to_numpy(), rows["end_s"].to_numpy()
        for middle_s in 0.5 * (starts_s + ends_s):
            sending = (starts_s <= middle_s) & (middle_s < ends_s)
            assert power_w[sending].sum() <= total_w * TOLERANCE, label


@settings(max_examples=8)
@given(sections())
def test_full_power_uses_what_the_limits_allow(given_sections: dict[str, Any]) -> None:
    """With ``full``, concurrent senders use p_th or each its limit; in SL one uses the smaller of both."""
    ready = experiment(**{**given_sections, "allocation": {"power": "full"}})
    devices_w, total_w = limits(given_sections)
    for scheme, plan in ready.schemes:
        if scheme.parameters.name in ONE_AT_A_TIME:
            assert np.minimum(devices_w, total_w) == pytest.approx(plan.links.uplink_w)
        else:
            used_w = float(plan.links.uplink_w.sum())
            assert min(total_w, devices_w.sum()) == pytest.approx(used_w, rel=1e-9), scheme.parameters.label


@settings(max_examples=8)
@given(sections())
def test_least_power_keeps_the_round_and_costs_less(given_sections: dict[str, Any]) -> None:
    """``optimal`` plans no shorter a round than ``full``, no longer a one than ``uniform``, and less power.

    With equal shares of the band the powers follow from the rule alone; then round times are the same.
    """
    plans = {}
    for rule in ("optimal", "full", "uniform"):
        ready = experiment(**{**given_sections, "allocation": {"power": rule, "cut": 2}})
        plans[rule] = {str(scheme.parameters.label): plan for scheme, plan in ready.schemes}
    for label, least in plans["optimal"].items():
        full, uniform = plans["full"][label], plans["uniform"][label]
        assert full.predicted_s <= least.predicted_s * TOLERANCE, label
        if label.startswith(("edgesplit", "esfl", "sl")):
            assert least.predicted_s <= uniform.predicted_s * TOLERANCE, label
        assert (least.links.uplink_w.sum()) <= full.links.uplink_w.sum() * TOLERANCE, label


@settings(max_examples=8)
@given(sections())
def test_least_power_ends_with_the_slowest(given_sections: dict[str, Any]) -> None:
    """With equal shares of band and server, early devices send with less power and end just in time."""
    schemes = [*EQUAL]
    ran = run_all(**{**given_sections, "schemes": schemes, "allocation": {"power": "optimal"}})
    early = run_all(**{**given_sections, "schemes": schemes, "allocation": {"power": "uniform"}})
    for label, one in ran.items():
        table = one.table
        ends_s = table[table["phase"] == "model_upload"].groupby("node", observed=True)["end_s"].max()
        assert np.full(len(ends_s), one.end_s) == pytest.approx(ends_s.to_numpy(), rel=1e-8)
        assert one.end_s <= early[label].end_s * TOLERANCE


def test_stated_densities_hold_for_every_scheme() -> None:
    """A stated density is that of each scheme's band, as far as the limits allow."""
    densities_dbm = [-60.0, -54.0, -56.0]
    ready = experiment(
        schemes=["sl", "psl", "edgesplit", "esfl"],
        devices={"count": 3, "power_max_dbm": 25.0},
        allocation={"power": {"dbm_per_hz": densities_dbm}, "cut": 2, "subchannels": "round_robin"},
    )
    stated = np.asarray(dbm_to_w(np.array(densities_dbm)))
    plans = {scheme.parameters.name: plan for scheme, plan in ready.schemes}
    resources = plans["sl"].resources
    band_hz = resources.num_subchannels * resources.band.subchannel_hz
    power_w = np.minimum(stated * band_hz, resources.power_max_w)
    assert power_w == pytest.approx(plans["sl"].links.uplink_w)
    for name in ("edgesplit", "esfl"):
        access: Any = plans[name].access
        expected = np.minimum(stated, resources.power_max_w / (access.shares * band_hz))
        assert expected == pytest.approx(access.density_w_per_hz)


@given(st.lists(positive(1e-3, 1e2), min_size=1, max_size=6), positive(1e-3, 1e3))
def test_shared_limits_leave_no_power_over(devices_w: list[float], total_w: float) -> None:
    """Equal powers up to each limit use the common limit, or all limits; raising them changes nothing."""
    ready = experiment(devices={"count": len(devices_w)})
    resources = ready.deployment.resources
    resources = type(resources)(resources.band, resources.gains, np.array(devices_w), total_w)
    shared_w = shared_limits_w(resources)
    assert min(total_w, sum(devices_w)) == pytest.approx(float(shared_w.sum()), rel=1e-12)
    assert (shared_w <= np.array(devices_w)).all()
    below = shared_w < np.array(devices_w)
    assert shared_w[below] == pytest.approx(np.full(below.sum(), shared_w.max()))
    assert shared_w == pytest.approx(with_remaining_power(resources, shared_w), rel=1e-9)


@given(st.floats(0.01, 1), positive(1e-3, 1e2), st.one_of(st.just(np.inf), positive(1e-12, 1e-6)))
def test_rates_of_shares_are_those_of_the_band(share: float, power_w: float, density: float) -> None:
    """R(β) is β times the whole band's rate at the density min(d, P/βW), and its slope is the derivative."""
    ready = experiment(devices={"count": 1})
    resources = ready.deployment.resources
    band_hz = resources.num_subchannels * resources.band.subchannel_hz
    uplinks = ShareUplinks.of(resources, PowerLimits(np.array([power_w]), np.array([density])))
    used = min(density, power_w / (share * band_hz))
    whole_bps, _ = whole_band_rates(resources.band, resources.gains, np.array([used * band_hz]))
    (rate_bps,) = uplinks.rates_bps(np.array([share]))
    assert share * whole_bps[0] == pytest.approx(rate_bps, rel=1e-12)
    if abs(density * share * band_hz / power_w - 1) > 1e-3:  # no kink nearby
        below, above = (uplinks.rates_bps(np.array([share * x]))[0] for x in (1 - 1e-5, 1 + 1e-5))
        slope_bps = (above - below) / (2e-5 * share)
        assert slope_bps == pytest.approx(uplinks.slopes_bps(np.array([share]))[0], rel=1e-3)
    (ratio,) = uplinks.ratios_for(np.array([rate_bps / share]))
    assert used * band_hz / power_w == pytest.approx(ratio, rel=1e-9)
