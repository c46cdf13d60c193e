"""Laws of the round time: the closed forms of the schemes, with numbers that are computed by hand."""

from dataclasses import replace

import numpy as np
import pytest

from cutlayer.sim.allocation.problem import Rates, RoundWork, link_rates, round_time_s
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.radio.rates import Band, broadcast_rate, downlink_rates, uplink_rates
from cutlayer.sim.radio.resources import RadioResources, uniform_power_w

BAND = Band(1.0, np.array([10.0, 11.0]), 1.0, 1.0, 1.0)
RATES = Rates(np.array([10.0, 20.0]), np.array([40.0, 50.0]), 25.0)
SPLIT = RoundWork(
    before_uplink_s=np.array([1.0, 3.0]),  # uplinks of 10 and 5 s: ends at 11 and 8 s
    uplink_bits=100.0,
    server_s=2.0,
    broadcast_bits=50.0,  # 2 s
    downlink_bits=200.0,  # 5 and 4 s
    after_downlink_s=np.array([1.0, 4.0]),  # ends after 6 and 8 s
)


def test_a_round_has_two_barriers() -> None:
    """PSL and EPSL: max(11, 8) + 2 + 2 + max(6, 8) = 23 s."""
    assert pytest.approx(23.0, rel=1e-15) == round_time_s(SPLIT, RATES)


def test_a_round_that_averages_exchanges_models_behind_the_second_stage() -> None:
    """SFL: uploads of 30 bit take 3 and 1.5 s, the broadcast of 75 bit 3 s: 15 + max(9, 9.5) + 3 = 27.5 s."""
    averaging = replace(SPLIT, model_upload_bits=30.0, model_broadcast_bits=75.0, averaging_share=1.0)
    assert pytest.approx(27.5, rel=1e-15) == round_time_s(averaging, RATES)


def test_the_mean_round_weights_both_kinds() -> None:
    """With an average every fourth round the mean is 3/4 of the plain round and 1/4 of the other."""
    averaging = replace(SPLIT, model_upload_bits=30.0, model_broadcast_bits=75.0, averaging_share=0.25)
    assert pytest.approx(0.75 * 23.0 + 0.25 * 27.5, rel=1e-15) == round_time_s(averaging, RATES)


def test_federated_averaging_is_a_round_without_a_second_stage() -> None:
    """FL: max(1 + 10, 3 + 5) + 100/25 = 15 s."""
    work = RoundWork(np.array([1.0, 3.0]), 100.0, 0.0, 100.0, 0.0, np.zeros(2))
    assert pytest.approx(15.0, rel=1e-15) == round_time_s(work, RATES)


def test_no_bits_take_no_time_even_at_rate_zero() -> None:
    """At rate zero the transfer of no bits takes no time, and that of one bit never ends."""
    zero_rates = Rates(np.array([10.0, 20.0]), np.zeros(2), 0.0)
    work = replace(SPLIT, broadcast_bits=0.0, downlink_bits=0.0)
    assert pytest.approx(11.0 + 2.0 + 4.0) == round_time_s(work, zero_rates)
    assert round_time_s(replace(work, downlink_bits=1.0), zero_rates) == np.inf


def test_link_rates_are_those_of_the_radio() -> None:
    """An allocation's rates are the uplink, downlink and broadcast rates of its assignment and powers."""
    problem = RadioResources(BAND, np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones(2), 2.0)
    client_of, psd_w_per_hz = np.array([1, 0]), np.array([0.3, 0.7])
    rates = link_rates(problem, client_of, psd_w_per_hz)
    np.testing.assert_array_equal(
        uplink_rates(BAND, problem.gains, client_of, psd_w_per_hz), rates.uplink_bps
    )
    np.testing.assert_array_equal(downlink_rates(BAND, problem.gains, client_of), rates.downlink_bps)
    assert broadcast_rate(BAND, problem.gains) == rates.broadcast_bps


def test_uniform_power_meets_both_limits() -> None:
    """Each client has the lesser of its limit and an equal part of the common limit."""
    problem = RadioResources(BAND, np.ones((3, 2)), np.array([1.0, 3.0, 9.0]), 6.0)
    np.testing.assert_array_equal([1.0, 2.0, 2.0], uniform_power_w(problem))


def test_gains_of_another_shape_are_refused() -> None:
    """The error names the shape and both counts."""
    with pytest.raises(PlanningError, match=r"\(3, 2\); 2 clients .* 2 subchannels"):
        RadioResources(BAND, np.ones((3, 2)), np.ones(2), 1.0)


@pytest.mark.parametrize("gain", [0.0, -1.0, np.nan])
def test_gains_that_are_not_positive_are_refused(gain: float) -> None:
    """The error states the client and the subchannel of a gain that is not positive."""
    with pytest.raises(PlanningError, match="client 1 on subchannel 0 must be finite and greater than 0"):
        RadioResources(BAND, np.array([[1.0, 1.0], [gain, 1.0]]), np.ones(2), 1.0)
