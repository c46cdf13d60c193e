"""FLOPs and bits of the stages of one split round (docs/model.md section 3).

The formulas are those of Lin et al., "Efficient Parallel Split Learning over Resource-constrained Wireless
Edge Networks", 2024. Symbols are those of docs/model.md section 1.
"""

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
        Forward and backward pass of one client, bρ_j and bϖ_j, [FLOP].
    uplink_bits : float
        Smashed data of one client, bψ_j, [bit].
    downlink_bits : float
        Gradients of one client's unmerged slots, (b−n_a)χ_j, [bit].
    clients : int
        Clients that take part, C.
    server_forward_flops : float
        Forward pass on the server for one client's rows, b(ρ_L−ρ_j), and a second one for its unmerged rows
        where that is charged, (b−n_a)(ρ_L−ρ_j), [FLOP].
    server_backward_flops : float
        Backward pass on the server for one client's rows: the unmerged ones, (b−n_a)(ϖ_{L−1}−ϖ_j), and the
        last unit for all of them, b(ϖ_L−ϖ_{L−1}), [FLOP].
    merged_forward_flops : float
        Second forward pass on the server for the merged slots where that is charged, n_a(ρ_L−ρ_j), else 0,
        [FLOP].
    merged_backward_flops : float
        Backward pass on the server for the merged slots, n_a(ϖ_{L−1}−ϖ_j), [FLOP].
    broadcast_bits : float
        Aggregated gradients, n_aχ_j, [bit].
    model_bits, model_download_bits : float
        Upload and download of the client part, Λ_j, [bit].
    """

    client_forward_flops: float
    uplink_bits: float
    clients: int
    server_forward_flops: float
    server_backward_flops: float
    merged_forward_flops: float
    merged_backward_flops: float
    broadcast_bits: float
    downlink_bits: float
    client_backward_flops: float
    model_bits: float
    model_download_bits: float

    @property
    def all_forward_flops(self) -> float:
        """Return the server's forward FLOPs for all participants, T_s^F without κ_s/f_s."""
        return self.clients * self.server_forward_flops + self.merged_forward_flops

    @property
    def all_backward_flops(self) -> float:
        """Return the server's backward FLOPs for all participants, T_s^B without κ_s/f_s."""
        return self.clients * self.server_backward_flops + self.merged_backward_flops

    @property
    def server_flops(self) -> float:
        """Return the FLOPs of the server in the whole round."""
        return self.all_forward_flops + self.all_backward_flops


def merged_slots(phi: float, batch_size: int) -> int:
    """Return n_a = ⌈φb⌉, the number of mini-batch slots whose last-layer gradients are aggregated.

    Products such as 0.1·30, which floating point rounds to just above an integer, count as that integer.
    """
    return math.ceil(round(phi * batch_size, 9))


def split_stages(
    units: UnitTable,
    cut: int,
    batch_size: int,
    clients: int,
    *,
    merged: int = 0,
    backward_all_rows: bool = False,
    forward_twice: bool = False,
) -> Stages:
    """Return the stages of a round with ``clients`` participants, after Lin et al., EPSL.

    Parameters
    ----------
    units : UnitTable
        Costs of the model's units, per sample.
    cut : int
        Units on the client, j, with 1 ≤ j < L.
    batch_size : int
        Samples of each client, b.
    clients : int
        Clients that take part, C.
    merged : int
        Slots of the mini-batch whose gradients are aggregated, n_a.
    backward_all_rows : bool
        Whether the server back-propagates all C·b rows (``aggregation: exact``) although n_a are merged.
    forward_twice : bool
        Whether the server's second forward pass is charged if slots are merged. The first pass gives the
        last-layer gradients; the second one runs over the n_a + C(b−n_a) rows that are back-propagated.
    """
    num_units = len(units)
    last_unit_flops = units.backward_flops_to(num_units) - units.backward_flops_to(num_units - 1)
    between_flops = units.backward_flops_to(num_units - 1) - units.backward_flops_to(cut)
    forward_flops = units.forward_flops_to(num_units) - units.forward_flops_to(cut)
    rows_again = batch_size - merged if forward_twice and merged else 0
    return Stages(
        client_forward_flops=batch_size * units.forward_flops_to(cut),
        uplink_bits=batch_size * units.activation_bits_at(cut),
        clients=clients,
        server_forward_flops=(batch_size + rows_again) * forward_flops,
        server_backward_flops=(batch_size - merged) * between_flops + batch_size * last_unit_flops,
        merged_forward_flops=merged * forward_flops if forward_twice else 0.0,
        merged_backward_flops=merged * (clients if backward_all_rows else 1) * between_flops,
        broadcast_bits=merged * units.gradient_bits_at(cut),
        downlink_bits=(batch_size - merged) * units.gradient_bits_at(cut),
        client_backward_flops=batch_size * units.backward_flops_to(cut),
        model_bits=units.parameter_bits_to(cut),
        model_download_bits=units.parameter_bits_to(cut),
    )
