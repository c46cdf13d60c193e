"""The plan command and its Python function: rows that add up, gaps that hold, and what is refused."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import cutlayer
from cutlayer.cli.main import app
from cutlayer.scenarios.registry import specs

SCENARIO = """\
name: small
stop: {rounds: 1}
schemes: [sl, fl, {name: sfl, aggregate_every: 2}, {name: epsl, phi: 0.5}]
model: {name: resnet18}
devices: {count: 2}
radio: {subchannels: 5}
"""
STAGES = ["first_stage_s", "server_s", "broadcast_s", "second_stage_s", "model_exchange_s"]
REFUSED = "3 clients on 20 subchannels have 3^20 assignments a cut; brute force takes 100,000 at most"


def cli(*arguments: object) -> str:
    """Return the output of a command that must succeed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert 0 == result.exit_code, (result.output, result.exception)
    return result.stdout


def refused(*arguments: object) -> str:
    """Return the message of a command that must end with status 2."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert 2 == result.exit_code, (result.output, result.exception)
    return result.stderr


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a scenario that brute force can solve."""
    path = tmp_path_factory.mktemp("plan") / "small.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def table(scenario: Path) -> pd.DataFrame:
    """Return its plans by every method."""
    return cutlayer.plan(scenario)


def test_every_method_has_a_row(table: pd.DataFrame) -> None:
    """The scenario's own allocation comes first, then every registered method; SL has its own row alone."""
    methods = ["scenario", *(spec.name for spec in specs("plan"))]
    rows = {label: list(group["method"]) for label, group in table.groupby("label", sort=False)}
    assert {"sl": ["scenario"], "fl": methods, "sfl I=2": methods, "epsl φ=0.5": methods} == rows


def test_the_stages_sum_to_the_round(table: pd.DataFrame) -> None:
    """Both stages, the server, the broadcast and the exchange of models are all there is to a round."""
    rows = table[table["label"] != "sl"]
    np.testing.assert_allclose(rows[STAGES].sum(axis=1), rows["predicted_s"], rtol=1e-12)
    assert (rows.loc[rows["label"] == "sfl I=2", "model_exchange_s"] > 0).all()
    assert (rows.loc[rows["label"] != "sfl I=2", "model_exchange_s"] == 0).all()
    assert table.loc[table["label"] == "sl", STAGES].isna().all(axis=None)


def test_no_gap_is_negative(table: pd.DataFrame) -> None:
    """Where brute force reaches, gaps are to the optimum: 0 for that itself, and none is below."""
    rows = table[table["label"] != "sl"]
    assert {"optimum"} == set(rows["reference"])
    assert (rows["gap"] > -1e-9).all()
    np.testing.assert_allclose(rows["gap"], rows["predicted_s"] / rows["reference_s"] - 1, atol=1e-15)
    np.testing.assert_allclose(rows.loc[rows["method"] == "optimal", "gap"], 0.0, atol=1e-9)


def test_a_run_takes_the_plan_that_is_predicted(scenario: Path, table: pd.DataFrame) -> None:
    """With ``allocation.method`` in the scenario every scheme runs by that method's plan, SL by its own."""
    for method in ("baseline_b", "optimal"):
        run = cutlayer.run(scenario, overrides=[f"allocation.method={method}"])
        planned = table[table["method"].isin([method, "scenario"])].drop_duplicates("label", keep="last")
        latency_s = run.rounds.set_index("label")["latency_s"].drop("sfl I=2")  # averages every second round
        expected_s = planned.set_index("label")["predicted_s"].drop("sfl I=2")
        pd.testing.assert_series_equal(expected_s, latency_s, rtol=1e-9, check_names=False)


