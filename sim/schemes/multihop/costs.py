"""The costs of one mini-batch of an owner in a U-shaped model (docs/model.md section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....scenarios.model_costs.training_memory import PartMemory
from ....scenarios.ordered_sum import ordered_sum
from ....scenarios.schema.network import ACCESS_POINT
from ...costs.layer_costs import PartWork

if TYPE_CHECKING:
    from ...links.wired_network import Network

__all__ = ["HopWork", "OwnerWork", "route_latency_s"]


@dataclass(frozen=True)
class HopWork:
    """The work of one hop: a part of the model on a compute node, for one mini-batch of one owner.

    Attributes
    ----------
    node : str
        The node's name.
    first, end : int
        The part consists of the units ``first`` to ``end - 1``, counted from 0.
    work : PartWork
        The part's FLOPs on this node.
    s_per_flop : float
        The node's compute time κ/f, [s/FLOP].
    entering_bits, leaving_bits : float
        The activations that enter the part's first unit, and those that leave its last unit, [bit].
    entering_gradient_bits, leaving_gradient_bits : float
        The gradients of the leaving activations, and those of the entering activations, [bit].
    memory : PartMemory
        The memory of one owner's copy of the part and of its mini-batch.
    """

    node: str
    first: int
    end: int
    work: PartWork
    s_per_flop: float
    entering_bits: float
    leaving_bits: float
    entering_gradient_bits: float
    leaving_gradient_bits: float
    memory: PartMemory

    @property
    def forward_s(self) -> float:
        """Return the time of the forward pass, tf, [s]."""
        return self.work.forward_flops * self.s_per_flop

    @property
    def gradient_s(self) -> float:
        """Return the time of the backward pass without the update, after which the gradient leaves, [s]."""
        return self.work.backward_flops * self.s_per_flop

    @property
    def backward_s(self) -> float:
        """Return the time of the backward pass and the update, tb, [s]."""
        return (self.work.backward_flops + self.work.update_flops) * self.s_per_flop


@dataclass(frozen=True)
class OwnerWork:
    """The owner's part of a mini-batch: its first part, its last part (the head), and its link.

    Attributes
    ----------
    forward_flops, backward_flops : float
        The passes of the first part, the backward pass with the update, [FLOP].
    head_forward_flops, head_backward_flops : float
        The passes of the head, the backward pass with the update, [FLOP].
    smashed_bits, gradient_bits : float
        The uplink after the first part's forward pass, and the downlink before its backward pass, [bit].
    head_input_bits, head_gradient_bits : float
        The downlink before the head's forward pass, and the uplink after its backward pass, [bit].
    """

    forward_flops: float
    smashed_bits: float
    head_input_bits: float
    head_forward_flops: float
    head_backward_flops: float
    head_gradient_bits: float
    gradient_bits: float
    backward_flops: float

    def stages_s(
        self, s_per_flop: float, uplink_bps: float, downlink_bps: float
    ) -> tuple[float, float, float]:
        """Return the owner's times before, between and after the nodes' passes, with transfers, [s].

        Parameters
        ----------
        s_per_flop : float
            The owner's compute time κ/f, [s/FLOP].
        uplink_bps, downlink_bps : float
            Rates of the owner's links, [bit/s].
        """
        head_flops = self.head_forward_flops + self.head_backward_flops
        return (
            self.forward_flops * s_per_flop + self.smashed_bits / uplink_bps,
            self.head_input_bits / downlink_bps
            + head_flops * s_per_flop
            + self.head_gradient_bits / uplink_bps,
            self.gradient_bits / downlink_bps + self.backward_flops * s_per_flop,
        )


def route_latency_s(path: Sequence[HopWork], network: Network) -> float:
    """Return the time of a mini-batch on idle nodes and wires, from the access point and back twice, [s].

    Both the forward and the backward pass start and end at the access point. Updates do not count.

    Parameters
    ----------
    path : sequence of HopWork
        The hops, in the order of the forward pass.
    """
    total_s = ordered_sum(hop.forward_s + hop.gradient_s for hop in path)
    position = ACCESS_POINT
    for hop in path:
        total_s += network.route_s(position, hop.node, hop.entering_bits)
        total_s += network.route_s(hop.node, position, hop.leaving_gradient_bits)
        position = hop.node
    total_s += network.route_s(position, ACCESS_POINT, path[-1].leaving_bits)
    return total_s + network.route_s(ACCESS_POINT, position, path[-1].entering_gradient_bits)
