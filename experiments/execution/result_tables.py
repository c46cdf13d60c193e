"""Tables of a scheme's devices, server and compute nodes: plans, energy, memory, utilisation and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...scenarios.model_costs.training_memory import NO_MEMORY, PartMemory
from ...sim.radio.units import BITS_PER_MIB, linear_to_db
from ...sim.schemes.base import Scheme
from ...sim.schemes.planning.plan import SchemePlan
from ...sim.schemes.round_loop import Accuracy
from ...sim.schemes.round_planners.round_planner import DevicePlan
from ...sim.timeline.event_log import EventKind
from ...sim.world.world import World
from ..experiment import Experiment
from .record_streams import EventStream

__all__ = [
    "device_table",
    "energy_columns",
    "event_columns",
    "memory_table",
    "node_table",
    "with_device_times",
]

SECONDS_PER_HOUR = 3600.0
PARTS = tuple(field.name for field in fields(PartMemory))
"""The parts of a machine's memory. Columns have the prefix ``memory_``."""


def device_table(
    experiment: Experiment,
    scheme: Scheme,
    device_plans: Mapping[int, DevicePlan],
    identity: dict[str, Any],
    evaluated: Sequence[int] | None,
    accuracy: Accuracy | None,
    end_s: float,
) -> pd.DataFrame:
    """Return one row for each device that took part: its attributes, and its row of the last plan for it.

    Parameters
    ----------
    device_plans : mapping of int to DevicePlan
        The last plan of each device, by device number.
    identity : dict
        The scheme's ``label`` and the scenario's ``seed``, for every row.
    evaluated : sequence of int or None
        The clients of the last round; None if all devices take part in every round.
    accuracy : Accuracy or None
        The accuracy of these clients at the end of the run; None without learning.
    end_s : float
        The end of the last round, [s].
    """
    devices_of_plan: dict[int, list[tuple[int, DevicePlan]]] = {}
    for client, device_plan in device_plans.items():
        devices_of_plan.setdefault(id(device_plan.plan), []).append((client, device_plan))
    tables = []
    for group in devices_of_plan.values():
        plan = group[0][1].plan
        rows = _planned_columns(scheme, plan).iloc[[device_plan.row for _, device_plan in group]]
        tables.append(rows.assign(device=[client for client, _ in group]))
    table = pd.concat(tables).sort_values("device")
    clients = table["device"].to_numpy()
    index = clients if evaluated is None else list(evaluated)
    accuracies = pd.Series(accuracy.per_client if accuracy else np.nan, index=index, dtype=float)
    table = _with_attributes(experiment, scheme, identity, clients, table, accuracies.reindex(clients))
    path_gains = experiment.context.channel.path_gains
    los = np.full(len(clients), np.nan) if path_gains is None else path_gains.sight_shares(end_s)[clients]
    return table.assign(los=los)


def _planned_columns(scheme: Scheme, plan: SchemePlan) -> pd.DataFrame:
    """Return one row for each client of a plan: cut, memory, and shares of the server and of the band."""
    cuts = [str(cut) if scheme.has_cut else "" for cut in plan.cuts.of_clients]
    return pd.DataFrame(
        {
            "server_share": list(plan.server_shares) or np.nan,
            "cut": cuts,
            "memory_bits": plan.memory.devices_bits,
            **{f"memory_{name}": [getattr(part, name) for part in plan.memory.devices] for name in PARTS},
            **plan.access.device_columns(plan.resources),
        }
    )


