"""What the stages of one split round compute and send (docs/model.md section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...scenarios.model_costs.unit_table import UnitTable

__all__ = ["Stages", "merged_slots", "split_stages"]


@dataclass(frozen=True)
class Stages:
    """FLOPs and bits of one round of parallel split learning.

    Attributes
    ----------
    client_forward_flops, client_backward_flops : float
        Of one client, bρ_j and bϖ_j.
    uplink_bits, downlink_bits : float
        Of one client: bψ_j, and the gradients that are its own, (b−n_a)χ_j.
    clients : int
        Participants, C.
    server_forward_flops : float
        For one client's rows, b(ρ_L−ρ_j).
    own_backward_flops : float
        On the server for one client: its unmerged rows, (b−n_a)(ϖ_{L−1}−ϖ_j), and the last unit's
        gradients of all its rows, b(ϖ_L−ϖ_{L−1}).
    merged_backward_flops : float
        On the server for the merged slots, n_a(ϖ_{L−1}−ϖ_j).
    broadcast_bits : float
        Aggregated gradients, n_aχ_j.
    model_bits, model_download_bits : float
        The client part, Λ_j, on its way up and down.
    """

    client_forward_flops: float
    uplink_bits: float
    clients: int
    server_forward_flops: float
    own_backward_flops: float
    merged_backward_flops: float
    broadcast_bits: float
    downlink_bits: float
    client_backward_flops: float
    model_bits: float
    model_download_bits: float

    @property
    def all_forward_flops(self) -> float:
        """Return the server's forward FLOPs for all participants, T_s^F without κ_s/f_s."""
        return self.clients * self.server_forward_flops

    @property
    def all_backward_flops(self) -> float:
        """Return the server's backward FLOPs for all participants, T_s^B without κ_s/f_s."""
        return self.clients * self.own_backward_flops + self.merged_backward_flops

    @property
    def server_flops(self) -> float:
        """Return all that the server computes in the round."""
        return self.all_forward_flops + self.all_backward_flops


def merged_slots(phi: float, batch_size: int) -> int:
    """Return n_a = ⌈φb⌉, the mini-batch positions whose last-layer gradients are aggregated.

    Products such as 0.1·30 that floating point puts a hair above a whole number count as that number.
    """
    return math.ceil(round(phi * batch_size, 9))


def split_stages(
    units: UnitTable,
    cut: int,
    batch_size: int,
    clients: int,
    *,
    merged: int = 0,
    all_rows_back: bool = False,
) -> Stages:
    """Return the stages of a round with ``clients`` participants, after Lin et al., EPSL.

    Parameters
    ----------
    units : the model's unit table
    cut : int
        Units on the client, 1 ≤ cut < L.
    batch_size : int
        Samples of each client, b.
    clients : int
        Clients that take part, C.
    merged : int
        Aggregated slots n_a.
    all_rows_back : bool
        The server back-propagates all C·b rows (``aggregation: exact``), though n_a are merged.
    """
    units_total = len(units)
    last_unit_flops = units.backward_flops_to(units_total) - units.backward_flops_to(units_total - 1)
    between_flops = units.backward_flops_to(units_total - 1) - units.backward_flops_to(cut)
    return Stages(
        client_forward_flops=batch_size * units.forward_flops_to(cut),
        uplink_bits=batch_size * units.activation_bits_at(cut),
        clients=clients,
        server_forward_flops=batch_size * (units.forward_flops_to(units_total) - units.forward_flops_to(cut)),
        own_backward_flops=(batch_size - merged) * between_flops + batch_size * last_unit_flops,
        merged_backward_flops=merged * (clients if all_rows_back else 1) * between_flops,
        broadcast_bits=merged * units.gradient_bits_at(cut),
        downlink_bits=(batch_size - merged) * units.gradient_bits_at(cut),
        client_backward_flops=batch_size * units.backward_flops_to(cut),
        model_bits=units.parameter_bits_to(cut),
        model_download_bits=units.parameter_bits_to(cut),
    )
