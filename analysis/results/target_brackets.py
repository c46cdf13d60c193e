"""The bracket of the time to the target accuracy: the two evaluations between which the target was reached.

Accuracy is known in evaluated rounds only. So a scheme reached the target after the last evaluated round
below it, and not later than the first evaluated round at it. A scheme that did not reach the target in its
run is censored: its time to the target is longer than the time of its last evaluated round.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["BRACKET", "target_bracket"]

BRACKET = ("rounds_below_target", "time_below_target_s", "rounds_to_target", "time_to_target_s")
"""The names of the results of :func:`target_bracket`."""


def target_bracket(rounds: pd.DataFrame, target_accuracy: float | None) -> dict[str, Any]:
    """Return the bracket of one scheme; a value that does not exist is None.

    - ``rounds_below_target``, ``time_below_target_s``: number and end, [s], of the last evaluated round below
      the target. They are 0 if the first evaluated round is at the target.
    - ``rounds_to_target``, ``time_to_target_s``: number and end, [s], of the first evaluated round at the
      target; None if no round is.

    A round that diverged counts as evaluated and below the target. All are None if no round is evaluated, or
    without a target.

    Parameters
    ----------
    rounds : DataFrame
        The scheme's rows of ``rounds.csv``, from round 1 on, with ``end_s`` and ``test_accuracy``.
    target_accuracy : float or None
        The test accuracy to reach, as a fraction of 1; None: no target.
    """
    if target_accuracy is None:
        return dict.fromkeys(BRACKET)
    accuracy = rounds["test_accuracy"].to_numpy(dtype=float)
    if "diverged" in rounds:
        accuracy = np.where(rounds["diverged"].to_numpy(dtype=bool), -1.0, accuracy)
    ends_s = rounds["end_s"].to_numpy(dtype=float)
    evaluated = np.flatnonzero(np.isfinite(accuracy))
    at_target = evaluated[accuracy[evaluated] >= target_accuracy]
    first = int(at_target[0]) if len(at_target) else None
    below = evaluated if first is None else evaluated[evaluated < first]
    rounds_below: int | None = int(below[-1]) + 1 if len(below) else None
    if rounds_below is None and first is not None:
        rounds_below = 0
    below_s = float(ends_s[rounds_below - 1]) if rounds_below else 0.0
    return {
        "rounds_below_target": rounds_below,
        "time_below_target_s": None if rounds_below is None else below_s,
        "rounds_to_target": None if first is None else first + 1,
        "time_to_target_s": None if first is None else float(ends_s[first]),
    }
