"""The Python interface as notebooks use it: dictionaries, figures, tables, saved runs and progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure
from nbclient import NotebookClient

import cutlayer
from cutlayer.models.unit_tables import TABLES, named_unit_table
from cutlayer.progress import lines
from cutlayer.scenarios.model_costs.unit_table import unit_table_csv
from tests.support.stopped_runs import contents

SCENARIO: dict[str, Any] = {
    "name": "small",
    "stop": {"rounds": 2},
    "schemes": ["psl", {"name": "epsl", "phi": 0.5, "label": "<b>EPSL</b>"}],
    "batch_size": 8,
    "model": {"name": "lenet", "input_shape": [1, 8, 8], "classes": 10},
    "devices": {"count": 2},
    "radio": {"subchannels": 4},
}
LEARNING = {"dataset": {"name": "digits"}}


@pytest.fixture(scope="module")
def run() -> cutlayer.Run:
    """Return a trained run of two schemes."""
    return cutlayer.run({**SCENARIO, "learning": LEARNING})


def test_a_dictionary_equals_a_file(tmp_path: Path) -> None:
    """A scenario as a dictionary gives the bytes of a file with the same keys, with overrides too."""
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SCENARIO, allow_unicode=True), encoding="utf-8")
    options: dict[str, Any] = {"overrides": ["batch_size=4"], "seed": 3, "figures": False}
    cutlayer.run(tmp_path / "small.yaml", out=tmp_path / "file", **options)
    cutlayer.run(SCENARIO, out=tmp_path / "dictionary", **options)
    assert contents(tmp_path / "file") == contents(tmp_path / "dictionary")


def test_a_dictionary_stays_as_it_is() -> None:
    """Tuples, paths and values of NumPy are allowed, and overrides do not change the dictionary."""
    given = {
        **SCENARIO,
        "batch_size": np.int64(8),
        "model": {"name": "lenet", "input_shape": (1, 8, 8), "classes": 10},
        "devices": {"count": 2, "distance_m": np.array([10.0, 20.0])},
    }
    before = repr(given)
    checked = cutlayer.validate(given, overrides=["batch_size=4", "devices.clock_hz=1e9"])
    assert before == repr(given)
    assert (4, [10.0, 20.0]) == (checked["batch_size"], checked["devices"]["distance_m"])


def test_messages_on_a_dictionary_name_the_key() -> None:
    """All faults come at once, each with its key path, and without a file or a line."""
    wrong = {**SCENARIO, "batchsize": 8, "devices": {"count": -1}, "seed": object()}
    with pytest.raises(cutlayer.ScenarioError) as raised:
        cutlayer.validate(wrong)
    text = "seed: must be text, a number, a list or a mapping; it is of the type object"
    assert text == str(raised.value)
    with pytest.raises(cutlayer.ScenarioError) as raised:
        cutlayer.validate({**wrong, "seed": 0}, overrides=["stop.rounds=0"])
    messages = str(raised.value).splitlines()
    assert messages[0].startswith("batchsize: unknown key; ") or messages[1].startswith("batchsize: unknown")
    assert "devices.count: must be greater than or equal to 1; it is -1" in messages
    assert "--set: stop.rounds: must be greater than or equal to 1; it is 0" in messages
    assert {"batchsize", "devices.count", "stop.rounds"} == {issue.key for issue in raised.value.issues}


def test_a_nested_circle_is_refused() -> None:
    """A dictionary that contains itself is refused with its key, and does not exhaust the stack."""
    circle: dict[str, Any] = {**SCENARIO}
    circle["devices"] = {"count": circle}
    with pytest.raises(cutlayer.ScenarioError, match="devices: is nested too deeply; 50 levels"):
        cutlayer.validate(circle)


def test_relative_paths_start_at_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit table that a dictionary names is found in the working folder."""
    table = TABLES / "lenet_1x8x8_10.csv"
    (tmp_path / "units.csv").write_bytes(table.read_bytes())
    monkeypatch.chdir(tmp_path)
    run = cutlayer.run({**SCENARIO, "model": {"name": "table", "file": Path("units.csv")}})
    assert [2, 2] == [figures["rounds"] for figures in run.summary["schemes"].values()]


def test_a_dictionary_may_have_a_sweep(tmp_path: Path) -> None:
    """A sweep in a dictionary has the points of a file, and takes a seed and schemes."""
    given = {**SCENARIO, "sweep": {"grid": {"batch_size": [4, 8]}, "seeds": 2}}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(given, allow_unicode=True), encoding="utf-8")
    points: list[list[str]] = []
    for scenario in (given, tmp_path / "small.yaml"):
        out = tmp_path / f"out-{len(points)}"
        result = cutlayer.sweep(scenario, out=out, jobs=1, seed=5, schemes=["psl"])
        assert {"psl"} == set(result.schemes["label"])
        assert [5, 6] == sorted(set(result.points["seed"]))
        points.append(result.points["point"].tolist())
    assert points[0] == points[1]


