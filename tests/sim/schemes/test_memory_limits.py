"""Memory limits of devices and server: no scheme plans more than fits, and says so where nothing does."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cutlayer.models.unit_tables import named_unit_table
from cutlayer.scenarios.errors import ScenarioError
from tests.support.networks import MIB, run_all, run_one
from tests.support.part_sizes import training_bits
from tests.support.worlds import experiment

BATCH = 16
RESNET = {"name": "resnet18", "input_shape": [3, 64, 64], "classes": 7}
UNITS = named_unit_table("resnet18", (3, 64, 64), 7)
SPLIT = ["sl", "sfl", "sfl_v2", "psl", "epsl", {"name": "epsl_pt", "phases": [{"phi": 0.5}]}]
SECTIONS: dict[str, Any] = {"batch_size": BATCH, "model": RESNET}
SLOW_SERVER = {"clock_hz": 1e8}


def needed_mib(first: int, end: int) -> float:
    """Return what training some units of ResNet-18 with a mini-batch needs, [MiB]."""
    return training_bits(UNITS, first, end, BATCH) / MIB


def refused(schemes: list[Any], **sections: Any) -> str:
    """Return why a scenario of three devices is refused."""
    given = {"allocation": {}, **SECTIONS, **sections}
    with pytest.raises(ScenarioError) as caught:
        experiment(schemes=schemes, **given)
    return str(caught.value)


@pytest.mark.parametrize("most", [2, 4, 7])
def test_the_chosen_cut_fits_into_the_smallest_device(most: int) -> None:
    """With a slow server all units would best be on the devices: the cut is as high as the memory permits."""
    memory = [1e6, needed_mib(0, most) * (1 + 1e-9), 1e6]
    devices = {"count": 3, "clock_hz": 1e12, "memory_mib": memory}
    free = {"count": 3, "clock_hz": 1e12}
    limited = run_all(schemes=SPLIT, **SECTIONS, devices=devices, server=SLOW_SERVER)
    unlimited = run_all(schemes=SPLIT, **SECTIONS, devices=free, server=SLOW_SERVER)
    for label, ran in limited.items():
        free_cut = unlimited[label].plan.cuts.common
        assert isinstance(free_cut, int)
        assert free_cut > most
        assert most == ran.plan.cuts.common
        assert pytest.approx([needed_mib(0, most)] * 3) == (ran.plan.memory.devices_bits / MIB).tolist()


@pytest.mark.parametrize("cut", ["random", "optimal"])
@pytest.mark.parametrize("method", [None, "bcd", "baseline_a", "baseline_d"])
def test_all_methods_keep_to_the_memory(cut: str, method: str | None) -> None:
    """Also random cuts, and methods that choose cut, subchannels and power together."""
    allocation = {"cut": cut} if method is None else {"cut": cut, "method": method}
    devices = {"count": 3, "clock_hz": 1e12, "memory_mib": needed_mib(0, 3) * (1 + 1e-9)}
    for seed in range(3):
        ran = run_one(
            "psl", **SECTIONS, devices=devices, server=SLOW_SERVER, allocation=allocation, seed=seed
        )
        assert 1 <= ran.plan.cuts.common <= 3


def test_an_explicit_cut_that_does_not_fit_is_refused() -> None:
    """With what it needs and what the smallest device has; the cut below is taken."""
    devices = {"count": 3, "memory_mib": [100, needed_mib(0, 4) * (1 + 1e-9), 100]}
    message = refused(["psl"], devices=devices, allocation={"cut": 5})
    assert f"allocation.cut: cut 5 needs {needed_mib(0, 5):.4g} MiB on every device with psl" in message
    assert f"the smallest has {needed_mib(0, 4):.4g} MiB" in message
    assert 4 == run_one("psl", **SECTIONS, devices=devices, allocation={"cut": 4}).plan.cuts.common


@pytest.mark.parametrize("scheme", SPLIT, ids=str)
def test_a_device_that_holds_no_first_unit_is_refused(scheme: Any) -> None:
    """Every split scheme names the least that it needs and what there is."""
    message = refused([scheme], devices={"count": 3, "memory_mib": 1.0})
    name = scheme if isinstance(scheme, str) else scheme["name"]
    least = min(needed_mib(0, cut) for cut in range(1, 12))
    assert f"devices.memory_mib: {name} needs {least:.4g} MiB on every device at the least" in message
    assert "the smallest has 1 MiB" in message


def test_fl_needs_the_whole_model_on_every_device() -> None:
    """Refused where the whole model does not fit, and run where it does."""
    whole = needed_mib(0, 12)
    message = refused(["fl"], devices={"count": 3, "memory_mib": [1e6, 1e6, 0.99 * whole]})
    assert f"devices.memory_mib: fl needs {whole:.4g} MiB on every device at the least" in message
    ran = run_one("fl", **SECTIONS, devices={"count": 3, "memory_mib": whole * (1 + 1e-9)})
    assert pytest.approx([whole] * 3) == (ran.plan.memory.devices_bits / MIB).tolist()


def test_centralised_needs_nothing_of_devices() -> None:
    """The union of the data is on the server, whatever the devices hold."""
    ran = run_one("centralised", **SECTIONS, devices={"count": 3, "memory_mib": 1e-3})
    assert [0.0] * 3 == ran.plan.memory.devices_bits.tolist()


@pytest.mark.parametrize(
    ("scheme", "copies"),
    [("sl", 1), ("sfl", 3), ("edgesplit", 3), ("esfl", 3)],
)
def test_copies_of_the_server_part_count(scheme: str, copies: int) -> None:
    """SL has one server part and one batch at a time; SplitFed V1 and EdgeSplit have one for each client.

    SplitFed's server also has the average of the clients' parts, and EdgeSplit's that of whole models.
    """
    averaged = {"sl": 0, "sfl": 2, "edgesplit": 12, "esfl": 12}[scheme]
    needed = copies * needed_mib(2, 12) + float(UNITS.parameter_bits[:averaged].sum()) / MIB
    given: dict[str, Any] = {"allocation": {"cut": 2}}
    named: Any = scheme
    if scheme in ("edgesplit", "esfl"):
        named = {"name": scheme, "cuts": [2, 2, 2]}
        given = {}
    sections = {**SECTIONS, "devices": {"count": 3}, **given}
    assert pytest.approx(needed) == run_one(named, **sections).plan.memory.server_bits / MIB
    message = refused([named], **{**sections, "server": {"memory_mib": 0.999 * needed}})
    assert re.search(rf"server\.memory_mib: {scheme} needs [\d,.]+ MiB on the server, which has", message)
    assert f"{needed:.4g} MiB on the server" in message
    run_one(named, **{**sections, "server": {"memory_mib": 1.001 * needed}})


@pytest.mark.parametrize("scheme", ["mpsl", "one_hop"])
def test_owners_need_memory_for_both_of_their_parts(scheme: str) -> None:
    """First and last part together: refused with the device and the numbers where they do not fit."""
    both = needed_mib(0, 2) + needed_mib(10, 12)
    named = {"name": scheme, "first_units": 2, "last_units": 2}
    network = {"nodes": [{"name": "n"}]}
    message = refused([named], network=network, devices={"count": 3, "memory_mib": [1e3, 1e3, 0.9 * both]})
    assert (
        f"devices.memory_mib: {scheme}: first and last part need {both:.4g} MiB on a device; device 2"
        in message
    )
    ran = run_one(named, **SECTIONS, network=network, devices={"count": 3, "memory_mib": both * (1 + 1e-9)})
    assert pytest.approx([both] * 3) == (ran.plan.memory.devices_bits / MIB).tolist()


def test_all_that_does_not_fit_is_told_at_once() -> None:
    """Faults of several schemes under different keys come together."""
    message = refused(
        ["psl", "centralised"], devices={"count": 3, "memory_mib": 1.0}, server={"memory_mib": 1.0}
    )
    assert "devices.memory_mib: psl needs" in message
    assert "server.memory_mib: centralised needs" in message
