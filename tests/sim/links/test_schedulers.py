"""Rules of sharing: who gets which part of the band, at what power, and whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cutlayer.sim.links.schedulers import Scheduler, Tdma, WorkConservingOfdma
from cutlayer.sim.radio.rates import Band
from tests.support.worlds import Steps, links, positive

Array = NDArray[np.float64]
Whole = NDArray[np.intp]


@dataclass(frozen=True)
class GrantedRates:
    """A share by client: rates, [bit/s], powers, [W], and up to when they stay, [s]."""

    rate_bps: dict[int, float]
    power_w: dict[int, float]
    until_s: float


def shared(rule: Scheduler, bits_left: Mapping[int, float], now_s: float = 0.0) -> GrantedRates:
    """Return what the rule gives those that have bits left."""
    left = [bits_left.get(client, 0.0) for client in range(max(bits_left) + 1)]
    share = rule.grant(sorted(bits_left), left, now_s)
    held = share.select(set(bits_left))
    return GrantedRates({c: rate for c, rate, _ in held}, {c: power for c, _, power in held}, share.until_s)


class Watched(WorkConservingOfdma):
    """Notes who borrows what, [num_senders, num_subchannels]."""

    borrowed: NDArray[np.bool_]

    def _lend(  # type: ignore[override]  # a static method, which here has an object to write to
        self, left: Array, own_bps: Array, planned_bps: Array, senders: Whole, idle: Whole
    ) -> tuple[Whole, Whole]:
        borrower, subchannel = super()._lend(left, own_bps, planned_bps, senders, idle)
        self.borrowed = np.zeros((len(senders), planned_bps.shape[1]), dtype=bool)
        self.borrowed[borrower, subchannel] = True
        assert len(idle) == self.borrowed.sum(), "nothing is lent twice"
        return borrower, subchannel


@dataclass(frozen=True)
class Still:
    """Gains that do not change."""

    gains: Array

    def at(self, time_s: float) -> tuple[Array, float]:
        """Return them."""
        return self.gains, np.inf


@dataclass(frozen=True)
class Plan:
    """A band with σ² = 1 W/Hz and G = 1, and what was planned on it."""

    gains: Array
    owner: NDArray[np.intp]
    psd_w_per_hz: Array
    power_max_w: Array
    subchannel_hz: float = 2.0
    cap: float = np.inf

    def lending(self) -> Watched:
        """Return the rule."""
        band = Band(self.subchannel_hz, np.arange(1.0, self.owner.size + 1), 1.0, 1.0, 1.0, self.cap)
        return Watched(band, Still(self.gains), self.owner, self.psd_w_per_hz, self.power_max_w)

    def rate_bps(self, client: int, densities: Array) -> float:
        """Return Σ B log2(1 + pγ), capped."""
        efficiency = np.minimum(np.log2(1 + densities * self.gains[client]), self.cap)
        return float((self.subchannel_hz * efficiency).sum())


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Return any plan that keeps the limits: some subchannels are nobody's, some have no power."""
    clients, band = draw(st.integers(1, 4)), draw(st.integers(1, 6))

    def each(count: int, low: float, high: float) -> Array:
        return np.array(draw(st.lists(positive(low, high), min_size=count, max_size=count)))

    gains = each(clients * band, 1e-2, 1e2).reshape(clients, band)
    owner = np.array(draw(st.lists(st.integers(-1, clients - 1), min_size=band, max_size=band)))
    on = np.array(draw(st.lists(st.booleans(), min_size=band, max_size=band)))
    psd = np.where((owner >= 0) & on, each(band, 1e-2, 1e2), 0.0)
    own_w = np.array([2.0 * psd[owner == i].sum() for i in range(clients)])
    spare = np.array(
        draw(st.lists(st.one_of(st.just(0.0), positive(0.01, 10)), min_size=clients, max_size=clients))
    )
    return Plan(gains, owner, psd, own_w * (1 + spare) + 1e-6, cap=draw(st.sampled_from([np.inf, 3.0])))


