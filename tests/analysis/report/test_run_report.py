"""The page of a run: every section is there, bars are intervals, and it says what went wrong."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cutlayer
from cutlayer import Run
from cutlayer.analysis.report.run_report import run_page
from cutlayer.analysis.report.scenario_sections import changed_settings
from cutlayer.analysis.results.recorded_tables import RecordedTable
from cutlayer.analysis.results.table_formats import INTERVALS
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.yaml_lines import dump_yaml
from tests.support.report_pages import columns_of, loaded_addresses, objects_of, shown_text

SECTIONS = (
    *("Comparison", "Accuracy", "Latency by phase", "Gantt chart", "Time by node", "Bottlenecks", "Energy"),
    *("Plan", "Network", "Scenario", "Versions and seed"),
)


@pytest.fixture(scope="module")
def timeline() -> Run:
    """Return a run without learning."""
    return cutlayer.run("timeline_only", overrides=["stop.rounds=5"], schemes=["sl", "psl", "epsl"])


@pytest.fixture(scope="module")
def page(timeline: Run) -> str:
    """Return the page of the run without learning."""
    return run_page(timeline)


@pytest.fixture(scope="module")
def trained() -> Run:
    """Return a run with learning."""
    return cutlayer.run(
        "quickstart", overrides=["stop.rounds=3", "learning.evaluate_every=1"], schemes=["psl", "epsl"]
    )


def test_the_page_has_all_sections(trained: Run) -> None:
    """A reader finds each part of the run, and the page loads nothing."""
    page = run_page(trained)
    assert ["data:,"] == loaded_addresses(page)
    for title in SECTIONS:
        assert f"<h2>{title}</h2>" in page
    assert "with learning" in shown_text(page)


def test_bars_are_the_intervals_of_the_rounds(timeline: Run) -> None:
    """Each interval of the shown rounds is one bar, with its bits, FLOPs and rate."""
    page = run_page(timeline, (2, 3))
    sources = [columns for columns in columns_of(page) if "duration" in columns and "round" in columns]
    sources = [columns for columns in sources if isinstance(columns["node"][0], str)]  # not of the legend
    shown = timeline.intervals[timeline.intervals["round"].between(2, 3)]
    assert len(shown) == sum(len(columns["left"]) for columns in sources)
    transfers = [columns for columns in sources if "bits" in columns]
    bits = np.sort(np.concatenate([columns["bits"] for columns in transfers]))
    expected = shown[shown["lane"] != "compute"]
    assert (np.sort(expected["bits"]) / 1e6).tolist() == pytest.approx(bits.tolist(), rel=1e-6)
    rates = np.sort(np.concatenate([columns["rate"] for columns in transfers]))
    rates_bps = expected["bits"] / (expected["end_s"] - expected["start_s"])
    assert (np.sort(rates_bps) / 1e6).tolist() == pytest.approx(rates.tolist(), rel=1e-5)
    computed = [columns for columns in sources if "flops" in columns]
    flops = np.sort(np.concatenate([columns["flops"] for columns in computed]))
    assert (np.sort(shown[shown["lane"] == "compute"]["flops"]) / 1e6).tolist() == pytest.approx(
        flops.tolist()
    )


def test_the_page_says_which_rounds_it_shows(timeline: Run, page: str) -> None:
    """By default the first three rounds, or those that the caller has chosen."""
    assert "shows rounds 1 to 3 of 5" in shown_text(page)
    assert "shows rounds 2 to 3 of 5" in shown_text(run_page(timeline, (2, 3)))
    with pytest.raises(ValueError, match="rounds 9 to 9: the table's rounds are 1 to 5"):
        run_page(timeline, (9, 9))


def test_a_run_without_learning_says_so(page: str) -> None:
    """There is no accuracy chart, but a sentence."""
    text = shown_text(page)
    assert "timeline only, without learning" in text
    assert "it gives timelines alone, and no accuracy" in text


def test_latency_by_phase_sums_to_the_mean_round(timeline: Run, page: str) -> None:
    """The parts of a scheme's bar sum to its mean round time."""
    before_gantt = itertools.takewhile(lambda columns: "duration" not in columns, columns_of(page))
    ends: dict[str, float] = {}
    for columns in before_gantt:
        for bar, right in zip(columns.get("bar", []), columns.get("right", []), strict=False):
            if isinstance(bar, str):
                ends[bar] = max(right, ends.get(bar, 0.0))
    schemes = timeline.summary["schemes"]
    expected = {name: schemes[label]["mean_latency_s"] for label, name in timeline.paper_labels.items()}
    assert expected == pytest.approx(ends, rel=1e-9)


def failed(run: Run, label: str) -> Run:
    """Return the run as if a scheme had failed after its rounds."""
    schemes = {**run.summary["schemes"]}
    schemes[label] = {**schemes[label], "failed": "ValueError in round 6: <no luck>"}
    return replace(run, summary={**run.summary, "schemes": schemes})


