"""Tests of the tables of a sweep: the type of a column does not depend on the values of other points."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cutlayer.analysis.results.run_files import read_csv
from cutlayer.analysis.results.sweeps.sweep_tables import scheme_rows


@pytest.mark.parametrize(
    ("cut", "text"), [(None, ""), (5, "5"), ([2, 2, 2], "2"), ([5, 2, 5], "5|2|5"), ([3], "3")]
)
def test_a_cut_is_one_number_or_one_for_each_device(
    tmp_path: Path, cut: int | list[int] | None, text: str
) -> None:
    """A cut that all devices share is one number; the column reads back as text."""
    rows = scheme_rows({"schemes": {"mine": {"cut": cut}, "other": {"cut": 4}}})
    pd.DataFrame(rows).to_csv(tmp_path / "schemes.csv", index=False)

    assert [text, "4"] == read_csv(tmp_path / "schemes.csv")["cut"].tolist()


def test_mappings_are_json(tmp_path: Path) -> None:
    """A mapping in a summary can be read back from its cell; an empty mapping is an empty cell."""
    departed_at_s = {"0": 1.5, "7": 0.25}
    figures = [{"cut": 2, "left_at_s": departed_at_s}, {"cut": 2, "left_at_s": {}}]
    rows = scheme_rows({"schemes": dict(zip(["mine", "other"], figures, strict=True))})
    pd.DataFrame(rows).to_csv(tmp_path / "schemes.csv", index=False)

    cells = read_csv(tmp_path / "schemes.csv")["left_at_s"]
    assert departed_at_s == json.loads(cells[0])
    assert "" == cells[1]
