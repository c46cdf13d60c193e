"""A shared direction of the band: no bit is lost or sent twice, and nobody is slower for it."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.faults.battery import Battery
from cutlayer.sim.links.grants import Grant
from cutlayer.sim.links.link_rates import LinkRates
from cutlayer.sim.links.schedulers import Scheduler, Tdma, WorkConservingOfdma
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.timeline.phases import DOWNLINK, MODEL_UPLOAD, UPLINK
from cutlayer.sim.world.world import World
from tests.support.worlds import Steps, fleet, links, positive

Jobs = list[list[tuple[float, float]]]
"""For each client, (pause before it, bits) of each transfer."""


class Watched:
    """A rule whose shares are noted, with the instant of each."""

    def __init__(self, rule: Scheduler) -> None:
        self.rule = rule
        self.noted: list[tuple[float, Grant]] = []

    def grant(self, waiting: Sequence[int], remaining_bits: Sequence[float], now_s: float) -> Grant:
        """Return the scheduler's grant."""
        grant = self.rule.grant(waiting, remaining_bits, now_s)
        self.noted.append((now_s, grant))
        return grant

    def integral(self, name: str, client: int, start_s: float, end_s: float) -> float:
        """Return the sum of a client's rates or powers times how long they held between two instants."""
        ends_s = [*(now_s for now_s, _ in self.noted[1:]), math.inf][: len(self.noted)]
        total = 0.0
        for (now_s, share), until_s in zip(self.noted, ends_s, strict=True):
            held_s = min(until_s, end_s) - max(now_s, start_s)
            if held_s > 0:
                for _, rate_bps, power_w in share.select({client}):
                    total += held_s * {"rate_bps": rate_bps, "power_w": power_w}[name]
        return total


