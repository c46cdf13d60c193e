"""Messages about scenarios that break the schema: one line for each issue, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cutlayer.cli.main import app
from tests.support.wrong_input import DIGITS, GOOD, UNKNOWN, Row, answer, assert_lines, changed, check, issue

SHAPE = [
    # Keys that nobody knows, at every depth.
    Row("unknown key", GOOD + "sede: 1\n", issue("sede", UNKNOWN.format("seed"))),
    Row(
        "unknown key of a section",
        GOOD + "server:\n  clock_hz: 1e9\n  clock: 1e9\n",
        issue("server.clock", UNKNOWN.format("clock_hz"), 9),
    ),
    Row(
        "unknown key in a distribution",
        changed("{count: 2}", "\n  count: 2\n  clock_hz:\n    unifrom: [1, 2]"),
        issue("devices.clock_hz.unifrom", UNKNOWN.format("uniform"), 8),
    ),
    Row(
        "unknown key of a scheme",
        changed("[psl]", "\n  - sl\n  - name: epsl\n    ph: 1"),
        issue("schemes.1.ph", UNKNOWN.format("phi"), 6),
    ),
    Row(
        "unknown key of a phase",
        changed("[psl]", "[{name: epsl_pt, phases: [{rounds: 1, phi: 1}, {phy: 0, phi: 0}]}]"),
        issue("schemes.0.phases.1.phy", UNKNOWN.format("phi"), 3),
    ),
    Row(
        "unknown key of a model",
        changed("classes", "clases"),
        issue("model.clases", UNKNOWN.format("classes"), 4),
    ),
    Row(
        "unknown key of a path loss",
        GOOD.replace("{subchannels: 4}", "{path_loss: {model: samimi_28ghz, mod: mean}}"),
        issue("radio.path_loss.mod", UNKNOWN.format("mode"), 6),
    ),
    Row(
        "unknown key of a data set",
        GOOD + "learning:\n  dataset: {name: synthetic, nois: 1}\n",
        issue("learning.dataset.nois", UNKNOWN.format("noise"), 8),
    ),
    # Keys that are missing.
    Row(
        "no name, stop, schemes, model",
        "seed: 1\n",
        tuple(
            f"bad.yaml:1: {key}: this key is required and missing"
            for key in ("name", "stop", "schemes", "model")
        ),
    ),
    Row(
        "required key of a path loss",
        GOOD.replace("{subchannels: 4}", "{path_loss: {model: log_distance, exponent: 2}}"),
        issue("radio.path_loss.reference_loss_db", "this key is required and missing", 6),
    ),
    Row(
        "data set on disk without a path",
        GOOD + "learning:\n  dataset: mnist\n",
        issue("learning.dataset.path", "this key is required and missing", 8),
    ),
    Row("no stop", changed("{rounds: 2}", "{}"), issue("stop", "give at least one of rounds, ...", 2)),
    # Values of a wrong type.
    Row("section as a number", GOOD + "server: 3\n", issue("server", "must be a mapping; it is 3")),
    Row("empty section", GOOD + "server:\n", issue("server", "must be a mapping; it is null")),
    Row("list as text", changed("[psl]", "psl"), issue("schemes", "must be a list; it is 'psl'", 3)),
    Row("text as a number", changed("good", "3"), issue("name", "must be text; it is 3", 1)),
    Row("empty name", changed("good", "''"), issue("name", "must not be empty", 1)),
    Row("number as text", GOOD + "seed: few\n", issue("seed", "must be a number; it is 'few'")),
    Row("quoted number", changed("{count: 2}", "{count: '2'}"), issue("devices.count", "...it is '2'", 5)),
    Row(
        "quoted number per device",
        changed("{count: 2}", "{count: 2, clock_hz: '1e9'}"),
        issue("devices.clock_hz", "must be a number; it is '1e9'", 5),
    ),
    Row("boolean", GOOD + "batch_size: true\n", issue("batch_size", "must be a number; it is true")),
    Row(
        "boolean that may be absent",
        changed("{subchannels: 4}", "{spectral_efficiency_max: true}"),
        issue("radio.spectral_efficiency_max", "must be a number; it is true", 6),
    ),
    Row("fraction", GOOD + "batch_size: 2.5\n", issue("batch_size", "must be a whole number; it is 2.5")),
    Row("text no", GOOD + "batch_size: no\n", issue("batch_size", "must be a number; it is 'no'")),
    # Values out of range.
    Row("zero", GOOD + "batch_size: 0\n", issue("batch_size", "must be greater than or equal to 1; it is 0")),
    Row("percent", GOOD + "target_accuracy: 75\n", issue("target_accuracy", "...equal to 1; it is 75")),
    Row("negative seed", GOOD + "seed: -1\n", issue("seed", "...equal to 0; it is -1")),
    Row(
        "not a number",
        changed("{subchannels: 4}", "{carrier_hz: .nan}"),
        issue("radio.carrier_hz", "must be a finite number; it is nan", 6),
    ),
    Row(
        "infinite",
        changed("{count: 2}", "{distance_m: {uniform: [1, .inf]}}"),
        issue("devices.distance_m.uniform.1", "must be a finite number; it is inf", 5),
    ),
    Row(
        "clock of one device",
        changed("{count: 2}", "{count: 2, clock_hz: [1e9, 0]}"),
        issue("devices.clock_hz", "must be greater than 0 for every device; it has 0", 5),
    ),
    Row(
        "clock that is always zero",
        changed("{count: 2}", "{count: 2, clock_hz: {uniform: [0, 0]}}"),
        issue("devices.clock_hz", "must be greater than 0 for every device; it has 0", 5),
    ),
    Row(
        "level beyond all numbers",
        changed("{count: 2}", "{power_max_dbm: 100000}"),
        issue("devices.power_max_dbm", "must be from -300 to 300 for every device; it is 100000", 5),
    ),
    Row(
        "band below zero",
        changed("{subchannels: 4}", "{subchannels: 4, carrier_hz: 2.0e7}"),
        issue("radio", "a band of 4 x 1e+07 Hz around carrier_hz 2e+07 reaches below 0 Hz", 6),
    ),
    Row("empty list", changed("[psl]", "[]"), issue("schemes", "must hold at least one value", 3)),
    Row(
        "empty list of values",
        changed("{count: 2}", "{clock_hz: {choice: []}}"),
        issue("devices.clock_hz.choice", "must hold at least one value", 5),
    ),
    Row(
        "half a distribution",
        changed("{count: 2}", "{clock_hz: {uniform: [1e9]}}"),
        issue("devices.clock_hz.uniform", "value 2 of the list is missing", 5),
    ),
    Row(
        "too many bounds",
        changed("{count: 2}", "{clock_hz: {uniform: [1, 2, 3]}}"),
        issue("devices.clock_hz.uniform", "must hold at most 2 items; it holds 3", 5),
    ),
    Row(
        "two distributions",
        changed("{count: 2}", "{clock_hz: {uniform: [1, 2], choice: [1]}}"),
        issue("devices.clock_hz", "give exactly one of uniform, lognormal, choice; 2 are given", 5),
    ),
    Row(
        "no distribution",
        changed("{count: 2}", "{distance_m: {}}"),
        issue("devices.distance_m", "give exactly one of ...uniform_disc; 0 are given", 5),
    ),
    Row(
        "reversed bounds",
        changed("{count: 2}", "{clock_hz: {uniform: [2e9, 1e9]}}"),
        issue("devices.clock_hz", "uniform: the lower bound 2e+09 is above 1e+09", 5),
    ),
    Row(
        "share above one",
        changed("[psl]", "[{name: epsl, phi: 1.5}]"),
        issue("schemes.0.phi", "must be less than or equal to 1; it is 1.5", 3),
    ),
    Row(
        "phase without an end",
        changed("[psl]", "[{name: epsl_pt, phases: [{phi: 1}, {phi: 0}]}]"),
        issue("schemes.0", "every phase but the last needs rounds, and the last has none", 3),
    ),
    Row(
        "both round policies",
        GOOD + "round_policy: {wait: all, deadline_s: 3}\n",
        issue("round_policy", "give one of wait: all, ..."),
    ),
    Row(
        "cut before the model",
        GOOD + "allocation: {cut: 0}\n",
        issue("allocation.cut", "must be greater than or equal to 1; it is 0"),
    ),
    Row(
        "key of another partition",
        GOOD + DIGITS + "  partition: {kind: shards, alpha: 0.5}\n",
        issue("learning.partition", "alpha is a key of kind dirichlet, not of shards", 9),
    ),
    Row(
        "momentum with adam",
        GOOD + DIGITS + "  optimizer: {name: adam, momentum: 0.9}\n",
        issue("learning.optimizer", "momentum belongs to sgd; leave it out with adam; it is 0.9", 9),
    ),
    # Names that nothing has.
    Row("scheme", changed("[psl]", "[eplsl]"), issue("schemes.0", "no scheme ... did you mean 'epsl'?", 3)),
    Row(
        "scheme with parameters",
        changed("[psl]", "\n  - phi: 1\n    name: eplsl"),
        issue("schemes.0.name", "no scheme is named 'eplsl'; known: ...; did you mean 'epsl'?", 5),
    ),
    Row(
        "scheme without a name",
        changed("[psl]", "[{phi: 1}]"),
        issue("schemes.0", "must be a name, or a mapping with the key name; known: sl, ...", 3),
    ),
    Row("model", changed("lenet", "lente"), issue("model.name", "no model is ...; did you mean 'lenet'?", 4)),
    Row(
        "data set",
        GOOD + "learning: {dataset: digit}\n",
        issue("learning.dataset", "no data set is named 'digit'; ...; did you mean 'digits'?"),
    ),
    Row(
        "path loss",
        changed("{subchannels: 4}", "{path_loss: samimi}"),
        issue("radio.path_loss", "no path loss is named 'samimi'; ...; did you mean 'samimi_28ghz'?", 6),
    ),
    Row(
        "subchannel method",
        GOOD + "allocation: {subchannels: greedi}\n",
        issue("allocation.subchannels", "no subchannel method is named 'greedi'; ...'greedy'?"),
    ),
    Row(
        "power method",
        GOOD + "allocation: {power: best}\n",
        issue("allocation.power", "no power method is named 'best'; known: full, optimal, uniform"),
    ),
    Row(
        "neither method nor value",
        GOOD + "allocation: {subchannels: 4}\n",
        issue("allocation.subchannels", "must be a method (greedy, ...) or a list of lists; it is 4"),
    ),
    Row(
        "choice of words",
        GOOD + "server: {service: queue}\n",
        issue("server.service", "must be 'barrier' or 'arrival'; it is 'queue'"),
    ),
]
TEXT = [
    # Files that are no mapping.
    Row("empty file", "", ("bad.yaml:1: must be a mapping of keys, as every scenario is",)),
    Row("list", "- psl\n", ("bad.yaml:1: must be a mapping of keys, as every scenario is",)),
    Row("binary", b"\x00\xff\xfe\x80", ("bad.yaml:1: is not UTF-8 text: ...",)),
    Row("control characters", "name: a\0b\n", ("bad.yaml:1: not valid YAML: unacceptable character ...",)),
    Row("tab", GOOD + "server:\n\tclock_hz: 1\n", ("bad.yaml:8: not valid YAML: ...'\\t'...",)),
    Row(
        "unclosed",
        GOOD + "server: {clock_hz: 1\n",
        ("bad.yaml:7: not valid YAML: ...expected ',' or '}'...",),
    ),
    Row("two documents", GOOD + "---\nname: b\n", ("bad.yaml:7: not valid YAML: ...another document",)),
    Row(
        "code",
        GOOD + "seed: !!python/name:os.system\n",
        issue("seed", "not valid YAML: the tag !!python/name:... is not allowed; leave out the tag"),
    ),
    Row("endless alias", GOOD + "server: &s {clock_hz: *s}\n", ("bad.yaml:7: not valid YAML: ...alias...",)),
    Row("key twice", GOOD + "stop: {rounds: 3}\n", issue("stop", "given twice, first in line 2")),
    Row(
        "nested key twice",
        changed("{count: 2}", "\n  count: 2\n  count: 3"),
        issue("devices.count", "given twice, first in line 6", 7),
    ),
    Row("key that is no text", GOOD + "3: 4\n", issue("3", "keys must be text; this one reads as int")),
    Row("list as a key", GOOD + "? [a]\n: 4\n", issue("?", "keys must be text; this one reads as seq")),
]


@pytest.mark.parametrize("row", [*SHAPE, *TEXT], ids=lambda row: row.name)
def test_each_issue_is_reported_once_with_its_line(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command ends with status 2 and one line for each issue, in the file's order; it writes nothing."""
    monkeypatch.chdir(tmp_path)
    check(row, tmp_path)


def test_the_good_scenario_is_good(tmp_path: Path) -> None:
    """The scenario that all bad scenarios extend is valid."""
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert 0 == CliRunner().invoke(app, ["validate", str(path)]).exit_code


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nowhere.yaml", "nowhere.yaml:1: no such file, and no scenario of the library; it holds: ..."),
        ("quickstrt", "quickstrt:1: no such file, ...; did you mean 'quickstart'?"),
        ("taken", "taken:1: is a folder; a scenario is a file"),
        ("x" * 5000, "x...:1: no such file, ..."),
    ],
    ids=["missing", "near a library name", "folder", "name too long"],
)
def test_a_scenario_that_is_not_there(
    where: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scenario that is neither a file nor a name of the library is wrong input."""
    (tmp_path / "taken").mkdir()
    monkeypatch.chdir(tmp_path)
    assert_lines((message,), answer(tmp_path, where))
