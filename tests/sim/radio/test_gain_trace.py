"""Laws of the tables of positions and gains over time, and the messages for faulty tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.radio.gain_trace import GainTrace, read_gains, read_positions

NEEDED = "needed: time_s, device, x_m, y_m, of which time_s may be left out"
FINITE = "must hold finite numbers, and no time before 0"


def assert_message(message: str, read: Callable[[], object]) -> None:
    """Assert the error's message; ``...`` stands for any text."""
    with pytest.raises(ValueError) as caught:
        read()
    pattern = ".*".join(re.escape(part) for part in message.split("..."))
    assert re.fullmatch(pattern, str(caught.value), re.DOTALL), str(caught.value)


def table(folder: Path, text: str | bytes) -> Path:
    """Write a table and return its path."""
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_positions_without_times_hold_for_the_whole_run(tmp_path: Path) -> None:
    """Without times every device has one position; the order of rows and columns does not matter."""
    trace = read_positions(table(tmp_path, "y_m,device,x_m\n4,1,3\n-5,0,12\n"), 2)
    assert [0.0] == trace.times_s.tolist()
    assert [[[12, -5], [3, 4]]] == trace.xy_m.tolist()
    assert [[13, 5]] == trace.distance_m.tolist()
    assert [[np.arctan2(-5, 12), np.arctan2(4, 3)]] == trace.angle_rad.tolist()


def test_a_device_without_a_row_stays_where_it_was(tmp_path: Path) -> None:
    """The trace has every instant of the file for all devices, in order of time."""
    text = "time_s,device,x_m,y_m\n7.5,0,3,3\n0,0,1,1\n2,1,5,5\n0,1,4,4\n"
    trace = read_positions(table(tmp_path, text), 2)
    assert [0.0, 2.0, 7.5] == trace.times_s.tolist()
    assert [[1, 1, 3], [4, 5, 5]] == trace.xy_m[..., 0].T.tolist()


def test_a_gain_without_subchannel_holds_on_all_subchannels(tmp_path: Path) -> None:
    """Without a column of subchannels every subchannel has the device's gain."""
    times_s, gain_db = read_gains(table(tmp_path, "device,gain_db\n0,-100\n1,-90\n"), 2, 3)
    assert [0.0] == times_s.tolist()
    assert [[[-100] * 3, [-90] * 3]] == gain_db.tolist()


def test_gains_of_each_subchannel_over_time(tmp_path: Path) -> None:
    """A gain that has no row at an instant keeps its last value, on each subchannel separately."""
    text = "device,subchannel,time_s,gain_db\n0,1,0,-2\n0,0,0,-1\n0,1,5,-3\n0,0,9,-4\n"
    times_s, gain_db = read_gains(table(tmp_path, text), 1, 2)
    assert [0.0, 5.0, 9.0] == times_s.tolist()
    assert [[[-1, -2]], [[-1, -3]], [[-4, -3]]] == gain_db.tolist()


