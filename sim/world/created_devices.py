"""The devices of a run: each is created when it first takes part, and has a row in the current round."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

import numpy as np
from simpy import Environment

from ..faults.effects import Faults
from ..nodes.device import Device
from ..nodes.fleet import Fleet
from ..timeline.interval_record import IntervalRecord
from ..timeline.lanes import LANES

__all__ = ["CreatedDevices"]


class CreatedDevices:
    """Creates devices from the attributes of the fleet, and assigns rows to those of a round.

    Parameters
    ----------
    follow : callable
        Called with each device that has been created.

    Attributes
    ----------
    by_number : dict of int to Device
        All devices that took part in any round so far.
    of_round : dict of int to Device
        The devices of the current round, in the order of their rows.
    free_at_s : array, [num_devices · num_lanes]
        When each lane of each device is free, one device behind the other, [s].
    """

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        fleet: Fleet,
        faults: Faults,
        follow: Callable[[Device], None],
    ) -> None:
        self._env = env
        self._record = record
        self._fleet = fleet
        self._faults = faults
        self._follow = follow
        self.by_number: dict[int, Device] = {}
        self.of_round: dict[int, Device] = {}
        self.free_at_s = array("d", bytes(8 * len(LANES) * len(fleet)))

    def create(self, number: int) -> None:
        """Create a device."""
        self._record.nodes[number + 1] = f"device-{number}"
        fleet = self._fleet
        device = self.by_number[number] = Device(
            self._env,
            self._record,
            number + 1,
            clock_hz=float(fleet.clock_hz[number]),
            cycles_per_flop=float(fleet.cycles_per_flop[number]),
            switched_capacitance=float(fleet.switched_capacitance[number]),
            compute_capacity=self._faults.compute_capacity(number),
            compute_noise=self._faults.compute_noise(number),
            ends_s=self.free_at_s,
            first_lane=len(LANES) * number,
            powers=fleet.powers(number),
        )
        self._follow(device)

    def assign_rows(self, clients: Sequence[int]) -> None:
        """Let these devices be those of the round, with rows in this order; create those that are missing."""
        for row, client in enumerate(clients):
            if client not in self.by_number:
                self.create(client)
            self.by_number[client].row = row
        self.of_round = {client: self.by_number[client] for client in clients}

    def in_round(self, client: int) -> Device:
        """Return the device of a client of this round.

        Raises
        ------
        ValueError
            If the device is not a client of this round.
        """
        try:
            return self.of_round[client]
        except KeyError:
            raise ValueError(
                f"device {client} is not a client of this round; take its clients from world.clients"
            ) from None

    def open_rows(self) -> list[int]:
        """Return the rows in the record of the activities that are in progress on a device's lanes."""
        busy = np.flatnonzero(np.frombuffer(self.free_at_s) > self._env.now)
        lanes = (divmod(index, len(LANES)) for index in busy.tolist())
        return [self.by_number[number].lanes[LANES[lane]].row for number, lane in lanes]
