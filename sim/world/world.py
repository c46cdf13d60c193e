"""The world of one scheme's run: its nodes, their links, the event loop and the record."""

from __future__ import annotations

import math
from array import array
from collections.abc import Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from simpy import Environment, Event

from ...scenarios.schema.network import ComputeNode as NodeSection
from ...scenarios.schema.scenario import Server as ServerSection
from ..faults.effects import Faults, PresenceTrace
from ..links.link_rates import LinkRatesOverTime
from ..links.lossy_link import NO_RETRIES, Retries
from ..links.schedulers import Scheduler
from ..links.shared_medium import SharedMedium
from ..links.wire import Wire
from ..nodes.compute_node import ComputeNode, ServerShare
from ..nodes.fleet import Fleet
from ..nodes.node import Device, Node, Server
from ..timeline.event_log import EventKind
from ..timeline.event_order import ended_or_failed
from ..timeline.interval_record import IntervalRecord
from ..timeline.lanes import LANES
from ..timeline.phases import Phase
from .batched_activities import BatchedActivities
from .client_pool import ClientPool, ClientProgram, ParallelStep, as_process
from .link_faults import LinkFaults
from .round_policy import WAIT_FOR_ALL, RoundPolicy
from .round_times import RoundTimes, round_times
from .state_log import StateLog
from .world_state import WorldSnapshot

if TYPE_CHECKING:
    from ..links.wired_network import Network

__all__ = ["World"]

_NO_FAULTS = Faults()


