"""Messages about wrong round policies and availability, and about keys that exclude each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.wrong_input import GOOD, Row, check, issue

POLICY = GOOD + "round_policy: "
FAULTS = GOOD + "faults: "

ROWS = [
    Row(
        "more selected than there are",
        POLICY + "{over_select: 3, first: 2}\n",
        issue("round_policy.over_select", "selects 3 devices a round; devices.count is 2", 7),
    ),
    Row(
        "first of fewer",
        POLICY + "{over_select: 1, first: 2}\n",
        issue("round_policy", "first is 2; over_select selects only 1", 7),
    ),
    Row(
        "selected, and each its subchannels",
        POLICY + "{over_select: 1, first: 1}\nallocation: {subchannels: [[0], [1]]}\n",
        issue(
            "allocation.subchannels",
            "gives each device its own; round_policy.over_select changes who takes part from round to round:"
            " name a method",
            8,
        ),
    ),
    Row(
        "two sections for one thing",
        FAULTS + "{availability: {mean_on_s: 1, mean_off_s: 1}}\n"
        "participation: {per_round: 1, selection: available, mean_on_s: 1, mean_off_s: 1}\n",
        issue(
            "participation.selection",
            "available and faults.availability both say when devices are online; give one of them",
            8,
        ),
    ),
    Row(
        "a quorum of clients that take turns",
        GOOD.replace("[psl]", "[psl, sl]") + "round_policy: {deadline_s: 1.0, quorum: 0.5}\n",
        issue(
            "round_policy.quorum",
            "quorum counts clients that train in parallel, and those of schemes: sl train in turn; give sl a"
            " round_policy of its own",
            7,
        ),
    ),
    Row(
        "a mean without the other",
        FAULTS + "{availability: {mean_on_s: 1}}\n",
        issue("faults.availability", "give either mean_on_s and mean_off_s or file", 7),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_wrong_policies_are_reported(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message has the line and the key, and says what is allowed."""
    monkeypatch.chdir(tmp_path)
    check(row, tmp_path)
