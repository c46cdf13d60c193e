"""One trial of the fuzz test: a scenario is refused with messages, or runs one round that keeps all laws."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cutlayer.analysis.results.run import Run
from cutlayer.experiments.experiment import Experiment
from cutlayer.experiments.preparation import prepare
from cutlayer.experiments.runner import run_experiment
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.loading.loader import LoadedScenario, check_scenario, load_scenario, scenario_yaml
from cutlayer.scenarios.model_costs.unit_table import UnitTable
from cutlayer.scenarios.schema.scenario import Scenario, Stop
from cutlayer.scenarios.text import control_character
from cutlayer.sim.schemes.epsl import EPSL
from cutlayer.sim.world.rounds.endless_rounds import EndlessRoundError
from cutlayer.sim.world.rounds.online_clients import NobodyOnlineError
from tests.support.timeline_laws import check_intervals

__all__ = ["trial"]

TRAINED_FLOPS = 2e7
"""Trainings with more FLOPs in a round are tried as a timeline alone."""
TRAINED_VALUES = 1e6
TASKS = 2000
MESSAGE = re.compile(r"(?:.*:[0-9]+|--[a-z]+)(?::[0-9]+)?: \S.*", re.DOTALL)
RELATIVE = 1e-9


def trial(path: Path, number: int) -> str:
    """Return ``refused``, ``timeline``, ``trained`` or ``accepted`` (too large to run here) for a scenario.

    Parameters
    ----------
    path : Path
        The file of the scenario.
    number : int
        Number of the trial, which decides the scheme that runs.

    Raises
    ------
    Exception
        If the scenario is neither refused with proper messages nor keeps the laws of a run.
    """
    rng = random.Random(number)
    try:
        loaded = load_scenario(path)
        for line in loaded.warnings():
            assert MESSAGE.fullmatch(line), line
        loaded = _one_round(loaded, rng)
        if _tasks(loaded.scenario) > TASKS:
            return "accepted"
        experiment = prepare(loaded)
    except ScenarioError as error:
        _check_messages(error)
        return "refused"
    try:
        run = run_experiment(experiment)
    except (EndlessRoundError, NobodyOnlineError):
        return "refused"  # only the run can tell; the error names the device and the reason
    assert not run.failed, run.errors
    if number % 4 == 0:  # parsing takes as long as the round
        _check_resolved(run.scenario)
    _check_run(run, experiment)
    return "timeline" if experiment.data is None else "trained"


def _one_round(loaded: LoadedScenario, rng: random.Random) -> LoadedScenario:
    """Return the scenario with one round of one of its schemes, and without a training that takes long."""
    scenario = loaded.scenario
    scheme = rng.choice(scenario.schemes)
    keys: dict[str, Any] = {"stop": Stop(rounds=1), "schemes": (scheme,), "sweep": None}
    if scenario.learning is not None and not _is_small_training(scenario):
        keys["learning"] = None
    return replace(loaded, scenario=scenario.model_copy(update=keys))


def _tasks(scenario: Scenario) -> int:
    clients = scenario.devices.count
    if scenario.participation is not None:
        clients = min(clients, scenario.participation.per_round)
    steps = [getattr(scenario.schemes[0], key, 1) for key in ("batches", "repeats", "local_steps")]
    # planning grows with clients and subchannels
    return max(clients * math.prod(steps), clients * scenario.radio.subchannels // 10)


def _is_small_training(scenario: Scenario) -> bool:
    learning, model = scenario.learning, scenario.model
    assert learning is not None
    if model.name not in ("mlp", "lenet"):
        return False
    pixels = math.prod(getattr(model, "input_shape", (1, 1, 1)))
    samples = getattr(learning.dataset, "train_samples", 2000) + getattr(
        learning.dataset, "test_samples", 500
    )
    widths = getattr(model, "hidden", (64,))
    classes = max(getattr(model, "classes", 1), getattr(learning.dataset, "classes", None) or 1)
    weights = sum(a * b for a, b in zip((pixels, *widths), (*widths, classes), strict=True)) + 50 * pixels
    # a scenario that the check of the memory refuses has to reach it
    if samples * pixels > 1e13 or weights > 1e13:
        return True
    flops = 3 * weights * scenario.batch_size * _tasks(scenario)
    return flops < TRAINED_FLOPS and (samples + classes) * pixels < TRAINED_VALUES and classes < 1000


def _check_messages(error: ScenarioError) -> None:
    assert error.messages()
    for line in error.messages():
        assert MESSAGE.fullmatch(line), line
        assert control_character(line) is None, repr(line)
        assert len(line) < 5000, f"a message of {len(line)} characters"


def _check_resolved(text: str) -> None:
    """Check that the scenario of the run folder is a scenario, and resolves to itself."""
    from cutlayer.scenarios.loading.loader import RawScenario
    from cutlayer.scenarios.yaml_lines import parse_yaml

    data, lines = parse_yaml(text, "resolved.yaml")
    raw = RawScenario(data, Path("/"), "resolved.yaml", lines, {}, [])
    assert text == scenario_yaml(check_scenario(raw).scenario)


def _check_run(run: Run, experiment: Experiment) -> None:
    """Check order, finiteness and conservation of one round."""
    numbers = [column for column in run.rounds if str(column).endswith(("_s", "_bits", "_flops", "_j"))]
    assert np.isfinite(run.rounds[numbers].to_numpy(np.float64)).all(), "a round is not finite"
    check_intervals(run.intervals, run.rounds["end_s"].tolist())
    _check_conservation(run.intervals, experiment)


def _check_conservation(rows: pd.DataFrame, experiment: Experiment) -> None:
    """Check that clients send and compute what the plan says, in a round where nobody is left out."""
    scenario = experiment.loaded.scenario
    (scheme, plan), units = experiment.schemes[0], experiment.units
    if scheme.parameters.name not in ("psl", "epsl", "sfl", "sl", "sfl_v2") or _may_leave_out(
        scenario, scheme
    ):
        return
    cuts = plan.cuts.of_clients
    b = scenario.batch_size
    merged = scheme.merged(1) if isinstance(scheme, EPSL) and scheme.forward_twice else 0
    # the merged rows, and the rest of each client's, are forwarded again
    again = {cut: b - merged + merged / len(cuts) if merged else 0.0 for cut in cuts}
    totals = rows.groupby("phase", observed=True)[["bits", "flops"]].sum()
    expected = {
        ("uplink", "bits"): sum(b * units.activation_bits_at(cut) for cut in cuts),
        ("client_forward", "flops"): sum(b * units.forward_flops_to(cut) for cut in cuts),
        ("client_backward", "flops"): sum(b * units.backward_flops_to(cut) for cut in cuts),
        ("server_forward", "flops"): sum((b + again[cut]) * _rest(units, cut) for cut in cuts),
    }
    for (phase, column), value in expected.items():
        actual = float(totals[column].get(phase, 0.0))
        assert math.isclose(value, actual, rel_tol=RELATIVE), f"{phase}: {actual} {column}, planned {value}"


def _rest(units: UnitTable, cut: int) -> float:
    return units.forward_flops_to(len(units)) - units.forward_flops_to(cut)


def _may_leave_out(scenario: Scenario, scheme: Any) -> bool:
    """Return whether clients may be absent or stop early, or messages may be compressed or repeated."""
    policy = scheme.parameters.round_policy or scenario.round_policy
    return (
        scenario.participation is not None
        or scenario.faults is not None
        or policy.wait is None
        or scenario.devices.battery_j is not None
        or scheme.task.compression is not None
        or getattr(scenario.model, "profile", None) is not None
    )
