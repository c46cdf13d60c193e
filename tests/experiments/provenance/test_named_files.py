"""Tests of the record of the files that a scenario names: their digests, and copies of small ones."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cutlayer
from cutlayer.experiments.provenance.named_files import COPY_BYTES_MAX
from tests.support.sweeps import folder_bytes

UNITS = """\
unit,forward_flops,backward_flops,activation_bits,gradient_bits,parameter_bits
first,1000000,2000000,32000,32000,64000
second,3000000,6000000,3200,3200,640000
"""
SCENARIO = """\
name: filed
stop: {rounds: 1}
schemes: [psl]
model: {name: table, file: units.csv}
devices: {count: 2, positions: positions.csv}
radio: {path_loss: {model: samimi_28ghz, mode: mean}}
"""


def records(run: Any) -> dict[str, dict[str, Any]]:
    """Return the records of a run's files by key."""
    return {record["key"]: record for record in run.summary["files"]}


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Return the path of a scenario that names two files."""
    (tmp_path / "units.csv").write_text(UNITS, encoding="utf-8")
    (tmp_path / "positions.csv").write_text("time_s,device,x_m,y_m\n0,0,10,0\n0,1,0,20\n", encoding="utf-8")
    path = tmp_path / "filed.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def test_a_run_folder_holds_digests_and_copies_of_small_files(scenario: Path, tmp_path: Path) -> None:
    """Each named file has its SHA-256, its size, and an equal copy in the run folder."""
    cutlayer.run(scenario, out=tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert ["model.file", "devices.positions"] == [record["key"] for record in summary["files"]]
    for record in summary["files"]:
        content = Path(record["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == record["sha256"]
        assert len(content) == record["bytes"]
        assert content == (tmp_path / "run" / record["copy"]).read_bytes()


def test_copies_leave_repeated_runs_equal(scenario: Path, tmp_path: Path) -> None:
    """Two runs are equal byte by byte, and scenario.yaml gives the same rows again."""
    for name in ("one", "two"):
        cutlayer.run(scenario, out=tmp_path / name)
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "two")
    again = cutlayer.run(tmp_path / "one" / "scenario.yaml", out=tmp_path / "again")
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "again")
    assert again.summary == cutlayer.load(tmp_path / "one").summary


def test_a_large_file_has_a_digest_and_no_copy(scenario: Path, tmp_path: Path) -> None:
    """A file of more than 1 MiB is recorded by its digest alone."""
    rows = [f"{time_s},{device},{time_s % 97},10\n" for time_s in range(60_000) for device in (0, 1)]
    content = "".join(["time_s,device,x_m,y_m\n", *rows])
    (tmp_path / "positions.csv").write_text(content, encoding="utf-8")
    run = cutlayer.run(scenario, out=tmp_path / "run")
    record = records(run)["devices.positions"]
    assert record["bytes"] > COPY_BYTES_MAX
    assert (len(content), None) == (record["bytes"], record["copy"])
    assert hashlib.sha256(content.encode()).hexdigest() == record["sha256"]
    assert not (tmp_path / "run" / "files" / "devices.positions").exists()


def test_a_scenario_without_files_has_no_records() -> None:
    """A run of built-in models and data names no file."""
    assert [] == cutlayer.run("timeline_only", overrides=["stop.rounds=1"]).summary["files"]


def _write_images(folder: Path, seed: int) -> None:
    """Write a data set of a few images in the format of MNIST."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    for part, count in (("train", 20), ("t10k", 10)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
            (folder / name).write_bytes(header + array.tobytes())


def test_a_data_set_is_known_by_its_samples(tmp_path: Path) -> None:
    """Other samples have another digest; the seed and the place of the files do not change it."""
    scenario = tmp_path / "trained.yaml"
    scenario.write_text(
        "name: trained\nstop: {rounds: 1}\nschemes: [psl]\nbatch_size: 2\ndevices: {count: 2}\n"
        "model: {name: lenet, input_shape: [1, 28, 28], classes: 10}\n"
        "learning: {dataset: {name: mnist, path: images}}\n",
        encoding="utf-8",
    )

    def digest(folder: str, seed: int) -> str:
        overrides = [f"learning.dataset.path={tmp_path / folder}"]
        record = records(cutlayer.run(scenario, seed=seed, overrides=overrides))["learning.dataset.path"]
        assert (None, None) == (record["bytes"], record["copy"])
        return str(record["sha256"])

    for number, name in enumerate(("images", "others")):
        _write_images(tmp_path / name, number)
    _write_images(tmp_path / "moved", 0)
    assert digest("images", 0) == digest("moved", 1)
    assert digest("images", 0) != digest("others", 0)


def test_an_imported_model_is_known_by_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest is of the Python files that build the model, so that changed code is another experiment."""
    monkeypatch.syspath_prepend(str(tmp_path))
    source = tmp_path / "recorded_model.py"
    source.write_text(
        "from torch import nn\n\n\ndef build():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))\n",
        encoding="utf-8",
    )
    scenario = tmp_path / "imported.yaml"
    scenario.write_text(
        "name: imported\nstop: {rounds: 1}\nschemes: [psl]\ndevices: {count: 2}\n"
        "model: {name: imported, factory: 'recorded_model:build', input_shape: [1, 8, 8], classes: 10}\n",
        encoding="utf-8",
    )
    one = records(cutlayer.run(scenario, allow_imports=True))["model.factory"]
    source.write_text(source.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    two = records(cutlayer.run(scenario, allow_imports=True))["model.factory"]
    assert one["sha256"] != two["sha256"]
    assert "recorded_model:build" == one["path"]