@given(plans(), st.data())
def test_lending_keeps_every_limit_and_slows_nobody(plan: Plan, data: st.DataObject) -> None:
    """One client a subchannel, own ones at the planned power, Σp ≤ p_max each, all together as planned.

    The rates and powers are those of the subchannels that are held, and never less than dedicated ones give.
    """
    clients = range(len(plan.gains))
    senders = sorted(data.draw(st.sets(st.sampled_from(clients), min_size=1)))
    left = {i: data.draw(positive(1e-3, 1e3)) for i in senders}
    rule = plan.lending()
    share = shared(rule, left)
    assert senders == list(share.rate_bps) == list(share.power_w)
    own = plan.owner == np.array(senders)[:, np.newaxis]
    assert (own.sum(axis=0) + rule.borrowed.sum(axis=0) <= 1).all(), "a subchannel carries one client at most"
    free = ~np.isin(plan.owner, senders) & (plan.psd_w_per_hz > 0)
    assert free.tolist() == rule.borrowed.any(axis=0).tolist(), "all that is idle is lent"
    for row, client in enumerate(senders):
        own_w = 2.0 * plan.psd_w_per_hz[own[row]].sum()
        lent_w = 2.0 * plan.psd_w_per_hz[rule.borrowed[row]].sum()
        scale = min(1.0, (plan.power_max_w[client] - own_w) / lent_w) if lent_w else 1.0
        expected_bps = plan.rate_bps(client, plan.psd_w_per_hz * (own[row] + scale * rule.borrowed[row]))
        assert expected_bps == pytest.approx(share.rate_bps[client], rel=1e-9)
        assert own_w + scale * lent_w == pytest.approx(share.power_w[client], rel=1e-9)
        assert share.power_w[client] <= plan.power_max_w[client] * (1 + 1e-12)
        assert plan.rate_bps(client, plan.psd_w_per_hz * own[row]) <= share.rate_bps[client] * (1 + 1e-12)
    assert sum(share.power_w.values()) <= 2.0 * plan.psd_w_per_hz.sum() * (1 + 1e-12)


def three_clients(power_max_w: float = 100.0) -> Plan:
    """Return three clients with a subchannel of 2 Hz each at 1 W/Hz, for efficiencies of 1 to 4 bit/s/Hz."""
    snr = 2.0 ** np.array([[1, 2, 3], [1, 1, 4], [2, 1, 1]]) - 1
    return Plan(snr, np.arange(3), np.ones(3), np.full(3, power_max_w))


def test_lending_by_hand() -> None:
    """Alone, client 0 has 2 + 4 + 6 bit/s; of two, that borrows which would end last on its own 2 bit/s."""
    rule = three_clients().lending()
    assert {0: 12.0} == pytest.approx(shared(rule, {0: 1.0}).rate_bps)
    share = shared(rule, {0: 30.0, 1: 10.0})
    assert {0: 8.0, 1: 2.0} == pytest.approx(share.rate_bps)
    assert {0: 4.0, 1: 2.0} == pytest.approx(share.power_w)
    assert {0: 2.0, 1: 10.0} == pytest.approx(shared(rule, {0: 10.0, 1: 30.0}).rate_bps)
    assert {0: 2.0, 1: 2.0, 2: 2.0} == pytest.approx(shared(rule, {0: 9.0, 1: 5.0, 2: 1.0}).rate_bps)


def test_the_next_subchannel_goes_to_who_is_last_by_then() -> None:
    """Of two idle subchannels client 0 (24 bits at 2 bit/s) takes its best, and is then ahead of client 1."""
    snr = 2.0 ** np.array([[1, 0, 2, 3], [0, 1, 2, 3]]) - 1
    plan = Plan(snr, np.array([0, 1, -1, -1]), np.ones(4), np.full(2, 100.0))
    rule = plan.lending()
    shared(rule, {0: 24.0, 1: 20.0})
    assert [[False, False, False, True], [False, False, True, False]] == rule.borrowed.tolist()


def test_of_equal_senders_the_first_in_their_order_borrow() -> None:
    """Twenty senders that would end together, and five idle subchannels: clients 0 to 4 get one each."""
    gains = np.ones((20, 25))
    owner = np.array([*range(20), *[-1] * 5])
    rule = Plan(gains, owner, np.ones(25), np.full(20, 100.0)).lending()
    shared(rule, dict.fromkeys(range(20), 8.0))
    borrowers, subchannels = np.nonzero(rule.borrowed)
    assert ([0, 1, 2, 3, 4], [20, 21, 22, 23, 24]) == (borrowers.tolist(), subchannels.tolist())


