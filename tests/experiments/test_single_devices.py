"""Attributes of single devices, and devices that are left out: nothing else of the others changes."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cutlayer
from cutlayer.scenarios.registry import specs
from cutlayer.scenarios.schema.devices import DeviceOverrides
from tests.support.stopped_runs import NODES, scenario
from tests.support.worlds import experiment, trials

SCHEMES = [spec.name for spec in specs("scheme")]
SUBCHANNELS = [[0, 1], [2], [3, 4], [5, 6]]
EXPLICIT = {"subchannels": SUBCHANNELS, "power": {"dbm_per_hz": [-60, -61, -62, -63]}, "cut": 2}
NETWORK = {"nodes": NODES, "wire": {"rate_bps": 1e9}}
FAULTS: dict[str, Any] = {
    "stragglers": {
        "slowdown": {"factor": {"uniform": [2, 5]}, "mean_normal_s": 0.02, "mean_slow_s": 0.01},
        "compute_noise": {"pareto": {"shape": 2.5}},
    }
}
FADING = {"fading": {"model": "rayleigh", "coherence_s": 0.01}}
ATTRIBUTES = {
    "clock_hz": 1.0e8, "cycles_per_flop": 0.5, "distance_m": 33.0, "power_max_dbm": 20.0,
    "switched_capacitance": 2e-28, "power_idle_w": 0.5, "power_receive_w": 0.25, "power_circuit_w": 0.125,
    "battery_j": 40.0, "memory_mib": 1024.0, "uplink_bps": 1e6, "downlink_bps": 2e6,
}  # fmt: skip
IN_FLEET = {"memory_mib": ("memory_bits", 2**23), "power_max_dbm": ("power_max_w", None)}


def client_rows(sections: dict[str, Any], without: int | None = None) -> pd.DataFrame:
    """Return the rows of the devices' intervals in a run of PSL, except those of one device."""
    (trial,) = trials(experiment(**sections)).values()
    table = trial.world.record.frame()
    table = table[table["node"].astype(str).str.startswith("device") & (table["node"] != f"device-{without}")]
    columns = ["node", "phase", "round", "start_s", "end_s", "bits", "flops", "energy_j"]
    return table[columns].astype({"node": str}).sort_values(["node", "start_s"]).reset_index(drop=True)


def test_every_attribute_can_be_set() -> None:
    """The list of attributes here is that of the section."""
    assert set(ATTRIBUTES) == set(DeviceOverrides.model_fields)


@pytest.mark.parametrize("key", ATTRIBUTES)
def test_an_attribute_of_one_device_changes_no_other(key: str) -> None:
    """Of all arrays of the fleet only one value changes, and it is the one that is given."""
    devices: dict[str, Any] = {"count": 4, "clock_hz": {"lognormal": {"median": 1e9, "sigma": 0.5}}}
    if key.endswith("_bps"):
        devices.update(uplink_bps={"uniform": [1e6, 2e6]}, downlink_bps={"uniform": [1e6, 2e6]})
    value = ATTRIBUTES[key]
    plain = experiment(devices=devices).fleet
    changed = experiment(devices={**devices, "overrides": {2: {key: value}}}).fleet
    name, scale = IN_FLEET.get(key, (key, 1))
    for field, before in plain.__dict__.items():
        after = getattr(changed, field)
        if field != name:
            assert repr(before) == repr(after)
            continue
        unset = math.inf if key in ("battery_j", "memory_mib") else 0.0
        expected = np.full(4, unset) if before is None else before.copy()
        expected[2] = 0.1 if scale is None else value * scale
        np.testing.assert_allclose(after, expected, rtol=1e-12)


