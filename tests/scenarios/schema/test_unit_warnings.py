"""Warnings about values that look like numbers of another unit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cutlayer.cli.main import app
from cutlayer.scenarios.loading.library import library
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.schema.unit_warnings import UNIT_RULES
from tests.support.wrong_input import GOOD

NARROW: dict[bool, list[str]] = {True: ["radio.subchannel_hz=1"], False: []}


def warnings(folder: Path, override: str) -> list[str]:
    """Return the warnings about the good scenario with this override, in a band that may be narrow."""
    path = folder / "good.yaml"
    path.write_text(GOOD + "network: {nodes: [{name: a}]}\n")
    return load_scenario(path, [*NARROW[override.startswith("radio.carrier")], override]).warnings()


@pytest.mark.parametrize(
    ("override", "suggestion"),
    [
        ("devices.clock_hz=1.5", "did you mean 1.5e+09 Hz, which is 1.5 GHz?"),
        ("devices.clock_hz={uniform: [1, 2]}", "did you mean 1e+09 Hz, which is 1 GHz?"),
        ("server.clock_hz=2400", "did you mean 2.4e+12 Hz"),
        ("network.nodes.0.clock_hz=3", "did you mean 3e+09 Hz, which is 3 GHz?"),
        ("network.wire.rate_bps=8", "did you mean 8e+06 bit/s, which is 8 Mbit/s?"),
        ("radio.carrier_hz=28", "did you mean 2.8e+10 Hz, which is 28 GHz?"),
        ("radio.subchannel_hz=10", "did you mean 1e+07 Hz, which is 10 MHz?"),
        ("devices.distance_m=0.2", "did you mean 200 m, which is 0.2 km?"),
        ("devices.power_max_dbm=0.2", "did you mean 23.01 dBm, which is 0.2 W?"),
        ("devices.power_max_dbm=200", "did you mean 23.01 dBm, which is 200 mW?"),
        ("radio.uplink_total_power_max_dbm=1.5", "did you mean 31.76 dBm, which is 1.5 W?"),
        ("radio.downlink_dbm_per_hz=33", "did you mean 33 dBm over the band, which is -43.02 dBm/Hz?"),
        ("radio.fading={model: rayleigh, coherence_s: 500}", "did you mean 0.5 s, which is 500 ms?"),
        ("server.memory_mib=8e9", "did you mean 7629.39 MiB, which is 8e+09 bytes?"),
    ],
)
def test_a_warning_names_the_key_and_the_likely_unit(override: str, suggestion: str, tmp_path: Path) -> None:
    """One warning begins with the option and the key, and suggests the value in the likely unit."""
    (line,) = {line for line in warnings(tmp_path, override) if suggestion in line} or {""}
    assert line.startswith(f"--set: {override.partition('=')[0]}"), warnings(tmp_path, override)
    assert ": warning: " in line


def test_ordinary_scenarios_have_no_warnings() -> None:
    """Neither the defaults nor a scenario of the library is suspicious."""
    for name in library():
        assert [] == load_scenario(name).warnings(), name


@given(st.sampled_from(sorted(UNIT_RULES)), st.floats(1e-30, 1e30))
def test_a_suggestion_is_plausible_itself(kind: str, value: float) -> None:
    """A value in the range has no warning; the value that a warning suggests has none either."""
    rule = UNIT_RULES[kind]
    text = rule.warning(value)
    assert (text is None) == (rule.lowest <= value <= rule.largest)
    if text is not None and "did you mean" in text:
        likely = float(text.partition("did you mean ")[2].split()[0])
        assert rule.lowest * (1 - 1e-5) <= likely <= rule.largest * (1 + 1e-5)


@pytest.mark.parametrize("command", [["validate"], ["run"], ["plan"], ["sweep", "--dry-run"]], ids=" ".join)
def test_commands_print_each_warning_once(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warnings go to standard error, and the command goes on."""
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(GOOD)
    options = [
        "--set",
        "radio.carrier_hz=1e6",
        "--set",
        "radio.subchannel_hz=1e5",
        "--set",
        "sweep={seeds: 2}",
    ]
    result = CliRunner().invoke(app, [*command, "good.yaml", *options])
    assert 0 == result.exit_code, result.stderr
    assert 1 == result.stderr.count("--set: radio.carrier_hz: warning: ")
