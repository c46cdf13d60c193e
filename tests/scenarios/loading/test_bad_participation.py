"""Messages about a wrong participation section, or one that excludes another key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.wrong_input import DIGITS, GOOD, Row, check, issue

DRAW = GOOD + "participation: "
WHY = "participation changes who takes part from round to round"

ROWS = [
    Row(
        "nothing",
        DRAW + "{}\n",
        issue("participation.per_round", "this key is required and missing"),
    ),
    Row(
        "nobody",
        DRAW + "{per_round: 0}\n",
        issue("participation.per_round", "must be greater than or equal to 1; it is 0", 7),
    ),
    Row(
        "more than there are",
        DRAW + "{per_round: 3}\n",
        issue("participation.per_round", "draws 3 devices a round; devices.count is 2", 7),
    ),
    Row(
        "available without times",
        DRAW + "{per_round: 1, selection: available, mean_on_s: 3}\n",
        issue("participation", "selection available needs mean_off_s", 7),
    ),
    Row(
        "times that nothing is done with",
        DRAW + "{per_round: 1, mean_on_s: 3}\n",
        issue("participation", "selection uniform takes no mean_on_s", 7),
    ),
    Row(
        "deadline without one",
        DRAW + "{per_round: 1, selection: deadline}\n",
        issue("participation", "selection deadline needs deadline_s", 7),
    ),
    Row(
        "subchannels by device",
        DRAW + "{per_round: 1}\nallocation: {subchannels: [[0], [1]]}\n",
        issue("allocation.subchannels", f"gives each device its own; {WHY}: name a method", 8),
    ),
    Row(
        "powers by device",
        DRAW + "{per_round: 1}\nallocation: {power: {dbm_per_hz: [-60, -60]}}\n",
        issue("allocation.power", f"gives each device its own; {WHY}: name a method", 8),
    ),
    Row(
        "plans now and then",
        DRAW + "{per_round: 1}\nallocation: {replan: {every_rounds: 2}}\n",
        issue("allocation.replan", f"{WHY}, so each round is planned for: give every_rounds: 1", 8),
    ),
    Row(
        "training with compression",
        DRAW + "{per_round: 1}\ncompression: {dropout: {share: 0.2}}\n" + DIGITS,
        issue(
            "participation",
            "training with compression keeps what every device has received; leave out compression, learning"
            " or participation",
            7,
        ),
    ),
    Row(
        "more devices than samples",
        GOOD.replace("{count: 2}", "{count: 2000}") + "participation: {per_round: 1}\n" + DIGITS,
        issue("learning.partition", "...leaves client ... without any; every client needs at least one", 8),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_wrong_participation(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message has the key, its line, the rule and the value."""
    monkeypatch.chdir(tmp_path)
    check(row, tmp_path)
