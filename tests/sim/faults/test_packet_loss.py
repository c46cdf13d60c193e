"""Packet loss: the distribution of tries, the fate of messages, and the curve of block error rates."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.random_streams import stream
from cutlayer.sim.faults.packet_loss import (
    BlockErrorRate,
    PacketErrors,
    read_block_error_rate,
    total_tries,
)
from tests.support.worlds import positive

NO_SNR = math.nan
DEVIATIONS = 4.5
"""Width of an interval around a mean, in its standard deviations; false alarms are below 1e-5."""


def test_the_mean_number_of_tries_is_geometric() -> None:
    """A packet takes 1/(1 − p) tries in the mean, with the variance p/(1 − p)²: sums over 10,000 messages."""
    packets, messages = 7, 10_000
    for lost in (0.01, 0.3, 0.9):
        errors, rng = PacketErrors(100.0, lost), stream(0, "test")
        air = [
            errors.sending(rng, 100.0 * packets, NO_SNR, must_arrive=False).air_bits for _ in range(messages)
        ]
        tries = np.array(air) / 100.0 / packets
        variance = lost / (1 - lost) ** 2 / packets
        assert 1 / (1 - lost) == pytest.approx(tries.mean(), abs=DEVIATIONS * math.sqrt(variance / messages))
        assert variance == pytest.approx(tries.var(), rel=0.15)


@given(positive(1.0, 1e12), positive(1.0, 1e6))
def test_without_losses_the_message_is_sent_once(bits: float, packet_bits: float) -> None:
    """A probability of 0 is exact, and draws nothing."""
    errors = PacketErrors(packet_bits, 0.0, max_tries=1)
    sending = errors.sending(stream(0, "test"), bits, NO_SNR, must_arrive=False)
    assert (bits, True) == (sending.air_bits, sending.arrives)
    assert errors.never_lose


@given(st.integers(0, 99), positive(1.0, 1e15), st.floats(0.001, 0.999))
def test_a_message_that_arrives_was_on_the_air_at_least_once(seed: int, bits: float, lost: float) -> None:
    """Bits on the air are the message's bits or more, also for billions of packets."""
    errors = PacketErrors(12_000.0, lost)
    sending = errors.sending(stream(seed, "test"), bits, NO_SNR, must_arrive=False)
    assert sending.arrives
    assert sending.air_bits >= bits


def test_the_last_packet_is_shorter() -> None:
    """Of 250 bits in packets of 100, repeated bits are whole packets of 100 and last ones of 50."""
    errors, rng = PacketErrors(100.0, 0.4), stream(0, "test")
    repeated = {errors.sending(rng, 250.0, NO_SNR, must_arrive=True).air_bits - 250.0 for _ in range(500)}
    assert {0.0, 50.0, 100.0, 150.0} < repeated
    assert all(bits % 50 == 0 for bits in repeated)


def test_a_message_is_lost_with_the_probability_of_its_packets() -> None:
    """With m tries and n packets a message arrives with (1 − p^m)^n, and its tries stay within m each."""
    lost, limit, packets, messages = 0.3, 2, 5, 10_000
    errors, rng = PacketErrors(10.0, lost, max_tries=limit), stream(1, "test")
    sendings = [errors.sending(rng, 10.0 * packets, NO_SNR, must_arrive=False) for _ in range(messages)]
    arrives = (1 - lost**limit) ** packets
    deviation = math.sqrt(arrives * (1 - arrives) / messages)
    assert arrives == pytest.approx(np.mean([each.arrives for each in sendings]), abs=DEVIATIONS * deviation)
    air = np.array([each.air_bits / 10.0 for each in sendings if each.arrives])
    assert air.min() >= packets
    assert air.max() <= limit * packets
    mean = (1 - lost + 2 * (lost - lost**2)) / (1 - lost**2)  # of a packet that arrives within two tries
    assert mean == pytest.approx(air.mean() / packets, abs=DEVIATIONS * 0.5 / math.sqrt(packets * len(air)))


def test_a_lost_message_ends_with_the_packet_that_is_given_up() -> None:
    """Of 3 packets with one try each, the first one to fail is geometric; the rest is not sent."""
    lost, messages = 0.5, 8_000
    errors, rng = PacketErrors(10.0, lost, max_tries=1), stream(2, "test")
    sendings = [errors.sending(rng, 30.0, NO_SNR, must_arrive=False) for _ in range(messages)]
    shares = [
        np.mean([each.air_bits == bits and not each.arrives for each in sendings]) for bits in (10, 20, 30)
    ]
    assert [0.5, 0.25, 0.125] == pytest.approx(shares, abs=DEVIATIONS * 0.5 / math.sqrt(messages))
    assert all(errors.sending(rng, 30.0, NO_SNR, must_arrive=True).arrives for _ in range(20))


def test_a_broadcast_repeats_each_packet_until_all_have_it() -> None:
    """The tries of a packet are the largest of independent geometric ones: E = Σ_k (1 − Π(1 − p_i^k))."""
    curve = BlockErrorRate(np.array([0.0, 10.0]), np.array([0.2, 0.6]))
    errors, rng, broadcasts, packets = PacketErrors(10.0, curve), stream(3, "test"), 4_000, 3
    snr = [1.0, 10.0, 10.0]  # 0 and 10 dB
    lost = np.array([0.2, 0.6, 0.6])
    expected = sum(1 - np.prod(1 - lost**tries) for tries in range(200))
    air = [errors.broadcast_bits(rng, 10.0 * packets, snr) for _ in range(broadcasts)]
    tries = np.array(air) / 10.0 / packets
    assert expected == pytest.approx(tries.mean(), abs=DEVIATIONS * tries.std() / math.sqrt(broadcasts))
    assert min(air) >= 10.0 * packets


@given(st.integers(0, 99), st.integers(0, 200), st.floats(0.01, 0.95))
def test_the_total_of_tries_is_a_count(seed: int, packets: int, lost: float) -> None:
    """Each packet takes one try at least; no packets take none."""
    total = total_tries(stream(seed, "test"), packets, lambda tries: lost**tries)
    assert total >= packets
    assert (total == 0) == (packets == 0)


def test_the_curve_is_linear_between_its_points_and_constant_outside(tmp_path: Path) -> None:
    """At 5 dB, half way from 0.8 at 0 dB to 0.2 at 10 dB, half of the packets are lost."""
    path = tmp_path / "bler.csv"
    path.write_text("snr_db,bler\n10,0.2\n0,0.8\n", encoding="ascii")
    curve = read_block_error_rate(path)
    levels_db = [-20.0, 0.0, 5.0, 10.0, 40.0]
    assert [0.8, 0.8, 0.5, 0.2, 0.2] == pytest.approx([curve.at(10 ** (level / 10)) for level in levels_db])
    assert 0.8 == curve.at(0.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("snr_db,rate\n0,1\n", "needed: the columns snr_db, bler"),
        ("snr_db,bler\n", "needed: the columns snr_db, bler, and a row"),
        ("snr_db,bler\n0,1.5\n", "line 2: bler is 1.5; it must be from 0 to 1"),
        ("snr_db,bler\n0,1\n0,0.5\n", "line 3 gives an snr_db again"),
        ("snr_db,bler\n0,x\n", "line 2 must hold finite numbers"),
    ],
)
def test_a_curve_that_breaks_a_rule_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The message names the line or the columns."""
    path = tmp_path / "bler.csv"
    path.write_text(text, encoding="ascii")
    with pytest.raises(ValueError, match=message):
        read_block_error_rate(path)
