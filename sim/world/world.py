"""The world that a scheme runs in: nodes on a graph, links as allocated, the event loop, the record."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

import networkx as nx
import numpy as np
from simpy import Environment, Event

from ...scenarios.schema.network import ComputeNode as NodeSection
from ...scenarios.schema.scenario import Server as ServerSection
from ..faults.battery import BatteryDevice
from ..links.link_rates import LinkRatesOverTime
from ..links.medium_access import Scheduler
from ..links.shared_medium import SharedMedium
from ..links.transmitters import BroadcastLink, VaryingRateLink, carriers
from ..links.wire import Wire
from ..links.wired_network import Network
from ..nodes.capacity import CapacityTrace
from ..nodes.compute_node import ComputeNode, ServerShare
from ..nodes.fleet import Fleet
from ..nodes.node import Device, LinkTransport, Node, Server
from ..timeline.interval_record import IntervalRecord
from ..timeline.lanes import LANES
from ..timeline.phases import Phase
from .batched_activities import BatchedActivities
from .client_pool import ClientPool, ParallelStep, Path
from .world_state import WorldSnapshot

__all__ = ["World"]


class World:
    """Devices, access point and server of one scheme's run.

    Every scheme has a world of its own, made from the same draws, so that no scheme sees another.

    Parameters
    ----------
    server, fleet : what computes
    links : rates and powers, constant or over time
    speeds : each device's slow-downs, None for none
    sharing : the rules by which uplinks and downlinks share the band; None: each has links of its own
    network : compute nodes behind the access point, if there are any
    server_shares : [num_members], float
        The share of the server's processor that is each client's own; empty: the server is one processor.
    members : sequence of int, optional
        The devices that links, sharing and shares are for, rising; all by default. Only these exist: others
        of the fleet are made when they are first admitted.
    since : the state between two rounds that it is made from, and :func:`restore` is to bring it to;
        the beginning by default

    Attributes
    ----------
    env : simpy.Environment
        The event loop; its clock is the simulated time, [s].
    graph : networkx.DiGraph
        ``device-i`` ↔ ``access-point`` ↔ ``server``; each radio edge holds what carries its bits as ``link``.
        The wire from the access point to the server costs no time. Wires to and between compute nodes do,
        and are the edges' ``link``.
    devices, server : the nodes that take time; devices by number, those that were made
    compute_nodes : by name
    server_shares : the clients' own shares of the server, as nodes; empty where it is not shared out
    clients : tuple of int
        The numbers of the clients that are in the round, and have not left the run.
    drawn : tuple of int, or None
        The devices that were drawn for the round; None where all take part in every round.
    candidates : int
        How many devices of the fleet there are to draw from, those that have left the run among them.
    left_at_s : dict of int to float
        When each client that is no longer in the run left it, [s].
    record : IntervalRecord
    crew : the clients' processes
    media : the shared band of either direction, uplink first; None where each device has links of its own
    """

    def __init__(
        self,
        server: ServerSection,
        fleet: Fleet,
        links: LinkRatesOverTime,
        speeds: Sequence[CapacityTrace | None],
        sharing: tuple[Scheduler, Scheduler] | None = None,
        *,
        network: Network | None = None,
        server_shares: Sequence[float] = (),
        members: Sequence[int] | None = None,
        since: WorldSnapshot | None = None,
    ) -> None:
        self.env = Environment(since.now_s if since else 0.0)
        self.service = server.service
        self.drawn: tuple[int, ...] | None = None
        self.candidates = len(fleet)
        self.clients = tuple(range(len(fleet)) if members is None else members)
        self.departed_at_s: dict[int, float] = {}
        self.clients_may_leave = fleet.battery_j is not None
        self.record = IntervalRecord(["server"], since.record if since else None)
        self._number_of = {name: number for number, name in self.record.nodes.items()}
        self._next_index = max(1 + len(fleet), *(number + 1 for number in self.record.nodes))
        self.server = Server(self.env, self.record, 0, **_processor(server))
        self._server_section = server
        self._fleet, self._speeds = fleet, speeds
        self.devices: dict[int, Device] = {}
        self._free_at_s = array("d", bytes(8 * len(LANES) * len(fleet)))
        self._stints: BatchedActivities | None = None
        if sharing is None and not self.clients_may_leave:  # only a deadline can stop what a client does
            self._stints = BatchedActivities(self.env, self.record, self._free_at_s, self.devices)
        self.crew = ClientPool(self.env, self._stints, since.waiting if since else ())
        self.media: tuple[SharedMedium, SharedMedium] | None = None
        if sharing is not None:
            self.media = (
                SharedMedium(self.env, self.record, sharing[0], senders_pay=True),
                SharedMedium(self.env, self.record, sharing[1], senders_pay=False),
            )
        self.graph: nx.DiGraph[str] = nx.DiGraph()
        self.graph.add_node(self.server.name, node=self.server)
        for ends in (("access-point", "server"), ("server", "access-point")):
            self.graph.add_edge(*ends)
        self.server_shares: list[ServerShare] = []
        for client in since.charges_j if since else ():
            self.devices[client] = self._device(fleet, client, speeds[client])
        self._admit(self.clients)
        self.connect(links, sharing)
        self._share_server(since.server_shares if since else server_shares)
        self.compute_nodes: dict[str, ComputeNode] = {}
        self._network = network
        if network is not None:
            self._add_network(network)

    def admit(
        self,
        members: Sequence[int],
        links: LinkRatesOverTime,
        sharing: tuple[Scheduler, Scheduler] | None = None,
        server_shares: Sequence[float] = (),
    ) -> None:
        """Let these devices be the clients of the rounds from now on, connected as they were planned for.

        Parameters
        ----------
        members : sequence of int
            Numbers of devices, rising, none of which has left the run.
        links, sharing, server_shares : as for the world itself, with a row for each member
        """
        self._admit(members)
        self.connect(links, sharing)
        self._share_server(server_shares)

    def _admit(self, members: Sequence[int]) -> None:
        for row, client in enumerate(members):
            if client not in self.devices:
                self.devices[client] = self._device(self._fleet, client, self._speeds[client])
            self.devices[client].row = row
        self.clients = tuple(members)
        self._members = [self.devices[client] for client in members]
        self.crew.seat(self._members)

    def _share_server(self, shares: Sequence[float]) -> None:
        """Let each member have its share; the node of a row stays, whoever has it."""
        for row, share in enumerate(shares):
            if row == len(self.server_shares):
                index = self._add_name(f"server-{row}")
                processor = _processor(self._server_section)
                self.server_shares.append(
                    ServerShare(self.env, self.record, index, share=float(share), **processor)
                )
            self.server_shares[row].set_share(float(share))

    def _add_name(self, name: str) -> int:
        if name not in self._number_of:
            self._number_of[name], self._next_index = self._next_index, self._next_index + 1
        index = self._number_of[name]
        self.record.nodes[index] = name
        return index

    def _add_network(self, network: Network) -> None:
        for node in network.nodes:
            made = ComputeNode(self.env, self.record, self._add_name(node.name), **_processor(node))
            self.compute_nodes[node.name] = made
            self.graph.add_node(node.name, node=made)
        for start, end, wire in network.graph.edges(data=True):
            index = self._add_name(f"{start}>{end}")
            self.graph.add_edge(start, end, link=Wire(self.env, self.record, index, **wire))

    def _device(self, fleet: Fleet, client: int, speed: CapacityTrace | None) -> Device:
        self.record.nodes[client + 1] = f"device-{client}"
        make: Callable[..., Device] = Device
        if fleet.battery_j is not None:
            charge_j = float(fleet.battery_j[client])
            make = partial(BatteryDevice, charge_j=charge_j, on_empty=self._retire)
        return make(
            self.env,
            self.record,
            client + 1,
            clock_hz=float(fleet.clock_hz[client]),
            cycles_per_flop=float(fleet.cycles_per_flop[client]),
            switched_capacitance=float(fleet.switched_capacitance[client]),
            speed=speed,
            ends_s=self._free_at_s,
            first_lane=len(LANES) * client,
        )

    def connect(self, links: LinkRatesOverTime, sharing: tuple[Scheduler, Scheduler] | None = None) -> None:
        """Give every member its radio links, as a plan made them; a new plan replaces the last one's.

        Parameters
        ----------
        links : rates and powers
        sharing : the rules of the shared directions, where the world was made with some
        """
        if self.media is not None and sharing is not None:
            for medium, rule in zip(self.media, sharing, strict=True):
                medium.sharing = rule
        if self._stints is not None:
            self._stints.connect(links, [device.client for device in self._members])
        for device in self._members:
            self._attach(device, *(self.media or carriers(links, device.row)))
        self.server.broadcaster = BroadcastLink(
            links, {device.client: device.row for device in self._members}
        )

    def _attach(self, device: Device, up: LinkTransport, down: LinkTransport) -> None:
        self.graph.add_node(device.name, node=device)
        self.graph.add_edge(device.name, "access-point", link=up)
        self.graph.add_edge("access-point", device.name, link=down)
        device.uplink_to_server, device.downlink_from_server = up, down
        device.lanes["uplink"].pace = up if isinstance(up, VaryingRateLink) else None
        device.lanes["downlink"].pace = down if isinstance(down, VaryingRateLink) else None

    def _retire(self, device: Device) -> None:
        """Let a client leave the run for good, at this instant."""
        self.clients = tuple(client for client in self.clients if client != device.client)
        self.departed_at_s[device.client] = float(self.env.now)
        self.crew.dismiss(device.client)

    @property
    def deserted(self) -> bool:
        """Return whether every device that could ever take part has left the run."""
        return len(self.departed_at_s) >= self.candidates

    def received(self, clients: Sequence[int]) -> Event:
        """Return the event that the last downlinks of these clients have ended, those of stints apart."""
        return self.env.all_of([self.devices[client].received for client in clients])

    def send(
        self, start: str, end: str, phase: Phase, bits: float, client: int
    ) -> Generator[Event, Any, None]:
        """Yield until a message has gone over the wires from one node to another, one hop after the other.

        Parameters
        ----------
        start, end : ``access-point`` or names of compute nodes
        phase : of its intervals
        bits : float
            The message's size, [bit].
        client : int
            Whose data it is.
        """
        assert self._network is not None
        for hop in self._network.route(start, end, bits):
            yield self.graph.edges[hop]["link"].carry(phase, bits, client)

    @property
    def first_open_row(self) -> int:
        """Return the first row that may change yet: a device's last job, a transfer on a shared band."""
        busy = np.flatnonzero(np.frombuffer(self._free_at_s) > self.env.now)
        lanes = (divmod(place, len(LANES)) for place in busy.tolist())
        rows = [self.devices[client].lanes[LANES[number]].row for client, number in lanes]
        for medium in self.media or ():
            rows += [row for row in medium.open_rows if row >= 0]
        return min(rows, default=len(self.record))

    @property
    def nodes(self) -> list[Node]:
        """Return everything that has lanes."""
        wires = [edge["link"] for _, _, edge in self.graph.edges(data=True) if "link" in edge]
        return [
            self.server,
            *self.devices.values(),
            *self.server_shares,
            *self.compute_nodes.values(),
            *(wire for wire in wires if isinstance(wire, Node)),
        ]

    def start(self, path: Path, members: Sequence[int], deadline_s: float | None = None) -> ParallelStep:
        """Send clients on a path side by side; see :meth:`ClientPool.start`."""
        return self.crew.start(path, members, deadline_s)


def _processor(section: ServerSection | NodeSection) -> dict[str, Any]:
    return {
        "clock_hz": section.clock_hz,
        "cycles_per_flop": section.cycles_per_flop,
        "switched_capacitance": section.switched_capacitance,
    }
