"""Laws of a sweep's points: their number, their scenarios, and the report of all their issues."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.loading.loader import load_scenario, scenario_yaml
from cutlayer.scenarios.loading.sweep_points import Point, load_points
from cutlayer.scenarios.schema.sweep import Sweep, combinations
from tests.support.wrong_input import GOOD


def points(folder: Path, sweep: str, *overrides: str) -> list[Point]:
    """Return the points of the good scenario with a sweep."""
    path = folder / "sweep.yaml"
    path.write_text(GOOD + sweep, encoding="utf-8")
    return load_points(path, overrides)[1]


def issues(folder: Path, sweep: str) -> list[str]:
    """Return the messages of a sweep that must be refused."""
    with pytest.raises(ScenarioError) as caught:
        points(folder, sweep)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


@st.composite
def sweeps(draw: st.DrawFn) -> Sweep:
    """Return any sweep; all its values are different numbers."""
    rows = draw(st.integers(1, 3))
    entries = draw(st.integers(0, 3))
    return Sweep.model_validate(
        {
            "grid": {f"g.{n}": list(range(draw(st.integers(1, 3)))) for n in range(draw(st.integers(0, 3)))},
            "zip": {f"z.{n}": list(range(rows)) for n in range(draw(st.integers(0, 2)))},
            "list": [{f"l.{n}": n} for n in range(entries)],
            "seeds": draw(st.one_of(st.none(), st.integers(1, 4), st.just([7, 3, 11]))),
        }
    )


@given(sweeps(), st.integers(0, 5))
def test_every_combination_is_one_point(sweep: Sweep, seed: int) -> None:
    """The number of points is the product of the sizes of grid, zip, list and seeds; no two are equal."""
    point_overrides = combinations(sweep, seed)
    sizes = [len(values) for values in sweep.grid.values()]
    sizes += [len(values) for values in list(sweep.zip.values())[:1]]
    sizes.append(max(1, len(sweep.list)))
    count = sweep.seeds if isinstance(sweep.seeds, int) else len(sweep.seeds or (None,))
    assert math.prod(sizes) * count == len(point_overrides)
    different = {tuple((key, value) for key, (value, _) in point.items()) for point in point_overrides}
    assert len(point_overrides) == len(different)


@given(sweeps())
def test_rows_of_a_zip_stay_together(sweep: Sweep) -> None:
    """The keys of a zip always have values of one row."""
    for point in combinations(sweep, 0):
        rows = [value for key, (value, _) in point.items() if key.startswith("z.")]
        assert all(first == second for first, second in pairwise(rows))


def test_a_number_of_seeds_counts_from_the_scenarios_own(tmp_path: Path) -> None:
    """`seeds: 3` with seed 4 gives 4, 5, 6; a list gives itself; a sweep without seeds keeps the seed."""

    def seeds(sweep: str) -> list[int]:
        return [point.loaded.scenario.seed for point in points(tmp_path, sweep, "seed=4")]

    assert [4, 5, 6] == seeds("sweep: {seeds: 3}\n")
    assert [9, 2] == seeds("sweep: {seeds: [9, 2]}\n")
    assert [4, 4] == seeds("sweep: {grid: {batch_size: [1, 2]}}\n")


def test_a_point_is_the_scenario_with_its_keys_set(tmp_path: Path) -> None:
    """A point equals the file without its sweep, with the keys set by `--set`, list indices included."""
    sweep = (
        "sweep:\n  grid: {schemes.0.phi: [0.25, 1.0]}\n"
        "  zip: {devices.clock_hz: [{uniform: [1e9, 2e9]}, 1e9], learning: [null, {dataset: digits}]}\n"
    )
    base = GOOD.replace("[psl]", "[{name: epsl, phi: 0.5}]")
    (tmp_path / "base.yaml").write_text(base)
    (tmp_path / "sweep.yaml").write_text(base + sweep)
    expected = []
    for phi in ("0.25", "1.0"):
        for clock, learning in (("{uniform: [1e9, 2e9]}", "null"), ("1e9", "{dataset: digits}")):
            keys = (f"schemes.0.phi={phi}", f"devices.clock_hz={clock}", f"learning={learning}")
            expected.append(scenario_yaml(load_scenario(tmp_path / "base.yaml", keys).scenario))
    found = load_points(tmp_path / "sweep.yaml")[1]
    assert expected == [scenario_yaml(point.loaded.scenario) for point in found]
    assert ["epsl φ=0.25", "epsl φ=1"] == [found[n].loaded.scenario.schemes[0].label for n in (0, 2)]


def test_a_points_name_follows_from_its_scenario(tmp_path: Path) -> None:
    """The name does not depend on the order and the way in which keys are set."""
    forwards = points(tmp_path, "sweep: {grid: {batch_size: [1, 2], devices.count: [1, 2]}, seeds: 2}\n")
    backwards = points(
        tmp_path, "sweep: {seeds: [1, 0], grid: {devices.count: [2, 1], batch_size: [2, 1]}}\n"
    )
    listed = points(
        tmp_path, "sweep: {zip: {batch_size: [1, 2]}, list: [{devices.count: 1}, {}], seeds: 2}\n"
    )
    names = {point.name for point in forwards}
    assert 8 == len(names)
    assert names == {point.name for point in backwards} == {point.name for point in listed}
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in names)


def test_all_issues_of_all_points_are_reported_at_once(tmp_path: Path) -> None:
    """Each issue is reported once, at its line of the sweep, with the first point that has it."""
    sweep = "sweep:\n  grid:\n    devices.count:\n      - 2\n      - -1\n    batch_size: [8, 0]\n"
    rule = "must be greater than or equal to 1; it is"
    assert [
        f"sweep.yaml:11: devices.count: {rule} -1 (at devices.count=-1, batch_size=8 and 1 points more)",
        f"sweep.yaml:12: batch_size: {rule} 0 (at devices.count=2, batch_size=0 and 1 points more)",
    ] == issues(tmp_path, sweep)


def test_an_issue_of_every_point_names_no_point(tmp_path: Path) -> None:
    """An issue that all points have is reported like an issue of the file."""
    assert [
        "sweep.yaml:7: sweep.grid.schemes.0.phi.0: schemes.0 is the value 'psl', not a section with keys"
    ] == issues(tmp_path, "sweep: {grid: {schemes.0.phi: [1]}, seeds: 5}\n")


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        (
            "{zip: {batch_size: [1, 2], seed: [1]}}",
            "zip: its keys must list equally many values; batch_size lists 2",
        ),
        ("{grid: {seed: [1, 2]}, seeds: 2}", "seed is swept twice"),
        ("{grid: {batch_size: [1]}, list: [{batch_size: 2}]}", "batch_size is swept twice"),
        ("{grid: {batch_size: []}}", "must hold at least one value"),
        (
            "{grid: {batch_size: [3, 3]}}",
            "two points are one scenario: batch_size=3, seed=0; batch_size=3, seed=0",
        ),
        ("{grid: {sweep.seeds: [3]}}", "'sweep.seeds' is not a dotted key of a scenario"),
        ("{grid: {devices..count: [3]}}", "'devices..count' is not a dotted key of a scenario"),
        ("{grids: {batch_size: [1]}}", "did you mean 'grid'?"),
        ("{seeds: 2, figure: [{file: a/b, x: label, y: b}]}", "must be a file's name, without a folder"),
        ("{seeds: 2, figure: [{file: points.png, x: label, y: b}]}", "must be none of the sweep's tables"),
        (
            "{seeds: 2, figure: [{file: a, x: label, y: b, kind: curves}]}",
            "x of curves is round or end_s, not label",
        ),
    ],
)
def test_wrong_sweeps_are_refused(sweep: str, expected: str, tmp_path: Path) -> None:
    """One message describes the issue of the sweep, at its line."""
    (message,) = issues(tmp_path, f"sweep: {sweep}\n")
    assert message.startswith("sweep.yaml:7: sweep")
    assert expected in message


FIGURES = """\
  figure:
    - {file: a, x: label, y: b, lines: label}
    - {file: b, x: batch_size, y: b}
    - {file: c, x: devices.count, y: b, panels: seeds}
    - {file: c.svg, x: devices.count, y: b, best_over: {key: phi}}
