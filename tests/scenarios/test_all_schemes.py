"""The scenario that puts every scheme into one table."""

from __future__ import annotations

import cutlayer.preparation  # noqa: F401 - registers the built-in schemes
from cutlayer.scenarios.loading import load_scenario
from cutlayer.scenarios.registry import specs

BUILT_IN = {spec.name for spec in specs("scheme")}


def test_all_schemes_runs_every_scheme() -> None:
    """``all_schemes`` names each built-in scheme, so that a new one joins the comparison."""
    assert {scheme.name for scheme in load_scenario("all_schemes").scenario.schemes} == BUILT_IN


def test_all_schemes_have_one_rate() -> None:
    """Clients and server learn at one rate, so that it does not matter where a unit is trained."""
    learning = load_scenario("all_schemes").scenario.learning
    assert learning is not None
    assert learning.optimizer.server_lr == learning.optimizer.client_lr
