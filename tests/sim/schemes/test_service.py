"""The server's two disciplines: the papers' barrier, and a queue that serves clients as they arrive."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cutlayer.scenarios.schema.scenario import Server
from tests.support.worlds import Setting, fleet, links, run_timeline, settings_of, unit_table


def four_clients(service: str) -> Setting:
    """Return four unequal clients with times in whole seconds.

    With b = 1 and the cut at 1: forward 1, 2, 3, 9 s, uplink 1, 1, 4, 1 s, server 2 s forward and 3 s
    backward a client, downlink 1, 1, 4, 1 s, backward 2, 4, 6, 18 s.
    """
    units = unit_table([(1.0, 2.0, 1.0, 1.0, 1.0), (2.0, 3.0, 1.0, 1.0, 1.0)])
    server = Server(clock_hz=1.0, cycles_per_flop=1.0, service=service)
    rates = [1.0, 1.0, 0.25, 1.0]
    return Setting(
        units, 1, fleet([1.0, 0.5, 1 / 3, 1 / 9], [1.0] * 4), server, links(rates, rates, [1.0] * 4)
    )


def test_arrival_follows_the_hand_computed_schedule() -> None:
    """Data arrive at 2, 3, 7, 10 s; the queue serves them at 2, 7, 12, 17 s, each for 5 s."""
    world, _ = run_timeline(four_clients("arrival"), "psl", 1)
    table = world.record.frame()
    server = table[table["node"] == "server"]
    assert list(server["client"]) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert list(server["start_s"]) == pytest.approx([2, 4, 7, 9, 12, 14, 17, 19])
    assert list(server["wait_s"]) == pytest.approx([0, 0, 4, 0, 5, 0, 7, 0])
    back = table[table["phase"] == "downlink"].sort_values("node")
    assert list(back["start_s"]) == pytest.approx([7, 12, 17, 22])
    ends = table[table["phase"] == "client_backward"].groupby("node", observed=True)["end_s"].max()
    assert [ends[f"device-{i}"] for i in range(4)] == pytest.approx([10, 17, 27, 41])


def test_barrier_follows_the_hand_computed_schedule() -> None:
    """The server starts when the last data arrive, at 10 s, and ends at 30 s for all."""
    _, results = run_timeline(four_clients("barrier"), "psl", 1)
    assert results[0].end_s == pytest.approx(30 + 1 + 18)


@st.composite
def cases(draw: st.DrawFn, max_clients: int = 5) -> tuple[Setting, int]:
    """Return a setting and a cut."""
    setting = draw(settings_of(max_clients=max_clients))
    return setting, draw(st.integers(1, len(setting.units) - 1))


def in_queue(setting: Setting) -> Setting:
    """Return the setting with a server that serves clients as they arrive."""
    server = setting.server.model_copy(update={"service": "arrival"})
    return Setting(setting.units, setting.batch_size, setting.fleet, server, setting.links)


@given(cases(), st.sampled_from(["psl", "sfl"]))
def test_arrival_is_never_slower_than_the_barrier(case: tuple[Setting, int], name: str) -> None:
    """The queue ends its work no later than the barrier does, so no client ends later."""
    setting, cut = case
    behind = run_timeline(setting, name, cut)[1][0].end_s
    queued = run_timeline(in_queue(setting), name, cut)[1][0].end_s
    assert queued <= behind * (1 + 1e-12)


@given(cases())
def test_arrival_is_faster_where_clients_differ(case: tuple[Setting, int]) -> None:
    """If data arrive one after the other and the last to arrive is the last to end, the queue gains time."""
    setting, cut = case
    world, _ = run_timeline(setting, "psl", cut)
    table = world.record.frame()
    arrivals = table[table["phase"] == "uplink"]["end_s"].sort_values().tolist()
    served = table[table["node"] == "server"]
    work_s = float((served["end_s"] - served["start_s"]).sum())
    assume(len(arrivals) > 1 and arrivals[-1] - arrivals[-2] > 1e-6 * arrivals[-1])
    assume(work_s > 1e-6 * arrivals[-1])
    behind = run_timeline(setting, "psl", cut)[1][0].end_s
    queued = run_timeline(in_queue(setting), "psl", cut)[1][0].end_s
    assert queued < behind


@given(cases(max_clients=1), st.sampled_from([0.0, 1.0]))
def test_one_client_needs_no_queue(case: tuple[Setting, int], phi: float) -> None:
    """With one client both disciplines are one, whether all of its slots are merged or none."""
    setting, cut = case
    behind = run_timeline(setting, "epsl", cut, phi=phi)[1][0].end_s
    queued = run_timeline(in_queue(setting), "epsl", cut, phi=phi)[1][0].end_s
    assert queued == pytest.approx(behind, rel=1e-9)


@given(cases(), st.sampled_from(["virtual", "exact"]))
def test_merged_slots_wait_for_all(case: tuple[Setting, int], aggregation: str) -> None:
    """The broadcast of aggregated gradients starts after every upload, and holds no subchannel in use."""
    setting, cut = case
    world, _ = run_timeline(in_queue(setting), "epsl", cut, phi=0.5, aggregation=aggregation)
    table = world.record.frame()
    broadcast = table[table["phase"] == "broadcast"]
    assert 1 == len(broadcast)
    start_s = broadcast["start_s"].iloc[0]
    assert start_s >= table.loc[table["phase"] == "uplink", "end_s"].max()
    downlinks = table.loc[table["phase"] == "downlink", "end_s"]
    assert downlinks.empty or start_s >= downlinks.max() * (1 - 1e-15)
    assert (table.loc[table["phase"] == "client_backward", "start_s"] >= broadcast["end_s"].iloc[0]).all()


@given(cases(), st.floats(0, 1), st.sampled_from(["virtual", "exact"]))
def test_both_disciplines_do_the_same_work(case: tuple[Setting, int], phi: float, aggregation: str) -> None:
    """FLOPs and bits of a round do not depend on the order of service."""
    setting, cut = case
    totals = [
        run_timeline(s, "epsl", cut, phi=phi, aggregation=aggregation)[0]
        .record.frame()[["flops", "bits"]]
        .sum()
        for s in (setting, in_queue(setting))
    ]
    assert totals[1].to_numpy() == pytest.approx(totals[0].to_numpy(), rel=1e-9)
