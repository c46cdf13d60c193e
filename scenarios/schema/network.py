"""Scenario section ``network``: compute nodes behind the access point, and the wires between them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from ..section import Section
from .fields import NonNegative, Positive, PositiveInt, ScenarioPath

__all__ = ["ACCESS_POINT", "ComputeNode", "Network", "Wire", "WireBetween"]

ACCESS_POINT = "access-point"
RESERVED = ("device", "server", ACCESS_POINT)


def _free(name: str) -> str:
    for taken in RESERVED:
        if name == taken or name.startswith(f"{taken}-"):
            raise ValueError(f"names that begin with {taken} are taken by the simulator; choose another")
    return name


NodeName = Annotated[str, Field(pattern=r"^[A-Za-z][\w.-]*$"), AfterValidator(_free)]


class ComputeNode(Section):
    """A processor that trains parts of models for the devices, or several alike."""

    name: NodeName = Field(description="of the node; of several alike: NAME-1, NAME-2, …")
    count: PositiveInt = Field(default=1, description="nodes alike")
    clock_hz: Positive = Field(default=5.0e9, description="cycles/s")
    cycles_per_flop: Positive = Field(default=0.03125, description="κ; time = FLOPs·κ/clock")
    switched_capacitance: Positive = Field(default=1e-28, description="ς, J·s²/cycle³")
    profile: str | None = Field(
        default=None, description="device of model.profile whose measured times the node has"
    )
    memory_mib: Positive | None = Field(default=None, description="absent: without limit")
    price_per_hour: NonNegative = Field(default=0.0, description="in a currency of yours")

    def named(self) -> tuple[ComputeNode, ...]:
        """Return each node under its own name."""
        if self.count == 1:
            return (self,)
        return tuple(
            self.model_copy(update={"name": f"{self.name}-{number}", "count": 1})
            for number in range(1, self.count + 1)
        )


class Wire(Section):
    """A wire, the same in both directions; one message after the other in each."""

    rate_bps: Positive = Field(default=1.0e9, description="bit/s")
    delay_s: NonNegative = Field(default=0.0, description="propagation")


class WireBetween(Wire):
    """A wire between two named ends."""

    between: tuple[str, str] = Field(description="names of nodes, of relays, or access-point")


class Network(Section):
    """The compute nodes in the order of a chain, and what connects them."""

    nodes: Annotated[tuple[ComputeNode, ...], Field(min_length=1, description="in the order of a chain")]
    wire: Wire = Field(
        default=Wire(), description="from the access point to every node and from each node to the next"
    )
    wires: tuple[WireBetween, ...] | None = Field(default=None, description="other wires, in place of wire")
    graph: ScenarioPath | None = Field(
        default=None,
        description="GraphML or GML file whose edges have rate_bps and delay_s; in place of wire",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Network:
        if self.wires is not None and self.graph is not None:
            raise ValueError("give either wires or graph")
        names = [node.name for node in self.expanded()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"nodes: names must be unique; given twice: {', '.join(twice)}")
        return self

    def expanded(self) -> tuple[ComputeNode, ...]:
        """Return every node under its own name, in order."""
        return tuple(node for group in self.nodes for node in group.named())