class Dedicated:
    """The gains of nobody's sharing: a plan's own subchannels, each client on one of 1 Hz at 1 W/Hz."""

    def __init__(self, snr: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        self.snr = snr
        self.clients = len(snr)
        self.owner = np.arange(snr.shape[1]) % self.clients

    def at(self, time_s: float) -> tuple[np.ndarray[Any, np.dtype[np.float64]], float]:
        """Return gains that do not change; the noise density is 1 W/Hz."""
        return self.snr, math.inf

    @property
    def links(self) -> LinkRates:
        """Return the links without sharing."""
        efficiency = np.log2(1 + self.snr)
        own = self.owner == np.arange(self.clients)[:, np.newaxis]
        rates = (efficiency * own).sum(axis=1).tolist()
        return links(rates, rates, efficiency.sum(axis=1).tolist())

    def lending(self) -> WorkConservingOfdma:
        """Return the rule of work-conserving sharing."""
        band = Band(1.0, np.ones(self.owner.size), 1.0, 1.0, 1.0)
        return WorkConservingOfdma(
            band, self, self.owner, np.ones(self.owner.size), np.full(self.clients, 1e9)
        )


def world(clients: int, up: Scheduler | None, source: Any = None) -> World:
    """Return a world whose uplinks share the band by a rule, or have links of their own."""
    ones = [1.0] * clients
    source = source or links(ones, ones, ones)
    return World(Server(), fleet(ones, ones), source, None if up is None else (up, up))


def run(w: World, jobs: Jobs) -> pd.DataFrame:
    """Let every client do its transfers one after the other, and return the record."""

    def client(number: int) -> Generator[Any, Any, None]:
        for pause_s, bits in jobs[number]:
            yield w.env.timeout(pause_s)
            yield w.device(number).uplink(UPLINK, bits)

    for number in range(len(jobs)):
        w.env.process(client(number))
    w.env.run()
    return w.record.frame()


def of(table: pd.DataFrame, client: int) -> pd.DataFrame:
    """Return a client's rows in the order of time."""
    return table[table["node"] == f"device-{client}"].sort_values("start_s")


@st.composite
def jobs(draw: st.DrawFn, clients: int) -> Jobs:
    """Return any transfers; many pauses are zero, so that much happens at one instant."""
    pause_s = st.one_of(st.just(0.0), st.integers(0, 5).map(float), positive(1e-3, 10))
    bits = st.one_of(st.integers(1, 8).map(float), positive(1e-2, 1e3))
    return [draw(st.lists(st.tuples(pause_s, bits), max_size=4)) for _ in range(clients)]


@st.composite
def bands(draw: st.DrawFn) -> Dedicated:
    """Return clients with one subchannel each, or with two and one."""
    clients = draw(st.integers(1, 4))
    band = clients + draw(st.integers(0, 1))
    efficiencies = draw(
        st.lists(
            st.one_of(st.integers(1, 4).map(float), positive(0.1, 8)),
            min_size=clients * band,
            max_size=clients * band,
        )
    )
    return Dedicated(2.0 ** np.array(efficiencies).reshape(clients, band) - 1)


def rule_of(name: str, band: Dedicated) -> Watched:
    """Return a rule that is watched."""
    if name == "tdma":
        return Watched(Tdma(band.links, uplink=True, slot_s=0.75))
    return Watched(band.lending())


@pytest.mark.parametrize("name", ["tdma", "work_conserving"])
@given(data=st.data())
def test_no_bit_is_lost_or_sent_twice(name: str, data: st.DataObject) -> None:
    """Every transfer's record has just its bits, the integral of its rate, for the integral of its power."""
    band = data.draw(bands())
    asked = data.draw(jobs(band.clients))
    rule = rule_of(name, band)
    w = world(band.clients, rule)
    table = run(w, asked)
    for number, transfers in enumerate(asked):
        rows = of(table, number)
        assert [bits for _, bits in transfers] == rows["bits"].tolist()
        ready_s = 0.0
        for (pause_s, bits), row in zip(transfers, rows.to_dict("records"), strict=True):
            ready_s += pause_s
            start_s, end_s = row["start_s"], row["end_s"]
            assert ready_s == pytest.approx(start_s - row["wait_s"], rel=1e-9, abs=1e-9)
            assert bits == pytest.approx(rule.integral("rate_bps", number, ready_s, end_s), rel=1e-9)
            energy_j = rule.integral("power_w", number, ready_s, end_s)
            assert energy_j == pytest.approx(row["energy_j"], rel=1e-9)
            ready_s = end_s
    for _, share in rule.noted if name == "tdma" else []:
        assert 1 == sum(rate > 0 for _, rate, _ in share.select(range(band.clients))), "one sends at a time"


@given(bands(), st.data())
def test_nobody_is_slower_than_without_sharing(band: Dedicated, data: st.DataObject) -> None:
    """Whatever the others do, every transfer ends no later than on the client's own subchannels alone."""
    asked = data.draw(jobs(band.clients))
    alone = run(world(band.clients, None, band.links), asked)
    lent = run(world(band.clients, band.lending()), asked)
    for client in range(band.clients):
        ends_s = [of(table, client)["end_s"].to_numpy() for table in (lent, alone)]
        assert (ends_s[0] <= ends_s[1] * (1 + 1e-9)).all()


def test_the_band_is_lent_as_transfers_end() -> None:
    """Own rates of 2 bit/s, 2 more lent: 4 and 12 bits end at 2 s and, with 8 left at 4 bit/s, at 4 s."""
    band = Dedicated(np.full((2, 2), 3.0))
    table = run(world(2, band.lending()), [[(0, 4)], [(0, 12)]])
    assert [2.0, 4.0] == [of(table, i)["end_s"].item() for i in (0, 1)]
    assert [2.0, 2 * 1 + 2 * 2] == [of(table, i)["energy_j"].item() for i in (0, 1)]


def test_who_begins_takes_its_own_back() -> None:
    """Client 1 has all 4 bit/s for 1 s, then its own 2: 4 + 2·2 of its 8 bits take 3 s."""
    band = Dedicated(np.full((2, 2), 3.0))
    table = run(world(2, band.lending()), [[(1, 100)], [(0, 8)]])
    assert 3.0 == of(table, 1)["end_s"].item()
    assert [1.0, 0.0] == of(table, 0)[["start_s", "wait_s"]].to_numpy()[0].tolist(), "at once"


@given(st.integers(1, 5), positive(0.1, 10), positive(0.05, 20), st.sampled_from([1.0, 4.0]))
def test_turns_waste_no_time(clients: int, bits: float, slot_s: float, rate_bps: float) -> None:
    """n equal transfers from time 0 end after n air times; each waits for its first turn and no longer."""
    given_links = links([rate_bps] * clients, [1.0] * clients, [1.0] * clients)
    table = run(world(clients, Tdma(given_links, uplink=True, slot_s=slot_s)), [[(0.0, bits)]] * clients)
    air_s = bits / rate_bps
    assert clients * air_s == pytest.approx(table["end_s"].max(), rel=1e-9)
    first_s = min(slot_s, air_s)
    for client in range(clients):
        assert client * first_s == pytest.approx(of(table, client)["wait_s"].item(), rel=1e-9, abs=1e-12)
    power_w = 1.0
    assert [air_s * power_w] * clients == [pytest.approx(energy) for energy in table["energy_j"]]


def test_slots_are_fair() -> None:
    """Of 10, 1 and 10 bits at 1 bit/s in slots of 2 s: turns 0-2, 2-3, 3-5, 5-7, 7-9, ... up to 21 s."""
    three = links([1.0] * 3, [1.0] * 3, [1.0] * 3)
    rule = Watched(Tdma(three, uplink=True, slot_s=2.0))
    table = run(world(3, rule), [[(0, 10)], [(0, 1)], [(0, 10)]])
    assert [19.0, 3.0, 21.0] == [of(table, i)["end_s"].item() for i in range(3)]
    for now_s in np.arange(3.0, 19.0, 4.0):
        held_s = [rule.integral("rate_bps", i, now_s, now_s + 4.0) for i in (0, 2)]
        assert [2.0, 2.0] == held_s, "in every cycle each has one slot"


def test_turns_go_by_number_whoever_began_first() -> None:
    """Clients 2, 0, 1 begin in this order, with 4 bits at 1 bit/s in slots of 2 s: two rounds of 2, 0, 1."""
    three = links([1.0] * 3, [1.0] * 3, [1.0] * 3)
    table = run(world(3, Tdma(three, uplink=True, slot_s=2.0)), [[(0.5, 4)], [(1.0, 4)], [(0.0, 4)]])
    assert [10.0, 12.0, 8.0] == [of(table, i)["end_s"].item() for i in range(3)]


def processor_sharing(bits: list[float], rates_bps: list[float]) -> list[float]:
    """Return the ends if n transfers have an n-th of the time each: needs of air time in rising order."""
    needs_s = np.array(bits) / rates_bps
    ends_s = np.zeros(len(bits))
    now_s = done_s = 0.0
    for rank, client in enumerate(np.argsort(needs_s)):
        now_s += (needs_s[client] - done_s) * (len(bits) - rank)
        done_s = needs_s[client]
        ends_s[client] = now_s
    return ends_s.tolist()


@given(st.lists(st.tuples(positive(0.5, 20), positive(0.5, 4)), min_size=1, max_size=4))
def test_short_slots_tend_to_equal_shares(transfers: list[tuple[float, float]]) -> None:
    """With slots of s seconds no end is further than n·s from that of processor sharing."""
    bits, rates = (list(column) for column in zip(*transfers, strict=True))
    slot_s, n = 0.05, len(bits)
    rule = Tdma(links(rates, rates, rates), uplink=True, slot_s=slot_s)
    table = run(world(n, rule), [[(0.0, b)] for b in bits])
    for client, end_s in enumerate(processor_sharing(bits, rates)):
        assert end_s == pytest.approx(of(table, client)["end_s"].item(), abs=n * slot_s)


def test_a_block_that_ends_within_a_transfer() -> None:
    """1 bit/s up to 3 s, 2 bit/s from then: 5 bits take 4 s, shared or not, and one record."""
    source = Steps([0, 3], [links([r], [r], [r]) for r in (1.0, 2.0)])
    (row,) = run(world(1, Tdma(source, uplink=True, slot_s=1.5)), [[(0, 5)]]).to_dict("records")
    assert (0.0, 4.0, 5.0, 4.0) == (row["start_s"], row["end_s"], row["bits"], row["energy_j"])


def test_an_abandoned_transfer_keeps_what_was_sent() -> None:
    """After 1 s of 2 bit/s it has 2 of its 8 bits; what it held is the other's at once."""
    band = Dedicated(np.full((2, 2), 3.0))
    w = world(2, band.lending())
    for device in w.created_devices:
        device.uplink(UPLINK, 8.0)
    w.env.run(until=1.0)
    w.device(0).abort()
    w.env.run()
    table = w.record.frame()
    assert (1.0, 2.0, 1.0) == tuple(of(table, 0)[["end_s", "bits", "energy_j"]].to_numpy()[0])
    assert (2.5, 8.0) == tuple(of(table, 1)[["end_s", "bits"]].to_numpy()[0])


@given(st.data())
def test_abandoning_at_any_instant_keeps_the_books(data: st.DataObject) -> None:
    """All that was abandoned has the integral of its rate up to then; all others their bits."""
    band = data.draw(bands())
    name = data.draw(st.sampled_from(["tdma", "work_conserving"]))
    rule = rule_of(name, band)
    w = world(band.clients, rule)
    bits = [float(data.draw(st.integers(1, 12))) for _ in w.created_devices]
    cuts_s = [
        data.draw(st.one_of(st.integers(0, 12).map(float), st.floats(0, 12))) for _ in w.created_devices
    ]
    for device, asked in zip(w.created_devices, bits, strict=True):
        device.uplink(UPLINK, asked)

    def cut(client: int) -> Generator[Any, Any, None]:
        yield w.env.timeout(cuts_s[client])
        w.device(client).abort()

    for client in range(band.clients):
        w.env.process(cut(client))
    w.env.run()
    table = w.record.frame()
    for client, asked in enumerate(bits):
        sent = of(table, client)
        expected = rule.integral("rate_bps", client, 0.0, cuts_s[client])
        assert min(asked, expected) == pytest.approx(sent["bits"].sum(), rel=1e-9, abs=1e-9)
        assert (sent["end_s"] <= cuts_s[client]).all()


@pytest.mark.parametrize("name", ["tdma", "work_conserving"])
def test_abandoned_at_the_very_instant_of_its_end(name: str) -> None:
    """4 bits at 2 bit/s end at 2 s, abandoned then too: the row is closed once, and a new transfer begins."""
    band = Dedicated(np.full((2, 2), 3.0))
    if name == "tdma":
        rule: Scheduler = Tdma(links([2.0] * 2, [2.0] * 2, [1.0] * 2), uplink=True, slot_s=9.0)
    else:
        rule = band.lending()
    w = world(2, rule)
    for device, bits in zip(w.created_devices, (4.0, 40.0), strict=True):
        device.uplink(UPLINK, bits)

    def again() -> Generator[Any, Any, None]:
        yield w.env.timeout(2.0)
        w.device(0).abort()
        yield w.device(0).uplink(MODEL_UPLOAD, 6.0)

    w.env.run(until=w.env.process(again()))
    rows = of(w.record.frame(), 0)
    assert [4.0, 6.0] == pytest.approx(rows["bits"].tolist())
    assert 2.0 == rows["end_s"].iloc[0] <= rows["start_s"].iloc[1]


def test_cut_off_before_its_first_turn() -> None:
    """Who never had a turn has sent nothing: no record, no energy, and no share of what follows."""
    w = world(2, Tdma(links([1.0] * 2, [1.0] * 2, [1.0] * 2), uplink=True, slot_s=5.0))
    for device in w.created_devices:
        device.uplink(UPLINK, 8.0)
    w.env.run(until=3.0)
    w.device(1).abort()
    w.env.run()
    (row,) = w.record.frame().to_dict("records")
    assert ("device-0", 8.0, 8.0) == (row["node"], row["end_s"], row["energy_j"])


def test_nothing_to_send_takes_no_turn() -> None:
    """A transfer of no bits ends at once, though another has the band."""
    w = world(2, Tdma(links([1.0] * 2, [1.0] * 2, [1.0] * 2), uplink=True, slot_s=5.0))
    w.device(0).uplink(UPLINK, 8.0)
    w.env.run(until=w.device(1).uplink(UPLINK, 0.0))
    assert 0.0 == w.env.now


def test_a_lane_sends_one_thing_at_a_time() -> None:
    """A second uplink before the first has ended is a mistake of the scheme, and is told."""
    w = world(1, Tdma(links([1.0], [1.0], [1.0]), uplink=True, slot_s=5.0))
    w.device(0).uplink(UPLINK, 8.0)
    with pytest.raises(RuntimeError, match="device-0 is asked for model_upload while another transfer"):
        w.device(0).uplink(MODEL_UPLOAD, 8.0)
    w.device(0).downlink(DOWNLINK, 1.0)  # the other direction is free
    w.env.run()
    assert [1.0, 8.0] == sorted(w.record.frame()["end_s"])


def test_a_downlink_takes_no_energy_from_the_battery() -> None:
    """The access point pays for downlinks: 8 bits down take nothing, and 2 bits up take 2 J at 1 W."""
    w = world(1, Tdma(links([1.0], [1.0], [1.0]), uplink=True, slot_s=5.0))
    battery = Battery(100.0)
    battery.follow(w.device(0), lambda: None)
    w.env.run(until=w.device(0).downlink(DOWNLINK, 8.0))
    assert 100.0 == battery.state()[0]
    w.env.run(until=w.device(0).uplink(UPLINK, 2.0))
    assert 98.0 == pytest.approx(battery.state()[0])
