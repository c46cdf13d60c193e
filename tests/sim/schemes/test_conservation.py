"""What no timeline may break: bits, lanes, elapsed time; and deadlines that cut work off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.schema.scenario import Server
from tests.support.worlds import Setting, fleet, links, run_timeline, settings_of, unit_table

SCHEMES = ["sl", "sfl", "sfl_v2", "psl", "epsl", "epsl_pt", "fl", "centralised"]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Setting, int, str]:
    """Return a setting, a cut and a scheme's name, with either discipline."""
    setting = draw(settings_of(service=draw(st.sampled_from(["barrier", "arrival"]))))
    return setting, draw(st.integers(1, len(setting.units) - 1)), draw(st.sampled_from(SCHEMES))


def overlaps(table: pd.DataFrame) -> int:
    """Return how many intervals of a node's lane start before the one before has ended."""
    count = 0
    for _, lane in table.groupby(["node", "lane"], observed=True):
        ordered = lane.sort_values(["start_s", "end_s"])
        count += int((ordered["start_s"].to_numpy()[1:] < ordered["end_s"].to_numpy()[:-1]).sum())
    return count


@given(cases(), st.one_of(st.none(), st.floats(0.01, 0.99)))
def test_lanes_never_overlap_and_waits_are_not_negative(
    case: tuple[Setting, int, str], share: float | None
) -> None:
    """A lane does one thing at a time, also where a deadline cuts work off."""
    setting, cut, name = case
    deadline_s = None if share is None else share * run_timeline(setting, name, cut)[1][0].end_s
    world, results = run_timeline(setting, name, cut, count=3, deadline_s=deadline_s)
    table = world.record.frame()
    assert 0 == overlaps(table)
    assert (table["wait_s"] >= 0).all()
    assert (table["end_s"] > table["start_s"]).all()
    busy = (table["end_s"] - table["start_s"]).groupby([table["node"], table["lane"]], observed=True).sum()
    assert busy.empty or busy.max() <= results[-1].end_s * (1 + 1e-12)


@given(cases())
def test_rounds_follow_each_other(case: tuple[Setting, int, str]) -> None:
    """Each round's intervals lie between the end of the round before and its own."""
    setting, cut, name = case
    world, results = run_timeline(setting, name, cut, count=3)
    table = world.record.frame()
    start_s = 0.0
    for result in results:
        rows = table[table["round"] == result.number]
        assert start_s <= rows["start_s"].min()
        assert rows["end_s"].max() == result.end_s
        start_s = result.end_s


@given(cases(), st.integers(0, 70))
def test_bits_sent_are_the_models_bits(case: tuple[Setting, int, str], merged: int) -> None:
    """Up go C·b smashed samples, down their gradients with each merged slot once; models where averaged."""
    setting, cut, _ = case
    b, C = setting.batch_size, setting.clients
    n_a = min(merged, b)
    world, _ = run_timeline(setting, "epsl", cut, phi=n_a / b)
    bits = world.record.frame().groupby("phase", observed=True)["bits"].sum()
    psi, chi = setting.units.activation_bits[cut - 1], setting.units.gradient_bits[cut - 1]
    assert bits["uplink"] == pytest.approx(C * b * psi)
    assert bits.get("broadcast", 0.0) == pytest.approx(n_a * chi)
    assert bits.get("downlink", 0.0) == pytest.approx(C * (b - n_a) * chi)


@given(cases())
def test_model_bits_of_splitfed_and_sl(case: tuple[Setting, int, str]) -> None:
    """SplitFed sends C client models up and one down, SL C up and C down, FL whole models."""
    setting, cut, _ = case
    sizes = np.cumsum(setting.units.parameter_bits)
    C = setting.clients
    expected = {"sfl": (sizes[cut - 1], 1), "sl": (sizes[cut - 1], C), "fl": (sizes[-1], 1)}
    for name, (size, downloads) in expected.items():
        bits = (
            run_timeline(setting, name, cut)[0].record.frame().groupby("phase", observed=True)["bits"].sum()
        )
        assert bits["model_upload"] == pytest.approx(C * size)
        assert bits["model_download"] == pytest.approx(downloads * size)


