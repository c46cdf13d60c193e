"""Absurd sizes, numbers, texts and tags: each is refused with its line, before anything is allocated."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cutlayer.cli.main import app
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.text import control_character
from cutlayer.scenarios.yaml_lines import parse_yaml
from tests.support.wrong_input import GOOD, Row, changed, check, issue

LEARNING = "learning: {{dataset: {{name: synthetic, {}}}}}\n"
AT_MOST = "must be less than or equal to {}; it is ..."


def learning(keys: str) -> str:
    """Return the good scenario with a synthetic data set that has these keys, in line 7."""
    return GOOD + LEARNING.format(keys)


ROWS = [
    # Sizes and counts.
    Row(
        "devices",
        changed("{count: 2}", "{count: 1000000000000}"),
        issue("devices.count", AT_MOST.format("1000000"), 5),
    ),
    Row(
        "samples",
        learning("train_samples: 1e15"),
        issue("learning.dataset.train_samples", AT_MOST.format("1000000000")),
    ),
    Row(
        "samples beyond the memory",
        learning("train_samples: 1000000000"),
        issue(
            "learning.dataset",
            "the samples of the training need at least ... GiB of memory, and ... GiB are available: ...",
        ),
    ),
    Row(
        "image",
        changed("[1, 8, 8]", "[1, 8, 1000000000000]"),
        issue("model.input_shape.2", AT_MOST.format("100000"), 4),
    ),
    Row(
        "classes",
        changed("classes: 10", "classes: 1000000000000000000"),
        issue("model.classes", AT_MOST.format("1000000"), 4),
    ),
    Row(
        "batch",
        GOOD + f"batch_size: 1{'0' * 60}\n",
        issue("batch_size", AT_MOST.format("10000000")),
    ),
    Row(
        "batch beyond the memory",
        learning("train_samples: 9").replace("name: good", "name: good\nbatch_size: 10000000"),
        issue("batch_size", "the activations of the training need at least ... GiB of memory, ...", 2),
    ),
    Row(
        "devices and subchannels",
        changed("{count: 2}", "{count: 1000000}"),
        issue("radio.subchannels", "1,000,000 clients of a round x 4 subchannels are ...", 6),
    ),
    Row(
        "gains",
        changed("{count: 2}", "{count: 1000000}").replace("subchannels: 4", "subchannels: 5000"),
        issue("radio.subchannels", "1,000,000 devices x 5,000 subchannels are ... at most 20,000,000 ...", 6),
    ),
    Row(
        "steps",
        changed("[psl]", "[{name: fl, local_steps: 1000000000}]"),
        issue("schemes.0.local_steps", AT_MOST.format("100000"), 3),
    ),
    Row(
        "product of steps",
        changed("[psl]", "[{name: mpsl, repeats: 100000, batches: 100000}]"),
        issue(
            "schemes.0",
            "2 clients with 10,000,000,000 mini-batches each have 20,000,000,000 mini-batches a round; ...",
            3,
        ),
    ),
    Row(
        "nodes",
        GOOD + "network: {nodes: [{name: a, count: 1000}, {name: b, count: 1000}]}\n",
        issue("network", "nodes: at most 1,000 nodes are allowed; there are 2,000"),
    ),
    Row(
        "threads",
        GOOD + "learning: {threads: 1000000000}\n",
        issue("learning.threads", AT_MOST.format("256")),
    ),
    # Sweeps and seeds.
    Row(
        "seeds",
        GOOD + "sweep: {seeds: 18446744073709551616}\n",
        (
            *issue("sweep.seeds", AT_MOST.format("1000000000")),
            *issue("sweep.seeds", "must be a list; it is 18446744073709551616"),
        ),
    ),
    Row("seed", GOOD + "seed: 9223372036854775808\n", issue("seed", AT_MOST.format("9.22337e+18"))),
    Row(
        "points",
        GOOD
        + f"sweep: {{grid: {{seed: {list(range(1000))}, batch_size: {list(range(1, 1001))}}}, seeds: [1]}}\n",
        issue("sweep", "has 1,000,000 points; at most 100,000 are allowed: sweep fewer values"),
    ),
    # Numbers.
    Row(
        "smallest number",
        changed("{count: 2}", "{count: 2, clock_hz: 5e-324}"),
        issue("devices.clock_hz", "must be from 0.001 to 1e+18 for every device; it is 5e-324", 5),
    ),
    Row(
        "largest median",
        changed("{count: 2}", "{count: 2, clock_hz: {lognormal: {median: 1e300, sigma: 1}}}"),
        issue("devices.clock_hz.lognormal.median", AT_MOST.format("1e+30"), 5),
    ),
    Row(
        "level of one device",
        changed("{count: 2}", "{count: 20, power_max_dbm: {lognormal: {median: 300, sigma: 10}}}"),
        issue("devices.power_max_dbm", "its distribution gives a device ...; the largest is 300", 5),
    ),
    Row(
        "digits",
        GOOD + f"seed: {'9' * 5000}\n",
        issue("seed", "must be a number of at most 100 digits; it has 5,000"),
    ),
    Row("truth", GOOD + "seed: true\n", issue("seed", "must be a number; it is true")),
    # Durations.
    Row(
        "slow-downs",
        GOOD + "stragglers: {slowdown: {mean_slow_s: 1e-300}}\n",
        issue(
            "stragglers.slowdown.mean_slow_s", "must be from 1e-09 to 1e+12 for every device; it is 1e-300"
        ),
    ),
    Row(
        "blocks of a round",
        changed("{subchannels: 4}", "{subchannels: 4, fading: {model: rayleigh, coherence_s: 1e-9}}"),
        issue(
            "radio.fading.coherence_s", "1e-09 s is too short: a round of psl takes ... at most 1e+06 ...", 6
        ),
    ),
    Row(
        "slow-downs in the delay of a computation",
        GOOD + "stragglers: {slowdown: {mean_normal_s: 0.02, mean_slow_s: 0.02}, "
        "compute_noise: {exponential: {mean_s: 1e6}}}\n",
        issue("stragglers.slowdown", "0.04 s is too short: a round of psl takes ... at most 1e+07 ..."),
    ),
    Row(
        "delay of a computation",
        GOOD + "stragglers: {compute_noise: {exponential: {mean_s: 1e12}}}\n",
        issue("stragglers.compute_noise.exponential.mean_s", AT_MOST.format("1000000")),
    ),
    Row(
        "durations too far apart",
        GOOD + "participation: {per_round: 1, selection: available, mean_on_s: 1e-9, mean_off_s: 1e12}\n",
        issue(
            "participation.mean_on_s", "1e-09 s is too short beside participation.mean_off_s of 1e+12 s: ..."
        ),
    ),
    Row(
        "endless round",
        changed("{count: 2}", "{count: 2, clock_hz: 0.001, cycles_per_flop: 1e20}"),
        ("bad.yaml:3: schemes: a round of psl takes ... s by its plan; it may take at most 1e+12 s: ...",),
    ),
    # Tags, texts and paths.
    Row(
        "tag on a list",
        GOOD + "seed: !!int [1]\n",
        issue("seed", "not valid YAML: ... does not fit this sequence; ..."),
    ),
    Row(
        "tag on a mapping",
        GOOD + "seed: !!float {a: 1}\n",
        issue("seed", "not valid YAML: ... does not fit this mapping; ..."),
    ),
    Row(
        "tag of a time",
        GOOD + "seed: !!timestamp x\n",
        issue("seed", "not valid YAML: ... is not allowed; ..."),
    ),
    Row(
        "tag of a truth",
        GOOD + "seed: !!bool abc\n",
        issue("seed", "not valid YAML: 'abc' is not a value of the type !!bool"),
    ),
    Row(
        "nesting",
        GOOD + f"server: {'[' * 5000}\n",
        ("bad.yaml:1: not valid YAML: nested more than 50 deep, ...",),
    ),
    Row(
        "escape of a terminal",
        changed("good", '"\\e[31mred"'),
        issue("name", "must have no control characters; it has \\x1b", 1),
    ),
    Row(
        "label of two lines",
        changed("[psl]", '[{name: psl, label: "a\\nb"}]'),
        issue("schemes.0.label", "must have no control characters; it has \\n; it is 'a\\nb'", 3),
    ),
    Row(
        "reversed text",
        changed("[psl]", '[{name: psl, label: "\\u202egpj"}]'),
        issue("schemes.0.label", "must have no control characters; it has \\u202e", 3),
    ),
    Row(
        "key with an escape",
        GOOD + '"\\e[31m": 1\n',
        ("bad.yaml:7: \\x1b[31m: keys must have no control characters; this one has \\x1b",),
    ),
    Row(
        "long name",
        changed("good", "x" * 201),
        issue("name", "must have at most 200 characters; it is ...", 1),
    ),
    Row(
        "home of nobody",
        changed("classes", "profile: ~nobody-here/x, classes"),
        issue("model.profile", "cannot be a path: ...", 4),
    ),
    Row(
        "device file",
        changed("{name: lenet, input_shape: [1, 8, 8], classes: 10}", "{name: table, file: /dev/zero}"),
        issue("model.file", "cannot read the unit table /dev/zero: it is not a regular file", 4),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_absurd_values_are_refused_at_once(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one message with line and key, status 2 and no file.

    It takes less than 15 s of processor time. This bound is a guard against hangs, and no target of speed.
    """
    monkeypatch.chdir(tmp_path)
    start_s = time.process_time()
    check(row, tmp_path)
    assert time.process_time() - start_s < 15


