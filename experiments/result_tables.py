"""Tables of the places of a scheme's run: its devices, its server and compute nodes, and their memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..sim.radio.units import BITS_PER_MIB, linear_to_db
from ..sim.schemes.base import Cut, Scheme
from ..sim.schemes.planning.plan import SchemePlan
from ..sim.schemes.planning.sampled_clients import DevicePlan
from ..sim.schemes.round_loop import Accuracy
from ..sim.world.world import World
from .preparation import Experiment

__all__ = [
    "cut_list",
    "device_table",
    "drawn_device_table",
    "energy_columns",
    "memory_table",
    "node_table",
]

SECONDS_PER_HOUR = 3600.0


def cut_list(scheme: Scheme, cut: Cut, devices: int) -> list[str]:
    """Return each device's cut as text; nothing where nothing is split."""
    if not scheme.has_cut:
        return [""] * devices
    return [str(of_device) for of_device in ([cut] * devices if isinstance(cut, int) else cut)]


def device_table(
    experiment: Experiment,
    scheme: Scheme,
    plan: SchemePlan,
    identity: dict[str, Any],
    accuracy: Accuracy | None,
) -> pd.DataFrame:
    """Return one row a device: where it is, what it has, what it was given.

    Parameters
    ----------
    identity : label and seed, for every row
    accuracy : at the end of the run, None without learning
    """
    clients = np.arange(len(experiment.fleet))
    given = _given(scheme, plan, list(scheme.server_shares) or np.nan, scheme.memory().devices_bits)
    final = pd.Series(accuracy.per_client if accuracy else np.nan, index=clients)
    return _device_table(experiment, scheme, identity, clients, given, final)


def drawn_device_table(
    experiment: Experiment,
    scheme: Scheme,
    given: Mapping[int, DevicePlan],
    identity: dict[str, Any],
    evaluated: Sequence[int],
    accuracy: Accuracy | None,
) -> pd.DataFrame:
    """Return one row a device that was drawn, with what it was given in the last round that drew it.

    Parameters
    ----------
    given : what each got, by its number
    identity : label and seed, for every row
    evaluated : the clients of the last finished round
    accuracy : of these clients, None without one; others have none
    """
    last_of_plan: dict[int, list[tuple[int, DevicePlan]]] = {}
    for client, got in given.items():
        last_of_plan.setdefault(id(got.plan), []).append((client, got))
    tables = []
    for group in last_of_plan.values():
        plan = group[0][1].plan
        cuts = (plan.cut,) * plan.problem.num_clients if isinstance(plan.cut, int) else plan.cut
        memory_bits = [scheme.device_bits(cut) for cut in cuts]
        rows = _given(scheme, plan, np.nan, memory_bits).iloc[[got.row for _, got in group]]
        shares = [np.nan if got.server_share is None else got.server_share for _, got in group]
        tables.append(rows.assign(device=[client for client, _ in group], server_share=shares))
    table = pd.concat(tables).sort_values("device")
    clients = table["device"].to_numpy()
    final = pd.Series(accuracy.per_client if accuracy else np.nan, index=list(evaluated), dtype=float)
    return _device_table(experiment, scheme, identity, clients, table, final.reindex(clients))


def _given(scheme: Scheme, plan: SchemePlan, server_share: Any, memory_bits: Any) -> pd.DataFrame:
    """Return what a plan gives its clients, a row each."""
    links, clients = plan.links, range(plan.problem.num_clients)
    sends = scheme.band != "none"
    by_radio = sends and plan.own_links is None
    given: list[str] = ["all" if by_radio else "" for _ in clients]
    if plan.owner is not None:
        given = ["|".join(str(k) for k in np.flatnonzero(plan.owner == i)) for i in clients]
    return pd.DataFrame(
        {
            "subchannels": given,
            "band_share": np.nan if plan.shares is None else plan.shares,
            "server_share": server_share,
            "cut": cut_list(scheme, plan.cut, len(clients)),
            "memory_bits": memory_bits,
            "power_w": links.uplink_w if by_radio else np.nan,
            "snr_db": linear_to_db(plan.uplink_snr) if by_radio else np.nan,
            "uplink_bps": links.uplink_bps if sends else np.nan,
            "downlink_bps": links.downlink_bps if sends else np.nan,
        }
    )