def fast_and_slow(service: str = "barrier") -> Setting:
    """Return two clients: forward 1 s and 4 s, every transfer 1 s, server 1 s a pass and client."""
    units = unit_table([(1.0, 1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0, 1.0)])
    server = Server(clock_hz=1.0, cycles_per_flop=1.0, service=service)
    return Setting(units, 1, fleet([1.0, 0.25], [1.0, 1.0]), server, links([1.0] * 2, [1.0] * 2, [1.0] * 2))


@pytest.mark.parametrize("service", ["barrier", "arrival"])
def test_a_late_client_is_left_out(service: str) -> None:
    """At 3 s client 1 has done three quarters of its forward pass: it stops, and the round is client 0's."""
    world, results = run_timeline(fast_and_slow(service), "psl", 1, count=2, deadline_s=3.0)
    first = world.record.frame().query("round == 1")
    assert (0,) == results[0].outcome.participants
    late = first[first["node"] == "device-1"]
    assert [("client_forward", 3.0, 0.75)] == list(
        late[["phase", "end_s", "flops"]].itertuples(index=False, name=None)
    )
    # barrier: the server learns at the deadline who is in; the queue has served client 0 by then
    ends = {"barrier": 3 + 2 + 1 + 1, "arrival": 2 + 2 + 1 + 1}
    assert ends[service] == pytest.approx(results[0].end_s)
    second = world.record.frame().query("round == 2 and node == 'device-1'")
    assert results[0].end_s == second["start_s"].min(), "it takes part again in the next round"


def test_arriving_at_the_deadline_is_in_time() -> None:
    """Client 1 arrives at 5 s; a deadline of exactly 5 s admits it, one just before does not."""
    for deadline_s, members in ((5.0, (0, 1)), (5.0 - 1e-9, (0,))):
        _, results = run_timeline(fast_and_slow(), "psl", 1, deadline_s=deadline_s)
        assert members == results[0].outcome.participants


@pytest.mark.parametrize("name", ["psl", "epsl", "sfl", "sfl_v2", "fl"])
def test_a_round_without_anybody_in_time_trains_nothing(name: str) -> None:
    """The round ends at the deadline, with no samples and no updates, and the next one starts."""
    _, results = run_timeline(fast_and_slow(), name, 1, count=3, deadline_s=0.5)
    assert [0.5, 1.0, 1.5] == [result.end_s for result in results]
    assert all(
        (result.outcome.participants, result.outcome.samples, result.outcome.updates) == ((), 0, 0)
        for result in results
    )


def test_sl_passes_the_model_on_when_a_turn_is_late() -> None:
    """Turn 0 takes 8 s and hands the model on; turn 1 ends at its deadline of 3 s and hands it on."""
    world, results = run_timeline(fast_and_slow(), "sl", 1, deadline_s=3.0)
    assert (0,) == results[0].outcome.participants
    phases = world.record.frame().query("node == 'device-1'")["phase"].tolist()
    assert ["model_download", "client_forward"] == phases
    # turn 0 takes 7 s; hand-over; turn 1 until its deadline; hand-over
    assert 7 + 1 + 3 + 1 == pytest.approx(results[0].end_s)


@given(cases(), st.floats(1.0, 10.0))
def test_a_generous_deadline_changes_nothing(case: tuple[Setting, int, str], slack: float) -> None:
    """A deadline that everyone meets leaves the timeline as it is without one."""
    setting, cut, name = case
    world, results = run_timeline(setting, name, cut, count=2)
    limited, _ = run_timeline(setting, name, cut, count=2, deadline_s=results[-1].end_s * slack)
    pd.testing.assert_frame_equal(world.record.frame(), limited.record.frame())