def test_an_explicit_cut_holds_for_every_method(scenario: Path) -> None:
    """Methods are compared at the scenario's cut, and the optimum is that of this cut."""
    table = cutlayer.plan(scenario, overrides=["allocation.cut=7"], schemes=["sl", "epsl"])
    assert {7} == set(table["cut"])
    run = cutlayer.run(scenario, overrides=["allocation={cut: 7, method: baseline_a}"], schemes=["epsl"])
    expected_s = table.loc[table["method"] == "baseline_a", "predicted_s"].item()
    assert pytest.approx(expected_s, rel=1e-9) == run.rounds["latency_s"].item()


def test_baselines_draw_one_cut(table: pd.DataFrame) -> None:
    """Random cuts are alike for both methods and all schemes that split the model."""
    drawn = table[table["method"].isin(["baseline_a", "baseline_b"]) & (table["label"] != "fl")]
    assert 1 == drawn["cut"].nunique()


def test_beyond_brute_force_there_is_a_bound(scenario: Path) -> None:
    """Then the optimal row says why it is empty, and gaps are to a bound, in the table's notes, too."""
    larger = ("--set", "devices.count=3", "--set", "radio.subchannels=20", "--schemes", "epsl")
    options = ("--methods", "optimal, baseline_d", "--bound-time", "0.5")
    text = cli("plan", scenario, *larger, *options, "--format", "csv")
    rows = pd.read_csv(StringIO(text)).set_index("method")
    assert ["scenario", "optimal", "baseline_d"] == list(rows.index)
    assert REFUSED == rows.loc["optimal", "note"]
    assert rows.loc[["optimal"], "predicted_s"].isna().all()
    assert {"bound"} == set(rows["reference"])
    assert (rows["gap"].dropna() >= 0).all()
    shown = cli("plan", scenario, *larger, *options)
    assert "over bound" in shown
    assert f"optimal (EPSL (φ = 0.5)): {REFUSED}" in shown


def test_the_table_has_the_figures_of_the_csv(scenario: Path) -> None:
    """Every scheme and method is in the table for people, and the CSV is that of the Python function."""
    shown = cli("plan", scenario, "--seed", 3)
    text = cli("plan", scenario, "--seed", 3, "--format", "csv")
    table = pd.read_csv(StringIO(text))
    expected = cutlayer.plan(scenario, seed=3)
    pd.testing.assert_frame_equal(
        expected.drop(columns="planning_ms"), table.drop(columns="planning_ms"), check_dtype=False
    )
    for name in {*table["method"], *table["paper_label"], "over optimum"}:
        assert name in shown


def test_wrong_input_is_refused(scenario: Path) -> None:
    """Unknown methods and formats, and what brute force can't do as a scenario's own method."""
    message = refused("plan", scenario, "--methods", "optimale")
    assert "--methods: no allocation method is named 'optimale'" in message
    assert "did you mean 'optimal'?" in message
    assert "--format: 'html' is unknown; known: table, csv" in refused("plan", scenario, "--format", "html")
    large: tuple[Any, ...] = ("--set", "devices.count=3", "--set", "radio.subchannels=20")
    message = refused("plan", scenario, *large, "--set", "allocation.method=optimal")
    assert f"allocation.method: {REFUSED}" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [("subchannels", "round_robin"), ("power", "uniform"), ("power", "{dbm_per_hz: [-60, -60]}")],
)
def test_a_method_chooses_all(scenario: Path, key: str, value: str) -> None:
    """Beside a method, subchannels or power other than the default are a fault that names both keys."""
    message = refused(
        "plan", scenario, "--set", "allocation.method=baseline_c", "--set", f"allocation.{key}={value}"
    )
    assert f"allocation.{key}: allocation.method is baseline_c, which chooses the {key} too" in message


def test_a_run_with_a_method_can_be_run_again(scenario: Path, tmp_path: Path) -> None:
    """The scenario of its folder, with every default filled in, is no fault and gives the same rows."""
    first = cutlayer.run(scenario, overrides=["allocation.method=baseline_c"], out=tmp_path / "run")
    again = cutlayer.run(tmp_path / "run" / "scenario.yaml")
    pd.testing.assert_frame_equal(first.rounds, again.rounds)
