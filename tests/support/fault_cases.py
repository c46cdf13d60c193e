"""Every fault, round policy and way of sharing the band, as sections of one small scenario.

The times of faults are given in multiples of a round, so that each of them shows within three rounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from cutlayer.scenarios.registry import specs

__all__ = [
    "FAULTS",
    "NO_FAULTS",
    "NUM_DEVICES",
    "POLICIES",
    "SCHEMES",
    "SHARINGS",
    "FaultCase",
    "Sections",
    "merged",
    "scenario_data",
    "write_files",
]

Sections: TypeAlias = dict[str, Any]
"""Sections of a scenario, as the YAML file has them."""

SCHEMES = tuple(spec.name for spec in specs("scheme"))
NUM_DEVICES = 3


@dataclass(frozen=True)
class FaultCase:
    """One form of one fault.

    Attributes
    ----------
    key : str
        The fault's key in the scenario, in dotted form.
    sections : callable
        Returns the sections of the scenario for a typical round's time, [s].
    leaves_out : bool
        Whether a client may miss a round or leave the run.
    repeats : bool
        Whether bits may be sent several times.
    """

    key: str
    sections: Callable[[float], Sections]
    leaves_out: bool = False
    repeats: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names by which a message may call the fault."""
        return self.key, self.key.rpartition(".")[2]


def _stragglers(**keys: Any) -> Sections:
    return {"stragglers": keys}


def _faults(**keys: Any) -> Sections:
    return {"faults": keys}


FAULTS: dict[str, FaultCase] = {
    "slow-down": FaultCase(
        "stragglers.slowdown",
        lambda s: _stragglers(
            slowdown={"factor": [2.0, 1.0, 8.0], "mean_normal_s": s, "mean_slow_s": 0.5 * s}
        ),
    ),
    "log-normal noise": FaultCase(
        "stragglers.compute_noise", lambda s: _stragglers(compute_noise={"lognormal": {"sigma": 0.5}})
    ),
    "Pareto noise": FaultCase(
        "stragglers.compute_noise", lambda s: _stragglers(compute_noise={"pareto": {"shape": 2.5}})
    ),
    "exponential noise": FaultCase(
        "stragglers.compute_noise", lambda s: _stragglers(compute_noise={"exponential": {"mean_s": 0.1 * s}})
    ),
    "load": FaultCase("stragglers.load", lambda s: _stragglers(load="load.csv")),
    "availability": FaultCase(
        "faults.availability",
        lambda s: _faults(availability={"mean_on_s": s, "mean_off_s": 0.5 * s}),
        leaves_out=True,
    ),
    "availability from a file": FaultCase(
        "faults.availability", lambda s: _faults(availability={"file": "online.csv"}), leaves_out=True
    ),
    "outage": FaultCase(
        "faults.outage", lambda s: _faults(outage={"mean_up_s": 0.3 * s, "mean_down_s": 0.1 * s})
    ),
    "outage with restart": FaultCase(
        "faults.outage",
        lambda s: _faults(outage={"mean_up_s": 4 * s, "mean_down_s": 0.1 * s, "restart": True}),
        repeats=True,
    ),
    "outage from a file": FaultCase("faults.outage", lambda s: _faults(outage={"file": "up.csv"})),
    "packet loss": FaultCase(
        "faults.packet_loss", lambda s: _faults(packet_loss={"packet_bits": 1000, "rate": 0.2}), repeats=True
    ),
    "packet loss with few tries": FaultCase(
        "faults.packet_loss",
        lambda s: _faults(packet_loss={"packet_bits": 1e5, "rate": 0.3, "max_tries": 3}),
        leaves_out=True,
        repeats=True,
    ),
    "packet loss by SNR": FaultCase(
        "faults.packet_loss",
        lambda s: _faults(packet_loss={"packet_bits": 1000, "by": "snr", "file": "bler.csv"}),
        repeats=True,
    ),
    "slow server": FaultCase(
        "faults.server",
        lambda s: _faults(server={"slowdown": {"factor": 4, "mean_normal_s": 0.5 * s, "mean_slow_s": s}}),
    ),
    "failing server": FaultCase(
        "faults.server", lambda s: _faults(server={"mean_up_s": 0.2 * s, "mean_down_s": 0.1 * s})
    ),
    "lost update": FaultCase(
        "faults.lost_update", lambda s: _faults(lost_update=0.3), leaves_out=True, repeats=True
    ),
    "battery": FaultCase(
        "devices.battery_j",
        lambda s: {"devices": {"battery_j": [0.05 * s, 1e9, 0.1 * s], "power_idle_w": 0.1}},
        leaves_out=True,
    ),
    "link trace": FaultCase("devices.link_trace", lambda s: {"devices": {"link_trace": "links.csv"}}),
    "link trace of mahimahi": FaultCase(
        "devices.link_trace",
        lambda s: {"devices": {"link_trace": {"uplink": "up.mahi", "downlink": "down.mahi"}}},
    ),
}
"""Every fault of the scenario, under a name of its own."""

