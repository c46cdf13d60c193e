"""Messages about wrong channels, medium access, batteries and re-planning."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.wrong_input import GOOD, UNKNOWN, Row, changed, check, issue

FADED = "{subchannels: 4, fading: "
HEADING = "needed: time_s, device, x_m, y_m, of which time_s may be left out"

ROWS = [
    # When plans are made anew, and on what knowledge.
    Row(
        "both triggers",
        GOOD + "allocation:\n  replan: {every_rounds: 1, change_db: 3}\n",
        issue("allocation.replan", "give either every_rounds or change_db", 8),
    ),
    Row(
        "no trigger",
        GOOD + "allocation: {replan: {}}\n",
        issue("allocation.replan", "give either every_rounds or change_db"),
    ),
    Row(
        "every zero rounds",
        GOOD + "allocation: {replan: {every_rounds: 0}}\n",
        issue("allocation.replan.every_rounds", "must be greater than or equal to 1; it is 0"),
    ),
    Row(
        "no change",
        GOOD + "allocation: {replan: {change_db: 0}}\n",
        issue("allocation.replan.change_db", "must be greater than 0; it is 0"),
    ),
    Row(
        "trigger unknown",
        GOOD + "allocation: {replan: {every_round: 1}}\n",
        issue("allocation.replan.every_round", UNKNOWN.format("every_rounds")),
    ),
    Row(
        "knowledge of the future",
        GOOD + "allocation: {knowledge: {age_s: -1}}\n",
        issue("allocation.knowledge.age_s", "must be greater than or equal to 0; it is -1"),
    ),
    Row(
        "negative error",
        GOOD + "allocation: {knowledge: {error_db: -1}}\n",
        issue("allocation.knowledge.error_db", "must be greater than or equal to 0; it is -1"),
    ),
    # Fading and sharing.
    Row(
        "fading without a coherence time",
        changed("{subchannels: 4}", FADED + "rayleigh}"),
        issue("radio.fading.coherence_s", "this key is required and missing", 6),
    ),
    Row(
        "no coherence time",
        changed("{subchannels: 4}", FADED + "{model: rayleigh, coherence_s: 0}}"),
        issue("radio.fading.coherence_s", "must be greater than 0; it is 0", 6),
    ),
    Row(
        "key of another fading",
        changed("{subchannels: 4}", FADED + "{model: rayleigh, coherence_s: 1, k_db: 3}}"),
        issue("radio.fading.k_db", "unknown key; allowed: ...", 6),
    ),
    Row(
        "fading unknown",
        changed("{subchannels: 4}", FADED + "{model: ricean, coherence_s: 1}}"),
        issue("radio.fading.model", "no fading is named 'ricean'; known: ...; did you mean 'rician'?", 6),
    ),
    Row(
        "sharing unknown",
        changed("{subchannels: 4}", "{sharing: fair}"),
        issue("radio.sharing", "must be 'dedicated', 'work_conserving' or 'tdma'; it is 'fair'", 6),
    ),
    Row(
        "no slot",
        changed("{subchannels: 4}", "{sharing: tdma, tdma_slot_s: 0}"),
        issue("radio.tdma_slot_s", "must be greater than 0; it is 0", 6),
    ),
    # Batteries.
    Row(
        "empty battery",
        changed("{count: 2}", "{count: 2, battery_j: [5, 0]}"),
        issue("devices.battery_j", "must be greater than 0 for every device; it has 0", 5),
    ),
    Row(
        "battery of one device",
        changed("{count: 2}", "{count: 2, battery_j: [5]}"),
        issue("devices.battery_j", "lists 1 values; devices.count is 2, one each is needed", 5),
    ),
]
TABLES = [
    ("missing", None, "cannot read ...table.csv: ...No such file..."),
    ("columns", "device,x,y\n0,1,1\n", f"...table.csv has the columns device, x, y; {HEADING}"),
    ("third device", "device,x_m,y_m\n0,1,1\n2,1,1\n", "...table.csv: line 3: device 2 is none of 0 to 1"),
    ("no second device", "device,x_m,y_m\n0,1,1\n", "...table.csv: no x_m is given for device 1 at time 0"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_issue_has_its_line(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong section ends with status 2 and one line; nothing is written."""
    monkeypatch.chdir(tmp_path)
    check(row, tmp_path)


@pytest.mark.parametrize(("name", "text", "message"), TABLES, ids=[name for name, _, _ in TABLES])
def test_wrong_positions_are_an_issue_of_their_key(
    name: str, text: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message about the file follows the key that names it."""
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "table.csv").write_text(text)
    scenario = changed("{count: 2}", "{count: 2, positions: table.csv}")
    check(Row(name, scenario, issue("devices.positions", message, 5)), tmp_path)


def test_gains_that_a_table_lacks_are_an_issue_of_the_path_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file, the device and the subchannel are named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("device,subchannel,gain_db\n0,0,-90\n")
    scenario = changed("{subchannels: 4}", "{path_loss: {model: fixed, file: table.csv}, subchannels: 1}")
    message = "...table.csv: no gain_db is given for device 1, subchannel 0 at time 0"
    check(Row("gains", scenario, issue("radio.path_loss", message, 6)), tmp_path)


def test_two_sources_of_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moving devices and a table of gains over time exclude each other."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moves.csv").write_text("device,time_s,x_m,y_m\n0,0,1,1\n1,0,1,1\n0,1,2,2\n")
    (tmp_path / "gains.csv").write_text("device,time_s,gain_db\n0,0,-90\n1,0,-90\n0,1,-80\n")
    scenario = changed("{count: 2}", "{count: 2, positions: moves.csv}").replace(
        "{subchannels: 4}", "{path_loss: {model: fixed, file: gains.csv}}"
    )
    message = "both the gains and the positions change over time; give only one of them"
    check(Row("both", scenario, issue("radio.path_loss", message, 6)), tmp_path)
