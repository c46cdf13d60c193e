"""Re-simulates a run with a changed scenario and the same draws, and measures the saving a round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from ...analysis.explain.explanation import Explanation, explain_run
from ...analysis.explain.savings import saving
from ...analysis.results.run import Run
from ...scenarios.errors import ScenarioError
from ...scenarios.loading.loader import load_scenario
from ...scenarios.text import one_line
from ..preparation import prepare
from ..runner import run_experiment
from .changes import Change, changes

__all__ = ["MAX_ROUNDS", "resimulate", "what_if"]

MAX_ROUNDS = 200
"""Rounds of a run that are simulated again; a longer run is cut."""
_COLUMNS = (
    *("label", "paper_label", "change", "overrides", "rounds", "participants_before", "participants"),
    *("mean_s", "saving_s", "saving_low_s", "saving_high_s", "saving_percent", "problem"),
)


def resimulate(
    scenario: Path, label: str, num_rounds: int, overrides: Sequence[str] = (), *, allow_imports: bool = False
) -> Run:
    """Run the timeline of one scheme of a scenario again, without learning.

    The result has the rows of a run of the scenario with these overrides, to the bit.

    Parameters
    ----------
    scenario : Path
        ``scenario.yaml`` of the run folder.
    num_rounds : int
        The number of rounds to simulate.
    overrides : sequence of str
        ``"key.path=value"`` each.

    Raises
    ------
    ScenarioError
        If the changed scenario is not valid, or cannot be planned.
    """
    stop = f"stop={{rounds: {num_rounds}}}"
    loaded = load_scenario(scenario, [*overrides, stop], schemes=[label])
    return run_experiment(prepare(loaded, allow_imports=allow_imports, timeline_only=True))


def what_if(
    run: Run,
    folder: Path,
    labels: Sequence[str] = (),
    *,
    explanation: Explanation | None = None,
    allow_imports: bool = False,
    on_change: Callable[[str, str], None] = lambda label, change: None,
) -> pd.DataFrame:
    """Return the savings of changes of the scenario, by re-simulation with the same draws.

    The first 200 rounds at most are simulated again, once as they were, and once with each change. Round k
    with a change is compared with round k without it.

    Parameters
    ----------
    run : Run
        The run.
    folder : Path
        Its run folder.
    labels : sequence of str, optional
        The schemes; all by default.
    explanation : Explanation, optional
        The run's explanation, from which the blamed devices follow.
    on_change : callable, optional
        Called with the scheme's label and the change before each re-simulation.

    Returns
    -------
    DataFrame
        One row a scheme and change: ``label, paper_label, change, overrides`` (joined by blanks), ``rounds``
        compared, ``participants_before`` and ``participants``, the mean number of clients without and with
        the change, ``mean_s``, the mean round time with the change, ``saving_s`` a round with its 95 %
        confidence interval ``saving_low_s`` and ``saving_high_s``, ``saving_percent`` of the round time
        without the change, and ``problem``, the reason why a change is not possible.
    """
    explanation = explanation or explain_run(run, labels)
    scenario = folder / "scenario.yaml"
    rows = []
    for label in explanation.rounds["label"]:
        rounds = min(MAX_ROUNDS, int(run.summary["schemes"][label]["rounds"]))
        on_change(label, "as it was")
        unchanged = resimulate(scenario, label, rounds, allow_imports=allow_imports)
        for change in changes(run, label, explanation):
            on_change(label, change.name)
            try:
                changed = resimulate(scenario, label, rounds, change.overrides, allow_imports=allow_imports)
            except ScenarioError as error:
                rows.append(_row(run, label, change) | {"problem": one_line(error)})
            else:
                rows.append(_row(run, label, change) | _columns(unchanged.rounds, changed.rounds))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _row(run: Run, label: str, change: Change) -> dict[str, object]:
    return {
        "label": label,
        "paper_label": run.paper_labels[label],
        "change": change.name,
        "overrides": " ".join(change.overrides),
        "problem": "",
    }


def _columns(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, object]:
    """Return the columns of a saving, from the rows of ``rounds.csv`` without and with a change."""
    count = min(len(before), len(after))
    before_s, after_s = (rounds["latency_s"].to_numpy(float)[:count] for rounds in (before, after))
    measured = saving(before_s, after_s)
    compared = slice(count - measured.rounds, count)
    mean_s = float(before_s[compared].mean())
    if not after["participants"].any():
        return {"problem": "no client would take part in any round"}
    return {
        "rounds": measured.rounds,
        "participants_before": float(before["participants"][compared].mean()),
        "participants": float(after["participants"][compared].mean()),
        "mean_s": mean_s - measured.mean_s,
        "saving_s": measured.mean_s,
        "saving_low_s": measured.low_s,
        "saving_high_s": measured.high_s,
        "saving_percent": 100 * measured.mean_s / mean_s,
    }
