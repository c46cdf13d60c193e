"""Laws of a sweep's tables: what a column says does not depend on what else the sweep holds."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cutlayer.analysis.results.run_folder import read_csv
from cutlayer.analysis.results.sweep_tables import scheme_rows


@pytest.mark.parametrize(
    ("cut", "text"), [(None, ""), (5, "5"), ([2, 2, 2], "2"), ([5, 2, 5], "5|2|5"), ([3], "3")]
)
def test_a_cut_is_one_number_or_each_devices(tmp_path: Path, cut: int | list[int] | None, text: str) -> None:
    """A cut that all devices have is one number, however it was chosen; the file gives it back as text."""
    rows = scheme_rows({"schemes": {"mine": {"cut": cut}, "other": {"cut": 4}}})
    pd.DataFrame(rows).to_csv(tmp_path / "schemes.csv", index=False)

    assert [text, "4"] == read_csv(tmp_path / "schemes.csv")["cut"].tolist()


def test_figures_of_several_are_json(tmp_path: Path) -> None:
    """What a summary has by device or by part can be read back from its cell; nothing stays nothing."""
    departed_at_s = {"0": 1.5, "7": 0.25}
    figures = [{"cut": 2, "left_at_s": departed_at_s}, {"cut": 2, "left_at_s": {}}]
    rows = scheme_rows({"schemes": dict(zip(["mine", "other"], figures, strict=True))})
    pd.DataFrame(rows).to_csv(tmp_path / "schemes.csv", index=False)

    cells = read_csv(tmp_path / "schemes.csv")["left_at_s"]
    assert departed_at_s == json.loads(cells[0])
    assert "" == cells[1]
