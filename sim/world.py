"""The world that a scheme runs in: nodes on a graph, links as allocated, the event loop, the record."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from simpy import Environment

from ..scenarios.schema import Scenario
from ..scenarios.schema import Server as ServerSection
from ..scenarios.streams import stream
from .crew import Call, Crew, Path
from .fleet import Fleet
from .nodes import Device, Node, Server, Transmitter
from .processor import SlowdownTrace
from .record import IntervalRecord

__all__ = ["Links", "World", "slowdown_traces"]

Array = NDArray[np.float64]


class Links:
    """Rates and transmit powers of every radio link under one allocation.

    Attributes
    ----------
    uplink_bps, downlink_bps : [num_devices], float
        Each client's own links, [bit/s].
    whole_band_bps : [num_devices], float
        Downlink rate over all subchannels, for broadcasts, [bit/s].
    uplink_w, downlink_w : [num_devices], float
        Transmit power of the device, and of the access point on the client's subchannels, [W].
    broadcast_w : float
        Transmit power of the access point over the whole band, [W].
    """

    def __init__(
        self,
        uplink_bps: Array,
        downlink_bps: Array,
        whole_band_bps: Array,
        uplink_w: Array,
        downlink_w: Array,
        broadcast_w: float,
    ) -> None:
        self.uplink_bps = uplink_bps
        self.downlink_bps = downlink_bps
        self.whole_band_bps = whole_band_bps
        self.uplink_w = uplink_w
        self.downlink_w = downlink_w
        self.broadcast_w = broadcast_w


class World:
    """Devices, access point and server of one scheme's run.

    Every scheme has a world of its own, made from the same draws, so that no scheme sees another.

    Attributes
    ----------
    env : simpy.Environment
        The event loop; its clock is the simulated time, [s].
    graph : networkx.DiGraph
        ``device-i`` ↔ ``access-point`` ↔ ``server``; each edge carries its link as ``link``.
    devices, server : the nodes that take time
    clients : tuple of int
        All clients' numbers.
    record : IntervalRecord
    """

    def __init__(
        self, server: ServerSection, fleet: Fleet, links: Links, speeds: Sequence[SlowdownTrace | None]
    ) -> None:
        self.env = Environment()
        self.service = server.service
        self.clients = tuple(range(len(fleet)))
        self.record = IntervalRecord(["server", *(f"device-{i}" for i in self.clients)])
        self.server = Server(
            self.env,
            self.record,
            0,
            clock_hz=server.clock_hz,
            cycles_per_flop=server.cycles_per_flop,
            switched_capacitance=server.switched_capacitance,
        )
        self.devices = [
            Device(
                self.env,
                self.record,
                i + 1,
                clock_hz=float(fleet.clock_hz[i]),
                cycles_per_flop=float(fleet.cycles_per_flop[i]),
                switched_capacitance=float(fleet.switched_capacitance[i]),
                speed=speeds[i],
            )
            for i in self.clients
        ]
        self.graph = self._connect(links)
        self._attach()
        self._crew = Crew(self.env, self.devices)

    def _connect(self, links: Links) -> nx.DiGraph[str]:
        """Return the graph of nodes and links; the wire behind the access point costs no time."""
        graph: nx.DiGraph[str] = nx.DiGraph()
        nodes: list[Node] = [self.server, *self.devices]
        for node in nodes:
            graph.add_node(node.name, node=node)
        wire = Transmitter(0.0, 0.0)
        graph.add_edge("access-point", "server", link=wire)
        graph.add_edge("server", "access-point", link=wire)
        for i, device in enumerate(self.devices):
            up = Transmitter(_seconds_per_bit(links.uplink_bps[i]), float(links.uplink_w[i]))
            down = Transmitter(_seconds_per_bit(links.downlink_bps[i]), float(links.downlink_w[i]))
            band = Transmitter(_seconds_per_bit(links.whole_band_bps[i]), links.broadcast_w)
            graph.add_edge(device.name, "access-point", link=up)
            graph.add_edge("access-point", device.name, link=down, broadcast=band)
        return graph

    def _attach(self) -> None:
        """Give each device its route's links; a route's time a bit is the sum over its edges."""
        for device in self.devices:
            device.uplink_to_server = self._route(device.name, "server")
            device.downlink_from_server = self._route("server", device.name)
        self.server.broadcast_to = [
            self.graph.edges["access-point", device.name]["broadcast"] for device in self.devices
        ]

    def _route(self, source: str, target: str) -> Transmitter:
        hops = nx.utils.pairwise(nx.shortest_path(self.graph, source, target))
        links = [self.graph.edges[hop]["link"] for hop in hops]
        return Transmitter(sum(x.seconds_per_bit for x in links), sum(x.power_w for x in links))

    def start(self, path: Path, members: Sequence[int], deadline_s: float | None = None) -> Call:
        """Send clients on a path side by side; see :meth:`Crew.start`."""
        return self._crew.start(path, members, deadline_s)


def slowdown_traces(scenario: Scenario) -> list[SlowdownTrace | None]:
    """Return each device's trace of slow-downs; None where the scenario has none."""
    stragglers = scenario.stragglers
    slowdown = stragglers.slowdown if stragglers else None
    if slowdown is None:
        return [None] * scenario.devices.count
    return [
        SlowdownTrace(
            slowdown.factor,
            slowdown.mean_normal_s,
            slowdown.mean_slow_s,
            stream(scenario.seed, "slowdown", i),
        )
        for i in range(scenario.devices.count)
    ]


def _seconds_per_bit(rate_bps: float) -> float:
    return float("inf") if rate_bps == 0 else 1.0 / float(rate_bps)
