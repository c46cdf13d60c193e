"""Recompute the results of a finished run that depend on its target accuracy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ....scenarios.yaml_lines import parse_yaml
from ..atomic_files import RunFolderError, write_whole
from ..round_tables import target_results
from ..run_files import SCENARIO, SUMMARY, read_csv, summary_text

__all__ = ["renew_target"]

_KEY = "target_accuracy"


def renew_target(folder: Path, scenario: str) -> bool:
    """Set the target accuracy of a finished run, if the scenario is otherwise equal.

    The files become those of a run of this scenario. A run of any other scenario stays as it is.

    Parameters
    ----------
    folder : Path
        The run folder.
    scenario : str
        The scenario as YAML with all defaults.

    Returns
    -------
    bool
        Whether the target accuracy was another one.

    Raises
    ------
    RunFolderError
        If a file cannot be read or written.
    """
    try:
        earlier = (folder / SCENARIO).read_text(encoding="utf-8")
        if earlier == scenario:
            return False
        keys, earlier_keys = (dict(parse_yaml(text, SCENARIO)[0]) for text in (scenario, earlier))
        target: float | None = keys.pop(_KEY, None)
        earlier_keys.pop(_KEY, None)
        if keys != earlier_keys:
            return False
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        rounds = read_csv(folder / "rounds.csv")
        _renew(summary, rounds, target)
        write_whole(folder / SUMMARY, lambda draft: draft.write_text(summary_text(summary), encoding="utf-8"))
        # the scenario comes last: if this process is killed in between, the next one begins again
        write_whole(folder / SCENARIO, lambda draft: draft.write_text(scenario, encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"cannot give {folder} another target accuracy: {error}") from None
    return True


def _renew(summary: dict[str, Any], rounds: Any, target: float | None) -> None:
    """Replace the results in the content of ``summary.json``."""
    summary[_KEY] = target
    for label, figures in summary["schemes"].items():
        figures.update(target_results(rounds[rounds["label"] == label], target))
