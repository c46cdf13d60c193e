"""Links that change with time: bits are the integral of the rate, energy is power · air time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.links.link_rates import LinkRates
from cutlayer.sim.links.transmitters import (
    BroadcastLink,
    ConstantRateLink,
    LinkCapacity,
    VaryingRateLink,
    air_times_s,
    dedicated_links,
)
from cutlayer.sim.timeline.phases import BROADCAST, DOWNLINK, UPLINK
from cutlayer.sim.world.world import World
from tests.support.worlds import Steps, fleet, links, positive


def uplinks(times_s: list[float], rates_bps: list[float]) -> Steps:
    """Return one client's links, the uplink at these rates, downlinks twice and broadcasts thrice as fast."""
    return Steps(times_s, [links([rate], [2 * rate], [3 * rate]) for rate in rates_bps])


def air_time_s(source: Steps, start_s: float, bits: float, row: int = 0) -> float:
    """Return the air time of one uplink."""
    return LinkCapacity(source, "uplink", (row,)).duration_s(start_s, bits)


@st.composite
def blocks(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Return instants from 0 and the rate from each on: some blocks carry nothing, the last one does."""
    lengths_s = draw(st.lists(positive(1e-3, 1e2), max_size=8))
    rates_bps = [draw(st.one_of(st.just(0.0), positive(1e-2, 1e4))) for _ in lengths_s]
    return [0.0, *np.cumsum(lengths_s).tolist()], [*rates_bps, draw(positive(1e-2, 1e4))]


def carried(times_s: list[float], rates_bps: list[float], until_s: float) -> float:
    """Return the bits carried from 0 on: the sum over the blocks of rate times length."""
    edges_s = np.minimum([*times_s, np.inf], until_s)
    return float(np.diff(edges_s) @ np.array(rates_bps))


@given(blocks(), st.floats(0, 300), positive(1e-3, 1e6))
def test_a_transfer_carries_the_integral_of_the_rate(
    case: tuple[list[float], list[float]], start_s: float, bits: float
) -> None:
    """The sum of rate times length from start to end is the transfer's bits, and is so at no earlier end."""
    end_s = start_s + air_time_s(uplinks(*case), start_s, bits)
    before = carried(*case, start_s)
    assert bits == pytest.approx(carried(*case, end_s) - before, rel=1e-9, abs=1e-12 * (before + 1e4 * end_s))
    assert uplinks(*case).at(end_s * (1 - 1e-12))[0].uplink_bps[0] > 0, "it ends while bits are carried"


@pytest.mark.parametrize(
    ("start_s", "bits", "duration_s"),
    [(0, 6, 3), (1, 4, 2), (0, 6.5, 7.5), (3, 1, 5), (5, 2, 4), (7, 2, 2), (9, 3, 3), (2.5, 1, 0.5)],
)
def test_transfers_at_the_edges_of_blocks_by_hand(start_s: float, bits: float, duration_s: float) -> None:
    """2 bit/s for 3 s, nothing for 4 s, then 1 bit/s: what ends at an edge waits for no further block."""
    source = uplinks([0, 3, 7], [2, 0, 1])
    assert duration_s == air_time_s(source, start_s, bits)


def test_a_transfer_without_end_takes_for_ever() -> None:
    """At rate 0 to the end no bits arrive; no bits are there at once."""
    source = uplinks([0, 3], [1, 0])
    assert np.inf == air_time_s(source, 1.0, 2.5)
    assert 2.0 == air_time_s(source, 1.0, 2.0)
    assert 0.0 == air_time_s(source, 4.0, 0.0)
    several_s = air_times_s(source, "uplink", np.array([0, 0, 0]), np.array([1.0, 0.0, 3.0]), 2.5)
    assert [np.inf, 2.5, np.inf] == several_s.tolist()


@given(
    blocks(),
    st.lists(st.tuples(st.floats(0, 300), positive(0.1, 10)), min_size=1, max_size=5),
    positive(1e-3, 1e6),
)
def test_many_transfers_at_once_are_each_ones_own(
    case: tuple[list[float], list[float]], each: list[tuple[float, float]], bits: float
) -> None:
    """Begun at any instants, at rates in any proportion, all take to the last bit what they take alone."""
    times_s, rates_bps = case
    factors = np.array([factor for _, factor in each])
    ones = [1.0] * len(each)
    source = Steps(times_s, [links((rate * factors).tolist(), ones, ones) for rate in rates_bps])
    starts_s = np.array([start_s for start_s, _ in each])
    together = air_times_s(source, "uplink", np.arange(len(each)), starts_s, bits)
    alone = [air_time_s(source, start_s, bits, i) for i, start_s in enumerate(starts_s.tolist())]
    assert alone == together.tolist()


@given(blocks(), st.floats(0, 200), st.lists(positive(1e-3, 1e2), min_size=2, max_size=4))
def test_what_is_done_adds_up(
    case: tuple[list[float], list[float]], start_s: float, parts_s: list[float]
) -> None:
    """The bits of consecutive stretches sum up to those of the whole, the blocks' sum."""
    transmitter = VaryingRateLink(uplinks(*case), "uplink", 0, 1.0)
    edges_s = np.cumsum([start_s, *parts_s]).tolist()
    whole = transmitter.done(edges_s[0], edges_s[-1])
    assert whole == pytest.approx(sum(transmitter.done(a, b) for a, b in pairwise(edges_s)), rel=1e-9)
    expected = carried(*case, edges_s[-1]) - carried(*case, edges_s[0])
    assert expected == pytest.approx(whole, rel=1e-9, abs=1e-9 * carried(*case, edges_s[-1]))


def world(source: Steps, clients: int = 1) -> World:
    """Return a world of these links."""
    return World(Server(), fleet([1.0] * clients, [1.0] * clients), source)


@given(positive(1e-3, 1e9), positive(1e-3, 1e9))
def test_a_source_that_never_changes_is_a_constant_link(rate_bps: float, bits: float) -> None:
    """Both take as long and cost as much, but for the rounding of bits · (1/rate) against bits/rate."""
    given = links([rate_bps], [1.0], [1.0])
    ends_s = []
    for carrier in (ConstantRateLink(1 / rate_bps, 3.0), VaryingRateLink(given, "uplink", 0, 3.0)):
        w = World(Server(), fleet([1.0], [1.0]), given)
        carrier.transmit(w.device(0), UPLINK, bits)
        ends_s.append(w.record.frame()[["end_s", "energy_j"]].to_numpy()[0].tolist())
    assert ends_s[0] == pytest.approx(ends_s[1], rel=4 * np.finfo(float).eps)


def test_links_that_stay_need_no_second_look() -> None:
    """Carriers are of constant rate if the links never change, and vary if they ever do."""
    assert [ConstantRateLink] * 2 == [type(c) for c in dedicated_links(uplinks([0], [1]), 0)]
    assert [VaryingRateLink] * 2 == [type(c) for c in dedicated_links(uplinks([0, 9], [1, 1]), 0)]


def test_each_direction_has_its_own_rate_and_power() -> None:
    """Across the edge at 3 s: 8 bits up at 2 and then 4 bit/s, 3 W; 14 bits down at 4 and then 8, 5 W."""
    ones = np.ones(1)
    states = [LinkRates(r * ones, 2 * r * ones, 3 * r * ones, 3 * ones, 5 * ones, 7.0) for r in (2.0, 4.0)]
    w = world(Steps([0, 3], states))
    w.device(0).uplink(UPLINK, 8.0)
    w.device(0).downlink(DOWNLINK, 14.0)
    w.server.broadcast(BROADCAST, 21.0, (0,))
    table = w.record.frame()  # the server's first
    assert [3.25, 3.5, 3.25] == table["end_s"].tolist()
    assert [7 * 3.25, 3 * 3.5, 5 * 3.25] == table["energy_j"].tolist()


def test_a_queued_transfer_goes_at_the_rates_of_its_own_time() -> None:
    """The second transfer is asked for in a fast block, and sent in the slow one: 2 bits at 1 bit/s."""
    w = world(uplinks([0, 0.5], [4, 1]))
    for _ in range(2):
        w.device(0).uplink(UPLINK, 2.0)
    assert [0.5, 2.5] == w.record.frame()["end_s"].tolist()


@given(blocks(), positive(1e-2, 1e5), st.floats(0.01, 0.99))
def test_an_abandoned_transfer_keeps_the_integral_up_to_then(
    case: tuple[list[float], list[float]], bits: float, share: float
) -> None:
    """Cut off after a share of its time, it has sent the blocks' sum by then, for power · time."""
    w = world(uplinks(*case))
    w.device(0).uplink_to_server = VaryingRateLink(uplinks(*case), "uplink", 0, 3.0)
    w.device(0).uplink(UPLINK, bits)
    cut_s = share * float(w.record.frame()["end_s"].iloc[0])
    w.env.run(until=cut_s)
    w.device(0).abort()
    (row,) = w.record.frame().to_dict("records")
    assert cut_s == row["end_s"]
    assert carried(*case, cut_s) == pytest.approx(row["bits"], rel=1e-9, abs=1e-12)
    assert 3.0 * cut_s == pytest.approx(row["energy_j"], rel=1e-9)


def test_a_broadcast_follows_the_weakest_listener_of_every_block() -> None:
    """Two listeners at 4 and 1 bit/s take turns: together they hear 5 bits in 5 s, each alone far more."""
    states = [links([1.0] * 2, [1.0] * 2, rates) for rates in ([4.0, 1.0], [1.0, 4.0]) * 3]
    source = Steps([0, 1, 2, 3, 4, 5], states)
    broadcaster = BroadcastLink(source)
    assert 5.0 == broadcaster.air_time_s(5.0, (0, 1), 0.0)
    assert 1.25 == broadcaster.air_time_s(4.25, (0,), 0.0)
    assert 0.0 == broadcaster.air_time_s(0.0, (0, 1), 0.5)


@given(st.data())
def test_no_broadcast_ends_before_its_slowest_listener_alone(data: st.DataObject) -> None:
    """It carries the integral of the least rate, so no more listeners ever make it shorter."""
    times_s, rates = data.draw(blocks())
    others = [data.draw(positive(1e-2, 1e4)) for _ in rates]
    source = Steps(
        times_s, [links([1.0] * 2, [1.0] * 2, list(pair)) for pair in zip(rates, others, strict=True)]
    )
    bits, start_s = data.draw(positive(1e-2, 1e4)), data.draw(st.floats(0, 100))
    together_s = BroadcastLink(source).air_time_s(bits, (0, 1), start_s)
    alone_s = [BroadcastLink(source).air_time_s(bits, (i,), start_s) for i in (0, 1)]
    assert max(alone_s) <= together_s * (1 + 1e-12)
    least = [min(pair) for pair in zip(rates, others, strict=True)]
    assert bits == pytest.approx(
        carried(times_s, least, start_s + together_s) - carried(times_s, least, start_s),
        rel=1e-9,
        abs=1e-9 * carried(times_s, least, start_s),
    )