def test_listed_seeds_are_not_replaced(tmp_path: Path) -> None:
    """A seed for a sweep that lists its seeds is refused, because it would have no effect."""
    given = {**SCENARIO, "sweep": {"seeds": [1, 2]}}
    with pytest.raises(cutlayer.ScenarioError, match=r"--seed: sweep\.seeds: the sweep lists"):
        cutlayer.sweep(given, out=tmp_path / "out", seed=5)


def test_figures_are_shown_in_a_notebook(run: cutlayer.Run) -> None:
    """Both charts are figures of matplotlib that have a PNG for notebooks."""
    for figure in (run.gantt(), run.gantt((2, 2), schemes=["psl"], critical_path=True), run.accuracy()):
        assert isinstance(figure, Figure)
        assert vars(figure)["_repr_png_"]().startswith(b"\x89PNG")


def test_unknown_schemes_get_the_nearest_name(run: cutlayer.Run, tmp_path: Path) -> None:
    """Every method that takes schemes names those of the run."""
    for draw in (run.gantt, run.accuracy, lambda schemes: run.trace(tmp_path / "t.json", schemes=schemes)):
        with pytest.raises(
            ValueError, match=r"no scheme is named 'pls'; there are: .*; did you mean 'psl'\?"
        ):
            draw(schemes=["pls"])


def test_the_table_in_a_notebook_shows_labels_as_text(run: cutlayer.Run) -> None:
    """A label with the marks of HTML stays text."""
    html = run._repr_html_()
    assert "<td>PSL</td>" in html
    assert "&lt;b&gt;EPSL&lt;/b&gt;" in html and "<b>EPSL" not in html


def test_a_saved_run_is_the_folder_of_a_run(run: cutlayer.Run, tmp_path: Path) -> None:
    """Saving a run later gives the bytes of a run with a folder; a folder is replaced only on demand."""
    cutlayer.run({**SCENARIO, "learning": LEARNING}, out=tmp_path / "at once")
    run.save(tmp_path / "later")
    assert contents(tmp_path / "at once") == contents(tmp_path / "later")
    with pytest.raises(cutlayer.RunFolderError, match="holds a run already"):
        run.save(tmp_path / "later")
    run.save(str(tmp_path / "later"), overwrite=True, figures=False)
    assert not list((tmp_path / "later").glob("*.png"))


def test_a_run_is_replaced_on_demand(tmp_path: Path) -> None:
    """With overwrite, a second run takes the place of the first one."""
    cutlayer.run(SCENARIO, out=tmp_path / "run", figures=False)
    with pytest.raises(cutlayer.RunFolderError, match="holds a run already"):
        cutlayer.run(SCENARIO, out=tmp_path / "run", figures=False, seed=1)
    cutlayer.run(SCENARIO, out=tmp_path / "run", figures=False, seed=1, overwrite=True)
    assert 1 == cutlayer.load(tmp_path / "run").summary["seed"]


def test_profile_is_the_unit_table_of_a_model() -> None:
    """The rows are the units, with the values of the unit table."""
    table = cutlayer.profile("lenet", input_shape=(1, 8, 8), classes=10)
    units = named_unit_table("lenet", (1, 8, 8), 10)
    assert unit_table_csv(units) == table.to_csv(index=False)
    with pytest.raises(ValueError, match="did you mean 'lenet'"):
        cutlayer.profile("lenett")


def test_unusual_units_give_a_warning() -> None:
    """A clock of one Hertz is valid, and gives the warning that the command prints."""
    with pytest.warns(UserWarning, match=r"devices\.clock_hz"):
        cutlayer.validate(SCENARIO, overrides=["devices.clock_hz=1.5"])


@pytest.mark.parametrize(("progress", "shown"), [(None, False), (False, False), (True, True)])
def test_progress_is_shown_on_demand(
    progress: bool | None, shown: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of a notebook, a run is silent unless progress is asked for."""
    monkeypatch.setattr(lines, "pause_s", lambda elapsed_s: 0.001)
    cutlayer.run(SCENARIO, overrides=["stop.rounds=300"], progress=progress)
    captured = capsys.readouterr()
    assert "" == captured.out
    assert shown == ("psl: round " in captured.err)


def test_every_public_name_can_be_imported() -> None:
    """All names of the stub exist, and each error is an exception."""
    for name in vars(cutlayer)["__all__"]:
        each = getattr(cutlayer, name)
        assert not name.endswith("Error") or issubclass(each, Exception)
    assert cutlayer.__version__


@pytest.mark.slow
def test_a_notebook_shows_progress_tables_and_figures(tmp_path: Path) -> None:
    """In a Jupyter kernel, a cell has the progress, the table in HTML and the figure as PNG."""
    code = f"import cutlayer\nrun = cutlayer.run({SCENARIO!r})\nrun"
    cells = [nbformat.v4.new_code_cell(text) for text in (code, "run.gantt()")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    first, second = (cell["outputs"] for cell in notebook["cells"])
    progress = [each["data"]["text/plain"] for each in first if each["output_type"] == "display_data"]
    assert any("psl: round 2 of 2" in text for text in progress), first
    (table,) = [each["data"]["text/html"] for each in first if each["output_type"] == "execute_result"]
    assert "<td>PSL</td>" in table
    assert "image/png" in second[-1]["data"]
