"""The times in which devices are online: their distribution, and CSV files of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cutlayer.scenarios.errors import KeyPathError
from cutlayer.scenarios.schema.faults import FaultSections
from cutlayer.scenarios.schema.scenario import Scenario
from cutlayer.sim.faults.availability import availability_fault
from cutlayer.sim.faults.effects import AvailabilityTrace, Fault
from tests.support.worlds import experiment, fleet


def fault(devices: int = 3, **availability: Any) -> Fault | None:
    """Return the fault of a section ``faults.availability``."""
    scenario = experiment().loaded.scenario
    section = FaultSections.model_validate({"availability": availability})
    changed: Scenario = scenario.model_copy(update={"faults": section})
    return availability_fault(changed, fleet([1.0] * devices, [1.0] * devices))


def trace(device: int, **availability: Any) -> AvailabilityTrace | None:
    """Return the trace of one device."""
    given = fault(3000, **availability)
    assert given is not None
    assert given.availability is not None
    return given.availability(device)


def test_devices_that_never_go_offline_are_no_fault(tmp_path: Path) -> None:
    """A mean time online of infinity is no fault; neither is a file in which every device is online."""
    (tmp_path / "on.csv").write_text("device,time_s,online\n0,0,1\n2,5,1\n")
    assert fault(mean_on_s=math.inf, mean_off_s=1.0) is None
    assert fault(file=tmp_path / "on.csv") is None


def test_the_share_of_devices_online_is_the_stationary_one_at_each_instant() -> None:
    """At 0 s and at 7 s, 3/4 of 3000 devices are online, within four standard errors."""
    traces = [trace(device, mean_on_s=3.0, mean_off_s=1.0) for device in range(3000)]
    for time_s in (0.0, 7.0):
        share = np.mean([each is not None and each.is_online(time_s) for each in traces])
        assert abs(share - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 3000)


def test_a_device_that_never_comes_back_goes_offline_once() -> None:
    """With an infinite mean time offline a device begins online, and its last change is for ever."""
    device = trace(1, mean_on_s=2.0, mean_off_s=math.inf)
    assert device is not None
    leaves_s = device.next_change_s(0.0)
    assert device.is_online(0.0)
    assert 0 < leaves_s < math.inf
    assert not device.is_online(1e9)
    assert math.inf == device.next_change_s(leaves_s)


def test_a_file_lists_the_changes_of_each_device(tmp_path: Path) -> None:
    """Rows hold until the next one of their device, in any order; before its first row a device is online."""
    rows = "0,4,1\n0,1,0\n0,2,0\n2,0,0\n2,3,1\n2,5,1\n"
    (tmp_path / "some.csv").write_text(f"device,time_s,online\n{rows}")
    first, second, third = (trace(device, file=tmp_path / "some.csv") for device in range(3))
    assert first is not None
    assert third is not None
    assert second is None
    assert [True, False, False, True] == [first.is_online(t) for t in (0.9, 1.0, 3.9, 4.0)]
    assert [1.0, 4.0, math.inf] == [first.next_change_s(t) for t in (0.0, 1.0, 4.0)]
    assert [False, True] == [third.is_online(t) for t in (0.0, 3.0)]
    assert [(1.0, 4.0)] == [(state.start_s, state.end_s) for state in first.states(0.0, 10.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("device,time_s,online\n0,1,0.5\n", "device 0 has online 0.5 from 1 s on; it must be 0 or 1"),
        ("device,time_s,online\n7,1,0\n", "line 2: device 7 is none of 0 to 2"),
        ("device,time_s,up\n0,1,0\n", "needed: device, time_s, online"),
        ("device,time_s,online\n0,1,0\n0,1,1\n", "line 3: given twice"),
        ("device,time_s,online\n0,-1,0\n", "line 2 must hold finite numbers, and no time before 0"),
    ],
)
def test_a_wrong_file_is_refused_with_its_key(text: str, message: str, tmp_path: Path) -> None:
    """The message has the broken rule, and the error the key that names the file."""
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(KeyPathError, match=message) as raised:
        fault(file=tmp_path / "bad.csv")
    assert ("faults", "availability", "file") == raised.value.key