NO_FAULTS: dict[str, Sections] = {
    "a factor of 1": _stragglers(slowdown={"factor": 1.0, "mean_normal_s": 0.1, "mean_slow_s": 0.1}),
    "a normal state without end": _stragglers(
        slowdown={"factor": 5.0, "mean_normal_s": math.inf, "mean_slow_s": 0.1}
    ),
    "noise of deviation 0": _stragglers(compute_noise={"lognormal": {"sigma": 0.0}}),
    "delays of mean 0": _stragglers(compute_noise={"exponential": {"mean_s": 0.0}}),
    "a load of 0": _stragglers(load="no_load.csv"),
    "devices that stay online": _faults(availability={"mean_on_s": math.inf, "mean_off_s": 1.0}),
    "links without outages": _faults(outage={"mean_up_s": math.inf, "mean_down_s": 1.0}),
    "links without outages, restart": _faults(
        outage={"mean_up_s": math.inf, "mean_down_s": 1.0, "restart": True}
    ),
    "a packet loss of 0": _faults(packet_loss={"rate": 0.0, "max_tries": 1}),
    "a server of factor 1": _faults(server={"slowdown": {"factor": 1.0}}),
    "a server that never fails": _faults(server={"mean_up_s": math.inf, "mean_down_s": 1.0}),
    "no lost update": _faults(lost_update=0.0),
    "a deadline without end": {"round_policy": {"deadline_s": math.inf}},
    "the first of all": {"round_policy": {"first": NUM_DEVICES}},
    "all over-selected": {"round_policy": {"over_select": NUM_DEVICES, "first": NUM_DEVICES}},
}
"""Faults and policies that never show: a run with one of them is the run without it."""

POLICIES: dict[str, Callable[[float], Sections]] = {
    "wait for all": lambda s: {"round_policy": {"wait": "all"}},
    "deadline": lambda s: {"round_policy": {"deadline_s": 0.7 * s}},
    "relative deadline": lambda s: {"round_policy": {"deadline": "0.5x"}},
    "first two": lambda s: {"round_policy": {"first": 2}},
    "over-selection": lambda s: {"round_policy": {"over_select": 2, "first": 1}},
    "time-out": lambda s: {"round_policy": {"timeout_s": 0.05 * s, "retries": 2}},
    "quorum": lambda s: {"round_policy": {"deadline_s": 0.5 * s, "quorum": 0.6, "max_wait_s": 2 * s}},
}
"""Every round policy, for a typical round's time, [s]."""

SHARINGS: dict[str, Sections] = {
    "dedicated": {"radio": {"sharing": "dedicated"}},
    "work_conserving": {"radio": {"sharing": "work_conserving"}},
    "tdma": {"radio": {"sharing": "tdma", "tdma_slot_s": 0.01}},
    "fixed links": {"devices": {"uplink_bps": [2.0e6, 3.0e6, 4.0e6], "downlink_bps": 8.0e6}},
}
"""Every way in which clients share the band, or links of their own."""

_BASE: Sections = {
    "name": "faults",
    "seed": 2,
    "stop": {"rounds": 3},
    "batch_size": 4,
    "model": {"name": "lenet", "input_shape": [1, 8, 8], "classes": 10},
    "devices": {"count": NUM_DEVICES, "clock_hz": [1.0e7, 1.5e7, 2.0e7], "distance_m": 100},
    "server": {"clock_hz": 5.0e7},
    "network": {"nodes": [{"name": "node", "count": 2, "clock_hz": 4.0e7}]},
    "radio": {"subchannels": 6, "subchannel_hz": 1.0e6},
    "allocation": {"subchannels": "round_robin", "power": "uniform", "cut": 2},
}


def scenario_data(*sections: Mapping[str, Any], schemes: tuple[str, ...] = SCHEMES) -> Sections:
    """Return the small scenario with these schemes and further sections."""
    data: Sections = {**_BASE, "schemes": list(schemes)}
    for each in sections:
        data = merged(data, each)
    return data


def merged(data: Mapping[str, Any], sections: Mapping[str, Any]) -> Sections:
    """Return a scenario with further keys, which replace equal ones."""
    result = dict(data)
    for key, value in sections.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def write_files(folder: Path, round_s: float) -> None:
    """Write the files that the scenarios name, for a typical round's time, [s]."""
    times_s = [0.3 * round_s, 0.6 * round_s, 1.5 * round_s, 1.8 * round_s]
    two_states = [(device, time_s + 0.1 * device * round_s) for device in (0, 2) for time_s in times_s]
    texts = {
        "no_load.csv": "device,time_s,share\n0,0,1\n1,0.1,1.0\n",
        "load.csv": _csv(
            "device,time_s,share", [(d, t, 0.25 if i % 2 == 0 else 1) for i, (d, t) in enumerate(two_states)]
        ),
        "online.csv": _csv("device,time_s,online", [(d, t, i % 2) for i, (d, t) in enumerate(two_states)]),
        "up.csv": _csv("device,time_s,up", [(d, t, i % 2) for i, (d, t) in enumerate(two_states)]),
        "bler.csv": "snr_db,bler\n-20,0.9\n20,0.1\n60,0.01\n",
        "links.csv": _csv(
            "device,time_s,uplink_bps,downlink_bps",
            [
                (device, time_s, 1e6 * (1 + (number + device) % 3), 4e6)
                for device in range(NUM_DEVICES)
                for number, time_s in enumerate([0.0, *times_s])
            ],
        ),
        "up.mahi": "3\n4\n9\n10\n10\n",  # packets of 1500 bytes, at these times in ms, again and again
        "down.mahi": "1\n2\n3\n4\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _csv(header: str, rows: list[tuple[float, ...]]) -> str:
    return "".join(f"{line}\n" for line in [header, *(",".join(map(str, row)) for row in rows)])