def _device_table(
    experiment: Experiment,
    scheme: Scheme,
    identity: dict[str, Any],
    clients: NDArray[np.intp],
    given: pd.DataFrame,
    final_accuracy: pd.Series[float],
) -> pd.DataFrame:
    """Return the columns in their order, of these devices: what they are, and what they were given."""
    fleet, data = experiment.fleet, experiment.data
    distance_m, angle_rad = fleet.distance_m[clients], fleet.angle_rad[clients]
    limits_bits = experiment.site.memory_bits[clients]
    return pd.DataFrame(
        {
            "scheme": scheme.parameters.name,
            **identity,
            "device": clients,
            "x_m": distance_m * np.cos(angle_rad),
            "y_m": distance_m * np.sin(angle_rad),
            "distance_m": distance_m,
            "gain_db": linear_to_db(experiment.problem.gains[clients].mean(axis=1)),
            "clock_hz": fleet.clock_hz[clients],
            "cycles_per_flop": fleet.cycles_per_flop[clients],
            **{
                name: given[name].to_numpy()
                for name in ("subchannels", "band_share", "server_share", "cut", "memory_bits")
            },
            "memory_limit_bits": np.where(np.isinf(limits_bits), np.nan, limits_bits),
            **{name: given[name].to_numpy() for name in ("power_w", "snr_db", "uplink_bps", "downlink_bps")},
            "samples": [data.samples[i] for i in clients] if data else np.nan,
            "classes": [data.classes_held(i) for i in clients] if data else np.nan,
            "final_accuracy": final_accuracy.to_numpy(),
        }
    )


def node_table(
    experiment: Experiment,
    scheme: Scheme,
    world: World,
    identity: dict[str, Any],
    stages: pd.DataFrame,
    total_s: float,
) -> pd.DataFrame:
    """Return one row for the server and for each compute node: memory, time in work, cost.

    Columns besides scheme, label and seed: ``node, units, memory_planned_bits, memory_peak_bits,
    memory_limit_bits, busy_s, utilisation, price_per_hour, cost``. The peak is what was found while the run
    went, and is known of compute nodes alone. A cost is that of the whole run, idle or not, of the
    server and of the nodes that hold a part of the model.

    Parameters
    ----------
    identity : label and seed, for every row
    stages : where this scheme's time and energy went
    total_s : float
        When all that was recorded had ended, [s].
    """
    server, planned = experiment.loaded.scenario.server, scheme.memory()
    place = stages["node"].astype(str).str.replace(r"^server-\d+$", "server", regex=True)
    flops = stages["flops"].groupby(place).sum()
    rows = []
    processors: list[tuple[str, Any, float, float]] = [("server", server, planned.server_bits, np.nan)]
    if planned.nodes_bits and experiment.site.network is not None:
        for node in experiment.site.network.nodes:
            peak_bits = world.compute_nodes[node.name].memory.peak_bits
            processors.append((node.name, node, planned.nodes_bits.get(node.name, 0.0), peak_bits))
    on_nodes = scheme.units_on_nodes()
    for name, section, planned_bits, peak_bits in processors:
        # FLOPs, not time: a share of the server is busy for a share of the server's time
        busy_s = float(flops.get(name, 0.0)) * section.cycles_per_flop / section.clock_hz
        paid_s = total_s if name == "server" or name in on_nodes else 0.0  # a node without a part is let go
        rows.append(
            {
                "scheme": scheme.parameters.name,
                **identity,
                "node": name,
                "units": on_nodes.get(name, ""),
                "memory_planned_bits": planned_bits,
                "memory_peak_bits": peak_bits,
                "memory_limit_bits": np.nan
                if section.memory_mib is None
                else section.memory_mib * BITS_PER_MIB,
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
    identity : label and seed, for every row
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
    stages: pd.DataFrame, lanes: Mapping[str, str], devices: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Return what each device spent on compute and uplinks, and the access point on its downlinks, [J].

    Parameters
    ----------
    stages : where this scheme's time and energy went
    lanes : of each phase
    devices : by number
    """
    names = [f"device-{i}" for i in devices]
    lane = stages["phase"].map(lanes).rename("lane")
    energy_j = stages["energy_j"].groupby([stages["node"], lane]).sum().unstack()
    energy_j = energy_j.reindex(index=names, columns=["compute", "uplink", "downlink"]).fillna(0.0)
    return {f"{lane}_energy_j": energy_j[lane].to_numpy() for lane in energy_j.columns}