def _with_attributes(
    experiment: Experiment,
    scheme: Scheme,
    identity: dict[str, Any],
    clients: NDArray[np.intp],
    planned: pd.DataFrame,
    final_accuracy: pd.Series[float],
) -> pd.DataFrame:
    """Return the columns of ``devices.csv`` for these devices, in the order of the file."""
    fleet, data = experiment.fleet, experiment.data
    distance_m, angle_rad = fleet.distance_m[clients], fleet.angle_rad[clients]
    limits_bits = experiment.deployment.memory_bits[clients]
    return pd.DataFrame(
        {
            "scheme": scheme.parameters.name,
            **identity,
            "device": clients,
            "x_m": distance_m * np.cos(angle_rad),
            "y_m": distance_m * np.sin(angle_rad),
            "distance_m": distance_m,
            "gain_db": linear_to_db(experiment.deployment.resources.gains[clients].mean(axis=1)),
            "clock_hz": fleet.clock_hz[clients],
            "cycles_per_flop": fleet.cycles_per_flop[clients],
            **{
                name: planned[name].to_numpy()
                for name in ("subchannels", "band_share", "server_share", "cut", "memory_bits")
            },
            "memory_limit_bits": np.where(np.isinf(limits_bits), np.nan, limits_bits),
            **{f"memory_{name}": planned[f"memory_{name}"].to_numpy() for name in PARTS},
            **{
                name: planned[name].to_numpy() for name in ("power_w", "snr_db", "uplink_bps", "downlink_bps")
            },
            "samples": [data.samples[i] for i in clients] if data else np.nan,
            "classes": [data.classes_held(i) for i in clients] if data else np.nan,
            "final_accuracy": final_accuracy.to_numpy(),
        }
    )


def node_table(
    experiment: Experiment,
    scheme: Scheme,
    plan: SchemePlan,
    world: World,
    identity: dict[str, Any],
    stages: pd.DataFrame,
    total_s: float,
) -> pd.DataFrame:
    """Return one row for the server and for each compute node: memory, busy time and cost.

    Columns besides scheme, label and seed: ``node, units, memory_planned_bits, memory_peak_bits,
    memory_limit_bits``, the parts of the planned memory, ``busy_s, utilisation, price_per_hour, cost``. The
    peak is measured during the run, on compute nodes only. The server, and each node that holds a part of the
    model, costs its price for the whole run, idle or not.

    Parameters
    ----------
    plan : SchemePlan
        The scheme's first plan.
    identity : dict
        The scheme's ``label`` and the scenario's ``seed``, for every row.
    stages : DataFrame
        The scheme's time, FLOPs and energy for each node and phase.
    total_s : float
        End of the last recorded interval, [s].
    """
    server, planned = experiment.loaded.scenario.server, plan.memory
    # the shares of the server are recorded as server-0, server-1, ...
    node_names = stages["node"].astype(str).str.replace(r"^server-\d+$", "server", regex=True)
    flops = stages["flops"].groupby(node_names).sum()
    rows = []
    processors: list[tuple[str, Any, PartMemory, float]] = [("server", server, planned.server, np.nan)]
    if planned.nodes and experiment.deployment.network is not None:
        for node in experiment.deployment.network.nodes:
            peak_bits = world.compute_nodes[node.name].memory.peak_bits
            processors.append((node.name, node, planned.nodes.get(node.name, NO_MEMORY), peak_bits))
    on_nodes = plan.units_on_nodes
    for name, section, part, peak_bits in processors:
        # from FLOPs, because an interval on a share of the server takes longer than the whole server would
        busy_s = float(flops.get(name, 0.0)) * section.cycles_per_flop / section.clock_hz
        paid_s = total_s if name == "server" or name in on_nodes else 0.0  # an unused node costs nothing
        rows.append(
            {
                "scheme": scheme.parameters.name,
                **identity,
                "node": name,
                "units": on_nodes.get(name, ""),
                "memory_planned_bits": part.total_bits,
                "memory_peak_bits": peak_bits,
                "memory_limit_bits": np.nan
                if section.memory_mib is None
                else section.memory_mib * BITS_PER_MIB,
                **{f"memory_{name}": getattr(part, name) for name in PARTS},
                "busy_s": busy_s,
                "utilisation": busy_s / total_s if total_s else np.nan,
                "price_per_hour": section.price_per_hour,
                "cost": section.price_per_hour * paid_s / SECONDS_PER_HOUR,
            }
        )
    return pd.DataFrame(rows)


