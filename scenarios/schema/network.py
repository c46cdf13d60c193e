"""Scenario section ``network``: compute nodes behind the access point, and the wires that connect them."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from ..section import Section
from ..text import Label, Text
from .fields import WHOLE_NUMBER, BitRate, Clock, CyclesPerFlop, NonNegative, Positive, ScenarioPath

__all__ = ["ACCESS_POINT", "ComputeNode", "Network", "Wire", "WireBetween"]

ACCESS_POINT = "access-point"
RESERVED = ("device", "server", ACCESS_POINT)


def _not_reserved(name: str) -> str:
    for reserved in RESERVED:
        if name == reserved or name.startswith(f"{reserved}-"):
            raise ValueError(f"names that begin with {reserved} are taken by the simulator; choose another")
    return name


NODES_MAX = 1_000
DELAY_MAX_S = 1e9
Delay = Annotated[float, Field(strict=True, ge=0, le=DELAY_MAX_S)]
NodeName = Annotated[str, Field(pattern=r"^[A-Za-z][\w.-]*$", max_length=100), AfterValidator(_not_reserved)]


class ComputeNode(Section):
    """A compute node that trains parts of models for the devices, or several equal nodes."""

    name: NodeName = Field(description="name of the node; several equal nodes are NAME-1, NAME-2, …")
    count: Annotated[int, Field(ge=1, le=NODES_MAX), WHOLE_NUMBER] = Field(
        default=1, description="number of equal nodes"
    )
    clock_hz: Clock = Field(default=5.0e9, description="clock of the node, cycles/s")
    cycles_per_flop: CyclesPerFlop = Field(
        default=0.03125, description="κ: cycles per FLOP; time = FLOPs·κ/clock"
    )
    switched_capacitance: Positive = Field(
        default=1e-28, description="ς: effective switched capacitance, J·s²/cycle³; energy = ς·clock²·κ·FLOPs"
    )
    profile: Text | None = Field(
        default=None,
        description="device of model.profile whose measured times apply to the node; absent: times follow"
        " from FLOPs",
    )
    memory_mib: Positive | None = Field(default=None, description="memory of the node, MiB; absent: no limit")
    price_per_hour: NonNegative = Field(
        default=0.0, description="price of one hour of the node, in any currency"
    )
    at: Label | None = Field(
        default=None,
        description="id or label of the place of the node in network.graph; absent: the node's name",
    )

    @model_validator(mode="after")
    def _one_place(self) -> ComputeNode:
        if self.at is not None and self.count > 1:
            raise ValueError(f"at is the place of one node; count is {self.count}: list the nodes one by one")
        return self

    def individual_nodes(self) -> tuple[ComputeNode, ...]:
        """Return the nodes one by one, each with a name of its own."""
        if self.count == 1:
            return (self,)
        return tuple(
            self.model_copy(update={"name": f"{self.name}-{number}", "count": 1})
            for number in range(1, self.count + 1)
        )


class Wire(Section):
    """A wire with equal rate and delay in both directions; each direction sends one message at a time."""

    rate_bps: BitRate = Field(default=1.0e9, description="data rate of each direction, bit/s")
    delay_s: Delay = Field(default=0.0, description="propagation delay, s")


class WireBetween(Wire):
    """A wire between two nodes, relays or the access point."""

    between: tuple[Label, Label] = Field(
        description="the two ends: names of compute nodes, names of relays, or access-point"
    )


class Network(Section):
    """The compute nodes in the order of a chain, and the wires that connect them."""

    nodes: Annotated[
        tuple[ComputeNode, ...],
        Field(min_length=1, description="compute nodes, in their order along a chain"),
    ]
    wire: Wire = Field(
        default=Wire(),
        description="wire from the access point to every node and from each node to the next",
    )
    wires: tuple[WireBetween, ...] | None = Field(
        default=None, description="list of all wires, instead of wire; absent: use wire"
    )
    graph: ScenarioPath | None = Field(
        default=None,
        description="GraphML or GML file of nodes and edges, instead of wire; absent: use wire",
    )
    rate: Label = Field(
        default="rate_bps",
        description="attribute of the graph's edges that is their data rate, bit/s, for example LinkSpeedRaw",
    )
    default_rate_bps: BitRate | None = Field(
        default=None,
        description="data rate of the graph's edges without that attribute, bit/s; absent: each needs it",
    )
    delay: Label = Field(
        default="delay_s", description="attribute of the graph's edges that is their propagation delay, s"
    )
    default_delay_s: Delay = Field(
        default=0.0, description="propagation delay of the graph's edges without that attribute, s"
    )
    access_point: Label | None = Field(
        default=None,
        description="id or label of the access point's place in the graph; absent: access-point",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Network:
        if self.wires is not None and self.graph is not None:
            raise ValueError("give either wires or graph")
        if self.graph is None and (keys := self._keys_of_a_graph()):
            raise ValueError(f"{keys[0]} is a key of a graph; give graph too, or leave out {keys[0]}")
        if (count := sum(node.count for node in self.nodes)) > NODES_MAX:
            raise ValueError(f"nodes: at most {NODES_MAX:,} nodes are allowed; there are {count:,}")
        names = Counter(node.name for node in self.expanded())
        repeated = sorted(name for name, times in names.items() if times > 1)
        if repeated:
            raise ValueError(f"nodes: names must be unique; given twice: {', '.join(repeated)}")
        return self

    def _keys_of_a_graph(self) -> list[str]:
        """Return the keys with a value that only a graph uses."""
        fields = type(self).model_fields
        keys = ("rate", "default_rate_bps", "delay", "default_delay_s", "access_point")
        stated = [key for key in keys if getattr(self, key) != fields[key].default]
        return stated + [f"nodes: {node.name}: at" for node in self.nodes if node.at is not None]

    def expanded(self) -> tuple[ComputeNode, ...]:
        """Return all nodes one by one, in order, each with a name of its own."""
        return tuple(node for group in self.nodes for node in group.individual_nodes())
