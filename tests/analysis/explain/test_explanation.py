"""The explanation of a run: shares of the time, chosen rounds, and its text."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cutlayer
from cutlayer.analysis.explain.causes import CAUSES
from cutlayer.analysis.explain.explanation import UnknownRoundError, explain_run
from cutlayer.analysis.results.run import Run

OVERRIDES = ["learning=null", "stop={rounds: 30}"]


@pytest.fixture(scope="module")
def stragglers(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return 30 rounds of the scenario `stragglers` without learning, read from its folder."""
    folder = tmp_path_factory.mktemp("runs") / "stragglers"
    cutlayer.run("stragglers", out=folder, overrides=OVERRIDES, figures=False)
    return cutlayer.load(folder)


def test_blame_sums_to_all_time(stragglers: Run) -> None:
    """The shares of each scheme sum to 1, and the causes to the times."""
    blame = stragglers.explain().blame
    assert np.allclose(1.0, blame.groupby("label")["share"].sum(), rtol=1e-9)
    assert np.allclose(blame["time_s"], blame[list(CAUSES)].sum(axis=1), rtol=1e-9)


def test_paths_sum_to_the_rounds(stragglers: Run) -> None:
    """Each round's path is as long as the round."""
    path = stragglers.explain().path
    lengths_s = path.groupby(["label", "round"])["duration_s"].sum()
    rounds_s = stragglers.rounds.set_index(["label", "round"])["latency_s"]
    assert np.allclose(rounds_s[lengths_s.index], lengths_s, rtol=1e-9)


def test_rows_of_the_path_are_rows_of_the_intervals(stragglers: Run) -> None:
    """A segment without waiting has the instants of its row, up to the tolerance of ties."""
    rows = stragglers.intervals
    rows = rows[(rows["label"] == "psl") & (rows["round"] == 1)]
    from cutlayer.analysis.explain.critical_path import critical_path

    path = critical_path(rows)
    named = path[path["row"] >= 0]
    assert np.allclose(rows.loc[named["row"], "end_s"], named["end_s"], rtol=1e-9)
    assert rows.loc[named["row"], "phase"].tolist() == named["phase"].tolist()


def test_long_runs_are_explained_in_evenly_spaced_rounds(stragglers: Run) -> None:
    """With fewer activities allowed, fewer rounds are explained: the first, the last, and some between."""
    explanation = explain_run(stragglers, ["psl"], max_activities=600)
    numbers = explanation.path["round"].unique()
    assert 2 <= len(numbers) < 30
    assert (1, 30) == (numbers[0], numbers[-1])
    assert np.ptp(np.diff(numbers)) <= 1
    (line,) = explanation.bottlenecks
    assert line.endswith(f", judged by {len(numbers)} of 30 rounds")


def test_one_round_of_one_scheme(stragglers: Run) -> None:
    """A round of its own has its path in the text."""
    explanation = stragglers.explain(["psl"], 7)
    assert {7} == set(explanation.path["round"])
    assert {"psl"} == set(explanation.rounds["label"])
    assert "critical path of round 7" in str(explanation)


def test_percentiles_are_those_of_the_rounds(stragglers: Run) -> None:
    """Percentiles are of all rounds, beside the planned time of the summary."""
    rounds = stragglers.explain().rounds.set_index("label")
    latency_s = stragglers.rounds[stragglers.rounds["label"] == "psl"]["latency_s"]
    assert np.percentile(latency_s, 95) == rounds.loc["psl", "p95_s"]
    planned_s = stragglers.summary["schemes"]["psl"]["planned_latency_s"]
    assert latency_s.mean() / planned_s == rounds.loc["psl", "measured_over_planned"]


def test_idle_time_is_that_without_activity(stragglers: Run) -> None:
    """The idle share of a device is the share of the time in which it has no interval."""
    idle = stragglers.explain().idle.set_index(["label", "node"])["idle_share"]
    rows = stragglers.intervals
    rows = rows[(rows["label"] == "psl") & (rows["node"] == "device-3")]
    busy_s = (rows["end_s"] - rows["start_s"]).sum()
    total_s = stragglers.summary["schemes"]["psl"]["total_time_s"]
    assert math.isclose(1 - busy_s / total_s, idle["psl", "device-3"], rel_tol=1e-9)


def test_unknown_rounds_and_schemes_are_named(stragglers: Run) -> None:
    """The message says which rounds and schemes there are."""
    with pytest.raises(UnknownRoundError, match=r"no scheme has a round 31; rounds count from 1 to 30"):
        stragglers.explain(number=31)
    with pytest.raises(cutlayer.UnknownSchemeError, match=r"no scheme is named 'sl'; there are: sfl, psl"):
        stragglers.explain(["sl"])


def test_a_slow_device_is_the_bottleneck() -> None:
    """On equal links, a device with a hundredth of the others' clock holds up nearly all of the time."""
    clocks = "devices.clock_hz=[1e8, 1e8, 1e6, 1e8, 1e8]"
    links = ["devices.uplink_bps=1e9", "devices.downlink_bps=1e9"]
    run = cutlayer.run("quickstart", overrides=[*OVERRIDES, clocks, *links], schemes=["psl"])
    (line,) = run.explain().bottlenecks
    assert "PSL: device-2 holds up 100 % of the time (client_backward)" == line
