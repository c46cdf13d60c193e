"""Plug-ins: files, modules and installed distributions give scenarios new names, in runs and in sweeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cutlayer.cli.main import app
from cutlayer.experiments.checkpoints import Checkpoints
from cutlayer.scenarios import plugins, registry
from cutlayer.scenarios.loading.loader import load_scenario

SCHEME = """\
from typing import Literal

import cutlayer
from cutlayer.scenarios.schema.registered import SchemeParameters
from cutlayer.sim.schemes.sl import SL


class BackwardsParameters(SchemeParameters):
    speed: float = 1.0


class Backwards(SL):
    \"\"\"Sequential split learning under another name.\"\"\"


cutlayer.register("scheme", "backwards", Backwards, parameters=BackwardsParameters, summary="SL once more")
"""
METHOD = """\
import numpy as np

import cutlayer


def in_turn(problem, work, rng):
    return np.arange(problem.num_subchannels) % problem.num_clients


cutlayer.register("subchannels", "in_turn", in_turn, summary="subchannel k to client k mod C")
"""
DATA_SET = """\
import cutlayer
from cutlayer.models.data.digits import load


def twin(parameters, input_shape):
    return load(parameters, input_shape)


cutlayer.register("dataset", "twin", twin, summary="the digits once more")
"""
SCENARIO = """\
name: plugged
stop: {rounds: 2}
schemes: [sl, backwards]
batch_size: 8
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
learning: {dataset: twin}
allocation: {subchannels: in_turn}
devices: {count: 2}
radio: {subchannels: 4}
"""
SWEEP = SCENARIO.replace("learning: {dataset: twin}\n", "") + "sweep: {grid: {devices.count: [1, 2, 3]}}\n"
PLUGINS = ("scheme.py", "method.py", "data_set.py")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with three plug-ins and two scenarios; other tests see no plug-in."""
    texts = {"scheme.py": SCHEME, "method.py": METHOD, "data_set.py": DATA_SET}
    for name, text in {**texts, "run.yaml": SCENARIO, "sweep.yaml": SWEEP}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    registry.load_registrations()
    for kind, registered in registry._specs.items():
        monkeypatch.setitem(registry._specs, kind, dict(registered))
    monkeypatch.setattr(plugins, "_loaded", {})
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def succeeded(*arguments: str) -> str:
    """Return the output of a command that must succeed, run in this process."""
    result = CliRunner().invoke(app, arguments)
    assert 0 == result.exit_code, (result.output, result.exception)
    return result.stdout


def refused(*arguments: str) -> str:
    """Return the message of a command that must end with status 2, run in this process."""
    result = CliRunner().invoke(app, arguments)
    assert 2 == result.exit_code, (result.output, result.exception)
    return result.stderr


