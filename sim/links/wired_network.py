"""The wired network behind the access point, and the route of each message."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import networkx as nx

from ...scenarios.ordered_sum import ordered_sum
from ...scenarios.schema.network import ACCESS_POINT, ComputeNode
from ...scenarios.schema.network import Network as NetworkSection
from .graph_files import wires_of_file

__all__ = ["Network", "build_network"]


@dataclass(frozen=True, eq=False)
class Network:
    """Compute nodes and wires.

    Attributes
    ----------
    nodes : tuple of ComputeNode
        The compute nodes, in the order of the chain.
    graph : networkx.DiGraph
        ``access-point``, compute nodes and relays. Edges have ``rate_bps``, [bit/s], and ``delay_s``, [s].
    """

    nodes: tuple[ComputeNode, ...]
    graph: nx.DiGraph[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "route", cache(self.route))  # every mini-batch uses the same few routes

    def route(self, start: str, end: str, bits: float) -> tuple[tuple[str, str], ...]:
        """Return the wires ``(from, to)`` of the fastest route for a message.

        Every node on the route receives the whole message before it forwards it.

        Parameters
        ----------
        start, end : str
            Names in the graph; a message from a node to itself uses no wire.
        bits : float
            The message's size, [bit].
        """

        def time_s(_: str, __: str, wire: dict[str, Any]) -> float:
            return float(bits / wire["rate_bps"] + wire["delay_s"])

        return tuple(pairwise(nx.shortest_path(self.graph, start, end, weight=time_s)))

    def route_s(self, start: str, end: str, bits: float) -> float:
        """Return the latency of a message on its route if there are no other messages, [s]."""
        wires = (self.graph.edges[wire] for wire in self.route(start, end, bits))
        return ordered_sum(bits / wire["rate_bps"] + wire["delay_s"] for wire in wires)

    def busy_s(self, start: str, end: str, bits: float) -> float:
        """Return the time for which a message keeps the slowest wire of its route busy, [s]."""
        rates_bps = [self.graph.edges[wire]["rate_bps"] for wire in self.route(start, end, bits)]
        return bits / min(rates_bps) if rates_bps else 0.0


def build_network(section: NetworkSection) -> Network:
    """Return the wired network of a scenario's section ``network``.

    Raises
    ------
    ValueError
        If the file of the graph is not usable, a wire ends nowhere, or no route leads to or from a node.
    """
    nodes = section.expanded()
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from([ACCESS_POINT, *(node.name for node in nodes)])
    if section.graph is not None:
        for start, end, rate_bps, delay_s in wires_of_file(section, nodes):
            _add_direction(graph, start, end, rate_bps, delay_s)
    elif section.wires is not None:
        for wire in section.wires:
            _add_wire(graph, *wire.between, wire.rate_bps, wire.delay_s)
    else:
        names = [node.name for node in nodes]
        for ends in [*((ACCESS_POINT, name) for name in names), *pairwise(names)]:
            _add_wire(graph, *ends, section.wire.rate_bps, section.wire.delay_s)
    below, above = nx.descendants(graph, ACCESS_POINT), nx.ancestors(graph, ACCESS_POINT)
    unreachable = [node.name for node in nodes if node.name not in below]
    if unreachable:
        raise ValueError(f"no wires lead from {ACCESS_POINT} to {', '.join(unreachable)}")
    without_return = [node.name for node in nodes if node.name not in above]
    if without_return:
        raise ValueError(f"no wires lead from {', '.join(without_return)} back to {ACCESS_POINT}")
    return Network(nodes, graph)


def _add_wire(graph: nx.DiGraph[str], one: str, other: str, rate_bps: float, delay_s: float) -> None:
    for ends in ((one, other), (other, one)):
        _add_direction(graph, *ends, rate_bps, delay_s)


def _add_direction(graph: nx.DiGraph[str], start: str, end: str, rate_bps: float, delay_s: float) -> None:
    if graph.has_edge(start, end):
        raise ValueError(f"more than one wire leads from {start} to {end}; give one")
    graph.add_edge(start, end, rate_bps=float(rate_bps), delay_s=float(delay_s))
