"""A trial of the first round of training, for models that may refuse its mini-batches."""

from __future__ import annotations

import sys

from ..scenarios.registry import lookup
from ..scenarios.schema.scenario import Scenario, Stop
from ..sim.schemes.base import Scheme
from ..sim.schemes.planning.plan import SchemePlan
from ..sim.schemes.round_loop import run_rounds
from .execution.scheme_run import make_world, scheme_learner
from .experiment import Experiment

__all__ = ["schemes_that_cannot_normalise"]

_TOO_FEW_VALUES = "Expected more than 1 value per channel"
"""The beginning of the message of torch's batch normalisation."""


def schemes_that_cannot_normalise(experiment: Experiment) -> list[str]:
    """Return the labels of the schemes whose training normalises over a single value for each channel.

    Batch normalisation takes its statistics from the mini-batch and the positions of an image. A mini-batch
    of one sample leaves a single value where a unit's images have one position. Whether a scheme trains a
    unit on one mini-batch or on those of all clients together depends on the scheme and on its cut. So the
    first round of each scheme is trained, on a learner of its own, if the whole model refuses one sample.
    """
    scenario = experiment.loaded.scenario
    if experiment.data is None or scenario.batch_size > 1 or not _refuses_one_sample(scenario):
        return []
    return [
        str(scheme.parameters.label)
        for scheme, plan in experiment.schemes
        if _fails_to_normalise(experiment, scheme, plan)
    ]


def _refuses_one_sample(scenario: Scenario) -> bool:
    import torch
    from torch import nn

    model = scenario.model
    shape = getattr(model, "input_shape")  # noqa: B009 - every trainable model has it
    with torch.random.fork_rng(devices=[]):
        module = nn.Sequential(*lookup("model", model.name).load()(model)).train()
        try:
            with torch.no_grad():
                module(torch.zeros(1, *shape))
        except ValueError as error:
            return _TOO_FEW_VALUES in str(error)
        except Exception:  # of any other kind: it is no matter of normalisation
            return False
    return False


def _fails_to_normalise(experiment: Experiment, scheme: Scheme, plan: SchemePlan) -> bool:
    world, planner = make_world(experiment, scheme, plan)
    learner = scheme_learner(experiment, scheme, plan)
    rounds = run_rounds(scheme, world, learner, planner, Stop(rounds=2), evaluate_every=sys.maxsize)
    try:
        next(rounds)
    except ValueError as error:
        return _TOO_FEW_VALUES in str(error)
    except Exception:  # of any other kind: the run meets it again, and it costs this scheme alone
        return False
    return False
