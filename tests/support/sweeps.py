"""Small sweeps for tests, run in threads of the test's own process unless processes are what is tested."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cutlayer.experiments.sweep.sweep import SweepRun

__all__ = ["SWEEP", "folder_bytes", "in_threads", "written"]

SWEEP = """\
name: small
stop: {rounds: 2}
schemes: [sl, psl]
batch_size: 8
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
radio: {subchannels: 4}
sweep:
  grid: {devices.count: [1, 3]}
  seeds: 3
"""


def written(folder: Path, text: str = SWEEP) -> Path:
    """Return the path of a scenario that was just written."""
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def in_threads(scenario: Path, out: Path, **options: Any) -> SweepRun:
    """Return a sweep whose workers are threads: quick, and they see what a test has changed."""
    return SweepRun(scenario, out=out, start=ThreadPoolExecutor, jobs=1, **options)


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """Return the content of every file by its path, without the times that the points took."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "wall_times.csv"
    }
