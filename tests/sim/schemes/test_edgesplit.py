"""EdgeSplit and ESFL: shares with which all end together, cuts of each device's own, memory, sums."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.models.unit_tables import named_unit_table
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.sim.radio.rates import whole_band_rates
from cutlayer.sim.schemes.planning.medium_access import BandShares
from tests.support.networks import MIB, Ran, own_links, run_all, run_one, write_profile
from tests.support.part_sizes import training_bits
from tests.support.worlds import experiment, positive

RELATIVE = 1e-9
BATCH = 16
RESNET = {"name": "resnet18", "input_shape": [3, 64, 64], "classes": 7}
LENET = {"name": "lenet", "input_shape": [1, 28, 28], "classes": 10}
UNITS = named_unit_table("resnet18", (3, 64, 64), 7)
NAMES = st.sampled_from(["edgesplit", "esfl"])


@st.composite
def fleets(draw: st.DrawFn, most: int = 5) -> dict[str, Any]:
    """Return sections of devices and a server over several decades of clocks, at any distance."""
    count = draw(st.integers(1, most))

    def each(low: float, high: float) -> list[float]:
        return draw(st.lists(positive(low, high), min_size=count, max_size=count))

    return {
        "batch_size": BATCH,
        "model": RESNET,
        "devices": {"count": count, "clock_hz": each(1e8, 1e11), "distance_m": each(5, 300)},
        "server": {"clock_hz": draw(positive(1e9, 1e12))},
    }


def parameters(name: str, choice: int, steps: int, count: int, cuts: list[int]) -> dict[str, Any]:
    """Return a scheme in one of its variants."""
    variants: list[dict[str, Any]] = [
        {},
        {"method": "joint"},
        {"shares": "equal"},
        {"cuts": "common"},
        {"cuts": "common", "shares": "equal"},
        {"cuts": cuts[:count]},
        {"cuts": cuts[:count], "shares": "equal"},
    ]
    return {"name": name, "local_steps": steps, **variants[choice]}


VARIANTS = st.tuples(
    NAMES, st.integers(0, 6), st.integers(1, 3), st.lists(st.integers(1, 11), min_size=5, max_size=5)
)


@given(fleets(), VARIANTS)
def test_the_round_takes_what_the_plan_says(
    sections: dict[str, Any], variant: tuple[str, int, int, list[int]]
) -> None:
    """Three simulated rounds last three times the planned one, in every variant of both schemes."""
    name, choice, steps, cuts = variant
    scheme = parameters(name, choice, steps, sections["devices"]["count"], cuts)
    ran = run_one(scheme, stop={"rounds": 3}, **sections)
    expected = [n * ran.plan.predicted_s for n in (1, 2, 3)]
    assert pytest.approx(expected, rel=RELATIVE) == ran.trial.ends_s


@given(fleets(), VARIANTS)
def test_best_shares_let_all_end_together(
    sections: dict[str, Any], variant: tuple[str, int, int, list[int]]
) -> None:
    """With the best shares, whatever the cuts, all devices' last uploads end at the same instant."""
    name, choice, steps, cuts = variant
    scheme = parameters(name, choice, steps, sections["devices"]["count"], cuts) | {"shares": "optimal"}
    ran = run_one(scheme, **sections)
    table = ran.table
    ends_s = table[table["phase"] == "model_upload"].groupby("node", observed=True)["end_s"].max()
    assert sections["devices"]["count"] == len(ends_s)
    assert pytest.approx(np.full(len(ends_s), ran.end_s), rel=RELATIVE) == ends_s.to_numpy()


@given(fleets(), VARIANTS)
def test_shares_sum_to_one_and_scale_the_whole_band(
    sections: dict[str, Any], variant: tuple[str, int, int, list[int]]
) -> None:
    """Rates are β_i of the whole band's at the planned densities; powers keep limits; shares sum to 1."""
    name, choice, steps, cuts = variant
    count = sections["devices"]["count"]
    scheme = parameters(name, choice, steps, count, cuts)
    limits = {"power_max_dbm": 30.0}
    radio = {"uplink_total_power_max_dbm": 31.0}
    sections = {**sections, "devices": {**sections["devices"], **limits}, "radio": radio}
    ready = experiment(**{"allocation": {}, **sections, "schemes": [scheme, "sl"]})
    (_, plan), (_, whole) = ready.schemes
    assert isinstance(plan.access, BandShares)
    shares = plan.access.shares
    servers = np.array(plan.server_shares)
    assert pytest.approx(1.0, rel=1e-12) == shares.sum()
    assert pytest.approx(1.0, rel=1e-12) == servers.sum()
    even = np.full(count, 1.0 / count)
    assert pytest.approx(even) == (servers if name == "edgesplit" else shares)
    if scheme.get("shares") == "equal":
        assert pytest.approx(even) == shares
        assert pytest.approx(even) == servers
    resources = plan.resources
    band_hz = resources.num_subchannels * resources.band.subchannel_hz
    whole_band_bps, _ = whole_band_rates(
        resources.band, resources.gains, plan.access.density_w_per_hz * band_hz
    )
    assert pytest.approx(shares * whole_band_bps, rel=1e-12) == plan.links.uplink_bps
    assert pytest.approx(shares * whole.links.downlink_bps, rel=1e-12) == plan.links.downlink_bps
    assert plan.links.uplink_w.max() <= 1.0 * (1 + 1e-9)
    assert plan.links.uplink_w.sum() <= 10**0.1 * (1 + 1e-9)


