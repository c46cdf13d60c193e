"""A run that continues from its last checkpoint writes the same bytes as an uninterrupted run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cutlayer
from cutlayer.analysis.figures import run as run_figures
from cutlayer.experiments import checkpoints
from cutlayer.experiments.checkpoints import Checkpoints
from cutlayer.experiments.execution.scheme_run import OnRound
from cutlayer.experiments.preparation import prepare
from cutlayer.experiments.runner import run_experiment
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.sim.schemes.round_loop import RoundResult
from tests.support.processes import COMMAND, messages
from tests.support.stopped_runs import Killed, contents, scenario

LEARNING = {
    "dataset": "digits",
    "partition": {"kind": "dirichlet", "alpha": 1},
    "optimizer": {"client_lr": 3e-3, "server_lr": 3e-3},
    "evaluate_every": 2,
}
PRUNING = {"share": 0.3, "renew_every": 3}
COMPRESSION = {
    "pruning": PRUNING,
    "quantisation": {"bits": 4, "tensors": ["activations", "gradients", "models"]},
    "dropout": {"share": 0.2},
}
SLOWDOWN = {"factor": 5, "mean_normal_s": 0.01, "mean_slow_s": 0.01}
SLOW = {"slowdown": SLOWDOWN}
NOISE = {"compute_noise": {"lognormal": {"sigma": 1.0}}}
SERVER = {"server": {"slowdown": SLOWDOWN, "mean_up_s": 0.02, "mean_down_s": 0.005}}
FADING = {"fading": {"model": "rayleigh", "coherence_s": 2e-3}}


BATTERIES_J = [0.0008, 0.004, 0.02, 100.0]
POWERS = {"power_idle_w": 0.05, "power_receive_w": 0.1, "power_circuit_w": 0.1}


OFFLINE = {"availability": {"mean_on_s": 0.05, "mean_off_s": 0.01}}


def assert_continues(path: Path, monkeypatch: pytest.MonkeyPatch, *, every: int = 2) -> None:
    """Compare the files, without charts, of a whole run and of one that is killed after each checkpoint."""
    monkeypatch.setattr(run_figures, "draw_figures", lambda run, folder: [])
    cutlayer.run(path, out=path.parent / "at once")
    save = checkpoints.SchemeCheckpoints.save

    def save_and_be_killed(self: checkpoints.SchemeCheckpoints, *more: Any) -> None:
        save(self, *more)
        raise Killed

    monkeypatch.setattr(checkpoints.SchemeCheckpoints, "save", save_and_be_killed)
    killed = 0
    while True:
        try:
            cutlayer.run(path, out=path.parent / "in parts", checkpoint_every=every)
            break
        except Killed:
            killed += 1
    assert killed, "it was not stopped"
    assert contents(path.parent / "at once") == contents(path.parent / "in parts")
    assert {"at once", "in parts", path.name} == {left.name for left in path.parent.iterdir()}


def test_learning_of_every_scheme_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and optimisers are restored for every scheme, also between two evaluations."""
    path = scenario(tmp_path, learning=LEARNING, stop={"rounds": 3}, stragglers=SLOW)
    assert_continues(path, monkeypatch)


