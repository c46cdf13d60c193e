"""The deployment that a scheme is planned for: devices, server, compute nodes and their links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...scenarios.model_costs.training_memory import PartMemory
from ..costs.layer_costs import LayerWork
from ..faults.mean_durations import MeanDuration
from ..links.link_rates import LinkRates
from ..radio.resources import RadioResources

if TYPE_CHECKING:
    from ..links.wired_network import Network

__all__ = ["Deployment", "MemoryDemand"]


@dataclass(frozen=True)
class Deployment:
    """Everything that a plan may depend on.

    Attributes
    ----------
    resources : RadioResources
        Subchannels, power limits, and the channel gains that the plan may use.
    links : LinkRates
        The links of each device when it has the whole band alone, or its fixed links.
    has_fixed_links : bool
        Whether the devices have links of fixed rates instead of the radio.
    device_s_per_flop : ndarray, [num_devices]
        Compute time κ_i/f_i of each device, [s/FLOP].
    server_s_per_flop : float
        Compute time κ_s/f_s of the server, [s/FLOP].
    device_work : LayerWork
        Work of each layer on each device.
    server_work : LayerWork or None
        Work of each layer on the server; None if layer times are measured and the server has no profile.
    memory_bits : ndarray, [num_devices]
        Memory of each device, infinite without a limit, [bit].
    least_memory_bits : float
        Memory of the smallest device that may take part, [bit]. A common cut must fit into it.
    network : Network or None
        The compute nodes and their wires; None without compute nodes.
    node_work : LayerWork or None
        Work of each layer on each compute node; None without compute nodes.
    seed : int
        The scenario's seed.
    clients : tuple of int
        The devices' numbers, in the order of all arrays.
    mean_durations : tuple of tuple of MeanDuration, [num_devices]
        For each device, the faults whose mean effect on computations the plan includes, to be applied
        one after the other; empty for plans that include none.
    """

    resources: RadioResources
    links: LinkRates
    has_fixed_links: bool
    device_s_per_flop: NDArray[np.float64]
    server_s_per_flop: float
    device_work: LayerWork
    server_work: LayerWork | None
    memory_bits: NDArray[np.float64]
    least_memory_bits: float
    network: Network | None
    node_work: LayerWork | None
    seed: int
    clients: tuple[int, ...]
    mean_durations: tuple[tuple[MeanDuration, ...], ...] = ()

    @property
    def num_clients(self) -> int:
        """Return the number of clients, C."""
        return len(self.clients)

    def compute_s(self, flops: float | NDArray[np.float64], *, computations: int = 1) -> NDArray[np.float64]:
        """Return the planned duration of some computations on each device, [num_devices], [s].

        Parameters
        ----------
        flops : float or ndarray, [num_devices]
            Their work together, [FLOP].
        computations : int
            Their number; each of them has a delay of its own under exponential compute noise.
        """
        work_s = flops * self.device_s_per_flop
        if computations == 1 or not any(self.mean_durations):
            return self.planned_s(work_s)
        return computations * self.planned_s(work_s / computations)

    def planned_s(self, work_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the planned durations of computations: at full speed, or the means under faults, [s].

        Parameters
        ----------
        work_s : ndarray, [num_devices, ...]
            Durations at full speed, a row for each device, [s].
        """
        if not any(self.mean_durations):
            return work_s
        planned_s = work_s.copy()
        for row, means in enumerate(self.mean_durations):
            for mean in means:
                planned_s[row] = mean(planned_s[row])
        return planned_s

    def select(self, clients: Sequence[int]) -> Deployment:
        """Return the deployment of these devices alone, in this order.

        Call it on the deployment of all devices, whose rows are the devices' numbers.
        """
        rows = np.asarray(clients, dtype=np.intp)
        return replace(
            self,
            resources=self.resources.select(rows),
            links=self.links.of(rows),
            device_s_per_flop=self.device_s_per_flop[rows],
            device_work=self.device_work.select(rows),
            memory_bits=self.memory_bits[rows],
            clients=tuple(clients),
            mean_durations=tuple(self.mean_durations[row] for row in clients) if self.mean_durations else (),
        )


@dataclass(frozen=True)
class MemoryDemand:
    """Memory that training takes on each machine (docs/model.md section 8).

    Attributes
    ----------
    devices : tuple of PartMemory, [num_devices]
        On each device.
    server : PartMemory
        On the server.
    nodes : mapping of str to PartMemory
        On each compute node by name.
    """

    devices: tuple[PartMemory, ...]
    server: PartMemory
    nodes: Mapping[str, PartMemory] = field(default_factory=dict)

    @property
    def devices_bits(self) -> NDArray[np.float64]:
        """Return the memory on each device, [num_devices], [bit]."""
        return np.array([part.total_bits for part in self.devices])

    @property
    def server_bits(self) -> float:
        """Return the memory on the server, [bit]."""
        return self.server.total_bits

    @property
    def nodes_bits(self) -> dict[str, float]:
        """Return the memory on each compute node by name, [bit]."""
        return {name: part.total_bits for name, part in self.nodes.items()}