@given(fleets(most=4), VARIANTS)
def test_flops_and_bits_are_those_of_each_devices_cut(
    sections: dict[str, Any], variant: tuple[str, int, int, list[int]]
) -> None:
    """Device i computes units 1 to its cut and the server, on its share alone, the rest; bits likewise.

    Both sides together do E·b·(ρ_L + ϖ_L) for each device, wherever it is cut.
    """
    name, choice, steps, cuts = variant
    count = sections["devices"]["count"]
    ran = run_one(parameters(name, choice, steps, count, cuts), **sections)
    sums = ran.table.groupby(["node", "phase"], observed=True)[["flops", "bits"]].sum()
    all_flops = 0.0
    for i, cut in enumerate(ran.plan.cuts.of_clients):
        rows = steps * BATCH
        mine = {
            ("client_forward", "flops"): rows * UNITS.forward_flops[:cut].sum(),
            ("client_backward", "flops"): rows * UNITS.backward_flops[:cut].sum(),
            ("uplink", "bits"): rows * UNITS.activation_bits[cut - 1],
            ("downlink", "bits"): rows * UNITS.gradient_bits[cut - 1],
            ("model_upload", "bits"): UNITS.parameter_bits[:cut].sum(),
            ("model_download", "bits"): UNITS.parameter_bits[:cut].sum(),
        }
        servers = {
            ("server_forward", "flops"): rows * UNITS.forward_flops[cut:].sum(),
            ("server_backward", "flops"): rows * UNITS.backward_flops[cut:].sum(),
        }
        for node, expected in ((f"device-{i}", mine), (f"server-{i}", servers)):
            for (phase, column), value in expected.items():
                found = sums[column].get((node, phase), 0.0)
                assert pytest.approx(value, rel=1e-12) == found
                all_flops += found if column == "flops" else 0.0
    model_flops = UNITS.forward_flops.sum() + UNITS.backward_flops.sum()
    assert pytest.approx(count * steps * BATCH * model_flops, rel=1e-12) == all_flops
    assert all_flops == pytest.approx(ran.table["flops"].sum(), rel=1e-12)


@settings(max_examples=6)
@given(fleets(most=3), NAMES)
def test_no_cuts_give_a_shorter_round(sections: dict[str, Any], name: str) -> None:
    """Of all combinations of cuts, each simulated with the best shares, none is shorter than the plan's.

    Both methods find it, since every cut uses the shared resource.
    """
    sections = {**sections, "model": LENET}
    count = sections["devices"]["count"]
    every = [
        {"name": name, "cuts": cuts, "label": f"cuts {cuts}"} for cuts in product(range(1, 6), repeat=count)
    ]
    methods = [{"name": name, "method": method, "label": method} for method in ("alternating", "joint")]
    ran = run_all(schemes=[*every, *methods], **sections)
    least_s = min(one.end_s for label, one in ran.items() if label.startswith("cuts"))
    for method in ("alternating", "joint"):
        assert pytest.approx(least_s, rel=RELATIVE) == ran[method].end_s


@given(fleets(most=1), NAMES, st.integers(1, 3))
def test_one_device_gets_the_best_cut_of_all(sections: dict[str, Any], name: str, steps: int) -> None:
    """A lone device has all of everything, and the cut with which its simulated round is the shortest."""
    each = [{"name": name, "local_steps": steps, "cuts": [cut], "label": str(cut)} for cut in range(1, 12)]
    free = {"name": name, "local_steps": steps, "label": "free"}
    ran = run_all(schemes=[*each, free], **sections)
    assert pytest.approx(min(ran[str(cut)].end_s for cut in range(1, 12)), rel=1e-12) == ran["free"].end_s
    assert (1.0,) == tuple(ran["free"].plan.server_shares)
    assert isinstance(ran["free"].plan.access, BandShares)
    assert [1.0] == ran["free"].plan.access.shares.tolist()


