"""Laws of the work by layer and processor, from counted FLOPs and from measured times."""

from __future__ import annotations

import numpy as np
import pytest

from cutlayer.scenarios.model_costs.layer_profile import LayerProfile, LayerTimes
from cutlayer.sim.costs.layer_costs import work_from_flops, work_from_profile
from tests.support.worlds import unit_table

UNITS = unit_table([(2.0, 3.0, 1.0, 1.0, 1.0), (5.0, 7.0, 1.0, 1.0, 1.0), (0.0, 11.0, 1.0, 1.0, 1.0)])
S_PER_FLOP = np.array([0.5, 0.25])
PROFILE = LayerProfile(
    {
        "pi": LayerTimes(
            np.array([1.0, 2.0, 4.0]), np.array([8.0, 16.0, 32.0]), np.array([64.0, 0.0, 128.0])
        ),
        "vm": LayerTimes(np.array([0.1, 0.2, 0.4]), np.array([0.8, 1.6, 3.2]), np.array([6.4, 0.0, 12.8])),
    },
    np.ones(3),
    np.ones(3),
)


def test_work_from_flops_is_that_of_the_batch_on_every_processor() -> None:
    """Each processor has b times the table's FLOPs and no updates; its times are FLOPs·κ/f."""
    work = work_from_flops(UNITS, 10, S_PER_FLOP)
    np.testing.assert_allclose([[20.0, 50.0, 0.0]] * 2, work.forward_flops)
    np.testing.assert_allclose([[10.0, 25.0, 0.0], [5.0, 12.5, 0.0]], work.forward_s)
    np.testing.assert_allclose([[15.0, 35.0, 55.0], [7.5, 17.5, 27.5]], work.backward_s)
    part = work.part(1, 1, 3)
    assert (50.0, 180.0, 0.0) == (part.forward_flops, part.backward_flops, part.update_flops)


def test_work_from_a_profile_takes_the_measured_times() -> None:
    """For any κ/f, forward times are the profile's, and backward times are the sum of pass and update."""
    work = work_from_profile(PROFILE, ["vm", "pi"], S_PER_FLOP)
    np.testing.assert_allclose([[0.1, 0.2, 0.4], [1.0, 2.0, 4.0]], work.forward_s)
    np.testing.assert_allclose([[7.2, 1.6, 16.0], [72.0, 16.0, 160.0]], work.backward_s)
    part = work.part(1, 0, 2)
    np.testing.assert_allclose(
        np.array([3.0, 24.0, 64.0]) / 0.25, [part.forward_flops, part.backward_flops, part.update_flops]
    )


@pytest.mark.parametrize(
    ("device_names", "message"),
    [
        (["pi", None], "a profile must be named here, one of: pi, vm"),
        (["pi", "mv"], r"no device 'mv' in the layer profile; measured: pi, vm; did you mean 'vm'\?"),
    ],
)
def test_a_device_without_measured_times_is_refused(device_names: list[str | None], message: str) -> None:
    """A missing or an unknown device name is refused with the names of the profile."""
    with pytest.raises(ValueError, match=message):
        work_from_profile(PROFILE, device_names, S_PER_FLOP)
