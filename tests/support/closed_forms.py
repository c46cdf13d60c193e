"""The papers' closed forms of a round's time, written from docs/model.md section 3 alone."""

from __future__ import annotations

import math

from tests.support.worlds import Setting


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
        self.psi: list[float] = [math.nan, *u.activation_bits]
        self.chi: list[float] = [math.nan, *u.gradient_bits]
        self.f: list[float] = setting.fleet.clock_hz.tolist()
        self.kappa: list[float] = setting.fleet.cycles_per_flop.tolist()
        self.fs, self.ks = setting.server.clock_hz, setting.server.cycles_per_flop
        self.RU: list[float] = setting.links.uplink_bps.tolist()
        self.RD: list[float] = setting.links.downlink_bps.tolist()
        self.RB: float = min(setting.links.whole_band_bps)
        self.j = cut
        self.i = range(self.C)

    def epsl(self, n_a: int, *, rows_back: int | None = None, forward_twice: bool = False) -> float:
        """Return the round time of EPSL with n_a aggregated slots.

        The paper has one forward pass on the server; ``forward_twice`` adds that over the rows that go back.
        """
        b, C, L, j = self.b, self.C, self.L, self.j
        rows = n_a + C * (b - n_a) if rows_back is None else rows_back
        T_F = [b * self.kappa[i] * self.rho[j] / self.f[i] for i in self.i]
        T_U = [b * self.psi[j] / self.RU[i] for i in self.i]
        rows_again = rows if forward_twice and n_a else 0
        T_sF = (C * b + rows_again) * self.ks * (self.rho[L] - self.rho[j]) / self.fs
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
