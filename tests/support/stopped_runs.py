"""Runs that are stopped after a checkpoint, as a killed process is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import cutlayer
from cutlayer.experiments import checkpoints
from cutlayer.scenarios.registry import specs

__all__ = ["EVERYBODY", "Killed", "contents", "scenario", "stopped"]

NODES = [{"name": f"node-{i}", "clock_hz": 1e9 * (i + 1)} for i in range(2)]
EVERYBODY = [spec.name for spec in specs("scheme")]


class Killed(BaseException):
    """Ends a run wherever it is, as a killed process ends."""


def scenario(folder: Path, **sections: Any) -> Path:
    """Write a small scenario with these sections, and return its path."""
    good = {
        "name": "stopped",
        "seed": 3,
        "stop": {"rounds": 5},
        "schemes": EVERYBODY,
        "batch_size": 8,
        "model": {"name": "lenet", "input_shape": [1, 8, 8], "classes": 10},
        "devices": {"count": 3},
        "allocation": {"cut": 2, "power": "uniform"},
        "network": {"nodes": NODES, "wire": {"rate_bps": 1e9}},
    }
    path = folder / "stopped.yaml"
    path.write_text(yaml.safe_dump({**good, **sections}), encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Return what each file of a folder holds."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def stopped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a run after its first checkpoint."""

    def killed(*arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoints.SchemeCheckpoints, "finish", killed)
        cutlayer.run(path, out=path.parent / "out", checkpoint_every=1)
