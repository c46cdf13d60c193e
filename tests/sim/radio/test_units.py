"""Laws of the conversions between decibels and linear values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.radio.units import db_to_linear, dbm_to_w, linear_to_db


@pytest.mark.parametrize(("value_db", "ratio"), [(0.0, 1.0), (10.0, 10.0), (-30.0, 1e-3), (3.0, 1.9952623)])
def test_decibels_of_known_ratios(value_db: float, ratio: float) -> None:
    """10 dB is a factor of ten, 3 dB about two."""
    assert ratio == pytest.approx(db_to_linear(value_db), rel=1e-7)


@pytest.mark.parametrize(("value_dbm", "power_w"), [(30.0, 1.0), (0.0, 1e-3), (36.99, 5.0003453)])
def test_dbm_counts_from_a_milliwatt(value_dbm: float, power_w: float) -> None:
    """0 dBm is 1 mW, and 36.99 dBm, the papers' total limit, is 5 W."""
    assert power_w == pytest.approx(dbm_to_w(value_dbm), rel=1e-7)


@settings(deadline=None)
@given(st.floats(-300.0, 300.0))
def test_linear_to_db_inverts_db_to_linear(value_db: float) -> None:
    """Converting a level to linear and back gives the same level."""
    assert value_db == pytest.approx(linear_to_db(db_to_linear(value_db)), abs=1e-9)


def test_arrays_keep_their_shape() -> None:
    """Arrays are converted value by value."""
    np.testing.assert_allclose([[1.0, 10.0]], db_to_linear(np.array([[0.0, 10.0]])))
