"""Clients are sampled for as many rounds as a scheme needs until it averages their models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

import cutlayer

YAML = """
name: blocks
stop: {{rounds: 6}}
schemes: [{{name: {scheme}, aggregate_every: {every}}}]
model: {{name: lenet, input_shape: [1, 8, 8], classes: 10}}
batch_size: 4
devices: {{count: 12}}
participation: {participation}
"""


def clients_of_rounds(intervals: pd.DataFrame) -> Sequence[frozenset[str]]:
    """Return the devices that compute in each round."""
    forward = intervals[intervals["phase"] == "client_forward"]
    return [frozenset(rows["node"]) for _, rows in forward.groupby("round")]


@pytest.mark.parametrize("scheme", ["sfl", "sfl_v2"])
@pytest.mark.parametrize(
    "participation",
    [
        "{per_round: 3}",
        "{per_round: 3, selection: available, mean_on_s: 0.001, mean_off_s: 0.001}",
        "{per_round: 3, selection: deadline, deadline_s: 100}",
    ],
)
def test_clients_stay_until_their_models_are_averaged(
    scheme: str, participation: str, tmp_path: Path
) -> None:
    """Rounds 1 to 3 have the same clients, and so have rounds 4 to 6; another block has other clients."""
    text = YAML.format(scheme=scheme, every=3, participation=participation)
    path = tmp_path / "blocks.yaml"
    path.write_text(text)
    clients = clients_of_rounds(cutlayer.run(path).intervals)
    assert 1 == len(set(clients[:3])) == len(set(clients[3:]))
    assert clients[0] != clients[3]