class World:
    """Devices, access point and server of one scheme's run.

    Every scheme has its own world, with the same random draws, so that schemes do not affect each other.

    Parameters
    ----------
    schedulers : (Scheduler, Scheduler), optional
        The schedulers of the shared uplink and downlink band; by default each client has dedicated links.
    network : Network, optional
        Compute nodes behind the access point; none by default.
    server_shares : sequence of float, [num_clients], optional
        The share of the server's processor that each client has; empty if the server is one processor.
    clients : sequence of int, optional
        The devices that have a row in links and shares, sorted; all by default. Other devices of the fleet
        are created in the first round that they take part in; excluded ones never are.
    faults : Faults, optional
        Slow-downs, batteries and other faults; none by default.
    round_policy : RoundPolicy, optional
        Decides how long a step waits for its clients; by default for all of them.
    retries : Retries, optional
        The rule by which lost uploads are sent again; by default they are not.
    batch : bool, optional
        Whether activities of several clients are computed in batches where nothing can change them. The
        results are the same to the last bit; False takes one event for each activity.
    snapshot : WorldSnapshot, optional
        The snapshot that :func:`~cutlayer.sim.world.snapshots.restore` will bring this world to.

    Attributes
    ----------
    env : simpy.Environment
        The event loop; its clock is the simulated time, [s].
    wires : dict of (str, str) to Wire
        The wires behind the access point, by start and end. Messages between the access point and the server
        take no time.
    compute_nodes : dict of str to ComputeNode
    server_shares : list of ServerShare
        The clients' shares of the server; empty if the server is one processor.
    clients : tuple of int
        The clients of the round that have left neither the run nor the round.
    absent : dict of int to str
        The clients that miss the rest of the current round, and the reason of each. They may take part in
        the next round.
    sampled_clients : tuple of int or None
        The devices that were sampled for the round, or those that are not excluded; None if all take part in
        every round.
    num_eligible : int
        The number of devices from which rounds are sampled, including those that have left the run.
    departed_at_s : dict of int to float
        When each client that left the run did so, [s].
    pool : ClientPool
        Runs the clients' programs.
    media : (SharedMedium, SharedMedium) or None
        The shared uplink and downlink band; None if each client has dedicated links.
    presence : dict of int to list of PresenceTrace
        The presence traces of each device that was created.
    link_faults : LinkFaults
        The outages, lost messages and measured rates of the devices' links.
    """

    def __init__(
        self,
        server: ServerSection,
        fleet: Fleet,
        links: LinkRatesOverTime,
        schedulers: tuple[Scheduler, Scheduler] | None = None,
        *,
        network: Network | None = None,
        server_shares: Sequence[float] = (),
        clients: Sequence[int] | None = None,
        faults: Faults = _NO_FAULTS,
        round_policy: RoundPolicy = WAIT_FOR_ALL,
        retries: Retries = NO_RETRIES,
        batch: bool = True,
        snapshot: WorldSnapshot | None = None,
    ) -> None:
        self.env = Environment(snapshot.now_s if snapshot else 0.0)
        self.service = server.service
        self.sampled_clients: tuple[int, ...] | None = None
        self.clients = tuple(range(len(fleet)) if clients is None else clients)
        self.num_eligible = len(self.clients)
        self.absent: dict[int, str] = {}
        self.departed_at_s: dict[int, float] = {}
        self.record = IntervalRecord(["server"], snapshot.record if snapshot else None)
        self._state_log = StateLog(faults, self.record.events, float(self.env.now))
        self._number_of = {name: number for number, name in self.record.nodes.items()}
        self._next_index = max(1 + len(fleet), *(number + 1 for number in self.record.nodes))
        listeners = self._listeners if fleet.has_powers else None
        self.server = Server(
            self.env,
            self.record,
            0,
            listeners=listeners,
            compute_capacity=faults.server_capacity,
            **_processor(server),
        )
        self._server_section = server
        self._fleet, self._faults, self._round_policy = fleet, faults, round_policy
        # If no client can be stopped, a client's turn needs no process of its own.
        self._all_clients_finish = math.isinf(round_policy.waits_s) and not (
            faults.clients_may_leave or faults.messages_may_be_lost
        )
        self.link_faults = LinkFaults(faults, fleet, retries, lambda client: self.pool.is_working(client))
        self._devices: dict[int, Device] = {}  # all that were created, by number, of earlier rounds too
        self.presence: dict[int, list[PresenceTrace]] = {}
        self._free_at_s = array("d", bytes(8 * len(LANES) * len(fleet)))
        self._batches: BatchedActivities | None = None
        can_change = faults.clients_may_leave or self.link_faults.may_change_links
        if batch and schedulers is None and not can_change:
            self._batches = BatchedActivities(self.env, self.record, self._free_at_s, self._devices)
        self.pool = ClientPool(
            self.env,
            self._batches,
            snapshot.slot_order if snapshot else (),
            on_lost=lambda client: self.leave_round(client, "lost"),
        )
        self.media: tuple[SharedMedium, SharedMedium] | None = None
        if schedulers is not None:
            outages = self.link_faults.interruptions
            self.media = (
                SharedMedium(self.env, self.record, schedulers[0], devices_pay=True, interruptions=outages),
                SharedMedium(self.env, self.record, schedulers[1], devices_pay=False, interruptions=outages),
            )
        self.wires: dict[tuple[str, str], Wire] = {}
        self.server_shares: list[ServerShare] = []
        self._round_start: tuple[float, int, tuple[int, ...]] = (0.0, 0, ())
        self._round_devices: dict[int, Device] = {}
        for client in snapshot.presence if snapshot else ():
            self._create_device(client)
        self._assign_rows(self.clients)
        self.connect(links, schedulers)
        self._share_server(snapshot.server_shares if snapshot else server_shares)
        self.compute_nodes: dict[str, ComputeNode] = {}
        self._network = network
        if network is not None:
            self._add_network(network)

    def start(self, program: ClientProgram, clients: Sequence[int]) -> ParallelStep:
        """Start a step of the round on these clients, under the round policy.

        See :meth:`ClientPool.start` for the programs that a step can have.
        """
        return self.pool.start(program, self._present(clients), self._round_policy)

    def continue_with(self, program: ClientProgram, clients: Sequence[int]) -> ParallelStep:
        """Start a later step of clients that are in the round already; it waits for all of them."""
        return self.pool.start(program, self._present(clients))

    def _present(self, clients: Sequence[int]) -> Sequence[int]:
        """Return those of the clients that have left neither the run nor the round."""
        if not self.departed_at_s and not self.absent:
            return clients
        return [client for client in clients if self.is_present(client)]

    def is_present(self, client: int) -> bool:
        """Return whether a client of the round has left neither the run nor the round."""
        return client not in self.departed_at_s and client not in self.absent

    def leave_round(self, client: int, reason: str) -> None:
        """Let a client miss the rest of this round, at this instant; it may take part in the next one.

        Parameters
        ----------
        reason : str
            ``offline`` or ``lost``, for the log of events.
        """
        self.absent[client] = reason
        self.clients = tuple(other for other in self.clients if other != client)
        self.record.events.add(float(self.env.now), client + 1, EventKind.LEFT_OUT, detail=reason)
        self.pool.remove_client(client)

    def run_alone(self, program: ClientProgram, client: int) -> Generator[Event, Any, bool]:
        """Yield until one client has done its part of the round alone, under the round policy.

        Returns
        -------
        bool
            Whether the client was on time, and is still in the run.
        """
        if self._all_clients_finish:
            yield from as_process(program)(self.device(client))  # nothing can stop it: no process needed
            return True
        if not self.is_present(client):
            return False
        on_time = yield self.start(program, (client,)).finished
        return client in on_time and self.is_present(client)

    def mark_on_time(self, client: int) -> None:
        """Mark a client as on time in its current step; the end of its program does so too."""
        self.pool.mark_on_time(client)

    def set_round_clients(
        self,
        clients: Sequence[int],
        links: LinkRatesOverTime,
        schedulers: tuple[Scheduler, Scheduler] | None = None,
        server_shares: Sequence[float] = (),
    ) -> None:
        """Let these devices be the clients from now on, connected as they were planned.

        Parameters
        ----------
        clients : sequence of int
            Numbers of devices, sorted, none of which has left the run. Links, schedulers and shares have a
            row for each of them.
        """
        self._assign_rows(clients)
        self.connect(links, schedulers)
        self._share_server(server_shares)

    def begin_round(self) -> None:
        """Note that a round of the present clients begins now; from now on their idle time has a power."""
        if self.absent:
            self.absent = {}
            self.clients = tuple(client for client in self._round_devices if self.is_present(client))
        self._round_start = float(self.env.now), len(self.record), self.clients
        self.record.active_times.clear()
        for device in self._round_devices.values():
            if device.energy_account is not None:
                device.energy_account.resume()

    def pause_clients(self) -> None:
        """Stop charging idle time until the next round begins."""
        for device in self._round_devices.values():
            if device.energy_account is not None:
                device.energy_account.suspend()

    def log_states(self, *, with_devices: bool) -> dict[int, float]:
        """Log the states of the server, and of the round's devices, in the round that ends now.

        Returns
        -------
        dict of int to float
            For each device whose faults have states, how long it was in the run in this round, [s].
        """
        devices = self._round_devices if with_devices else ()
        return self._state_log.add_round(devices, self.departed_at_s, float(self.env.now))

    def round_times(self) -> RoundTimes | None:
        """Return the busy and idle times of the round that ends now; None if no device has idle power.

        It needs the rows of the round, so it is to be called before they leave the record.
        """
        fleet = self._fleet
        if not fleet.has_powers:
            return None
        start_s, first_row, clients = self._round_start
        now_s = float(self.env.now)
        end_s = np.array([min(now_s, self.departed_at_s.get(client, now_s)) for client in clients])
        pauses_s: dict[str, dict[int, float]] = {"uplink": {}, "downlink": {}}
        for name, medium in zip(pauses_s, self.media or (), strict=False):
            pauses_s[name] = medium.take_pauses()
        for node, lane, paused_s in self.record.pauses():
            pauses_s[lane][node - 1] = pauses_s[lane].get(node - 1, 0.0) + paused_s
        powers = np.array([fleet.powers(client) for client in clients]).reshape(-1, 3)
        return round_times(
            self.record.rows_from(first_row),
            [lane for _, lane in self.record.phases],
            clients,
            end_s - start_s,
            (pauses_s["uplink"], pauses_s["downlink"]),
            powers[:, 0],
            powers[:, 1],
        )

    def _listeners(self, clients: Sequence[int]) -> list[Device]:
        """Return the devices of these clients that are still in the run."""
        return [self._devices[client] for client in clients if client not in self.departed_at_s]

    def _assign_rows(self, clients: Sequence[int]) -> None:
        self.pause_clients()  # those of the last round
        for row, client in enumerate(clients):
            if client not in self._devices:
                self._create_device(client)
            self._devices[client].row = row
        self.clients = tuple(clients)
        self._round_devices = {client: self._devices[client] for client in clients}
        self.pool.assign_slots(tuple(self._round_devices.values()))

    def _share_server(self, shares: Sequence[float]) -> None:
        """Give each row its share of the server; a row keeps its node when its client changes."""
        for row, share in enumerate(shares):
            if row == len(self.server_shares):
                index = self._add_name(f"server-{row}")
                processor = _processor(self._server_section)
                self.server_shares.append(
                    ServerShare(
                        self.env,
                        self.record,
                        index,
                        share=float(share),
                        compute_capacity=self.server.compute_capacity,
                        **processor,
                    )
                )
            self.server_shares[row].set_share(float(share))

    def _add_name(self, name: str) -> int:
        if name not in self._number_of:
            self._number_of[name], self._next_index = self._next_index, self._next_index + 1
        index = self._number_of[name]
        self.record.nodes[index] = name
        return index

    def _add_network(self, network: Network) -> None:
        for section in network.nodes:
            node = ComputeNode(self.env, self.record, self._add_name(section.name), **_processor(section))
            self.compute_nodes[section.name] = node
        for start, end, wire in network.graph.edges(data=True):
            index = self._add_name(f"{start}>{end}")
            self.wires[start, end] = Wire(self.env, self.record, index, **wire)

    def _create_device(self, client: int) -> None:
        self.record.nodes[client + 1] = f"device-{client}"
        fleet = self._fleet
        device = self._devices[client] = Device(
            self.env,
            self.record,
            client + 1,
            clock_hz=float(fleet.clock_hz[client]),
            cycles_per_flop=float(fleet.cycles_per_flop[client]),
            switched_capacitance=float(fleet.switched_capacitance[client]),
            compute_capacity=self._faults.compute_capacity(client),
            compute_noise=self._faults.compute_noise(client),
            ends_s=self._free_at_s,
            first_lane=len(LANES) * client,
            powers=fleet.powers(client),
        )
        self.presence[client] = self._faults.presence(client)
        for trace in self.presence[client]:
            trace.follow(device, partial(self._remove_client, client))
        self.link_faults.add_device(client)

    def connect(
        self, links: LinkRatesOverTime, schedulers: tuple[Scheduler, Scheduler] | None = None
    ) -> None:
        """Give every client of the round its radio links from a plan, in place of the last plan's.

        Parameters
        ----------
        schedulers : (Scheduler, Scheduler), optional
            The new schedulers of the shared band; needed where the world was created with some.
        """
        if self.media is not None and schedulers is not None:
            for medium, scheduler in zip(self.media, schedulers, strict=True):
                medium.scheduler = scheduler
        if self._batches is not None:
            self._batches.connect(links, list(self._round_devices))
        for device in self._round_devices.values():
            uplink, downlink = self.link_faults.links(device, links, self.media)
            device.uplink_to_server, device.downlink_from_server = uplink, downlink
        self.server.broadcaster = self.link_faults.broadcast(
            links, {client: device.row for client, device in self._round_devices.items()}
        )

    def _remove_client(self, client: int) -> None:
        """Remove a client from the run for good, at this instant."""
        self.clients = tuple(other for other in self.clients if other != client)
        self.departed_at_s[client] = float(self.env.now)
        self.pool.remove_client(client)

    @property
    def all_clients_left(self) -> bool:
        """Return whether every eligible device has left the run."""
        return len(self.departed_at_s) >= self.num_eligible

    def received(self, clients: Sequence[int]) -> Event:
        """Return the event at which the last downlinks of these clients end, except those in batches.

        Clients that have left the run or the round may have no downlink, and are not waited for.
        """
        downlinks = [self.device(client).received for client in self._present(clients)]
        return self.env.all_of([ended_or_failed(downlink) for downlink in downlinks])

    def send(
        self, start: str, end: str, phase: Phase, bits: float, client: int
    ) -> Generator[Event, Any, None]:
        """Yield until a message has gone over the wires from one node to another, one hop after the other.

        Parameters
        ----------
        start, end : str
            ``access-point`` or names of compute nodes.
        bits : float
            The message's size, [bit].
        client : int
            The client whose data the message contains.
        """
        assert self._network is not None
        for hop in self._network.route(start, end, bits):
            yield self.wires[hop].transmit(phase, bits, client)

    @property
    def first_open_row(self) -> int:
        """Return the first row of the record that may still change: one of an activity in progress."""
        busy = np.flatnonzero(np.frombuffer(self._free_at_s) > self.env.now)
        lanes = (divmod(index, len(LANES)) for index in busy.tolist())
        rows = [self._devices[client].lanes[LANES[number]].row for client, number in lanes]
        for medium in self.media or ():
            rows += [row for row in medium.open_rows if row >= 0]
        return min(rows, default=len(self.record))

    def device(self, client: int) -> Device:
        """Return the device of a client of this round.

        Raises
        ------
        ValueError
            If the device is not a client of this round.
        """
        try:
            return self._round_devices[client]
        except KeyError:
            raise ValueError(
                f"device {client} is not a client of this round; take its clients from world.clients"
            ) from None

    @property
    def created_devices(self) -> tuple[Device, ...]:
        """Return all devices that took part in any round so far; the round's clients are ``clients``."""
        return tuple(self._devices.values())

    @property
    def nodes(self) -> list[Node]:
        """Return all nodes that have lanes."""
        return [
            self.server,
            *self._devices.values(),
            *self.server_shares,
            *self.compute_nodes.values(),
            *self.wires.values(),
        ]


def _processor(section: ServerSection | NodeSection) -> dict[str, Any]:
    return {
        "clock_hz": section.clock_hz,
        "cycles_per_flop": section.cycles_per_flop,
        "switched_capacitance": section.switched_capacitance,
    }
