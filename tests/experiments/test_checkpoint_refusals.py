"""Checkpoints that are refused: those of another run, of changed files, and damaged ones."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cutlayer
from cutlayer.experiments import checkpoints
from tests.support.stopped_runs import contents, scenario, stopped


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 4}, "seed is 4, and was 3; repeat"),
        ({"overrides": ["batch_size=9"]}, "batch_size is 9, and was 8; repeat"),
        ({"schemes": ["psl"]}, "schemes.1: sfl was there; repeat"),
        ({"overrides": ["schemes=[sl]"]}, "schemes.0 is sl, and was psl; schemes.1: sfl was there; repeat"),
        ({"overrides": ["stop.accuracy=0.5", "learning.dataset=digits"]}, "learning: .* was not there"),
        (
            {"overrides": ["devices.count=4", "batch_size=9", "stop.rounds=6"], "seed": 4},
            "seed is 4, and was 3; stop.rounds is 6, and was 5; batch_size is 9, and was 8, and 1 more;",
        ),
        ({"overrides": ["stop.rounds=4"]}, "stop.rounds is 4, and was 5; repeat"),
        ({"overrides": ["stop.time_s=100"]}, "stop.time_s: 100.0 was not there; repeat"),
    ],
)
def test_checkpoints_of_another_run_are_refused(
    changed: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another scenario or seed is refused with the differing keys; the checkpoints stay unchanged."""
    path = scenario(tmp_path, schemes=["psl", "sfl"])
    stopped(path, monkeypatch)
    before = contents(tmp_path / "out.checkpoint")
    with pytest.raises(cutlayer.RunFolderError, match=message):
        cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1, **changed)
    assert before == contents(tmp_path / "out.checkpoint")


def test_checkpoints_of_other_versions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names the differing version, because the results would belong to neither."""
    path = scenario(tmp_path, schemes=["psl"])
    stopped(path, monkeypatch)
    monkeypatch.setattr(checkpoints, "versions", lambda trained: {"simpy": "0.1", "code": "abc"})
    with pytest.raises(cutlayer.RunFolderError, match=r"code is abc, and was \w{16}"):
        cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1)


def test_a_run_without_checkpoints_beside_checkpoints_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the option, the command would start the unfinished run from its beginning."""
    path = scenario(tmp_path, schemes=["psl"])
    stopped(path, monkeypatch)
    with pytest.raises(cutlayer.RunFolderError, match="has checkpoints of the run: continue it with"):
        cutlayer.run(path, out=tmp_path / "out")


def test_checkpoints_need_a_folder(tmp_path: Path) -> None:
    """Checkpoints without a run folder, or every 0 rounds, are refused with the rule."""
    path = scenario(tmp_path, schemes=["psl"])
    with pytest.raises(ValueError, match="checkpoints need a folder"):
        cutlayer.run(path, checkpoint_every=1)
    with pytest.raises(ValueError, match="must be 1 or more; it is 0"):
        cutlayer.run(path, out=tmp_path / "out", checkpoint_every=0)


@pytest.mark.parametrize("name", ["0.state", "0.log", "run.json"])
def test_a_damaged_checkpoint_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A truncated file is refused with its name and with advice."""
    path = scenario(tmp_path, schemes=["psl"])
    stopped(path, monkeypatch)
    file = tmp_path / "out.checkpoint" / name
    file.write_bytes(file.read_bytes()[:20])
    message = rf"{name} cannot be read: .*; delete {tmp_path}/out\.checkpoint to begin anew$"
    with pytest.raises(cutlayer.RunFolderError, match=message):
        cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_checkpoints_of_a_changed_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed table of the scenario is named; once it is restored, the run continues."""
    places = tmp_path / "places.csv"
    before = "device,x_m,y_m\n0,10,0\n1,20,0\n2,30,0\n"
    places.write_text(before)
    path = scenario(tmp_path, schemes=["psl"], devices={"count": 3, "positions": str(places)})
    cutlayer.run(path, out=tmp_path / "at once")
    stopped(path, monkeypatch)
    places.write_text(before.replace("30", "31"))
    with pytest.raises(
        cutlayer.RunFolderError, match=rf"has checkpoints of another run: {places} has changed"
    ):
        cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1)
    places.write_text(before)
    cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1)
    assert contents(tmp_path / "at once") == contents(tmp_path / "out")


def test_checkpoints_of_changed_samples_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed pixel or label makes another run; the same samples in another file do not."""
    rng = np.random.default_rng(0)
    sizes = {"train": 60, "val": 10, "test": 20}
    arrays = {f"{part}_images": rng.integers(0, 256, (n, 8, 8), np.uint8) for part, n in sizes.items()}
    arrays |= {f"{part}_labels": (np.arange(n) % 10)[:, np.newaxis] for part, n in sizes.items()}
    file = tmp_path / "toy.npz"
    np.savez(file, allow_pickle=False, **arrays)
    learning = {"dataset": {"name": "medmnist", "path": str(file)}}
    path = scenario(tmp_path, schemes=["psl"], learning=learning, stop={"rounds": 2})
    stopped(path, monkeypatch)
    for name in ("train_images", "test_images", "train_labels"):
        changed = {key: array.copy() for key, array in arrays.items()}
        changed[name].flat[0] = (changed[name].flat[0] + 1) % 10
        np.savez(file, allow_pickle=False, **changed)
        with pytest.raises(cutlayer.RunFolderError, match="the samples of the data set have changed"):
            cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1)
    np.savez_compressed(file, allow_pickle=False, **arrays)
    assert 2 == len(cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1).rounds)
