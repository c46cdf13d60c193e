"""What one mini-batch of an owner computes and sends in a U-shaped model, and how long that takes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....scenarios.ordered_sum import ordered_sum
from ....scenarios.schema.network import ACCESS_POINT
from ...costs.layer_costs import PartWork
from ...links.wired_network import Network

__all__ = ["HopWork", "OwnerWork", "route_latency_s"]


@dataclass(frozen=True)
class HopWork:
    """A part of the model on a compute node, for one mini-batch of one owner.

    Attributes
    ----------
    node : name of the node
    first, end : int
        Its units are ``first`` to ``end - 1``, from 0.
    work : its FLOPs on that node
    s_per_flop : float
        κ/f of the node, [s/FLOP].
    entering_bits, leaving_bits : float
        Activations that come in and that go out, [bit].
    entering_gradient_bits, leaving_gradient_bits : float
        Gradients of what goes out, which come in, and of what came in, [bit].
    activation_bits : float
        What is held for the backward pass: the activations of all its units, [bit].
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
    activation_bits: float

    @property
    def forward_s(self) -> float:
        """Return tf, [s]."""
        return self.work.forward_flops * self.s_per_flop

    @property
    def gradient_s(self) -> float:
        """Return the backward pass up to where the gradient leaves, [s]."""
        return self.work.backward_flops * self.s_per_flop

    @property
    def backward_s(self) -> float:
        """Return tb, the backward pass and the update, [s]."""
        return (self.work.backward_flops + self.work.update_flops) * self.s_per_flop


@dataclass(frozen=True)
class OwnerWork:
    """The owner's side of a mini-batch: first part and head, and what its link carries.

    Attributes
    ----------
    forward_flops, head_forward_flops, head_backward_flops, backward_flops : float
        In the order in which they are due; updates count with the backward passes, [FLOP].
    smashed_bits, head_input_bits, head_gradient_bits, gradient_bits : float
        Up, down, up and down between them, [bit].
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
        """Return what owner and link take before the nodes, between their passes, and after them, [s].

        Parameters
        ----------
        s_per_flop : float
            κ/f of the owner, [s/FLOP].
        uplink_bps, downlink_bps : float
            [bit/s].
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
    """Return the compute and the wires of a mini-batch from the access point to it, there and back, [s].

    Parameters
    ----------
    path : the legs, in their order
    network : whose wires lead from one to the next
    """
    total_s = ordered_sum(leg.forward_s + leg.gradient_s for leg in path)
    place = ACCESS_POINT
    for leg in path:
        total_s += network.route_s(place, leg.node, leg.entering_bits)
        total_s += network.route_s(leg.node, place, leg.leaving_gradient_bits)
        place = leg.node
    total_s += network.route_s(place, ACCESS_POINT, path[-1].leaving_bits)
    return total_s + network.route_s(ACCESS_POINT, place, path[-1].entering_gradient_bits)
