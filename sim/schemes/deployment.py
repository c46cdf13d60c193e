"""What a scheme finds where it runs, for schemes that decide more than a common cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..costs.layer_costs import LayerWork
from ..links.link_rates import LinkRates
from ..links.wired_network import Network
from ..radio.resources import RadioResources

__all__ = ["Deployment", "MemoryDemand"]


@dataclass(frozen=True)
class Deployment:
    """Devices, server, compute nodes, and what connects them.

    Attributes
    ----------
    problem : the radio resources, with the gains that a first plan knows
    links : of each device when it has the whole band, or a link of its own
    own_links : whether the devices have links of their own, in place of the radio
    devices : work by device and layer
    server : work by layer on the server, the only place; None where the model's times are measured, and the
        server's are not known
    memory_bits : [num_devices], float
        What fits into each device's memory, infinity without a limit, [bit].
    network : the compute nodes; None where the scenario has none
    nodes : work by compute node and layer; None without them
    seed : int
        Of the scenario.
    clients : tuple of int
        The devices by number, in the order of all that is given by device.
    """

    problem: RadioResources
    links: LinkRates
    own_links: bool
    devices: LayerWork
    server: LayerWork | None
    memory_bits: NDArray[np.float64]
    network: Network | None
    nodes: LayerWork | None
    seed: int
    clients: tuple[int, ...]

    def of(self, clients: Sequence[int]) -> Deployment:
        """Return what these devices alone find, in this order; for sites of all devices."""
        rows = np.asarray(clients, dtype=np.intp)
        return replace(
            self,
            problem=self.problem.select(rows),
            links=self.links.of(rows),
            devices=self.devices.select(rows),
            memory_bits=self.memory_bits[rows],
            clients=tuple(clients),
        )


@dataclass(frozen=True)
class MemoryDemand:
    """What a scheme's parts of the model need: weights, and the activations of the batches in work.

    Gradients and optimiser states are left out, as in MP-SL's memory model (docs/model.md).

    Attributes
    ----------
    devices_bits : [num_devices], float
        [bit].
    server_bits : float
        [bit].
    nodes_bits : of each compute node by name, [bit]
    """

    devices_bits: NDArray[np.float64]
    server_bits: float
    nodes_bits: dict[str, float]
