"""Simulated latency against the papers' closed forms, which share no code with the simulator."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.closed_forms import Forms
from tests.support.worlds import Setting, run_timeline, settings_of

RELATIVE = 1e-9


@st.composite
def settings_and_cuts(draw: st.DrawFn) -> tuple[Setting, int]:
    """Return a setting and a cut of its model."""
    setting = draw(settings_of())
    return setting, draw(st.integers(1, len(setting.units) - 1))


def latency_s(setting: Setting, name: str, cut: int, **parameters: Any) -> float:
    """Return the simulated time of the first round."""
    return run_timeline(setting, name, cut, **parameters)[1][0].end_s


@given(settings_and_cuts(), st.floats(0, 1), st.booleans())
def test_epsl(case: tuple[Setting, int], phi: float, charged: bool) -> None:
    """A round of EPSL takes what the closed form says, with one forward pass on the server or two."""
    setting, cut = case
    n_a = next(n for n in range(setting.batch_size + 1) if n >= phi * setting.batch_size - 1e-9)
    expected = Forms(setting, cut).epsl(n_a, forward_twice=charged)
    simulated = latency_s(setting, "epsl", cut, phi=phi, charge_second_forward=charged)
    assert simulated == pytest.approx(expected, rel=RELATIVE)


@given(settings_and_cuts(), st.floats(0, 1))
def test_exact_aggregation_saves_no_server_time(case: tuple[Setting, int], phi: float) -> None:
    """With exact aggregation the server back-propagates C·b rows; the traffic is that of EPSL."""
    setting, cut = case
    n_a = math.ceil(phi * setting.batch_size - 1e-9)
    expected = Forms(setting, cut).epsl(n_a, rows_back=setting.clients * setting.batch_size)
    simulated = latency_s(setting, "epsl", cut, phi=phi, aggregation="exact")
    assert simulated == pytest.approx(expected, rel=RELATIVE)


@given(settings_and_cuts())
def test_psl(case: tuple[Setting, int]) -> None:
    """PSL is the closed form with nothing aggregated."""
    setting, cut = case
    assert latency_s(setting, "psl", cut) == pytest.approx(Forms(setting, cut).epsl(0), rel=RELATIVE)


@given(settings_and_cuts(), st.integers(1, 3), st.sampled_from(["sfl", "sfl_v2"]))
def test_splitfed(case: tuple[Setting, int], every: int, name: str) -> None:
    """SplitFed exchanges models in every I-th round alone; the other rounds are PSL's."""
    setting, cut = case
    forms = Forms(setting, cut)
    _, results = run_timeline(setting, name, cut, count=2 * every, aggregate_every=every)
    expected = 2 * ((every - 1) * forms.epsl(0) + forms.sfl())
    assert results[-1].end_s == pytest.approx(expected, rel=RELATIVE)


@given(settings_and_cuts())
def test_sl(case: tuple[Setting, int]) -> None:
    """Sequential split learning takes the sum over the clients' turns, hand-overs included."""
    setting, cut = case
    assert latency_s(setting, "sl", cut) == pytest.approx(Forms(setting, cut).sl(), rel=RELATIVE)


@given(settings_and_cuts(), st.integers(1, 4))
def test_fl(case: tuple[Setting, int], local_steps: int) -> None:
    """Federated averaging takes its slowest client's compute and upload, and the broadcast."""
    setting, cut = case
    simulated = latency_s(setting, "fl", cut, local_steps=local_steps)
    assert simulated == pytest.approx(Forms(setting, cut).fl(local_steps), rel=RELATIVE)


@given(settings_and_cuts())
def test_centralised(case: tuple[Setting, int]) -> None:
    """The server alone takes its compute time."""
    setting, cut = case
    assert latency_s(setting, "centralised", cut) == pytest.approx(
        Forms(setting, cut).centralised(), rel=RELATIVE
    )


@given(settings_and_cuts())
def test_epsl_pt_changes_phase(case: tuple[Setting, int]) -> None:
    """EPSL-PT takes EPSL's time with each phase's φ."""
    setting, cut = case
    forms = Forms(setting, cut)
    phases = [{"rounds": 2, "phi": 1.0}, {"rounds": 1, "phi": 0.5}, {"phi": 0.0}]
    _, results = run_timeline(setting, "epsl_pt", cut, count=4, phases=phases)
    b = setting.batch_size
    twice = partial(forms.epsl, forward_twice=True)
    expected = 2 * twice(b) + twice(math.ceil(b / 2)) + twice(0)
    assert results[-1].end_s == pytest.approx(expected, rel=RELATIVE)