def test_failures_divergence_and_interrupts_are_said(timeline: Run) -> None:
    """The top of the page names what a reader must know, and the text of an error is escaped."""
    run = failed(timeline, "psl")
    schemes = {**run.summary["schemes"]}
    schemes["sl"] = {**schemes["sl"], "diverged_in_round": 2}
    run = replace(run, summary={**run.summary, "schemes": schemes, "interrupted": True})
    page = run_page(run)
    text = shown_text(page)
    assert "PSL failed after round 5: ValueError in round 6: <no luck>" in text
    assert "<no luck>" not in page
    assert "SL diverged in round 2" in text
    assert "The run was interrupted" in text


def test_a_run_without_intervals_has_a_page(timeline: Run) -> None:
    """If the intervals are lost, the page says so and shows everything else."""
    page = run_page(replace(timeline, recorded=RecordedTable(INTERVALS, lost="the disk is full")))
    assert "The intervals of the run are lost" in shown_text(page)
    assert "<h2>Gantt chart</h2>" not in page
    assert "<h2>Plan</h2>" in page


@pytest.mark.parametrize("name", ["mpsl", "stragglers", "outages", "edgesplit", "server_failures"])
def test_every_kind_of_run_has_a_page(name: str) -> None:
    """Compute nodes, shares of the server, slow-downs, outages and failures are drawn."""
    run = cutlayer.run(name, overrides=["learning=null", "stop={rounds: 3}"])
    page = run_page(run)
    assert ["data:,"] == loaded_addresses(page)
    states = run.events[run.events["end_s"].notna() & run.events["round"].between(1, 3)]
    hatches = {str(glyph["hatch_pattern"]) for glyph in objects_of(page, "HBar") if "hatch_pattern" in glyph}
    for kind, pattern in {"slow": "\\", "outage": "|", "down": "+"}.items():
        drawn = str({"type": "value", "value": pattern}) in hatches
        assert (kind in set(states["kind"])) == drawn


def test_labels_of_users_are_escaped() -> None:
    """A label with markup is text in every section."""
    label = "<img src=x onerror=alert(1)>"
    scheme = f"schemes=[{{name: psl, label: '{label}'}}, sl]"
    page = run_page(cutlayer.run("timeline_only", overrides=[scheme, "stop.rounds=2"]))
    assert "<img src=x" not in page


def test_equal_runs_have_equal_pages(timeline: Run, tmp_path: Path) -> None:
    """The page depends on the run alone, and on nothing that an earlier page has left behind."""
    assert (
        timeline.report(tmp_path / "a.html").read_bytes() == timeline.report(tmp_path / "b.html").read_bytes()
    )


def test_a_run_from_a_folder_knows_where_its_page_goes(timeline: Run, tmp_path: Path) -> None:
    """The default is report.html in the folder; a run that was not read from one needs a path."""
    with pytest.raises(cutlayer.RunFolderError, match="give the path"):
        timeline.report()
    cutlayer.run(
        "timeline_only", out=tmp_path / "run", overrides=["stop.rounds=1"], schemes=["psl"], figures=False
    )
    assert tmp_path / "run" / "report.html" == cutlayer.load(tmp_path / "run").report()


def test_many_intervals_show_fewer_rounds() -> None:
    """With more than 4000 intervals in three rounds, the default shows fewer of them."""
    run = cutlayer.run(
        "timeline_only",
        schemes=["psl"],
        overrides=[
            "devices.count=600",
            "radio.subchannels=600",
            "stop.rounds=3",
            "allocation={subchannels: round_robin, power: uniform, cut: 2}",
        ],
    )
    per_round = len(run.intervals) / 3
    assert per_round < 4000 < 3 * per_round
    assert "shows rounds 1 to 1" not in shown_text(run_page(run))
    assert "shows round" in shown_text(run_page(run))


@pytest.mark.parametrize("name", ["quickstart", "mpsl", "stragglers", "edgesplit", "outages"])
def test_changed_settings_are_the_scenario(name: str, tmp_path: Path) -> None:
    """The settings that differ from the defaults give the same scenario when they are read again."""
    whole = dump_yaml(load_scenario(name).scenario.model_dump(mode="json"))
    changed = changed_settings(whole)
    assert changed is not None
    assert len(changed) < len(whole) / 2
    (tmp_path / "changed.yaml").write_text(changed, encoding="utf-8")
    again = load_scenario(tmp_path / "changed.yaml").scenario
    assert load_scenario(name).scenario == again


def test_a_scenario_with_unknown_names_is_shown_whole() -> None:
    """A scheme of a plug-in that this process has not imported does not prevent the page."""
    assert (
        changed_settings("name: x\nstop: {rounds: 1}\nschemes: [{name: unknown}]\nmodel: {name: lenet}")
        is None
    )
