"""Messages about attributes of single devices, excluded devices, and faults of processors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.wrong_input import GOOD, Row, check, issue

DEVICES = GOOD.replace("{count: 2}", "{count: 2, %s}")
SLOW = GOOD + "stragglers: {slowdown: {%s}}\n"
SERVER = GOOD + "faults: {server: {%s}}\n"
NO_DEVICE = "devices.count is 2, so devices are numbered from 0 to 1"
RADIO = "devices.uplink_bps is absent, so all devices use the radio; give uplink_bps to all devices"


def in_devices(key: str, message: str) -> tuple[str, ...]:
    """Return the expected message of one issue in line 5, that of the devices."""
    return issue(key, message, 5)


ROWS = [
    Row(
        "no such device",
        DEVICES % "overrides: {2: {clock_hz: 1e9}}",
        in_devices("devices.overrides.2", f"there is no device 2: {NO_DEVICE}"),
    ),
    Row(
        "clock of a single device",
        DEVICES % "overrides: {1: {clock_hz: 0}}",
        in_devices("devices.overrides.1.clock_hz", "must be greater than 0; it is 0"),
    ),
    Row(
        "list for a single device",
        DEVICES % "overrides: {1: {clock_hz: [1e9, 2e9]}}",
        in_devices("devices.overrides.1.clock_hz", "must be a number..."),
    ),
    Row(
        "name in the place of a number",
        DEVICES % "overrides: {first: {clock_hz: 1e9}}",
        in_devices("devices.overrides.first", "...integer..."),
    ),
    Row(
        "rate of a radio link",
        DEVICES % "overrides: {1: {uplink_bps: 1e6}}",
        in_devices("devices.overrides.1.uplink_bps", RADIO),
    ),
    Row(
        "no such device to exclude",
        DEVICES % "exclude: [2]",
        in_devices("devices.exclude.0", f"there is no device 2: {NO_DEVICE}"),
    ),
    Row(
        "excluded twice",
        DEVICES % "exclude: [1, 1]",
        in_devices("devices.exclude.1", "device 1 is given twice"),
    ),
    Row(
        "nobody left",
        DEVICES % "exclude: [0, 1]",
        in_devices("devices.exclude", "excludes every device; at least one must take part"),
    ),
    Row(
        "more than are left",
        DEVICES % "exclude: [0]" + "participation: {per_round: 2}\n",
        issue(
            "participation.per_round", "draws 2 devices a round; devices.count is 2, of which 1 are excluded"
        ),
    ),
    Row(
        "factors of another number of devices",
        SLOW % "factor: [2, 3, 4]",
        issue("stragglers.slowdown.factor", "lists 3 values; devices.count is 2, one each is needed"),
    ),
    Row(
        "a factor below 1",
        SLOW % "factor: [2, 0.5]",
        issue("stragglers.slowdown.factor", "must be from 1 to 1e+06 for every device; it has 0.5"),
    ),
    Row(
        "a duration that is too short for a device",
        SLOW % "mean_normal_s: {uniform: [1e-12, 1]}",
        issue(
            "stragglers.slowdown.mean_normal_s", "must be from 1e-09 to 1e+12 for every device; it has 1e-12"
        ),
    ),
    Row(
        "a duration that is drawn too short",
        SLOW % "mean_normal_s: 1, mean_slow_s: {lognormal: {median: 2e-9, sigma: 9}}",
        issue("stragglers.slowdown.mean_slow_s", "its distribution gives a device ...the smallest is 1e-09"),
    ),
    Row(
        "slow for ever",
        SLOW % "mean_slow_s: .inf",
        issue("stragglers.slowdown.mean_slow_s", "must be a finite number; it is inf"),
    ),
    Row(
        "down for ever",
        SERVER % "mean_up_s: 3, mean_down_s: .inf",
        issue("faults.server.mean_down_s", "must be a finite number; it is inf"),
    ),
    Row(
        "changes without number",
        SERVER.replace("{count: 2}", "{count: 2, clock_hz: 1e4}") % "mean_up_s: 1e-8, mean_down_s: 1e-8",
        issue("faults.server", "...changes would be simulated in it; at most 1e+07 are allowed"),
    ),
    Row(
        "two distributions",
        GOOD + "stragglers: {compute_noise: {lognormal: {sigma: 1}, exponential: {mean_s: 1}}}\n",
        issue(
            "stragglers.compute_noise",
            "give exactly one of lognormal, pareto, exponential; 2 are given",
        ),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_wrong_devices_and_faults(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message has the key, its line, the rule and the value."""
    monkeypatch.chdir(tmp_path)
    check(row, tmp_path)