def test_a_borrower_at_its_limit_gains_rate_by_no_more_power() -> None:
    """With 3 W in all and 2 W on its own subchannel, it uses what it borrows at a quarter of its power."""
    share = shared(three_clients(power_max_w=3.0).lending(), {0: 1.0})
    assert {0: 3.0} == pytest.approx(share.power_w)
    expected_bps = 2 * (np.log2(1 + 1) + np.log2(1 + 3 / 4) + np.log2(1 + 7 / 4))
    assert {0: pytest.approx(expected_bps)} == share.rate_bps


def test_shares_change_with_the_gains() -> None:
    """A share holds no longer than the state of the channel that it was worked out on."""

    class Doubling:
        def at(self, time_s: float) -> tuple[Array, float]:
            return np.full((1, 1), 1.0 if time_s < 5 else 3.0), 5.0 if time_s < 5 else np.inf

    rule = WorkConservingOfdma(
        Band(1.0, np.ones(1), 1.0, 1.0, 1.0), Doubling(), np.zeros(1, int), np.ones(1), np.ones(1)
    )
    assert [(1.0, 5.0), (2.0, np.inf)] == [
        (share.rate_bps[0], share.until_s) for share in (shared(rule, {0: 1.0}, t) for t in (4.9, 5.0))
    ]


def turns(slot_s: float = 2.0, clients: int = 3) -> Tdma:
    """Return turns of client i at i + 1 bit/s; all rates are ten times as high from 9 s on."""
    rates = np.arange(clients) + 1.0
    states = [links((f * rates).tolist(), (5 * f * rates).tolist(), [1.0] * clients) for f in (1, 10)]
    return Tdma(Steps([0, 9], states), uplink=True, slot_s=slot_s)


def served(rule: Tdma, bits_left: Mapping[int, float], now_s: float) -> tuple[int, float]:
    """Return whose turn it is, having checked that it alone sends, and until when."""
    share = shared(rule, bits_left, now_s)
    (client,) = share.rate_bps
    assert [client] == list(share.power_w)
    assert client in bits_left and share.rate_bps[client] > 0 and share.power_w[client] > 0
    return client, share.until_s


def test_turns_go_round() -> None:
    """Slots of 2 s go to those that send, in the order of their numbers, and round again."""
    rule, everybody = turns(), {0: 9.0, 1: 9.0, 2: 9.0}
    assert [(0, 2), (1, 4), (2, 6), (0, 8)] == [served(rule, everybody, t) for t in (0, 2, 4, 6)]
    assert [(2, 9), (2, 10)] == [served(rule, {0: 9.0, 2: 9.0}, t) for t in (8, 9)], "or as far as rates stay"
    assert [(0, 12), (0, 14)] == [served(rule, {0: 9.0}, t) for t in (10, 12)], (
        "alone, every slot is one's own"
    )


def test_who_has_nothing_left_ends_its_turn() -> None:
    """Client 0 is done after 0.5 s of its slot: client 1 begins a slot of its own at once."""
    rule = turns()
    assert (0, 2) == served(rule, {0: 0.5, 1: 9.0, 2: 9.0}, 0.0)
    assert (1, 2.5) == served(rule, {1: 9.0, 2: 9.0}, 0.5)


def test_a_newcomer_waits_for_the_slots_end() -> None:
    """Client 0 asks during client 1's slot, is not served before its end, and then behind client 2."""
    rule = turns()
    assert (1, 2) == served(rule, {1: 9.0, 2: 9.0}, 0.0)
    assert (1, 2) == served(rule, {0: 9.0, 1: 9.0, 2: 9.0}, 1.5)
    assert [(2, 4), (0, 6)] == [served(rule, {0: 9.0, 1: 9.0, 2: 9.0}, t) for t in (2, 4)]


def test_each_direction_has_its_own_rates_in_turns() -> None:
    """The uplink's turns go at the uplink's rate, the downlink's at the downlink's, five times as fast."""
    states = Steps([0], [links([1.0], [5.0], [1.0])])
    rates = [shared(Tdma(states, uplink=up, slot_s=1.0), {0: 1.0}).rate_bps for up in (True, False)]
    assert [{0: 1.0}, {0: 5.0}] == rates