@given(st.data())
def test_the_last_row_up_to_an_instant_holds(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """For any order of rows, a gain is that of the device's last row at or before the instant."""
    times_s = [0.0, *sorted(data.draw(st.sets(st.integers(1, 50), max_size=6)))]
    rows = [(t, d) for t in times_s for d in (0, 1) if t == 0 or data.draw(st.booleans())]
    gains = {row: -float(n) for n, row in enumerate(rows, start=1)}
    lines = [f"{t},{d},{gains[t, d]}" for t, d in data.draw(st.permutations(rows))]
    text = "\n".join(["time_s,device,gain_db", *lines])
    trace_s, gain_db = read_gains(table(tmp_path_factory.mktemp("gains"), text), 2, 1)
    assert sorted({t for t, _ in rows}) == trace_s.tolist()
    for instant, now_s in enumerate(trace_s.tolist()):
        for device in (0, 1):
            last_s = max(t for t, d in rows if d == device and t <= now_s)
            assert gains[last_s, device] == gain_db[instant, device, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot read ...table.csv: ..."),
        (b"\xff\xfe\x00", "cannot read ...table.csv: ..."),
        ("device,x_m\n0,1\n", f"...table.csv has the columns device, x_m; {NEEDED}"),
        ("device,x_m,y_m,z_m\n0,1,1,1\n", f"...table.csv has the columns device, x_m, y_m, z_m; {NEEDED}"),
        ("0,1,1\n1,2,2\n", f"...table.csv has the columns 0, 1, 1.1; {NEEDED}"),
        ("device,x_m,y_m\n", "...table.csv: no x_m is given for device 0 at time 0"),
        ("device,x_m,y_m\n0,1,1\n", "...table.csv: no x_m is given for device 1 at time 0"),
        ("device,x_m,y_m\n0,1,1\n1,far,1\n", f"...table.csv: line 3 {FINITE}"),
        ("device,x_m,y_m\n\n0,1,1\n\n1,inf,1\n", f"...table.csv: line 5 {FINITE}"),
        ("device,x_m,y_m\n0,1,\n1,1,1\n", f"...table.csv: line 2 {FINITE}"),
        ("time_s,device,x_m,y_m\n0,0,1,1\n0,1,1,1\n-1,1,1,1\n", f"...table.csv: line 4 {FINITE}"),
        ("device,x_m,y_m\n0,1,1\n2,1,1\n", "...table.csv: line 3: device 2 is none of 0 to 1"),
        ("device,x_m,y_m\n0.5,1,1\n1,1,1\n", "...table.csv: line 2: device 0.5 is none of 0 to 1"),
        (
            "device,x_m,y_m\n0,1,1\n1,1,1\n0,2,2\n",
            "...table.csv: line 4: given twice: time_s 0, device 0",
        ),
        (
            "time_s,device,x_m,y_m\n1,0,1,1\n1,1,1,1\n",
            "...table.csv: no x_m is given for device 0 at time 0",
        ),
        (
            "time_s,device,x_m,y_m\n0,0,1,1\n1,1,1,1\n",
            "...table.csv: no x_m is given for device 1 at time 0",
        ),
        (
            "device,x_m,y_m\n0,1,1,1\n1,1,1,1\n",
            "cannot read ...table.csv: its rows hold more values than its heading",
        ),
        ("device,x_m,y_m\n0,1,1\n1,1,1,1\n", "cannot read ...table.csv: ..."),
    ],
)
def test_faulty_positions_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    """The message names the file, the line or the device, and the broken rule."""
    assert_message(message, lambda: read_positions(table(tmp_path, text), 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "device,subchannel,gain_db\n0,0,-1\n0,1,-1\n1,0,-1\n",
            "...table.csv: no gain_db is given for device 1, subchannel 1 at time 0",
        ),
        (
            "device,subchannel,gain_db\n0,0,-1\n0,2,-1\n",
            "...table.csv: line 3: subchannel 2 is none of 0 to 1",
        ),
        (
            "device,subchannel\n0,0\n",
            "...table.csv has the columns device, subchannel; needed: time_s, device, subchannel, gain_db,"
            " of which time_s may be left out",
        ),
        (
            "device,gain_db,gain_db\n0,-1,-1\n",
            "...table.csv has the columns device, gain_db, gain_db.1; needed: time_s, device, gain_db, ...",
        ),
        (
            "device,subchannel,time_s,gain_db\n0,0,0,-1\n0,0,0.0,-1\n",
            "...table.csv: line 3: given twice: time_s 0, device 0, subchannel 0",
        ),
    ],
)
def test_faulty_gains_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """The message also names a subchannel that is missing, unknown or given twice."""
    assert_message(message, lambda: read_gains(table(tmp_path, text), 2, 2))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """Both readers name the file that they cannot read."""
    missing = tmp_path / "table.csv"
    assert_message("cannot read ...table.csv: ...", lambda: read_positions(missing, 2))
    assert_message("cannot read ...table.csv: ...", lambda: read_gains(missing, 2, 2))


@given(
    st.lists(st.floats(0.01, 5), min_size=1, max_size=6),
    st.lists(st.lists(st.booleans(), min_size=2, max_size=2), min_size=7, max_size=7),
    st.floats(0.1, 40),
)
def test_shares_in_sight_are_the_means_over_time(
    steps_s: list[float], states: list[list[bool]], until_s: float
) -> None:
    """The share of time in sight is the mean of the state over the time up to the end."""
    times_s = np.concatenate([[0.0], np.cumsum(steps_s)])
    in_sight = np.array(states)[: len(times_s)]
    shares = GainTrace(times_s, np.ones((len(times_s), 2, 1)), in_sight).sight_shares(until_s)
    instants_s = (np.arange(20_000) + 0.5) / 20_000 * until_s
    sampled = in_sight[np.searchsorted(times_s, instants_s, side="right") - 1].mean(axis=0)
    np.testing.assert_allclose(sampled, shares, atol=1e-3)
    assert ((shares >= 0) & (shares <= 1)).all()


def test_without_states_no_share_is_known() -> None:
    """Gains of a model without line of sight have no share."""
    assert np.isnan(GainTrace(np.zeros(1), np.ones((1, 3, 2))).sight_shares(5.0)).all()
