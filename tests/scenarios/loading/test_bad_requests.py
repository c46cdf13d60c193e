"""Messages about scenarios that cannot be prepared, and about wrong options."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.wrong_input import DIGITS, GOOD, MODEL, UNKNOWN, Row, changed, check, issue

HEADER = "unit,forward_flops,backward_flops,activation_bits,gradient_bits,parameter_bits\n"
FILES = {
    "header.csv": "unit,flops\na,1\n",
    "text.csv": HEADER + "a,1,2,many,4,5\nb,1,2,3,4,5\n",
    "negative.csv": HEADER + "a,1,2,3,4,5\nb,1,2,3,4,-5\n",
    "single.csv": HEADER + "a,1,2,3,4,5\n",
    "taken/notes.txt": "kept",
    "file": "kept",
}


TOGETHER = [
    # Keys that do not fit each other.
    Row(
        "labels",
        changed("[psl]", "\n  - {name: epsl, phi: 0.5}\n  - sl\n  - epsl"),
        tuple(
            f"bad.yaml:{line}: schemes.{index}: the label 'epsl φ=0.5' is given 2 times; ..."
            for line, index in ((4, 0), (6, 2))
        ),
    ),
    Row(
        "values a device",
        changed("{count: 2}", "{count: 2, clock_hz: [1e9, 1e9, 1e9]}"),
        issue("devices.clock_hz", "lists 3 values; devices.count is 2, one each is needed", 5),
    ),
    Row(
        "gains a device",
        changed("{subchannels: 4}", "{path_loss: {model: fixed, gain_db: [-90]}}"),
        issue("radio.path_loss.gain_db", "lists 1 values; devices.count is 2, one each is needed", 6),
    ),
    Row(
        "subchannels and powers a device",
        GOOD + "allocation:\n  subchannels: [[0]]\n  power: {dbm_per_hz: [-60]}\n",
        issue("allocation.subchannels", "lists 1 values; devices.count is 2, one each is needed", 8)
        + issue("allocation.power.dbm_per_hz", "lists 1 values; devices.count is 2, one each is needed", 9),
    ),
    Row(
        "table with learning",
        changed(MODEL, "{name: table, file: units.csv}", DIGITS),
        issue("model.name", "table has no weights to train; ...", 4),
    ),
    Row(
        "accuracy without learning",
        changed("{rounds: 2}", "{accuracy: 0.9}"),
        issue("stop.accuracy", "needs a learning section: ...", 2),
    ),
    # What can't be had: resources, files, devices.
    Row(
        "clients without a subchannel",
        changed("[psl]", "[psl, sl, sfl, fl]").replace("count: 2", "count: 7"),
        issue("radio.subchannels", "7 clients need at least one subchannel each; there are 4", 6),
    ),
    Row(
        "cut behind the model",
        GOOD + "allocation: {cut: 6}\n",
        issue("allocation.cut", "cut 6 is outside the model: lenet has 6 units, so it is from 1 to 5"),
    ),
    Row(
        "subchannel twice",
        GOOD + "allocation: {subchannels: [[0, 1], [1]]}\n",
        issue("allocation.subchannels", "subchannel 1 is given to device 0 and to device 1; ..."),
    ),
    Row(
        "subchannel out of range",
        GOOD + "allocation: {subchannels: [[0], [4]]}\n",
        issue("allocation.subchannels", "device 1: subchannel 4 is outside 0 to 3"),
    ),
    Row(
        "device without a subchannel",
        GOOD + "allocation: {subchannels: [[0], []]}\n",
        issue("allocation.subchannels", "device 1 has no subchannel; each needs at least one"),
    ),
    Row(
        "power limit of a device",
        changed("[psl]", "[psl, sfl]", "allocation: {power: {dbm_per_hz: [-60, -30]}}\n"),
        issue("allocation.power", "device 1: -30 dBm/Hz on its ... W; its limit is 1.49968 W"),
    ),
    Row(
        "power limit of all",
        changed(
            "{count: 2}", "{count: 2, power_max_dbm: 50}", "allocation: {power: {dbm_per_hz: [-40, -40]}}\n"
        ),
        issue("allocation.power", "all devices together ask for 4 W; their limit is 3 W"),
        ("--set", "radio.uplink_total_power_max_dbm=34.771212547"),
    ),
    Row(
        "table that is not there",
        changed(MODEL, "{name: table, file: nowhere.csv}"),
        issue("model.file", "cannot read the unit table ...nowhere.csv: ...No such file...", 4),
    ),
    *(
        Row(
            f"table {name}",
            changed(MODEL, f"{{name: table, file: {name}.csv}}"),
            issue("model.file", rule, 4),
        )
        for name, rule in (
            ("header", "...header.csv:1: the header must be unit,forward_flops,..."),
            ("text", "...text.csv:2: could not convert string to float: 'many'"),
            ("negative", "...negative.csv: unit 'b': parameter_bits is -5; it must be 0 or more"),
        )
    ),
    Row(
        "model that can't be split",
        changed(MODEL, "{name: table, file: single.csv}", "allocation: {cut: 1}\n"),
        issue("model", "psl splits the model, which needs 2 units or more; it has 1", 4),
    ),
    Row(
        "imported model",
        changed("lenet", "imported, factory: 'my:net'"),
        issue("model.name", "runs code of yours; allow it with --allow-imports...", 4),
    ),
    Row(
        "imported model that is not there",
        changed("lenet", "imported, factory: 'no_such_module:net'"),
        issue("model.factory", "factory 'no_such_module:net' cannot be imported: ...", 4),
        ("--allow-imports",),
    ),
    Row(
        "data that are not there",
        changed("[1, 8, 8]", "[1, 28, 28]", "learning:\n  dataset: {name: mnist, path: nowhere}\n"),
        issue("learning.dataset.path", "...nowhere: no file train-images...", 8),
    ),
    Row(
        "images of another shape",
        changed("[1, 8, 8]", "[1, 28, 28]", DIGITS),
        issue("learning.dataset", "digits has images of 1x8x8; model.input_shape is 1x28x28", 8),
    ),
    Row(
        "more classes than the model's",
        changed("classes: 10", "classes: 7", DIGITS),
        issue("learning.dataset", "digits has 10 classes; model.classes is 7", 8),
    ),
    Row(
        "client without samples",
        GOOD + "learning:\n  dataset: {name: synthetic, train_samples: 10, test_samples: 10}\n",
        issue("learning.partition", "...leaves client 10 without any; ...", 7),
        ("--set", "devices.count=11", "--set", "radio.subchannels=11"),
    ),
]
OPTIONS = [
    # Options of the command line.
    Row("no value", GOOD, ("--set: 'seed' is not of the form key.path=value",), ("--set", "seed")),
    Row("no key", GOOD, ("--set: 'a..b=1' is not of the form key.path=value",), ("--set", "a..b=1")),
    Row("no YAML", GOOD, ("--set: seed: not valid YAML: ...",), ("--set", "seed=[")),
    Row("through a value", GOOD, ("--set: name.x: name is the value 'good', ...",), ("--set", "name.x=1")),
    Row(
        "past a list",
        GOOD,
        ("--set: schemes.1: '1' is not an index of a list of 1; ...",),
        ("--set", "schemes.1=sl"),
    ),
    Row(
        "unknown key set",
        GOOD,
        (f"--set: devices.cuont: {UNKNOWN.format('count')}",),
        ("--set", "devices.cuont=1"),
    ),
    Row("unknown section set", GOOD, (f"--set: sever: {UNKNOWN.format('server')}",), ("--set", "sever.x=1")),
    Row("wrong value set", GOOD, ("--set: seed: must be a number; it is 'x'",), ("--set", "seed=x")),
    Row("seed", GOOD, ("--seed: seed: must be greater than or equal to 0; it is -1",), ("--seed", "-1")),
    Row(
        "scheme that is not run",
        GOOD,
        ("--schemes: no scheme is named 'pls'; there are: psl; did you mean 'psl'?",),
        ("--schemes", "psl,pls"),
    ),
    Row(
        "folder that holds something",
        GOOD,
        ("taken exists and is not a run folder; ...",),
        ("--out", "taken"),
    ),
    Row("file in the way", GOOD, ("file exists and is not a run folder; ...",), ("--out", "file")),
    Row("parent is a file", GOOD, ("cannot write file/a/b: ... is not a folder",), ("--out", "file/a/b")),
]
SEVERAL = [
    Row(
        "many at once",
        "name: ''\nsede: 3\nstop: {rounds: 0}\nschemes: [spl, {name: epsl, phi: 2}]\nmodel: {name: lente}\n"
        "radio:\n  path_loss: {model: samimi}\n  subchannel: 3\ndevices: {count: x, clock_hz: -1}\n",
        (
            "bad.yaml:1: name: must not be empty",
            "bad.yaml:2: sede: unknown key; ...",
            "bad.yaml:3: stop.rounds: ...",
            "bad.yaml:4: schemes.0: no scheme ...",
            "bad.yaml:4: schemes.1.phi: ...",
            "bad.yaml:5: model.name: no model ...",
            "bad.yaml:7: radio.path_loss.model: no path loss ...",
            "bad.yaml:8: radio.subchannel: unknown key; ...",
            "bad.yaml:9: devices.count: must be a number; it is 'x'",
            "bad.yaml:9: devices.clock_hz: must be greater than 0 for every device; it is -1",
            "--set: 'x' is not of the form key.path=value",
            "--set: batch_size: must be greater than or equal to 1; it is 0",
        ),
        ("--set", "batch_size=0", "--set", "x"),
    ),
    Row(
        "all that can't be had",
        GOOD + "allocation:\n  cut: 9\n  power: {dbm_per_hz: [-60, 0]}\n"
        "learning:\n  dataset: {name: mnist, path: nowhere}\n",
        (
            "bad.yaml:8: allocation.cut: ...",
            "bad.yaml:9: allocation.power: device 1: ...",
            "bad.yaml:11: learning.dataset.path: ...",
        ),
    ),
    Row(
        "files that can't be read",
        GOOD + "allocation: {cut: 9}\nlearning:\n  dataset: {name: mnist, path: nowhere}\n",
        (
            "bad.yaml:7: allocation.cut: ...",
            "bad.yaml:9: learning.dataset.path: ...",
            "--set: radio.path_loss: cannot read the gains in ...nowhere.csv...",
        ),
        ("--set", "radio.path_loss={model: fixed, file: nowhere.csv}"),
    ),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory of the command, with the files that scenarios name."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("row", [*TOGETHER, *OPTIONS, *SEVERAL], ids=lambda row: row.name)
def test_each_issue_is_reported_once_with_its_line(row: Row, folder: Path) -> None:
    """The command ends with status 2 and one line for each issue; it runs and writes nothing."""
    check(row, folder)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_cuda_that_is_absent(folder: Path) -> None:
    """A request for CUDA on a machine without it is an issue of the key ``learning.device``."""
    check(Row("", GOOD + DIGITS + "  device: cuda\n", issue("learning.device", "...cuda...", 9)), folder)