"""
SWEPT = "swept: devices.count, label"
FIGURE_FAULTS = [
    "sweep.yaml:10: sweep.figure.0.lines: each label has a line already; leave out lines: label",
    f"sweep.yaml:11: sweep.figure.1.x: batch_size is not swept; {SWEPT}",
    f"sweep.yaml:12: sweep.figure.2.panels: seeds is not swept; {SWEPT}",
    "sweep.yaml:13: sweep.figure.3.file: c is the name of several; each needs its own",
    f"sweep.yaml:13: sweep.figure.3.best_over.key: phi is not swept; {SWEPT}",
]


def test_issues_of_all_figures_are_reported_at_once(tmp_path: Path) -> None:
    """Each is reported at its line, also if the scenario is run without its sweep."""
    path = tmp_path / "sweep.yaml"
    path.write_text(f"{GOOD}sweep:\n  grid: {{devices.count: [1, 2]}}\n{FIGURES}", encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert FIGURE_FAULTS == str(caught.value).replace(f"{tmp_path}/", "").splitlines()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("[1, -2]", "devices.count: must be greater than or equal to 1; it is -2 (at devices.count=-2)"),
        ("[1, 1]", "sweep: two points are one scenario: devices.count=1, seed=0; devices.count=1, seed=0"),
    ],
)
def test_issues_of_figures_hide_no_others(values: str, expected: str, tmp_path: Path) -> None:
    """Issues of points are reported together with those of figures."""
    first, *others = issues(tmp_path, f"sweep:\n  grid: {{devices.count: {values}}}\n{FIGURES}")
    assert expected == first.partition(": ")[2]
    assert FIGURE_FAULTS == others


def test_a_scenario_without_a_sweep_has_no_points(tmp_path: Path) -> None:
    """The message refers to the command that runs a scenario without a sweep."""
    assert ["sweep.yaml:1: has no sweep section; cutlayer run takes a scenario without one"] == issues(
        tmp_path, ""
    )


def test_a_sweep_may_come_from_an_option(tmp_path: Path) -> None:
    """An issue of values that an option sets names the option."""
    with pytest.raises(
        ScenarioError, match=r"^--set: batch_size: must be greater than or equal to 1; it is 0 \(at"
    ):
        points(tmp_path, "", "sweep={grid: {batch_size: [0, 1]}}")


def test_relative_paths_are_the_scenarios_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A swept relative path starts at the scenario's folder, wherever the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study").mkdir()
    found: Any = points(tmp_path / "study", "sweep: {grid: {model: [{name: table, file: units.csv}]}}\n")
    assert tmp_path / "study" / "units.csv" == found[0].loaded.scenario.model.file