@pytest.mark.parametrize("name", ["edgesplit", "esfl"])
def test_sampled_clients_share_the_whole_server(name: str) -> None:
    """A plan for fewer devices shares the server among these alone: their shares sum to 1."""
    ready = experiment(schemes=[name], allocation={}, devices={"count": 4})
    ((scheme, _),) = ready.schemes
    plan = scheme.plan(ready.deployment.select((0, 2)), ready.context.planner())
    assert 2 == len(plan.server_shares)
    assert pytest.approx(1.0, rel=1e-12) == sum(plan.server_shares)


def needed_mib(cut: int) -> float:
    """Return what training a device's part of ResNet-18 with a mini-batch needs, [MiB]."""
    return training_bits(UNITS, 0, cut, BATCH) / MIB


@given(fleets(most=4), VARIANTS, st.lists(st.integers(1, 11), min_size=4, max_size=4))
def test_no_part_exceeds_its_devices_memory(
    sections: dict[str, Any], variant: tuple[str, int, int, list[int]], most: list[int]
) -> None:
    """Where each device has memory for some cut, the part at its chosen cut needs no more."""
    name, choice, steps, _ = variant
    count = sections["devices"]["count"]
    scheme = parameters(name, choice % 5, steps, count, [])
    memory = [needed_mib(cut) * (1 + 1e-9) for cut in most[:count]]
    devices = {**sections["devices"], "memory_mib": memory}
    ran = run_one(scheme, **{**sections, "devices": devices})
    planned_mib = ran.plan.memory.devices_bits / MIB
    assert [needed_mib(cut) for cut in ran.plan.cuts.of_clients] == pytest.approx(planned_mib.tolist())
    assert (planned_mib <= np.array(memory) * (1 + 1e-9)).all()


def refused(name: str, devices: dict[str, Any], **more: Any) -> str:
    """Return why a scenario of two devices is refused."""
    with pytest.raises(ScenarioError) as caught:
        experiment(
            schemes=[{"name": name, **more}],
            batch_size=BATCH,
            model=RESNET,
            allocation={},
            devices={"count": 2, **devices},
        )
    return str(caught.value)


@pytest.mark.parametrize("name", ["edgesplit", "esfl"])
def test_memory_that_is_too_small_is_refused_with_the_numbers(name: str) -> None:
    """The message names the device, what the smallest part and the given part need, and what there is."""
    message = refused(name, {"memory_mib": [100, 1]})
    assert f"devices.memory_mib: {name} needs {needed_mib(1):.4g} MiB" in message
    assert "device 1 has 1 MiB" in message
    message = refused(name, {"memory_mib": [100, needed_mib(2) * (1 + 1e-9)]}, cuts=[2, 4])
    assert f"cut 4 needs {needed_mib(4):.4g} MiB on device 1, which has {needed_mib(2):.4g} MiB" in message


@pytest.mark.parametrize("cuts", [[3], [3, 3, 3], [3, 12]])
def test_cuts_must_be_one_a_device_and_inside_the_model(cuts: list[int]) -> None:
    """Too few, too many or too high: the rule and what was given are named."""
    message = refused("edgesplit", {}, cuts=cuts)
    assert "cuts must be 2 numbers from 1 to 11, one a device" in message
    assert ", ".join(str(cut) for cut in cuts) in message


def test_edgesplit_has_nothing_to_share_on_own_links() -> None:
    """Links of the devices' own are no shares of a band; ESFL's compute still is."""
    assert "devices.uplink_bps: edgesplit shares out the bandwidth" in refused("edgesplit", own_links(1e7))
    ran = run_one("esfl", batch_size=BATCH, model=RESNET, devices=own_links([1e7, 3e7], [2e7, 5e6], count=2))
    assert [1e7, 3e7] == ran.plan.links.uplink_bps.tolist()
    assert [2e7, 5e6] == ran.plan.links.downlink_bps.tolist()
    assert pytest.approx(ran.plan.predicted_s, rel=RELATIVE) == ran.end_s


@pytest.mark.parametrize("name", ["edgesplit", "esfl"])
def test_a_late_device_is_left_out(name: str) -> None:
    """A device that is cut off by the deadline takes no part, and the round ends there with the others."""
    sections: dict[str, Any] = {"batch_size": BATCH, "model": RESNET, "devices": {"count": 3}}
    cuts = {"name": name, "cuts": [3, 3, 11], "shares": "equal"}
    free = run_one(cuts, **sections)
    uploads = free.table.query("phase == 'model_upload'").set_index("node")["end_s"].sort_values()
    deadline_s = float(uploads.iloc[1:].mean())
    ran = run_one(cuts, **sections, round_policy={"deadline_s": deadline_s})
    (result,) = ran.trial.results
    late = int(str(uploads.index[-1]).removeprefix("device-"))
    assert set(range(3)) - {late} == set(result.outcome.participants)
    assert pytest.approx(deadline_s, rel=1e-12) == result.end_s


