"""Checkpoints that no run may go on from: of another run, of changed files, broken."""

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
    ("changed", "told"),
    [
        ({"seed": 4}, "seed is 4, and was 3; run it"),
        ({"overrides": ["batch_size=9"]}, "batch_size is 9, and was 8; run it"),
        ({"schemes": ["psl"]}, "schemes.1: sfl was there; run it"),
        ({"overrides": ["schemes=[sl]"]}, "schemes.0 is sl, and was psl; schemes.1: sfl was there; run it"),
        ({"overrides": ["stop.accuracy=0.5", "learning.dataset=digits"]}, "learning: .* was not there"),
        (
            {"overrides": ["devices.count=4", "batch_size=9", "stop.rounds=6"], "seed": 4},
            "seed is 4, and was 3; stop.rounds is 6, and was 5; batch_size is 9, and was 8, and 1 more;",
        ),
    ],
)
def test_another_run_does_not_go_on(
    changed: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another scenario or seed is refused by the keys that differ; the checkpoints stay as they are."""
    path = scenario(tmp_path, schemes=["psl", "sfl"])
    stopped(path, monkeypatch)
    before = contents(tmp_path / "out.checkpoint")
    with pytest.raises(cutlayer.RunFolderError, match=told):
        cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1, **changed)
    assert before == contents(tmp_path / "out.checkpoint")


def test_other_code_does_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints of other versions are refused by name: what they would end in is no run of either."""
    path = scenario(tmp_path, schemes=["psl"])
    stopped(path, monkeypatch)
    monkeypatch.setattr(checkpoints, "versions", lambda trained: {"simpy": "0.1", "code": "abc"})
    with pytest.raises(cutlayer.RunFolderError, match=r"code is abc, and was \w{16}"):
        cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1)


def test_checkpoints_are_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the option a run beside checkpoints is refused: it would be begun anew unasked."""
    path = scenario(tmp_path, schemes=["psl"])
    stopped(path, monkeypatch)
    with pytest.raises(cutlayer.RunFolderError, match="is of an unfinished run: go on with it by"):
        cutlayer.run(path, out=tmp_path / "out")


def test_checkpoints_need_a_folder(tmp_path: Path) -> None:
    """Asked for without a folder, or every 0 rounds, they are refused with the rule."""
    path = scenario(tmp_path, schemes=["psl"])
    with pytest.raises(ValueError, match="checkpoints need a folder"):
        cutlayer.run(path, checkpoint_every=1)
    with pytest.raises(ValueError, match="must be 1 or more; it is 0"):
        cutlayer.run(path, out=tmp_path / "out", checkpoint_every=0)


@pytest.mark.parametrize("name", ["0.state", "0.log", "run.json"])
def test_a_broken_checkpoint_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was cut short is refused by its name, with what to do, and nothing is made of it."""
    path = scenario(tmp_path, schemes=["psl"])
    stopped(path, monkeypatch)
    file = tmp_path / "out.checkpoint" / name
    file.write_bytes(file.read_bytes()[:20])
    told = rf"{name} cannot be read: .*; delete {tmp_path}/out\.checkpoint to begin anew$"
    with pytest.raises(cutlayer.RunFolderError, match=told):
        cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_changed_file_does_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that the scenario names is refused by name when it has changed; put back, the run goes on."""
    places = tmp_path / "places.csv"
    before = "device,x_m,y_m\n0,10,0\n1,20,0\n2,30,0\n"
    places.write_text(before)
    path = scenario(tmp_path, schemes=["psl"], devices={"count": 3, "positions": str(places)})
    cutlayer.run(path, out=tmp_path / "at once")
    stopped(path, monkeypatch)
    places.write_text(before.replace("30", "31"))
    with pytest.raises(cutlayer.RunFolderError, match=rf"is of another run: {places} has changed"):
        cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1)
    places.write_text(before)
    cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1)
    assert contents(tmp_path / "at once") == contents(tmp_path / "out")


def test_changed_samples_do_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pixel or label of a data set on disk is another run; the same samples in another file are not."""
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
