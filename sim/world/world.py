"""The world of one scheme's run: its nodes, their links, the event loop and the record."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from simpy import Environment, Event

from ...scenarios.schema.scenario import Server as ServerSection
from ..faults.effects import NO_FAULTS, Departure, Faults
from ..links.link_rates import LinkRatesOverTime
from ..links.lossy_link import NO_RETRIES, Retries
from ..links.schedulers import Scheduler
from ..links.shared_medium import SharedMedium
from ..nodes.device import Device
from ..nodes.fleet import Fleet
from ..nodes.node import Node
from ..nodes.server import Server
from ..timeline.event_order import ended_or_failed
from ..timeline.interval_record import IntervalRecord
from .batched_activities import BatchedActivities
from .client_pool import ClientPool, ClientProgram, as_process
from .created_devices import CreatedDevices
from .link_faults import LinkFaults
from .rounds.online_clients import OnlineClients
from .rounds.parallel_step import ParallelStep
from .rounds.round_members import RoundMembers
from .rounds.round_policy import WAIT_FOR_ALL, RoundPolicy
from .rounds.round_times import RoundAccount, RoundTimes
from .server_shares import ServerShares
from .state_log import StateLog
from .wired_nodes import NodeNames, WiredNodes, processor_of
from .world_state import WorldSnapshot

if TYPE_CHECKING:
    from ..links.wired_network import Network

__all__ = ["World"]


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
    wires, compute_nodes : dict
        See :class:`WiredNodes`.
    server_shares : list of ServerShare
        The clients' shares of the server; empty if the server is one processor.
    members, online : RoundMembers, OnlineClients
        The clients of the round, those that have left the round or the run, and those that are online.
    latest_start_s : float
        The instant up to which a round waits for a device that is online, [s].
    sampled_clients : tuple of int or None
        The devices that were sampled for the round, or those that are not excluded; None if all take part in
        every round.
    num_eligible : int
        The number of devices from which rounds are sampled, including those that have left the run.
    pool : ClientPool
        Runs the clients' programs.
    media : (SharedMedium, SharedMedium) or None
        The shared uplink and downlink band; None if each client has dedicated links.
    departures : dict of int to list of Departure
        The departures of each device that was created.
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
        faults: Faults = NO_FAULTS,
        round_policy: RoundPolicy = WAIT_FOR_ALL,
        retries: Retries = NO_RETRIES,
        batch: bool = True,
        snapshot: WorldSnapshot | None = None,
    ) -> None:
        self.env = Environment(snapshot.now_s if snapshot else 0.0)
        self.service = server.service
        self.sampled_clients: tuple[int, ...] | None = None
        self.latest_start_s = math.inf
        self.record = IntervalRecord(["server"], snapshot.record if snapshot else None)
        first = range(len(fleet)) if clients is None else clients
        self.members = RoundMembers(self.env, first, self.record.events)
        self.num_eligible = len(self.clients)
        self._planned_step_s = math.nan
        self._state_log = StateLog(faults, self.record.events, float(self.env.now))
        names = NodeNames(self.record, len(fleet))
        listeners = self._listeners if fleet.has_powers else None
        self.server = Server(
            self.env,
            self.record,
            0,
            listeners=listeners,
            compute_capacity=faults.server_capacity,
            **processor_of(server),
        )
        self._faults, self._round_policy = faults, round_policy
        # If no client can be stopped, a client's turn needs no process of its own.
        may_go = faults.clients_may_leave or faults.clients_may_go_offline
        may_stop = round_policy.may_stop_clients or faults.messages_may_be_lost
        self._all_clients_finish = not may_go and not may_stop
        self.link_faults = LinkFaults(faults, fleet, retries, lambda client: self.pool.is_working(client))
        self._devices = CreatedDevices(self.env, self.record, fleet, faults, self._follow)
        self.departures: dict[int, list[Departure]] = {}
        self._batches: BatchedActivities | None = None
        if batch and schedulers is None and not (may_go or self.link_faults.may_change_links):
            free_at_s, by_number = self._devices.free_at_s, self._devices.by_number
            self._batches = BatchedActivities(self.env, self.record, free_at_s, by_number)
        self.pool = ClientPool(
            self.env,
            self._batches,
            snapshot.slot_order if snapshot else (),
            on_lost=lambda client: self.leave_round(client, "lost"),
            on_close_early=self.members.leave_out_late,
        )
        self.online = OnlineClients(self.env, faults.availability, self._go_offline)
        self.media: tuple[SharedMedium, SharedMedium] | None = None
        if schedulers is not None:
            outages = self.link_faults.interruptions
            self.media = (
                SharedMedium(self.env, self.record, schedulers[0], devices_pay=True, interruptions=outages),
                SharedMedium(self.env, self.record, schedulers[1], devices_pay=False, interruptions=outages),
            )
        self.server_shares = ServerShares(self.server, server, names.add)
        self._account = RoundAccount(self.env, self.record, fleet)
        for client in snapshot.departures if snapshot else ():
            self._devices.create(client)
        self._assign_rows(self.clients)
        self.connect(links, schedulers)
        self.server_shares.set_shares(snapshot.server_shares if snapshot else server_shares)
        wired = WiredNodes(self.env, self.record, network, names.add)
        self.wires, self.compute_nodes, self.send = wired.wires, wired.compute_nodes, wired.send

    def start(self, program: ClientProgram, clients: Sequence[int]) -> ParallelStep:
        """Start a step of the round on these clients, under the round policy.

        See :meth:`ClientPool.start` for the programs that a step can have.
        """
        present = self.members.present(clients)
        return self.pool.start(
            program, present, self._round_policy.limits(len(present), self._planned_step_s)
        )

    def enough(self, num_clients: int) -> int:
        """Return the number of clients that a round of this many clients waits for."""
        enough = self._round_policy.limits(num_clients, self._planned_step_s).enough
        return num_clients if enough is None else enough

    def continue_with(self, program: ClientProgram, clients: Sequence[int]) -> ParallelStep:
        """Start a later step of clients that are in the round already; it waits for all of them."""
        return self.pool.start(program, self.members.present(clients))

    @property
    def clients(self) -> tuple[int, ...]:
        """Return the clients of the round that have left neither the run nor the round."""
        return self.members.clients

    def is_present(self, client: int) -> bool:
        """Return whether a client of the round has left neither the run nor the round."""
        return self.members.is_present(client)

    def leave_round(self, client: int, reason: str) -> None:
        """Let a client miss the rest of this round, at this instant; it may take part in the next one.

        Parameters
        ----------
        reason : str
            ``offline`` or ``lost``.
        """
        self.members.leave_round(client, reason)
        self.pool.remove_client(client)
        if reason == "offline":
            self._account.pause([self._devices.by_number[client]])

    def _go_offline(self, client: int) -> None:
        """Let a client of the current round miss its rest; other devices have no part in it."""
        if client in self.clients and client in self._devices.of_round:
            self.leave_round(client, "offline")

    def run_alone(
        self, program: ClientProgram, client: int, *, under_policy: bool = True
    ) -> Generator[Event, Any, bool]:
        """Yield until one client has run a program alone.

        Parameters
        ----------
        under_policy : bool
            Whether the client is stopped when the round policy says so.

        Returns
        -------
        bool
            Whether the client was on time, and is still in the round.
        """
        if self._all_clients_finish:
            yield from as_process(program)(self.device(client))  # nothing can stop it: no process needed
            return True
        if not self.is_present(client):
            return False
        start = self.start if under_policy else self.continue_with
        on_time = yield start(program, (client,)).finished
        return client in on_time and self.is_present(client)

    def mark_on_time(self, client: int) -> Event | None:
        """Mark a client as on time in its current step; the end of its program does so too.

        If it returns an event, the program must yield it: a step that takes the first clients accepts them at
        the end of the instant, and stops the others.
        """
        return self.pool.mark_on_time(client)

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
        self.server_shares.set_shares(server_shares)

    def await_clients(self) -> None:
        """Let time pass until a client of the round is online, unless all have left the run."""
        clients = [client for client in self._devices.of_round if client not in self.departed_at_s]
        if clients:
            self.wait_until(min(self.online.next_online_s(clients), self.latest_start_s))

    def wait_until(self, time_s: float) -> None:
        """Let time pass between two rounds, up to exactly this instant; see :class:`OnlineClients`."""
        if time_s > self.env.now:
            self.pause_clients()
            self.online.wait_until(time_s)

    def begin_round(self, planned_step_s: float = math.nan) -> None:
        """Note that a round of the clients that are online begins now; their idle time has a power again.

        Parameters
        ----------
        planned_step_s : float, optional
            The planned time to which the round policy may refer, [s].
        """
        self._planned_step_s = planned_step_s
        self.members.begin_round(self._devices.of_round, self.online.is_online)
        self._account.begin([self._devices.by_number[client] for client in self.clients])

    def pause_clients(self) -> None:
        """Stop charging idle time until the next round begins."""
        self._account.pause(self._devices.of_round.values())

    def log_states(self, *, with_devices: bool) -> dict[int, float]:
        """Log the states of the server, and of the round's devices, in the round that ends now.

        It returns, for each device whose faults have states, how long it was in the run in this round, [s].
        """
        devices = self._devices.of_round if with_devices else ()
        return self._state_log.add_round(devices, self.departed_at_s, float(self.env.now))

    def round_times(self) -> RoundTimes | None:
        """Return the busy and idle times of the round that ends now; None if no device has idle power."""
        left_at_s = {**self.members.offline_from_s, **self.departed_at_s}
        return self._account.times(left_at_s, self.media or ())

    def _listeners(self, clients: Sequence[int]) -> list[Device]:
        """Return the devices of these clients that are still in the round."""
        return [self._devices.by_number[client] for client in clients if self.is_present(client)]

    def _assign_rows(self, clients: Sequence[int]) -> None:
        self.pause_clients()  # those of the last round
        self._devices.assign_rows(clients)
        self.members.clients = tuple(clients)
        self.pool.assign_slots(tuple(self._devices.of_round.values()))

    def _follow(self, device: Device) -> None:
        """Follow the faults of a device that has been created."""
        client = device.client
        self.departures[client] = self._faults.departures(client)
        for trace in self.departures[client]:
            trace.follow(device, partial(self._remove_client, client))
        self.link_faults.add_device(client)
        self.online.follow(client)

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
            self._batches.connect(links, list(self._devices.of_round))
        for device in self._devices.of_round.values():
            uplink, downlink = self.link_faults.links(device, links, self.media)
            device.uplink_to_server, device.downlink_from_server = uplink, downlink
        self.server.broadcaster = self.link_faults.broadcast(
            links, {client: device.row for client, device in self._devices.of_round.items()}
        )

    def _remove_client(self, client: int) -> None:
        """Remove a client from the run for good, at this instant."""
        self.members.leave_run(client)
        self.pool.remove_client(client)

    @property
    def departed_at_s(self) -> dict[int, float]:
        """Return the instant at which each departed client left the run, [s]."""
        return self.members.departed_at_s

    @property
    def all_clients_left(self) -> bool:
        """Return whether every eligible device has left the run."""
        return len(self.departed_at_s) >= self.num_eligible

    def received(self, clients: Sequence[int]) -> Event:
        """Return the event at which the last downlinks of these clients end, except those in batches.

        Clients that have left the run or the round may have no downlink, and are not waited for.
        """
        downlinks = [self.device(client).received for client in self.members.present(clients)]
        return self.env.all_of([ended_or_failed(downlink) for downlink in downlinks])

    @property
    def first_open_row(self) -> int:
        """Return the first row of the record that may still change: one of an activity in progress."""
        rows = self._devices.open_rows()
        for medium in self.media or ():
            rows += [row for row in medium.open_rows if row >= 0]
        return min(rows, default=len(self.record))

    def device(self, client: int) -> Device:
        """Return the device of a client of this round."""
        return self._devices.in_round(client)

    @property
    def created_devices(self) -> tuple[Device, ...]:
        """Return all devices that took part in any round so far; the round's clients are ``clients``."""
        return tuple(self._devices.by_number.values())

    @property
    def nodes(self) -> list[Node]:
        """Return all nodes that have lanes."""
        return [
            self.server,
            *self._devices.by_number.values(),
            *self.server_shares,
            *self.compute_nodes.values(),
            *self.wires.values(),
        ]
