"""Simulated latency against the papers' closed forms, written here from docs/model.md section 3 alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import Setting, run_timeline, settings_of

RELATIVE = 1e-9


class Forms:
    """The symbols of docs/model.md for one setting and cut; formulas below read like the papers'."""

    def __init__(self, setting: Setting, cut: int) -> None:
        u = setting.units
        self.C, self.b, self.L = setting.clients, setting.batch_size, len(u.units)
        self.rho, self.varpi, self.Lam = [0.0], [0.0], [0.0]
        for n in range(self.L):
            self.rho.append(self.rho[-1] + u.forward_flops[n])
            self.varpi.append(self.varpi[-1] + u.backward_flops[n])
            self.Lam.append(self.Lam[-1] + u.parameter_bits[n])
        self.psi = [math.nan, *u.activation_bits]
        self.chi = [math.nan, *u.gradient_bits]
        self.f, self.kappa = setting.fleet.clock_hz, setting.fleet.cycles_per_flop
        self.fs, self.ks = setting.server.clock_hz, setting.server.cycles_per_flop
        self.RU, self.RD = setting.links.uplink_bps, setting.links.downlink_bps
        self.RB = min(setting.links.whole_band_bps)
        self.j = cut
        self.i = range(self.C)

    def epsl(self, n_a: int, *, rows_back: int | None = None) -> float:
        """Return the round time of EPSL with n_a aggregated slots."""
        b, C, L, j = self.b, self.C, self.L, self.j
        rows = n_a + C * (b - n_a) if rows_back is None else rows_back
        T_F = [b * self.kappa[i] * self.rho[j] / self.f[i] for i in self.i]
        T_U = [b * self.psi[j] / self.RU[i] for i in self.i]
        T_sF = C * b * self.ks * (self.rho[L] - self.rho[j]) / self.fs
        T_sB = (
            rows * self.ks * (self.varpi[L - 1] - self.varpi[j])
            + C * b * self.ks * (self.varpi[L] - self.varpi[L - 1])
        ) / self.fs
        T_B = n_a * self.chi[j] / self.RB
        first = max(T_F[i] + T_U[i] for i in self.i)
        return first + T_sF + T_sB + T_B + max(self.back(n_a, i) for i in self.i)

    def back(self, n_a: int, i: int) -> float:
        """Return T_i^D + T_i^B."""
        b, j = self.b, self.j
        return (b - n_a) * self.chi[j] / self.RD[i] + b * self.kappa[i] * self.varpi[j] / self.f[i]

    def sfl(self) -> float:
        """Return the time of a SplitFed round that averages."""
        last = max(self.back(0, i) + self.Lam[self.j] / self.RU[i] for i in self.i)
        return self.epsl(0) - max(self.back(0, i) for i in self.i) + last + self.Lam[self.j] / self.RB

    def sl(self) -> float:
        """Return the time of a round of sequential split learning; the rates are the whole band's."""
        b, L, j = self.b, self.L, self.j
        total = 0.0
        for i in self.i:
            total += b * self.kappa[i] * self.rho[j] / self.f[i] + b * self.psi[j] / self.RU[i]
            server = (self.rho[L] - self.rho[j]) + (self.varpi[L] - self.varpi[j])
            total += b * self.ks * server / self.fs + b * self.chi[j] / self.RD[i]
            total += b * self.kappa[i] * self.varpi[j] / self.f[i]
            total += self.Lam[j] / self.RU[i] + self.Lam[j] / self.RD[(i + 1) % self.C]
        return total

    def fl(self, E: int) -> float:
        """Return the time of a round of federated averaging with E local steps."""
        L = self.L
        flops = E * self.b * (self.rho[L] + self.varpi[L])
        last = max(flops * self.kappa[i] / self.f[i] + self.Lam[L] / self.RU[i] for i in self.i)
        return last + self.Lam[L] / self.RB

    def centralised(self) -> float:
        """Return the time of a round on the server alone."""
        return self.C * self.b * self.ks * (self.rho[self.L] + self.varpi[self.L]) / self.fs


@st.composite
def settings_and_cuts(draw: st.DrawFn) -> tuple[Setting, int]:
    """Return a setting and a cut of its model."""
    setting = draw(settings_of())
    return setting, draw(st.integers(1, len(setting.units) - 1))


def latency_s(setting: Setting, name: str, cut: int, **parameters: object) -> float:
    """Return the simulated time of the first round."""
    return run_timeline(setting, name, cut, **parameters)[1][0].end_s


@given(settings_and_cuts(), st.floats(0, 1))
def test_epsl(case: tuple[Setting, int], phi: float) -> None:
    """A round of EPSL takes what the closed form says, for any φ."""
    setting, cut = case
    n_a = next(n for n in range(setting.batch_size + 1) if n >= phi * setting.batch_size - 1e-9)
    expected = Forms(setting, cut).epsl(n_a)
    assert latency_s(setting, "epsl", cut, phi=phi) == pytest.approx(expected, rel=RELATIVE)


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
    expected = 2 * forms.epsl(b) + forms.epsl(math.ceil(b / 2)) + forms.epsl(0)
    assert results[-1].end_s == pytest.approx(expected, rel=RELATIVE)