def with_another_path(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return the outcome of ``python -m cutlayer`` in a process that finds modules in a folder."""
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "cutlayer", *arguments],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def plugged(*names: str) -> list[str]:
    """Return the options that import plug-ins."""
    return [part for name in names for part in ("--plugin", name)]


def test_a_run_uses_the_names_of_plugin_files(folder: Path) -> None:
    """A scheme, an allocation method and a data set from outside the package run; the run records them."""
    assert "no scheme is named 'backwards'" in refused("run", "run.yaml")
    succeeded("run", "run.yaml", "--out", "out", *plugged(*PLUGINS))
    rounds = pd.read_csv(folder / "out" / "rounds.csv")
    times = [group["latency_s"].tolist() for _, group in rounds.groupby("label")]
    assert times[0] == times[1]
    versions = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))["versions"]
    assert {f"plug-in {name}" for name in PLUGINS} == {name for name in versions if "plug-in" in name}
    assert "backwards" in succeeded("compare", "out")


def test_other_commands_take_plugins(folder: Path) -> None:
    """``validate``, ``plan``, ``list`` and ``schema`` know the names of plug-ins too."""
    assert "backwards: cut" in succeeded("validate", "run.yaml", *plugged(*PLUGINS))
    assert "backwards" in succeeded("plan", "run.yaml", "--bound-time", "0", *plugged(*PLUGINS))
    assert "SL once more" in succeeded("list", "schemes", "--plugin", "scheme.py")
    assert "SL once more" in succeeded("schema", "--plugin", "scheme.py")


def test_a_sweep_hands_plugins_to_its_workers(folder: Path) -> None:
    """Two worker processes run the points, and a changed plug-in does not go on where the old one was."""
    arguments = ["sweep", "sweep.yaml", "--out", "out", "--jobs", "2", *plugged("scheme.py", "method.py")]
    succeeded(*arguments)
    points = pd.read_csv(folder / "out" / "points.csv")
    assert ["finished"] * 3 == points["status"].tolist()
    succeeded(*arguments)  # nothing remains to be run
    (folder / "method.py").write_text(METHOD + "# changed\n", encoding="utf-8")
    assert "method.py has changed since it was imported; start Python anew" in refused(*arguments)
    plugins._loaded.clear()  # as in a new process
    assert "holds points of other versions (plug-in method.py " in refused(*arguments)
    succeeded(*arguments, "--mix-versions")


def test_a_checkpoint_refuses_a_changed_plugin(folder: Path) -> None:
    """Going on from a checkpoint with another plug-in is refused, and the message names the plug-in."""
    plugins.load_plugins(PLUGINS)
    Checkpoints(Path("out"), 1, load_scenario("run.yaml")).begin(None)
    plugins._loaded.clear()  # as in a new process
    (folder / "scheme.py").write_text(SCHEME + "# changed\n", encoding="utf-8")
    arguments = ["run", "run.yaml", "--out", "out", "--checkpoint-every", "1", *plugged(*PLUGINS)]
    assert "plug-in scheme.py is " in refused(*arguments)


def test_a_module_in_the_working_folder_is_a_plugin(folder: Path) -> None:
    """A dotted name is imported as a module; every Python file of its package counts in its digest."""
    package = folder / "study_of_a_test"
    package.mkdir()
    (package / "schemes.py").write_text(SCHEME, encoding="utf-8")
    arguments = ["run", "run.yaml", "--set", "learning=null", "--set", "allocation={}"]
    digests = []
    for number, text in enumerate(("", "# another file of the package\n")):
        plugins._loaded.clear()  # as in a new process
        (package / "other.py").write_text(text, encoding="utf-8")
        succeeded(*arguments, "--out", f"out{number}", "--plugin", "study_of_a_test.schemes")
        summary = json.loads((folder / f"out{number}" / "summary.json").read_text(encoding="utf-8"))
        digests.append(summary["versions"]["plug-in study_of_a_test.schemes"])
    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file or directory"),
        ("def broken(:\n", "SyntaxError"),
        ("import cutlayer\n\n1 / 0\n", "ZeroDivisionError: division by zero (line 3 of"),
        ("import no_such_module_of_mine\n", "No module named 'no_such_module_of_mine'"),
        ("import sys\n\nsys.exit(3)\n", "SystemExit: 3 (line 3 of"),
    ],
)
def test_a_plugin_that_fails_is_named_in_one_line(folder: Path, text: str | None, reason: str) -> None:
    """A missing file, a syntax error and an exception each end with status 2 and one message."""
    if text is not None:
        (folder / "bad.py").write_text(text, encoding="utf-8")
    message = refused("run", "run.yaml", "--plugin", "bad.py")
    assert 1 == message.count("\n")
    assert f"plug-in {folder / 'bad.py'}: " in message
    assert reason in message


def test_a_missing_module_is_named(folder: Path) -> None:
    """A module that cannot be found ends with status 2."""
    assert "plug-in no_such.module: " in refused("validate", "run.yaml", "--plugin", "no_such.module")


def installed(folder: Path, text: str) -> Path:
    """Write a module and the metadata of an installed distribution whose entry point names it."""
    site = folder / "site"
    metadata = site / "backwards_plugin-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: backwards-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[cutlayer.plugins]\nbackwards = backwards_module\n")
    (site / "backwards_module.py").write_text(text, encoding="utf-8")
    return site


def test_an_entry_point_is_loaded(folder: Path) -> None:
    """The plug-in of an installed distribution needs no option."""
    site = installed(folder, SCHEME)
    options = ["--set", "learning=null", "--set", "allocation={}", "--out", "out"]
    done = with_another_path(site, "run", "run.yaml", *options)
    assert 0 == done.returncode, done.stderr
    versions = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))["versions"]
    assert "plug-in backwards_module" in versions


def test_a_broken_entry_point_is_named(folder: Path) -> None:
    """The message names the entry point and its distribution."""
    done = with_another_path(installed(folder, "raise OSError('no licence')\n"), "list")
    assert (2, 1) == (done.returncode, done.stderr.count("\n"))
    assert "entry point 'backwards' of the distribution backwards-plugin: OSError: no licence" in done.stderr


def test_the_python_interface_takes_plugins(folder: Path) -> None:
    """``run``, ``plan`` and ``sweep`` import plug-ins by path; a sweep's workers do so too."""
    (folder / "script.py").write_text(
        "import cutlayer\nfrom pathlib import Path\n"
        "if __name__ == '__main__':\n"
        "    plugins = [Path('scheme.py'), 'method.py', 'data_set.py']\n"
        "    assert 4 == len(cutlayer.run('run.yaml', plugins=plugins).rounds)\n"
        "    methods = ['round_robin']\n"
        "    assert len(cutlayer.plan('run.yaml', plugins=plugins, methods=methods, bound_time_s=0))\n"
        "    result = cutlayer.sweep('sweep.yaml', out='out', jobs=2, plugins=plugins)\n"
        "    assert {'finished'} == set(result.points['status'])\n"
        "    try:\n"
        "        cutlayer.run('run.yaml', plugins=['missing.py'])\n"
        "    except cutlayer.PluginError as error:\n"
        "        print(error)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert f"plug-in {folder / 'missing.py'}: No such file or directory\n" == done.stdout
