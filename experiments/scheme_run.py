"""The run of one scheme of a prepared scenario: what takes time and what takes accuracy, together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pickle import PicklingError
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from ..analysis.results.interval_store import IntervalWriter
from ..analysis.results.round_tables import scheme_summary
from ..sim.schemes.base import Scheme
from ..sim.schemes.planning.plan import SchemePlan
from ..sim.schemes.round_loop import RoundCursor, RoundResult, run_rounds
from ..sim.timeline.interval_record import Rows
from ..sim.world.snapshots import NotAtRoundEndError, take_snapshot
from .checkpoints import CheckpointError, CheckpointIncrement, SchemeCheckpoint, SchemeCheckpoints
from .preparation import Experiment
from .process_guards import deferred_interrupt, frozen_gc
from .result_tables import device_table, energy_columns, memory_table, node_table
from .round_log import IntervalStream, RoundLog
from .world_setup import make_world, scheme_learner

__all__ = ["OnRound", "SchemeRun", "make_world", "run_scheme", "scheme_learner"]

OnRound: TypeAlias = Callable[[str, RoundResult], None]
"""Called with a scheme's label after each of its rounds; of a run that had ended before, after its last."""


SPILL_ROWS = 2**17
"""Rows that the event loop's record may have at a round's end before they leave it."""


@dataclass(frozen=True)
class SchemeRun:
    """What one scheme's run produced: its share of every file of the run folder but the intervals'."""

    label: str
    summary: dict[str, Any]
    rounds: pd.DataFrame
    devices: pd.DataFrame
    nodes: pd.DataFrame
    stages: pd.DataFrame
    memory: pd.DataFrame
    interrupted: bool


def run_scheme(
    experiment: Experiment,
    scheme: Scheme,
    plan: SchemePlan,
    on_round: OnRound,
    writer: IntervalWriter,
    checkpoints: SchemeCheckpoints | None = None,
) -> SchemeRun | None:
    """Run one scheme in a world of its own, until its stop or an interrupt.

    Parameters
    ----------
    writer : takes the intervals
    checkpoints : where the run is saved at times, and what it goes on from

    Returns
    -------
    SchemeRun or None
        None if it was interrupted before its first round was finished.
    """
    if checkpoints is not None and checkpoints.done is not None:
        done: SchemeRun
        done, record, last = checkpoints.done
        recording = IntervalStream(record, _identity(experiment, scheme), writer)
        for part in checkpoints.log():
            if not isinstance(part, CheckpointIncrement):
                recording.add(part)
        recording.finish()
        on_round(done.label, last)
        return done
    return SchemeExecution(experiment, scheme, plan, writer, checkpoints).run(on_round)


def _identity(experiment: Experiment, scheme: Scheme) -> dict[str, Any]:
    return {"label": str(scheme.parameters.label), "seed": experiment.loaded.scenario.seed}


