"""The compute nodes behind the access point, and the wires between them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from simpy import Environment, Event

from ...scenarios.schema.network import ComputeNode as NodeSection
from ...scenarios.schema.scenario import Server as ServerSection
from ..links.wire import Wire
from ..nodes.compute_node import ComputeNode
from ..timeline.interval_record import IntervalRecord
from ..timeline.phases import Phase

if TYPE_CHECKING:
    from ..links.wired_network import Network

__all__ = ["NodeNames", "WiredNodes", "processor_of"]


class WiredNodes:
    """Compute nodes and wires, which carry messages from one node to the next.

    Parameters
    ----------
    network : Network or None
        The nodes and the routes between them; None for a world without compute nodes.
    add_name : callable
        Adds a name to the record, and returns its number.

    Attributes
    ----------
    compute_nodes : dict of str to ComputeNode
    wires : dict of (str, str) to Wire
        The wires by start and end. Messages between the access point and the server take no time.
    """

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        network: Network | None,
        add_name: Callable[[str], int],
    ) -> None:
        self._network = network
        self.compute_nodes: dict[str, ComputeNode] = {}
        self.wires: dict[tuple[str, str], Wire] = {}
        if network is None:
            return
        for section in network.nodes:
            node = ComputeNode(env, record, add_name(section.name), **processor_of(section))
            self.compute_nodes[section.name] = node
        for start, end, wire in network.graph.edges(data=True):
            self.wires[start, end] = Wire(env, record, add_name(f"{start}>{end}"), **wire)

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


class NodeNames:
    """Numbers the nodes besides server and devices in the record of intervals; a name keeps its number."""

    def __init__(self, record: IntervalRecord, num_devices: int) -> None:
        self._record = record
        self._number_of = {name: number for number, name in record.nodes.items()}
        self._next_number = max(1 + num_devices, *(number + 1 for number in record.nodes))

    def add(self, name: str) -> int:
        """Return the number of a name, which is added to the record."""
        if name not in self._number_of:
            self._number_of[name], self._next_number = self._next_number, self._next_number + 1
        number = self._number_of[name]
        self._record.nodes[number] = name
        return number


def processor_of(section: ServerSection | NodeSection) -> dict[str, Any]:
    """Return the arguments of a node's constructor that describe its processor."""
    return {
        "clock_hz": section.clock_hz,
        "cycles_per_flop": section.cycles_per_flop,
        "switched_capacitance": section.switched_capacitance,
    }
