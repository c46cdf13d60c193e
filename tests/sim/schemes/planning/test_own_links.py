"""Links of the devices' own in place of the radio: every scheme runs on them, at their rates."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.networks import Ran, own_links, rows_of, run_all, run_one
from tests.support.worlds import positive

SCHEMES: list[Any] = [
    "sl",
    "sfl",
    "sfl_v2",
    "psl",
    {"name": "epsl", "phi": 0.5},
    {"name": "epsl_pt", "phases": [{"rounds": 1, "phi": 1.0}, {"phi": 0.0}], "plan_phase": 1},
    {"name": "fedsl", "compression": {}},
    "fl",
    "esfl",
    {"name": "mpsl", "batches": 2},
    "one_hop",
    "centralised",
]
NETWORK = {"nodes": [{"name": "n", "count": 2}]}


@st.composite
def rates(draw: st.DrawFn) -> dict[str, Any]:
    """Return a section of one to four devices with rates of their own, over decades."""
    count = draw(st.integers(1, 4))
    both = [draw(st.lists(positive(1e5, 1e9), min_size=count, max_size=count)) for _ in range(2)]
    return own_links(*both, count=count)


def rates_seen(ran: Ran, lane: str) -> dict[str, set[float]]:
    """Return the rates of all of each device's transfers in one direction."""
    rows = ran.table[(ran.table["lane"] == lane) & ran.table["node"].astype(str).str.startswith("device")]
    found: dict[str, set[float]] = {}
    for row in rows_of(rows):
        found.setdefault(row["node"], set()).add(row["bits"] / (row["end_s"] - row["start_s"]))
    return found


@settings(max_examples=12)
@given(rates())
def test_every_transfer_goes_at_its_links_rate(devices: dict[str, Any]) -> None:
    """Transfers go at their device's own rates, broadcasts at the slowest downlink's; none costs energy."""
    for label, ran in run_all(schemes=SCHEMES, devices=devices, network=NETWORK).items():
        for lane, key in (("uplink", "uplink_bps"), ("downlink", "downlink_bps")):
            for node, seen in rates_seen(ran, lane).items():
                expected = devices[key][int(node.removeprefix("device-"))]
                assert pytest.approx([expected] * len(seen), rel=1e-6) == sorted(seen), (label, node)
        broadcasts = ran.table[(ran.table["node"] == "server") & (ran.table["lane"] == "downlink")]
        for row in rows_of(broadcasts):
            rate_bps = row["bits"] / (row["end_s"] - row["start_s"])
            assert pytest.approx(min(devices["downlink_bps"]), rel=1e-6) == rate_bps
        assert 0 == ran.table.loc[ran.table["lane"].isin(["uplink", "downlink"]), "energy_j"].sum()
        sends = label != "centralised"
        assert sends == bool(rates_seen(ran, "uplink")), label


@settings(max_examples=12)
@given(rates())
def test_the_plan_is_what_is_simulated(devices: dict[str, Any]) -> None:
    """Each scheme's predicted round is the simulated one; of schemes with queues, a lower bound."""
    ran = run_all(schemes=SCHEMES, devices=devices, network=NETWORK)
    for label, one in ran.items():
        if one.plan.prediction_is_bound:
            assert one.plan.predicted_s <= one.end_s * (1 + 1e-9), label
        else:
            assert pytest.approx(one.plan.predicted_s, rel=1e-9) == one.end_s, label


@given(rates(), st.sampled_from(["sl", "sfl", "psl", "epsl"]))
def test_the_cut_is_the_best_for_these_rates(devices: dict[str, Any], name: str) -> None:
    """No other cut is shorter in simulation."""
    best = run_one(name, devices=devices).end_s
    each = [run_one(name, devices=devices, allocation={"cut": cut}).end_s for cut in range(1, 6)]
    assert pytest.approx(min(each), rel=1e-9) == best


def test_links_are_not_the_radios() -> None:
    """Distances, noise and subchannels change nothing, and more devices than subchannels are no fault."""
    devices = own_links(1e7, count=4)
    here = run_all(schemes=SCHEMES, devices=devices, network=NETWORK)
    far = {**devices, "distance_m": 5000.0, "power_max_dbm": -50.0}
    radio = {"subchannels": 2, "noise_dbm_per_hz": -100}
    there = run_all(schemes=SCHEMES, devices=far, network=NETWORK, radio=radio)
    assert {label: ran.trial.ends_s for label, ran in here.items()} == {
        label: ran.trial.ends_s for label, ran in there.items()
    }


def test_drawn_rates_are_the_same_for_every_scheme() -> None:
    """A distribution is drawn once a device and seed, each direction from a stream of its own."""
    devices = own_links({"uniform": [1e6, 1e8]}, count=3)
    ran = run_all(schemes=["sl", "psl", "fl"], devices=devices)
    links = [one.plan.links for one in ran.values()]
    assert all(links[0].uplink_bps.tolist() == each.uplink_bps.tolist() for each in links)
    rates_bps = [*links[0].uplink_bps, *links[0].downlink_bps]
    assert 6 == len(set(rates_bps))
    assert all(1e6 <= rate_bps <= 1e8 for rate_bps in rates_bps)