def memory_table(world: World, identity: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each change of a compute node's memory: ``label, seed, node, time_s, held_bits``.

    Parameters
    ----------
    identity : dict
        The scheme's ``label`` and the scenario's ``seed``, for every row.
    """
    tables = [
        pd.DataFrame(np.array(node.memory.packed).reshape(-1, 2), columns=["time_s", "held_bits"]).assign(
            **identity, node=name
        )
        for name, node in world.compute_nodes.items()
    ]
    columns = [*identity, "node", "time_s", "held_bits"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def energy_columns(
    stages: pd.DataFrame, lanes: Mapping[str, str], devices: Sequence[int], device_times: pd.DataFrame
) -> dict[str, NDArray[np.float64]]:
    """Return the energy that each device spent, and that of the access point on its downlinks.

    Parameters
    ----------
    stages : DataFrame
        The scheme's time, FLOPs and energy for each node and phase.
    lanes : mapping of str to str
        The lane of each phase.
    devices : sequence of int
        The devices' numbers.
    device_times : DataFrame
        The energies of receivers and of idle time, as :meth:`RoundLog.device_times` returns them.

    Returns
    -------
    dict of str to ndarray, [num_devices]
        ``compute_energy_j``, ``uplink_energy_j``, ``downlink_energy_j``, which the access point spends,
        ``receive_energy_j`` and ``idle_energy_j``, [J].
    """
    names = [f"device-{i}" for i in devices]
    lane = stages["phase"].map(lanes).rename("lane")
    energy_j = stages["energy_j"].groupby([stages["node"], lane]).sum().unstack()
    energy_j = energy_j.reindex(index=names, columns=["compute", "uplink", "downlink"]).fillna(0.0)
    further_j = device_times.reindex(list(devices)).fillna(0.0)
    return {
        **{f"{lane}_energy_j": energy_j[lane].to_numpy() for lane in energy_j.columns},
        **{column: further_j[column].to_numpy() for column in ("receive_energy_j", "idle_energy_j")},
    }


def event_columns(
    events: EventStream, devices: Sequence[int], observed_s: Mapping[int, float]
) -> dict[str, list[float]]:
    """Return the shares of time that each device was in a state, and the bits of its repeated packets.

    Parameters
    ----------
    events : EventStream
        All events of the scheme.
    devices : sequence of int
        The devices' numbers.
    observed_s : mapping of int to float
        The time in rounds of each device whose states are among the events, [s].

    Returns
    -------
    dict of str to list of float, [num_devices]
        ``slow_share``, ``offline_share`` and ``outage_share``, from 0 to 1, and ``bits_resent``, [bit].
    """

    def share(device: int, kind: EventKind) -> float:
        state_s = events.state_s(device + 1, kind)
        return min(1.0, state_s / observed_s[device]) if state_s else 0.0

    kinds = (EventKind.SLOW, EventKind.OFFLINE, EventKind.OUTAGE)
    return {
        **{f"{kind}_share": [share(device, kind) for device in devices] for kind in kinds},
        "bits_resent": [events.resent_bits(device + 1) for device in devices],
    }


def with_device_times(
    stages: pd.DataFrame, device_times: pd.DataFrame, identity: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the stages with two further rows for each device: ``receive`` and ``idle``.

    The energies of all rows then sum to the energy of the run. ``receive`` has the receiver's energy during
    transfers and broadcasts, whose own rows have the access point's. There are no further rows where all of
    these energies are 0.

    Parameters
    ----------
    stages : DataFrame
        The scheme's time, FLOPs and energy for each node and phase.
    device_times : DataFrame
        Times and energies of receivers and of idle time, as :meth:`RoundLog.device_times` returns them.
    identity : mapping
        The scheme's ``label`` and the scenario's ``seed``, for every row.
    """
    if device_times.empty:
        return stages
    tables = [stages]
    for phase in ("receive", "idle"):
        rows = pd.DataFrame(
            {
                **identity,
                "node": [f"device-{client}" for client in device_times.index],
                "phase": phase,
                "busy_s": device_times[f"{phase}_s"].to_numpy(),
                "energy_j": device_times[f"{phase}_energy_j"].to_numpy(),
            }
        )
        tables.append(rows.assign(intervals=0, wait_s=0.0, bits=0.0, flops=0.0)[list(stages.columns)])
    return pd.concat(tables, ignore_index=True)
