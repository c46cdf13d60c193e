"""The spectral efficiency in the bounds of cuts agrees with Lambert's function."""

import numpy as np
from scipy.special import lambertw

from cutlayer.sim.allocation.cut_bounds import _cheapest_nats


def test_the_cheapest_efficiency_is_that_of_lamberts_function() -> None:
    """The spectral efficiency y that solves (y − 1) e^y + 1 = x is 1 + W((x − 1)/e), for all prices x."""
    price = np.geomspace(1e-4, 1e12, 200)
    expected = [1.0 + lambertw(x).real for x in (price - 1.0) / np.e]
    np.testing.assert_allclose(_cheapest_nats(price), expected, rtol=1e-9)
