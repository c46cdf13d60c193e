"""The scenario that puts every scheme into one table."""

from __future__ import annotations

import cutlayer.experiments.preparation
from cutlayer.scenarios.loading.loader import load_scenario
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


def test_schemes_that_average_whole_models_end_with_the_same_weights() -> None:
    """Wherever they cut, EdgeSplit, ESFL, MP-SL, one hop and FL learn the same, to the bit; PSL does not."""
    alike = ["edgesplit", "esfl", "mpsl", "one_hop", "fl"]
    found = cutlayer.run("all_schemes", overrides=["stop.rounds=2"], schemes=[*alike, "psl"])
    fingerprints = {
        name: figures["weights_fingerprint"] for name, figures in found.summary["schemes"].items()
    }
    assert 1 == len({fingerprints[name] for name in alike})
    assert fingerprints["psl"] != fingerprints["fl"]
