"""Create the deployment of a scenario: layer times on each device, memory, links and compute nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..models.unit_tables import model_profile
from ..scenarios.errors import KeyPath
from ..scenarios.loading.issue_collector import IssueCollector
from ..scenarios.model_costs.layer_profile import BATCH_SIZE, LayerProfile
from ..scenarios.model_costs.unit_table import UnitTable
from ..scenarios.schema.scenario import Scenario
from ..sim.costs.layer_costs import LayerWork, work_from_flops, work_from_profile
from ..sim.links.channel import Channel
from ..sim.nodes.fleet import Fleet
from ..sim.schemes.deployment import Deployment
from ..sim.schemes.planning.whole_band import fixed_link_rates, whole_band_links

__all__ = ["make_deployment"]


def make_deployment(
    scenario: Scenario, units: UnitTable, fleet: Fleet, channel: Channel, issues: IssueCollector
) -> Deployment | None:
    """Return the deployment of all devices of a scenario, or None after adding the issues that prevent it.

    Parameters
    ----------
    units : UnitTable
        The units of the scenario's model.
    fleet : Fleet
        The devices' attributes.
    channel : Channel
        The gains of all devices over time.
    issues : IssueCollector
        Receives the issues of the model's profile, of the batch size and of the network.
    """
    issues_before = len(issues)
    layer_work = _LayerWorkFactory(scenario, units, issues)
    devices, server = scenario.devices, scenario.server
    profile = devices.profile
    profiles_of_devices = profile if isinstance(profile, tuple) else (profile,) * devices.count
    on_devices = layer_work.on_processors(
        ("devices", "profile"), profiles_of_devices, fleet.seconds_per_flop.tolist()
    )
    on_server = None
    if server.profile is not None or not layer_work.is_measured:
        s_per_flop = [server.cycles_per_flop / server.clock_hz]
        on_server = layer_work.on_processors(("server", "profile"), (server.profile,), s_per_flop)
    network = on_nodes = None
    if scenario.network is not None:
        nodes = scenario.network.expanded()
        s_per_flop = [node.cycles_per_flop / node.clock_hz for node in nodes]
        profiles = [node.profile for node in nodes]
        on_nodes = layer_work.on_processors(("network", "nodes"), profiles, s_per_flop)
        # imports networkx, which scenarios without a network do without
        from ..sim.links.wired_network import build_network

        with issues.at("network"):
            network = build_network(scenario.network)
    if len(issues) > issues_before:
        return None
    assert on_devices is not None
    fixed_links = None
    if fleet.uplink_bps is not None and fleet.downlink_bps is not None:
        fixed_links = fixed_link_rates(fleet.uplink_bps, fleet.downlink_bps)
    memory_bits = np.full(devices.count, np.inf) if fleet.memory_bits is None else fleet.memory_bits
    included = np.asarray(devices.included, dtype=np.intp)
    return Deployment(
        resources=channel.problem,
        links=fixed_links or whole_band_links(channel.problem),
        has_fixed_links=fixed_links is not None,
        device_s_per_flop=fleet.seconds_per_flop,
        server_s_per_flop=server.cycles_per_flop / server.clock_hz,
        device_work=on_devices,
        server_work=on_server,
        memory_bits=memory_bits,
        least_memory_bits=float(memory_bits[included].min()),
        network=network,
        node_work=on_nodes,
        seed=scenario.seed,
        clients=tuple(range(devices.count)),
    )


class _LayerWorkFactory:
    """Creates the work of each layer from the model's measured profile, or from FLOPs without a profile."""

    def __init__(self, scenario: Scenario, units: UnitTable, issues: IssueCollector) -> None:
        self._units, self._batch_size, self._issues = units, scenario.batch_size, issues
        self._profile: LayerProfile | None = None
        self.is_measured = getattr(scenario.model, "profile", None) is not None
        with issues.at("model", "profile"):
            self._profile = model_profile(scenario.model, len(units))
        if self.is_measured and self._batch_size != BATCH_SIZE:
            text = f"model.profile was measured with mini-batches of {BATCH_SIZE}; it must be that"
            issues.add(("batch_size",), text)

    def on_processors(
        self, key: KeyPath, profiles: Sequence[str | None], s_per_flop: Sequence[float]
    ) -> LayerWork | None:
        """Return the work of each layer on several processors, or None after adding an issue.

        Parameters
        ----------
        key : KeyPath
            The key that names the devices of the profile.
        profiles : sequence of str or None, [num_processors]
            For each processor, the device of the model's profile whose measured times it has.
        s_per_flop : sequence of float, [num_processors]
            The compute time of each processor, [s/FLOP].
        """
        compute_times = np.array(s_per_flop, dtype=np.float64)
        if self._profile is None and self.is_measured:
            return None  # the issue of the profile has been added already
        with self._issues.at(*key):
            if self._profile is not None:
                return work_from_profile(self._profile, profiles, compute_times)
            if any(profiles):
                raise ValueError("names a device of model.profile, and there is no model.profile")
            return work_from_flops(self._units, self._batch_size, compute_times)
        return None
