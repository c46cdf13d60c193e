"""The trial of the first round: models whose mini-batches cannot be normalised are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import cutlayer

SCENARIO = """\
name: tried
stop: {rounds: 2}
schemes: [psl]
batch_size: 4
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
devices: {count: 2}
"""
NORMALISED = [
    "batch_size=1",
    "model={name: resnet18, input_shape: [1, 8, 8], classes: 10}",
    "learning={dataset: digits}",
    "stop.rounds=1",
    "allocation={cut: 1}",
]


def test_a_batch_of_one_is_refused_where_training_would_fail(tmp_path: Path) -> None:
    """The schemes whose server normalises over one sample are named before the first round; PSL trains."""
    path = tmp_path / "tried.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    schemes = "schemes=[psl, sl, sfl]"
    message = r"batch_size: resnet18 has batch normalisation.* with batch_size 1, sl and sfl have one value"
    with pytest.raises(cutlayer.ScenarioError, match=message):
        cutlayer.run(path, out=tmp_path / "out", overrides=[*NORMALISED, schemes])
    assert [path] == list(tmp_path.iterdir())
    assert {} == cutlayer.run(path, overrides=NORMALISED).failed
    larger = [*NORMALISED, schemes, "batch_size=2"]
    assert {} == cutlayer.run(path, overrides=larger).failed
