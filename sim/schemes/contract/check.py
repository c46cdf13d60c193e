"""``check_scheme``: a test of any registered scheme against the contract of :class:`Scheme`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

from ....scenarios.registry import lookup, specs
from ....scenarios.schema.registered import SchemeParameters
from ..base import Scheme
from .rules import disturbed_violations, undisturbed_violations
from .trial import NUM_ROUNDS, Conditions, Trial

__all__ = ["SchemeContractError", "check_scheme"]

_SERVICES = ("barrier", "arrival")
_BISECTIONS = 8
"""The largest number of runs in which a deadline is searched that some clients meet and others miss."""


class SchemeContractError(AssertionError):
    """A scheme that breaks its contract; the message names each rule that it broke."""


def check_scheme(name: str, **parameters: Any) -> None:
    """Check a registered scheme, with these parameters, in short runs of small worlds.

    A scheme must keep these rules: It yields only events, and each round returns a ``RoundOutcome``. It
    records all the time that it takes, in intervals that do not overlap. Its timeline is the same in a second
    run, after a checkpoint, and with a learner. Its rounds take the time that it predicts. Clients send as
    its plan says. Only clients of the round are active, take part and are trained; late ones are left out.
    Parameters and plans can be pickled.

    All rules but the prediction also hold if each round samples its clients, if the clients share the band,
    and under each registered fault with and without a deadline.

    Raises
    ------
    SchemeContractError
        If a rule is broken; the message lists all of them, with the conditions under which they broke.
    UnknownNameError
        If no scheme has this name.
    """
    spec = lookup("scheme", name)
    if not issubclass(spec.parameters, SchemeParameters):
        raise SchemeContractError(f"scheme {name!r}: its parameters must extend SchemeParameters")
    requested = spec.parameters.model_validate({"name": name, **parameters})
    scheme: type[Scheme] = spec.load()
    broken: dict[str, None] = {}
    for count, service in product((1, 3), _SERVICES):
        trial = Trial(scheme, requested, Conditions(count, service))
        broken |= dict.fromkeys(f"{rule} ({trial.conditions})" for rule in undisturbed_violations(trial))
    if not broken:
        for service in _SERVICES:
            for trial in _disturbed_trials(scheme, requested, service):
                rules = disturbed_violations(trial)
                broken |= dict.fromkeys(f"{rule} ({trial.conditions})" for rule in rules)
    if broken:
        raise SchemeContractError(f"scheme {name!r} breaks its contract:\n" + "\n".join(broken))


def _disturbed_trials(scheme: type[Scheme], parameters: SchemeParameters, service: str) -> Iterator[Trial]:
    """Yield trials with shared bands, with sampling, and with each fault with and without a deadline."""
    faults = [spec.name for spec in specs("fault")]
    trial = Trial(scheme, parameters, Conditions(3, service))
    if trial.scheme()[0].uses_subchannels:
        for sharing in ("work_conserving", "tdma"):
            yield trial.with_conditions(sharing=sharing)
    yield from _faulty_trials(trial, [(), *((fault,) for fault in faults)])
    if trial.scheme()[0].sampling_unsupported() is None:
        sampled = Trial(scheme, parameters, Conditions(6, service, per_round=3))
        yield sampled
        yield from _faulty_trials(sampled, [tuple(faults)])


def _faulty_trials(trial: Trial, fault_sets: list[tuple[str, ...]]) -> Iterator[Trial]:
    """Yield a trial for each set of faults with and without a deadline, scaled to the undisturbed run."""
    try:
        run = trial.run()
    except Exception:  # the trial without faults reports it
        return
    round_s = run.rounds[-1].end_s / NUM_ROUNDS
    table = run.world.record.frame()
    table = table[table["lane"] != "downlink"]  # receiving costs a battery nothing
    spent_j = table.groupby(table["node"].astype(str))["energy_j"].sum()
    devices = [f"device-{device}" for device in range(trial.conditions.num_devices)]
    scaled = trial.with_conditions(
        undisturbed_s=round_s,
        undisturbed_j=tuple(float(spent_j.get(device, 0.0)) for device in devices),
    )
    for faults, deadline_s in product(fault_sets, (math.inf, _deadline_s(trial, round_s))):
        if faults or deadline_s < math.inf:
            yield scaled.with_conditions(faults=faults, deadline_s=deadline_s)


def _deadline_s(trial: Trial, round_s: float) -> float:
    """Return a deadline that some clients meet in the first round and others miss, if there is one, [s]."""
    low_s, high_s = 0.0, round_s
    for _ in range(_BISECTIONS):
        deadline_s = (low_s + high_s) / 2
        try:
            first = trial.with_conditions(deadline_s=deadline_s).run().rounds[0]
        except Exception:  # the trial with this deadline reports it
            break
        count = len(first.outcome.participants)
        if 0 < count < len(first.clients):
            break
        low_s, high_s = (deadline_s, high_s) if count == 0 else (low_s, deadline_s)
    return deadline_s
