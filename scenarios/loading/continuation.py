"""Whether a run can go on from the checkpoints of a run of another scenario: only its end may be later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..yaml_lines import parse_yaml

__all__ = ["may_continue"]

_END_KEYS = ("stop", "target_accuracy")
"""The keys of a scenario that change no round before its end."""


def may_continue(now: str, before: str) -> bool:
    """Return whether a run can continue from the checkpoints of a run of another scenario.

    This holds if the scenarios differ in nothing but the target accuracy and the end of the run, and if no
    limit of the end has become smaller or is new.

    Parameters
    ----------
    now, before : str
        The scenario to run, and that of the checkpoints, as YAML with all defaults.

    Raises
    ------
    ScenarioError
        If one of them is not valid YAML.
    """
    scenario, earlier = (dict(parse_yaml(text, "scenario")[0]) for text in (now, before))
    limits, earlier_limits = (dict(each.get("stop") or {}) for each in (scenario, earlier))
    rest, earlier_rest = (
        {key: value for key, value in each.items() if key not in _END_KEYS} for each in (scenario, earlier)
    )
    return rest == earlier_rest and _is_later(limits, earlier_limits)


def _is_later(limits: Mapping[str, Any], earlier: Mapping[str, Any]) -> bool:
    """Return whether a run with these limits ends at the same round or later; an absent limit is infinite."""
    return all(key in earlier and limit >= earlier[key] for key, limit in limits.items())
