"""Forms of faults and round policies at their bounds and beyond, and the files that they name."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

__all__ = ["put_fault", "write_traces"]

FORMS: dict[tuple[str, ...], tuple[Any, ...]] = {
    ("stragglers", "slowdown"): ({"factor": 1.0}, {"factor": [1.0, 2.0]}, {"mean_normal_s": float("inf")}),
    ("stragglers", "compute_noise"): (
        *({"lognormal": {"sigma": sigma}} for sigma in (0.0, 10.0, 11.0)),
        *({"pareto": {"shape": shape}} for shape in (1.0, 1.0000001, 1e6)),
        *({"exponential": {"mean_s": mean_s}} for mean_s in (0.0, 1e-3, 1e12)),
        {"pareto": {"shape": 2.0}, "exponential": {"mean_s": 1.0}},
    ),
    ("stragglers", "load"): ("FILE",),
    ("faults", "availability"): ({"file": "FILE"}, {"mean_on_s": 0.01, "mean_off_s": float("inf")}),
    ("faults", "outage"): ({"file": "FILE", "restart": True}, {"mean_up_s": 1e-5, "mean_down_s": 1e-5}),
    ("faults", "packet_loss"): (
        *({"rate": rate} for rate in (0.0, 0.999999, 1.0)),
        {"rate": 0.5, "packet_bits": 1e-3},
        {"rate": 0.9, "max_tries": 1},
        {"by": "snr", "file": "FILE"},
    ),
    ("faults", "server"): ({"mean_up_s": 0.01, "mean_down_s": 0.01}, {"slowdown": {}}, {"mean_up_s": 1.0}),
    ("faults", "lost_update"): (0.0, 0.999999, 1.0),
    ("round_policy",): (
        *({"wait": "all"}, {"deadline_s": float("inf")}, {"deadline": "0x"}, {"deadline": "1.5x"}),
        *({"first": 1}, {"first": 10**6}, {"over_select": 2, "first": 1}, {"over_select": 1, "first": 2}),
        *({"timeout_s": 0.0, "retries": 0}, {"timeout_s": 0.01, "retries": 10**6}),
        {"deadline_s": 0.001, "quorum": 1.0, "max_wait_s": 0.002},
        {"deadline": "1.5x", "quorum": 0.01},
    ),
    ("devices", "link_trace"): ("FILE", {"uplink": "FILE", "downlink": "FILE"}),
    ("devices", "overrides"): (
        {0: {"clock_hz": 1.0e8}},
        {99: {"clock_hz": 1.0}},
        {"x": 1},
        {0: {"clock_hz": -1}},
    ),
    ("devices", "exclude"): ([0], [0, 1, 2], [99], [0, 0]),
}
"""Forms of faults and policies at their bounds and beyond; ``FILE`` stands for the name of a file."""

TRACES = {
    "load.csv": "device,time_s,share\n0,0.01,0.5\n0,0.02,1\n1,0,0.25\n",
    "stopped.csv": "device,time_s,share\n0,0.01,0\n",
    "online.csv": "device,time_s,online\n0,0.005,0\n0,0.02,1\n1,0.01,0\n",
    "up.csv": "device,time_s,up\n0,0.005,0\n0,0.006,1\n",
    "bler.csv": "snr_db,bler\n-20,0.9\n20,0.1\n60,0\n",
    "links.csv": "device,time_s,uplink_bps,downlink_bps\n"
    "0,0,1e6,1e6\n1,0,1e6,1e6\n2,0,1e6,1e6\n0,0.1,2e6,0\n0,0.2,1e6,1e6\n",
    "packets.txt": "1\n2\n2\n5\n",
    "empty.csv": "",
    "header.csv": "device,time_s,share\n",
    "backwards.csv": "device,time_s,share\n0,2,0.5\n0,1,1\n",
    "numbers.csv": "device,time_s,share,online,up\n0,nan,inf,2,-1\n9999999,1e308,1e308,x,\n",
    "binary.csv": "\x00\x01\ufeff\x85,\x1b[31m\n",
    "long.csv": "device,time_s,share\n" + "0,1,1," * 10_000,
}
"""The files of traces beside the scenario: good ones, and ones with faults of their own."""
FILES = (*TRACES, "missing.csv", "/dev/zero", ".", "no\0name.csv", "a" * 300)


def put_fault(rng: random.Random, data: Any) -> None:
    """Put a fault, a round policy, or a change of single devices into its section."""
    path = rng.choice([*FORMS])
    value = _with_file(rng, copy.deepcopy(rng.choice(FORMS[path])))
    section = data
    for key in path[:-1]:
        if not isinstance(section, dict):
            return
        section = section.setdefault(key, {})
    if isinstance(section, dict):
        section[path[-1]] = value


def _with_file(rng: random.Random, value: Any) -> Any:
    """Return a form of a fault with the names of files, which mostly exist."""
    if isinstance(value, dict):
        return {key: _with_file(rng, inner) for key, inner in value.items()}
    return rng.choice(FILES if rng.random() < 0.5 else [*TRACES]) if value == "FILE" else value


def write_traces(folder: Path) -> None:
    """Write the files of traces, which scenarios name, into the folder of the scenarios."""
    for name, text in TRACES.items():
        (folder / name).write_text(text, encoding="utf-8")
