"""The round loop: it runs a scheme's rounds until a limit of the scenario's ``stop`` is reached."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...scenarios.schema.scenario import Stop
from ..world.rounds.endless_rounds import refuse_endless_rounds
from ..world.rounds.round_times import RoundTimes
from ..world.world import World
from .base import RoundContext, RoundOutcome, Scheme
from .mask_renewal import MaskRenewal
from .round_planners.round_planner import RoundPlanner

__all__ = ["EMPTY_ROUNDS_MAX", "Accuracy", "EmptyRoundsError", "RoundCursor", "RoundResult", "run_rounds"]

EMPTY_ROUNDS_MAX = 1000
"""The largest number of rounds in a row that train nothing, in a run whose only limit is an accuracy."""


class EmptyRoundsError(RuntimeError):
    """So many rounds in a row have trained nothing that the run might never end."""


class Accuracy(Protocol):
    """The part of an evaluation's result that the round loop and the tables use."""

    @property
    def per_client(self) -> tuple[float, ...]:
        """Accuracy of each client's model, from 0 to 1."""

    @property
    def averaged(self) -> float:
        """Accuracy with the averaged client part."""

    @property
    def mean(self) -> float:
        """Mean over the clients."""

    @property
    def validation(self) -> float | None:
        """Mean over the clients on the validation set; None without one."""

    @property
    def lowest(self) -> float:
        """Lowest accuracy of a client."""

    @property
    def highest(self) -> float:
        """Highest accuracy of a client."""

    @property
    def diverged(self) -> bool:
        """Whether a client's model has no accuracy, because it is not finite."""


@dataclass(frozen=True)
class RoundResult:
    """One finished round.

    Attributes
    ----------
    number : int
        From 1.
    end_s : float
        The simulated clock at its end, [s].
    outcome : RoundOutcome
        The participants, and the amount of training.
    train_loss : float
        The mean loss of the round's mini-batches; NaN if nothing was trained.
    accuracy : Accuracy or None
        The evaluation at the end of the round; None if the round has none.
    is_last : bool
        Whether the run ends with it.
    left_out : mapping of int to str
        The clients that the round went on without, and the reason of each: late, offline, lost or battery.
    times : RoundTimes or None
        The busy and idle times of its devices; None if no device has power besides computing and sending.
    diverged : bool
        Whether the training loss, or a model that was evaluated, is not finite.
    observed_s : mapping of int to float
        For each device whose states are in the log of events, its time in the run in this round, [s].
    """

    number: int
    end_s: float
    outcome: RoundOutcome
    train_loss: float
    accuracy: Accuracy | None
    is_last: bool
    left_out: Mapping[int, str] = field(default_factory=dict)
    times: RoundTimes | None = None
    diverged: bool = False
    observed_s: Mapping[int, float] = field(default_factory=dict)


@dataclass
class RoundCursor:
    """The progress of a run that neither the world nor the learner holds.

    Attributes
    ----------
    finished : int
        Number of finished rounds.
    masks_due : int
        The first round in which pruning masks are renewed again.
    empty_in_a_row : int
        Number of rounds up to the last one that have trained nothing, one after the other.
    """

    finished: int = 0
    masks_due: int = 1
    empty_in_a_row: int = 0


