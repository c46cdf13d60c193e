"""The time to simulate an epoch of MP-SL: 100 owners, 5 nodes, 3,200 mini-batches, no learner."""

from __future__ import annotations

import tempfile
from pathlib import Path

from measuring import Figure, command, interleaved, run_time_s, show, timed

from cutlayer import run

__all__ = ["figures"]

REPEATS = 3
SCENARIO = """\
name: multihop
stop: {rounds: 1}
batch_size: 128
schemes: [{name: mpsl, first_units: 2, last_units: 1, batches: 16, repeats: 2}]
model: {name: resnet101_basic, input_shape: [3, 32, 32], classes: 10}
devices: {count: 100, uplink_bps: 8.0e6, downlink_bps: 8.0e6}
network: {nodes: [{name: vm, count: 5}]}
"""


def figures() -> list[Figure]:
    """Return the time of the run from Python, and of the command with its files and charts."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder, "multihop.yaml")
        scenario.write_text(SCENARIO, encoding="utf-8")
        arguments = [command(), "run", str(scenario), "--overwrite", "--out", str(Path(folder, "run"))]
        run_s, command_s = interleaved(
            REPEATS, lambda: timed(lambda: run(scenario)), lambda: run_time_s(arguments)
        )
    name = "MP-SL, 100 owners, 5 nodes, an epoch of 3,200 mini-batches"
    return [
        Figure(f"{name}: run", run_s, "s", "≤ 5"),
        Figure(f"{name}: command, files and charts", command_s, "s"),
    ]


if __name__ == "__main__":
    show(figures())