@pytest.mark.parametrize(
    "value", ["!!int [1]", "!!timestamp x", "9" * 5000, '"\\e[1m"', "[" * 200, "&a [*a]", "\x1b"]
)
def test_options_are_refused_like_files(value: str, tmp_path: Path) -> None:
    """A value of ``--set`` is YAML, and its message names the option without control characters."""
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    result = CliRunner().invoke(app, ["validate", str(path), "--set", f"name={value}"])
    assert 2 == result.exit_code
    assert result.stderr.startswith("--set: name: ")
    assert control_character(result.stderr.rstrip("\n")) is None


def test_labels_with_dollar_signs_stay_allowed(tmp_path: Path) -> None:
    """A label of LaTeX's characters is a label; ``$^$`` is no formula here."""
    path = tmp_path / "good.yaml"
    path.write_text(changed("[psl]", "[{name: psl, label: '$^$'}, {name: sl, label: 'φ<b>[red]'}]"))
    assert ["$^$", "φ<b>[red]"] == [scheme.label for scheme in load_scenario(path).scenario.schemes]


def test_aliases_that_stand_for_too_many_values_are_refused() -> None:
    """The values are counted before an alias is followed, so that 10^31 of them take no time."""
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 31)]
    with pytest.raises(ScenarioError, match=r"stands for 1e\+31 values, aliases included; at most 1,000,000"):
        parse_yaml("\n".join(["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]", *levels]), "laughs.yaml")


@pytest.mark.parametrize("where", ["no\x1b[31m.yaml", "no\nsuch.yaml"])
def test_paths_of_the_command_line_are_printed_without_escapes(where: str) -> None:
    """The name of a file is the user's text too."""
    result = CliRunner().invoke(app, ["validate", where])
    assert 2 == result.exit_code
    assert control_character(result.stderr.rstrip("\n")) is None