def test_the_draws_of_faults_stay() -> None:
    """A device that is made faster leaves the slow-downs and the noise of all devices as they are."""
    sections: dict[str, Any] = {"allocation": EXPLICIT, **FAULTS}
    plain = client_rows({**sections, "devices": {"count": 4}, "stop": {"rounds": 1}})
    faster = client_rows(
        {**sections, "devices": {"count": 4, "overrides": {1: {"clock_hz": 1e11}}}, "stop": {"rounds": 1}}
    )
    forward = plain["phase"].isin(["client_forward", "uplink"])
    for other in (0, 2, 3):
        rows = forward & (plain["node"] == f"device-{other}")
        pd.testing.assert_frame_equal(plain[rows], faster[rows], check_exact=True)


@pytest.mark.parametrize("excluded", range(4))
@pytest.mark.parametrize("radio", [{}, FADING], ids=["constant", "fading"])
def test_the_others_do_what_they_did(excluded: int, radio: dict[str, Any]) -> None:
    """By explicit plans, the other devices compute and send the same up to the barrier, to the bit."""
    sections = {"allocation": EXPLICIT, "radio": radio, "stop": {"rounds": 1}, **FAULTS}
    whole = client_rows({**sections, "devices": {"count": 4}}, excluded)
    rest = client_rows({**sections, "devices": {"count": 4, "exclude": [excluded]}})
    for phases in (["client_forward", "uplink"],):
        before, after = (table[table["phase"].isin(phases)].reset_index(drop=True) for table in (whole, rest))
        pd.testing.assert_frame_equal(before, after, check_exact=True)
    assert f"device-{excluded}" not in set(rest["node"])
    assert 3 == rest["node"].nunique()


def test_a_server_that_takes_no_time_hides_who_is_left_out() -> None:
    """If the excluded device never was the last one, all rows of the others stay, over several rounds."""
    allocation = {**EXPLICIT, "subchannels": [[0], [1, 2, 3, 4, 5, 6], [7], [8]]}
    sections = {"allocation": allocation, "server": {"clock_hz": 1e18, "cycles_per_flop": 1e-9}}
    devices: dict[str, Any] = {"count": 4, "clock_hz": [1e9, 1e15, 1.1e9, 1.2e9], "distance_m": 10.0}
    whole = client_rows({**sections, "devices": devices}, without=1)
    rest = client_rows({**sections, "devices": {**devices, "exclude": [1]}})
    pd.testing.assert_frame_equal(
        whole.drop(columns=["start_s", "end_s"]), rest.drop(columns=["start_s", "end_s"]), check_exact=True
    )
    np.testing.assert_allclose(whole["end_s"], rest["end_s"], rtol=1e-9)


@given(st.sets(st.integers(0, 5), max_size=5), st.integers(1, 6), st.integers(0, 9))
def test_sampling_leaves_them_out_of_the_same_order(excluded: set[int], per_round: int, seed: int) -> None:
    """The sampled devices are the first ones of the order that are not excluded."""
    per_round = min(per_round, 6 - len(excluded))

    def sampled(devices: dict[str, Any], count: int) -> list[tuple[int, ...]]:
        ready = experiment(
            devices=devices, participation={"per_round": count}, seed=seed, allocation={"cut": 2},
            stop={"rounds": 3},
        )  # fmt: skip
        (trial,) = trials(ready).values()
        return [result.outcome.participants for result in trial.results]

    everybody: list[list[tuple[int, ...]]] = [
        [()] * 3,
        *(sampled({"count": 6}, count) for count in range(1, 7)),
    ]
    orders = [
        [next(iter(set(more[r]) - set(fewer[r]))) for fewer, more in pairwise(everybody)] for r in range(3)
    ]
    expected = [tuple(sorted([d for d in order if d not in excluded][:per_round])) for order in orders]
    assert expected == sampled({"count": 6, "exclude": sorted(excluded)}, per_round)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize(
    "sections",
    [
        {"allocation": EXPLICIT},
        {"radio": {"sharing": "tdma"}},
        {"radio": {"sharing": "work_conserving"}, "server": {"service": "arrival"}},
        {"radio": FADING, "allocation": {"cut": 2, "replan": {"every_rounds": 2}}},
        {"round_policy": {"deadline_s": 0.05}, **FAULTS},
    ],
    ids=["explicit", "tdma", "arrival", "plans", "deadline"],
)
def test_an_excluded_device_takes_part_in_nothing(name: str, sections: dict[str, Any]) -> None:
    """In every scheme it has no row, no plan and no part in a round."""
    ready = experiment(devices={"count": 4, "exclude": [1]}, schemes=[name], network=NETWORK, **sections)
    (trial,) = trials(ready).values()
    assert "device-1" not in set(trial.world.record.frame()["node"].astype(str))
    assert (0, 2, 3) == trial.world.clients
    assert [0, 2, 3] == sorted(trial.planner.device_plans()) == trial.planner.participants()
    assert all(1 not in result.outcome.participants for result in trial.results)