@pytest.mark.parametrize("compression", [COMPRESSION, {"pruning": {**PRUNING, "kind": "unstructured"}}])
def test_compression_continues(
    compression: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Masks, removed weights, importances, and the models that clients have received are restored."""
    schemes = ["sl", "sfl", "epsl", "fl", "mpsl"]
    path = scenario(tmp_path, schemes=schemes, learning=LEARNING, compression=compression)
    assert_continues(path, monkeypatch)


def test_buffers_and_momentum_continue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The buffers of batch normalisation and the momentum of SGD are restored."""
    optimizer = {"name": "sgd", "momentum": 0.9, "client_lr": 0.01, "server_lr": 0.01}
    path = scenario(
        tmp_path,
        schemes=["psl"],
        model={"name": "resnet18", "input_shape": [1, 8, 8], "classes": 10},
        batch_size=2,
        learning={**LEARNING, "optimizer": optimizer},
        stop={"rounds": 3},
        devices={"count": 2},
    )
    assert_continues(path, monkeypatch)


def some_but_not_all_late(run: cutlayer.Run) -> bool:
    """Return whether a deadline leaves out some of the clients, but not all."""
    return bool(run.rounds["participants"].isin([1, 2]).any())


def some_batteries_empty(run: cutlayer.Run) -> bool:
    """Return whether batteries get empty in the middle of each scheme's run."""
    return all(figures["left_at_s"] for figures in run.summary["schemes"].values())


def some_offline(run: cutlayer.Run) -> bool:
    """Return whether devices are offline in rounds of each scheme."""
    offline = run.rounds["left_out"].str.contains("offline")
    return bool(offline.groupby(run.rounds["label"]).any().all())


def replanned(run: cutlayer.Run) -> bool:
    """Return whether plans are made again, unless there is nothing to plan."""
    return "tdma" in run.scenario or any(figures["plans"] > 2 for figures in run.summary["schemes"].values())


def slowed_down(run: cutlayer.Run) -> bool:
    """Return whether the rounds of one scheme differ in length by more than fading causes."""
    latency_s = run.rounds.groupby("label")["latency_s"]
    return bool((latency_s.max() > 1.2 * latency_s.min()).any())


@pytest.mark.parametrize(
    ("service", "sharing"), [("barrier", "dedicated"), ("arrival", "work_conserving"), ("barrier", "tdma")]
)
@pytest.mark.parametrize(
    ("sections", "lives"),
    [
        ({"stragglers": SLOW}, slowed_down),
        ({"stragglers": NOISE, "faults": SERVER}, slowed_down),
        ({"stragglers": NOISE, "round_policy": {"deadline_s": 1.2e-3}}, some_but_not_all_late),
        ({"stragglers": SLOW, "round_policy": {"deadline_s": 1.2e-3}}, some_but_not_all_late),
        ({"stragglers": SLOW, "round_policy": {"deadline_s": 0.0114}}, some_but_not_all_late),
        ({"stragglers": SLOW, "round_policy": {"first": 2}}, some_but_not_all_late),
        ({"stragglers": SLOW, "faults": OFFLINE, "round_policy": {"first": 2}}, some_offline),
        ({"devices": {"count": 4, "battery_j": BATTERIES_J, **POWERS}, "faults": OFFLINE}, some_offline),
        (
            {"allocation": {"cut": 2, "replan": {"every_rounds": 2}, "knowledge": {"error_db": 3.0}}},
            replanned,
        ),
        ({"devices": {"count": 4, "battery_j": BATTERIES_J}}, some_batteries_empty),
        ({"devices": {"count": 4, "battery_j": BATTERIES_J, **POWERS}}, some_batteries_empty),
    ],
    ids=[
        "slow-downs",
        "noise",
        "noise and late clients",
        "turns cut off",
        "epochs cut off",
        "first clients",
        "first clients online",
        "offline with batteries",
        "plans",
        "batteries",
        "idle power",
    ],
)
def test_the_state_of_the_network_continues(
    sections: dict[str, Any],
    lives: Callable[[cutlayer.Run], bool],
    sharing: str,
    service: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock, queues, turns, slow-downs, plans, batteries and memories are restored."""
    path = scenario(
        tmp_path,
        schemes=["sl", "sfl", "epsl", "mpsl"],
        stop={"rounds": 8},
        server={"service": service},
        radio={**FADING, "sharing": sharing, "tdma_slot_s": 1e-3},
        **sections,
    )
    assert_continues(path, monkeypatch, every=3)
    assert lives(cutlayer.load(tmp_path / "at once"))


DRAWN = ["psl", "sl", "sfl", "sfl_v2", "fl", "epsl", "centralised", "edgesplit", "esfl"]
ON_AND_OFF = {"selection": "available", "mean_on_s": 0.02, "mean_off_s": 0.05}
FAST = {"subchannels": "greedy", "cut": 2, "power": "uniform"}  # each round makes a plan
REPLAN = {"replan": {"every_rounds": 1}, "knowledge": {"error_db": 2.0}}


@pytest.mark.parametrize(
    ("drawn", "sections"),
    [
        ({}, {"stragglers": SLOW}),
        (ON_AND_OFF, {"stragglers": SLOW}),
        ({"selection": "deadline", "deadline_s": 0.03}, {"schemes": ["psl", "sfl", "fl"]}),
        (
            {},
            {
                "devices": {"count": 4, "battery_j": BATTERIES_J},
                "schemes": ["psl", "sfl", "esfl", {"name": "sfl", "aggregate_every": 3}],
            },
        ),
        (
            {},
            {
                "faults": OFFLINE,
                "schemes": ["psl", {"name": "sfl", "aggregate_every": 3}, "sl"],
            },
        ),
        (
            ON_AND_OFF,
            {
                "devices": {"count": 6, "battery_j": [0.002, 1.0] * 3, **POWERS},
                "schemes": ["psl", "sl"],
            },
        ),
        (
            {},
            {
                "allocation": {**FAST, **REPLAN},
                "radio": FADING,
            },
        ),
        ({}, {"radio": {"sharing": "tdma", "tdma_slot_s": 1e-3}, "server": {"service": "arrival"}}),
        ({}, {"radio": {"sharing": "work_conserving"}, "schemes": ["psl", "sfl", "fl", "epsl"]}),
    ],
    ids=[
        "uniform",
        "available",
        "in time",
        "batteries",
        "offline",
        "idle power",
        "plans",
        "turns",
        "lending",
    ],
)
def test_sampled_clients_continue(
    drawn: dict[str, Any], sections: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sampled clients, the devices created so far, and the last plan of each are restored."""
    given = {
        "schemes": DRAWN,
        "devices": {"count": 12},
        "stop": {"rounds": 7},
        "allocation": FAST,
        **sections,
    }
    path = scenario(tmp_path, **given, participation={"per_round": 3, **drawn})
    assert_continues(path, monkeypatch)
    run = cutlayer.load(tmp_path / "at once")
    if "selection" not in drawn:
        assert run.devices.groupby("label").size().min() > 3
    if "battery_j" in given["devices"]:
        assert some_batteries_empty(run)
        assert run.rounds.groupby("label")["participants"].min().max() < 3


def test_learning_of_sampled_clients_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Client parts are restored, created or not, and averages that some clients have not received."""
    each = [{"name": name, "cuts": "each"} for name in ("edgesplit", "esfl")]
    blocks = [{"name": name, "aggregate_every": 3} for name in ("sfl", "sfl_v2")]  # a checkpoint is inside
    path = scenario(
        tmp_path,
        schemes=[*DRAWN[:-2], *each, *blocks],
        devices={"count": 10},
        allocation=FAST,
        learning=LEARNING,
        participation={"per_round": 3},
    )
    assert_continues(path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["psl", "mpsl", "drawn"])
def test_the_cost_of_a_checkpoint_does_not_grow(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late checkpoints write a state as large as early ones, and add as much to the log."""
    drawn = {"participation": {"per_round": 3}} if name == "drawn" else {}
    path = scenario(
        tmp_path, schemes=["psl" if drawn else name], stop={"rounds": 200}, stragglers=SLOW,
        devices={"count": 5 if drawn else 3}, **drawn,
    )  # fmt: skip
    save = checkpoints.SchemeCheckpoints.save
    place, state_bytes, log_bytes = tmp_path / "out.checkpoint", list[int](), list[int]()

    def measured(self: checkpoints.SchemeCheckpoints, *more: Any) -> None:
        save(self, *more)
        state_bytes.append((place / "0.state").stat().st_size)
        log_bytes.append((place / "0.log").stat().st_size)

    monkeypatch.setattr(checkpoints.SchemeCheckpoints, "save", measured)
    cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1)
    assert 199 == len(state_bytes)
    assert state_bytes[-1] == pytest.approx(state_bytes[30], rel=0.02)
    assert log_bytes[-1] - log_bytes[-50] == pytest.approx(log_bytes[80] - log_bytes[31], rel=0.1)


@pytest.mark.slow
def test_killed_at_any_instant(tmp_path: Path) -> None:
    """A process that is killed several times, at any instants, leaves the folder of an undisturbed one."""
    path = scenario(tmp_path, schemes=["psl", "mpsl"], stop={"rounds": 1500}, stragglers=SLOW)
    cutlayer.run(path, out=tmp_path / "at once")
    command = [*COMMAND, "run", path.name, "--out", "in parts", "--checkpoint-every", "100"]
    place, patience_s, killed = tmp_path / "in parts.checkpoint", 0.0, 0
    while True:
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        while killed < 4 and process.poll() is None and not place.exists():
            time.sleep(0.01)
        patience_s += 0.13
        try:
            _, errors = process.communicate(timeout=None if killed >= 4 else 1.0 + patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
            if (tmp_path / "in parts").exists() and not place.exists():
                break  # it was killed after its last step
            continue
        assert (0, "") == (process.returncode, errors)
        break
    assert contents(tmp_path / "at once") == contents(tmp_path / "in parts")
    assert not place.exists()


TELL_ROUND_25 = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from cutlayer.cli import main as cli
from cutlayer.progress import displays as progress
show = progress.RunProgress.on_round
def on_round(self, label, result):
    show(self, label, result)
    if result.number == 25:
        print("ready", flush=True)
        signal.raise_signal(signal.SIGINT)
progress.RunProgress.on_round = on_round
cli.main()
"""


@pytest.mark.slow
def test_an_interrupted_run_continues(tmp_path: Path) -> None:
    """Ctrl-C leaves the finished rounds in the folder; the same command finishes and replaces the run."""
    path = scenario(tmp_path, schemes=["psl"], stop={"rounds": 60})
    arguments = ["run", path.name, "--out", "in parts", "--checkpoint-every", "10"]
    interrupted = subprocess.run(
        [sys.executable, "-c", TELL_ROUND_25, *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert 130 == interrupted.returncode
    assert "interrupted: the finished rounds are kept; the same command continues\n" == messages(
        interrupted.stderr
    )
    part = cutlayer.load(tmp_path / "in parts")
    assert (True, 25) == (part.interrupted, len(part.rounds))
    again = subprocess.run([*COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert (0, "") == (again.returncode, messages(again.stderr))
    cutlayer.run(path, out=tmp_path / "at once")
    assert contents(tmp_path / "at once") == contents(tmp_path / "in parts")
    assert not (tmp_path / "in parts.checkpoint").exists()


def test_a_run_with_batteries_passes_its_own_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that takes checkpoints and is not stopped gives the bytes of a run without checkpoints."""
    monkeypatch.setattr(run_figures, "draw_figures", lambda run, folder: [])
    devices = {"count": 3, "battery_j": [0.004, 0.02, 100.0]}
    path = scenario(tmp_path, schemes=["psl", "sl"], stragglers=SLOW, devices=devices)
    cutlayer.run(path, out=tmp_path / "at once")
    cutlayer.run(path, out=tmp_path / "with checkpoints", checkpoint_every=1)
    assert contents(tmp_path / "at once") == contents(tmp_path / "with checkpoints")


def test_finished_schemes_are_reported_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A continued run reports a finished scheme by its last round, and others by each further round."""
    loaded = load_scenario(scenario(tmp_path, schemes=["psl", "sfl"]))
    message: list[tuple[str, RoundResult]] = []

    def tell(label: str, result: RoundResult) -> None:
        message.append((label, result))

    def tell_and_be_killed(label: str, result: RoundResult) -> None:
        if (label, result.number) == ("sfl", 3):
            raise Killed

    def run(on_round: OnRound) -> None:
        run_experiment(prepare(loaded), on_round, checkpoints=Checkpoints(tmp_path / "out", 2, loaded))

    run_experiment(prepare(loaded), tell)
    at_once, message = message, []
    with pytest.raises(Killed):
        run(tell_and_be_killed)
    run(tell)
    assert repr([at_once[4], *at_once[7:]]) == repr(message)  # no loss is NaN, which equals nothing