class SchemeExecution:
    """One scheme's run while it goes on, from its beginning or from its last checkpoint."""

    def __init__(
        self,
        experiment: Experiment,
        scheme: Scheme,
        plan: SchemePlan,
        writer: IntervalWriter,
        checkpoints: SchemeCheckpoints | None,
    ) -> None:
        stopped = checkpoints.stopped if checkpoints else None
        self._experiment, self._scheme, self._plan = experiment, scheme, plan
        self._identity = _identity(experiment, scheme)
        self._checkpoints = checkpoints
        self._world, self._planner = make_world(experiment, scheme, plan, stopped)
        self._learner = scheme_learner(experiment, scheme, plan)
        self._recording = IntervalStream(self._world.record, self._identity, writer)
        self._learnt = RoundLog(stopped.round_log if stopped else None)
        self._cursor = stopped.cursor if stopped else RoundCursor()
        self._last: RoundResult | None = None
        if checkpoints is not None and stopped is not None:
            for part in checkpoints.log():
                self._add(part)
            if self._learner is not None:
                self._learner.restore(stopped.learner)

    def run(self, on_round: OnRound) -> SchemeRun | None:
        """Run the rounds that are left, and return what all came to."""
        scenario = self._experiment.loaded.scenario
        interrupted = False
        results = run_rounds(
            self._scheme,
            self._world,
            self._learner,
            self._planner,
            scenario.stop,
            scenario.learning.evaluate_every if scenario.learning else 1,
            self._cursor,
        )
        try:
            with frozen_gc():
                for result in results:
                    with deferred_interrupt():
                        self._note(result)
                    on_round(str(self._identity["label"]), result)
        except KeyboardInterrupt:
            interrupted = True
        if not len(self._learnt):
            return None
        with deferred_interrupt():
            return self._end(interrupted=interrupted)

    def _note(self, result: RoundResult) -> None:
        """Note a finished round, and make a checkpoint if one is due."""
        cut = str(self._planner.plan.cuts) if self._scheme.has_cut else ""
        self._learnt.add(result, cut, self._world.sampled_clients)
        self._last = result
        checkpoints = self._checkpoints
        due = checkpoints is not None and result.number % checkpoints.every == 0 and not result.is_last
        if due or self._world.record.num_kept >= SPILL_ROWS:
            self._take(self._world.first_open_row)
        if checkpoints is not None and due:
            checkpoints.save(self._checkpoint(), self._checkpoint_increment())

    def _take(self, end: int) -> None:
        rows = self._world.record.take(end)
        self._recording.add(rows)
        if self._checkpoints is not None:
            self._checkpoints.add(rows)

    def _checkpoint_increment(self) -> CheckpointIncrement:
        nodes = self._world.compute_nodes
        changes = {name: node.memory.new_changes() for name, node in nodes.items()}
        return CheckpointIncrement(self._learnt.news(), changes, self._planner.increment())

    def _add(self, part: Rows | CheckpointIncrement) -> None:
        """Take over a part of the checkpoints' log: rows of intervals, or results of rounds."""
        if not isinstance(part, CheckpointIncrement):
            self._recording.add(part)
            return
        self._learnt.apply_increment(part.rounds)
        for name, changes in part.memory_changes.items():
            self._world.compute_nodes[name].memory.add_changes(changes)
        self._planner.apply(part.device_plans)

    def _checkpoint(self) -> SchemeCheckpoint:
        try:
            world = take_snapshot(self._world)
            learner = self._learner.state() if self._learner is not None else None
        except (NotAtRoundEndError, PicklingError, AttributeError, TypeError) as error:
            raise CheckpointError(
                f"{self._identity['label']}: no checkpoint can be made of round {len(self._learnt)}: {error}"
            ) from error
        return SchemeCheckpoint(world, learner, self._planner.snapshot(), self._cursor, self._learnt.state())

    def _end(self, *, interrupted: bool) -> SchemeRun:
        """Return what the finished rounds came to; note that the scheme's run has ended, if it has."""
        record = self._world.record
        if interrupted:
            rows = record.take(len(record))
            self._recording.add(rows[rows["round"] <= len(self._learnt)])
        else:
            self._take(len(record))
        self._recording.finish()
        run = self._results(interrupted=interrupted)
        if self._checkpoints is not None and not interrupted:
            self._checkpoints.finish(run, record.emptied(), self._last)
        return run

    def _results(self, *, interrupted: bool) -> SchemeRun:
        experiment, scheme, world = self._experiment, self._scheme, self._world
        identity, learner, planner = self._identity, self._learner, self._planner
        target_accuracy = experiment.loaded.scenario.target_accuracy
        table = self._recording.rounds.table(self._learnt.table(scheme.parameters.name, identity))
        stages, total_s = self._recording.stages.table(), self._recording.rounds.last_end_s
        devices = device_table(
            experiment,
            scheme,
            planner.device_plans(),
            identity,
            (self._learnt.drawn or ()) if planner.participants() is not None else None,
            self._learnt.accuracy,
        )
        lanes: dict[str, str] = dict(world.record.phases)
        devices = devices.assign(**energy_columns(stages, lanes, devices["device"].tolist()))
        devices["left_at_s"] = [world.departed_at_s.get(client, np.nan) for client in devices["device"]]
        devices["rounds"] = [self._learnt.took_part[client] for client in devices["device"]]
        nodes = node_table(experiment, scheme, self._plan, world, identity, stages, total_s)
        cuts = planner.plan.cuts
        cut = list(cuts.of_clients) if cuts.per_device else cuts.common
        # an interrupted round may have moved some of the weights
        trained = learner is not None and not interrupted
        weights = learner.fingerprint(planner.participants()) if trained else None
        summary = {
            "scheme": scheme.parameters.name,
            "cut": cut if scheme.has_cut else None,
            **self._plan.notes,
            "predicted_latency_s": self._plan.predicted_s,
            **scheme_summary(table, target_accuracy),
            "plans": 1 + planner.num_replans,
            "left_at_s": {str(client): world.departed_at_s[client] for client in sorted(world.departed_at_s)},
            "timeline_fingerprint": self._recording.timeline.hexdigest(world.record),
            "weights_fingerprint": weights,
            "clients_pass": learner.chosen_passes if learner else {},
            "device_memory_bits": float(devices["memory_bits"].max()),
            "node_memory_bits": float(nodes[["memory_planned_bits", "memory_peak_bits"]].max().max()),
            "cost": float(nodes["cost"].sum()),
        }
        memory = memory_table(world, identity)
        return SchemeRun(str(identity["label"]), summary, table, devices, nodes, stages, memory, interrupted)