def run_rounds(
    scheme: Scheme,
    world: World,
    learner: Any,
    planner: RoundPlanner,
    stop: Stop,
    evaluate_every: int,
    cursor: RoundCursor | None = None,
    *,
    stop_on_divergence: bool = True,
) -> Iterator[RoundResult]:
    """Run rounds and yield each as it finishes; the last one is always evaluated.

    The run also ends when all clients have left it. A round diverges if its training loss, or a model that is
    evaluated at its end, is not finite. If the loss is not finite, the round has no evaluation. A run whose
    only limit is an accuracy might never end: it raises an error after EMPTY_ROUNDS_MAX rounds in a row that
    have trained nothing.

    Parameters
    ----------
    learner : Any
        The scheme's learner, or None for the timeline alone.
    planner : RoundPlanner
        Decides each round's clients and plan.
    stop : Stop
        The run ends at the first of its limits.
    evaluate_every : int
        Rounds between two evaluations.
    cursor : RoundCursor, optional
        The progress from which the run continues; each round updates it. By default the run begins with
        round 1.
    stop_on_divergence : bool
        Whether the run also ends with the first round that diverges.

    Raises
    ------
    EmptyRoundsError
        If so many rounds in a row have trained nothing that the run might never end.
    EndlessRoundError
        If a round waits for something that never happens.
    NobodyOnlineError
        If no device comes online again, and the run has no limit of time.
    """
    cursor = cursor or RoundCursor()
    compression = scheme.task.compression
    renewal = None
    if compression is not None and compression.renew_every is not None:
        renewal = MaskRenewal(scheme, compression.renew_every)
        renewal.due = cursor.masks_due
    refuse_endless_rounds(world)
    if stop.time_s is not None:
        world.latest_start_s = stop.time_s
    while True:
        number = cursor.finished + 1
        world.record.round = world.record.events.round = number
        planner.before_round(world, number)
        if scheme.uses_devices:
            world.begin_round(scheme.planned_step_s(planner.plan))
        if learner is not None:
            scheme.update_learner(learner, planner.plan)
        outcome = _run_round(scheme, renewal or scheme, RoundContext(world, learner, planner.plan, number))
        now_s = float(world.env.now)
        last = number == stop.rounds or (stop.time_s is not None and now_s >= stop.time_s)
        last = last or world.all_clients_left
        train_loss, accuracy, diverged = math.nan, None, False
        if learner is not None:
            if outcome.participants:
                train_loss = float(learner.train_loss)
                diverged = not math.isfinite(train_loss)
            if not diverged and (last or number % evaluate_every == 0):
                accuracy = learner.evaluate(world.sampled_clients)
                diverged = accuracy.diverged
                last = last or (stop.accuracy is not None and accuracy.mean >= stop.accuracy)
            last = last or (diverged and stop_on_divergence)
        cursor.finished = number
        cursor.empty_in_a_row = 0 if outcome.participants else cursor.empty_in_a_row + 1
        if renewal is not None:
            cursor.masks_due = renewal.due
        times = world.round_times() if scheme.uses_devices else None
        observed_s = world.log_states(with_devices=scheme.uses_devices)
        left_out = dict(sorted(world.members.left_out.items()))
        yield RoundResult(
            number, now_s, outcome, train_loss, accuracy, last, left_out, times, diverged, observed_s
        )
        if last:
            return
        if stop.rounds is None and stop.time_s is None and cursor.empty_in_a_row >= EMPTY_ROUNDS_MAX:
            raise EmptyRoundsError(
                f"{cursor.empty_in_a_row} rounds in a row have trained nothing, because no client was on time"
                f" (round {number}: {_reasons(left_out)}), so stop.accuracy may never be reached; change"
                " round_policy, or give stop.rounds or stop.time_s"
            )


def _reasons(left_out: Mapping[int, str]) -> str:
    """Return the number of clients that were left out for each reason, as text."""
    counts = Counter(left_out.values())
    return ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "it had no clients"


def _run_round(scheme: Scheme, round_runner: Scheme | MaskRenewal, context: RoundContext) -> RoundOutcome:
    """Simulate one round to its end; raise if the scheme's round breaks the contract of a scheme."""
    world = context.world
    outcome = world.env.run(until=world.env.process(round_runner.round(context)))
    if not isinstance(outcome, RoundOutcome):
        raise TypeError(f"{type(scheme).__name__}.round returned {outcome!r}, not a RoundOutcome")
    if unfinished := world.pool.clients_in_batches():
        raise RuntimeError(
            f"{type(scheme).__name__}.round has ended while clients {sorted(unfinished)} are in a batch:"
            " it must wait for the step's event finished"
        )
    return outcome