def write_times(folder: Path, *, s_per_flop: dict[str, float]) -> Path:
    """Write a profile of LeNet whose layers take on each place what their FLOPs take."""
    units = named_unit_table("lenet", (1, 28, 28), 10)
    nothing = np.zeros(len(units))
    times_ms = {
        place: 128e3 * per_flop * np.stack([units.forward_flops, units.backward_flops, nothing], axis=1)
        for place, per_flop in s_per_flop.items()
    }
    kib = 8 * 1024.0
    return write_profile(
        folder, times_ms, list(128 * units.activation_bits / kib), list(units.parameter_bits / kib)
    )


@pytest.mark.parametrize("name", ["edgesplit", "esfl"])
def test_measured_times_equal_the_same_times_from_flops(name: str, tmp_path: Path) -> None:
    """A profile whose layers take FLOPs·κ/f gives the cuts, the plan and the round of those FLOPs."""
    devices = {"count": 3, "clock_hz": [1e9, 2e9, 5e9], "cycles_per_flop": 0.1}
    server = {"clock_hz": 1e10, "cycles_per_flop": 0.05}
    per_flop = {"slow": 1e-10, "middle": 5e-11, "fast": 2e-11, "server": 5e-12}
    profile = write_times(tmp_path / "lenet", s_per_flop=per_flop)
    counted = run_one(name, model=LENET, batch_size=128, devices=devices, server=server)
    for model in ({**LENET, "profile": str(profile)}, {"name": "measured", "profile": str(profile)}):
        measured = run_one(
            name,
            model=model,
            batch_size=128,
            devices={"count": 3, "profile": ["slow", "middle", "fast"], "clock_hz": 1e9},
            server={"profile": "server"},
        )
        assert counted.plan.cuts == measured.plan.cuts
        assert pytest.approx(counted.plan.predicted_s, rel=RELATIVE) == measured.plan.predicted_s
        assert pytest.approx(counted.end_s, rel=RELATIVE) == measured.end_s


def test_updates_take_time_on_both_sides(tmp_path: Path) -> None:
    """Measured updates of the weights count with either side's backward pass, in plan and round."""
    rows = [[3.0, 4.0, 50.0], [1.0, 1.0, 70.0]]
    profile = write_profile(tmp_path / "two", {"pi": rows}, [1.0, 1.0], [1.0, 1.0])
    ran: Ran = run_one(
        {"name": "esfl", "local_steps": 2},
        model={"name": "measured", "profile": str(profile)},
        batch_size=128,
        devices=own_links(1e15, count=1, profile="pi"),
        server={"profile": "pi"},
    )
    assert pytest.approx(2 * (57 + 72) * 1e-3, rel=1e-6) == ran.end_s
    assert pytest.approx(ran.plan.predicted_s, rel=RELATIVE) == ran.end_s


def test_layers_that_take_no_time_leave_the_server_nothing(tmp_path: Path) -> None:
    """Behind the last layer that takes time there is exactly nothing to share, however the others add up."""
    rows = [[0.1 * layer, 0.7 / layer, 0.0] for layer in range(1, 8)] + [[0.0, 0.0, 0.0]] * 3
    sizes = [1.0] * len(rows)
    profile = write_profile(tmp_path / "ten", {"vm": rows}, sizes, sizes)
    for cut in (7, 8, 9):
        ran = run_one(
            {"name": "esfl", "cuts": [cut]},
            model={"name": "measured", "profile": str(profile)},
            batch_size=128,
            devices=own_links(1e15, count=1, profile="vm"),
            server={"profile": "vm"},
        )
        assert ran.table[ran.table["node"] == "server-0"].empty
        assert pytest.approx(1e-3 * sum(sum(row) for row in rows)) == ran.end_s


@pytest.mark.parametrize("name", ["edgesplit", "esfl"])
def test_trying_all_cuts_gives_what_the_exact_method_gives(name: str) -> None:
    """With three devices brute force ends where the joint optimum is; five are refused, with the limit."""
    rounds = [
        run_one(
            {"name": name, "method": method}, model=LENET, devices={"count": 3, "clock_hz": [1e8, 3e8, 1e9]}
        )
        for method in ("joint", "brute_force")
    ]
    assert pytest.approx(rounds[0].end_s, rel=RELATIVE) == rounds[1].end_s
    with pytest.raises(ScenarioError, match="brute force takes 4 devices"):
        run_one({"name": name, "method": "brute_force"}, model=LENET, devices={"count": 5})