@pytest.mark.parametrize(
    ("name", "key"), [("edgesplit", {"cuts": [1, 2, 3, 4]}), ("one_hop", {"workflow": [0, 1, 0, 1]})]
)
def test_lists_of_a_scheme_have_a_value_for_each_device(name: str, key: dict[str, Any]) -> None:
    """The value of an excluded device is left out, like its values in the allocation."""
    sections = {"schemes": [{"name": name, **key}], "network": NETWORK}
    ready = experiment(devices={"count": 4, "exclude": [1]}, **sections)
    (trial,) = trials(ready).values()
    assert (0, 2, 3) == trial.world.clients
    ((_, plan),) = ready.schemes
    if name == "edgesplit":
        assert (1, 3, 4) == plan.cuts.of_clients
    else:
        assert ["node-0", "node-0", "node-1"] == [path[0].node for path in plan.structure.paths]


def test_no_excluded_device_is_the_run_without_the_key() -> None:
    """Timelines are equal to the bit."""
    without: dict[str, Any] = {"count": 3}
    plain, empty = (
        trials(experiment(devices=devices))["psl"].world.record.fingerprint()
        for devices in (without, {**without, "exclude": [], "overrides": {}})
    )
    assert plain == empty


COMPRESSION = {"quantisation": {"tensors": ["activations", "gradients", "models"]}, "dropout": {"share": 0.2}}


@pytest.mark.parametrize("compression", [None, COMPRESSION], ids=["plain", "compressed"])
def test_learning_goes_on_without_it(compression: dict[str, Any] | None, tmp_path: Path) -> None:
    """Tables, evaluations and fingerprints have the other devices alone, which keep their samples."""
    sections: dict[str, Any] = {
        "schemes": ["sl", "sfl", "psl", "epsl", "fl", "edgesplit", "mpsl", "centralised"],
        "learning": {"dataset": "digits"},
        "stop": {"rounds": 2},
    }
    if compression:
        sections = {
            **sections,
            "compression": compression,
            "schemes": ["sl", "sfl", "epsl", "fl", "edgesplit", "mpsl"],
        }
    runs = []
    for number, exclude in enumerate(([], [1])):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = scenario(folder, devices={"count": 4, "exclude": exclude}, **sections)
        runs.append(cutlayer.run(path, out=folder / "out"))
    whole, rest = runs
    assert not any(figures["failed"] for figures in rest.summary["schemes"].values())
    assert {0, 2, 3} == set(rest.devices["device"])
    assert rest.rounds["participants"].eq(3).all()
    assert rest.devices["final_accuracy"].notna().all()
    columns = ["device", "clock_hz", "x_m", "y_m", "gain_db", "samples", "classes"]
    kept = whole.devices[whole.devices["device"] != 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept[columns], rest.devices[columns].reset_index(drop=True))
    again = cutlayer.run(tmp_path / "1" / "out" / "scenario.yaml", out=tmp_path / "again")
    for label, figures in rest.summary["schemes"].items():
        assert figures["weights_fingerprint"] == again.summary["schemes"][label]["weights_fingerprint"]
