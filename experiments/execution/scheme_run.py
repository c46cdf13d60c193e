"""The run of one scheme: create its world, round planner and learner, run its rounds, collect the results."""

from __future__ import annotations

from collections.abc import Callable
from pickle import PicklingError
from typing import Any, TypeAlias

import numpy as np

from ...analysis.results.atomic_files import RunFolderError
from ...analysis.results.recorded_tables import RecordWriter
from ...analysis.results.round_tables import scheme_summary
from ...scenarios.loading.scheme_labels import paper_label
from ...sim.links.lossy_link import retries_of
from ...sim.schemes.base import Scheme
from ...sim.schemes.planning.plan import SchemePlan
from ...sim.schemes.round_loop import RoundCursor, RoundResult, run_rounds
from ...sim.schemes.round_planners.fixed_plan import FixedPlan
from ...sim.schemes.round_planners.planning_context import links_and_schedulers
from ...sim.schemes.round_planners.replanning import Replanner
from ...sim.schemes.round_planners.round_planner import PlannerSnapshot, RoundPlanner
from ...sim.schemes.round_planners.sampled_clients import SampledClients, client_sampler
from ...sim.world.rounds.round_policy import round_policy_of
from ...sim.world.snapshots import NotAtRoundEndError, restore, take_snapshot
from ...sim.world.world import World
from ..checkpoints import (
    CheckpointError,
    CheckpointIncrement,
    FinishedScheme,
    SchemeCheckpoint,
    SchemeCheckpoints,
)
from ..experiment import Experiment
from ..processes.process_guards import deferred_interrupt, frozen_gc, interruptible
from .callbacks import RunObserver
from .record_streams import Recorded, RecordStreams
from .result_tables import (
    device_table,
    energy_columns,
    event_columns,
    memory_table,
    node_table,
    with_device_times,
)
from .round_log import RoundLog
from .scheme_results import Failure, SchemeRun, failure_of, run_without_rounds

__all__ = [
    "OnRound",
    "make_world",
    "round_planner",
    "run_scheme",
    "scheme_learner",
]

OnRound: TypeAlias = Callable[[str, RoundResult], None]
"""Called with a scheme's label and result after each round. For a scheme that finished in an earlier process,
it is called once, with the last round."""


SPILL_ROWS = 2**17
"""From this number of rows on, rows leave the event loop's record at the end of a round."""
SPILL_EVENTS = 2**14
"""The same number for the events, each of which takes more memory."""


def run_scheme(
    experiment: Experiment,
    scheme: Scheme,
    plan: SchemePlan,
    on_round: OnRound,
    writer: RecordWriter,
    checkpoints: SchemeCheckpoints | None = None,
    observer: RunObserver | None = None,
) -> SchemeRun | None:
    """Run one scheme in a new world, until a stop of the scenario, a callback, an interrupt or an error.

    Parameters
    ----------
    plan : SchemePlan
        The scheme's first plan.
    writer : RecordWriter
        Receives the intervals and events.
    checkpoints : SchemeCheckpoints, optional
        Where the run is saved regularly. The run continues from the latest checkpoint in it.
    observer : RunObserver, optional
        The callbacks of the user. They are not told about a scheme that finished in an earlier process.

    Returns
    -------
    SchemeRun or None
        The results of the finished rounds. None if the run was interrupted before its first round was
        finished; after an error there are results without a round.

    Raises
    ------
    RunFolderError
        If a checkpoint cannot be read.
    """
    if checkpoints is not None and checkpoints.finished is not None:
        finished = checkpoints.finished
        streams = RecordStreams(finished.record, _identity(experiment, scheme), writer)
        for entry in checkpoints.log():
            if not isinstance(entry, CheckpointIncrement):
                streams.add(entry)
        streams.finish()
        on_round(finished.run.label, finished.last_round)
        return finished.run
    execution: SchemeExecution | None = None
    interrupted, error = False, None
    with deferred_interrupt():
        try:
            with interruptible():
                execution = SchemeExecution(experiment, scheme, plan, writer, checkpoints)
                execution.run(on_round, observer)
        except KeyboardInterrupt:
            interrupted = True
        except RunFolderError:
            raise
        except Exception as raised:  # of any kind: it costs this scheme alone
            error = raised
        num_rounds = 0 if execution is None else execution.num_rounds
        failure = None if error is None else failure_of(error, num_rounds + 1)
        if execution is not None and num_rounds:
            try:
                return execution.finish(interrupted=interrupted, failure=failure)
            except Exception as raised:
                failure = failure or failure_of(raised, num_rounds)
        return None if failure is None else run_without_rounds(experiment, scheme, plan, failure)


def _identity(experiment: Experiment, scheme: Scheme) -> dict[str, Any]:
    return {"label": str(scheme.parameters.label), "seed": experiment.loaded.scenario.seed}


def make_world(
    experiment: Experiment,
    scheme: Scheme,
    plan: SchemePlan,
    checkpoint: SchemeCheckpoint | None = None,
    planner: RoundPlanner | None = None,
) -> tuple[World, RoundPlanner]:
    """Return a new world that is connected by the scheme's plan, and the planner of its rounds.

    Parameters
    ----------
    plan : SchemePlan
        The first plan.
    checkpoint : SchemeCheckpoint, optional
        The state from which the world continues; by default the run begins with round 1.
    planner : RoundPlanner, optional
        The planner of its rounds; by default the one that the scenario asks for.
    """
    scenario, context = experiment.loaded.scenario, experiment.context
    if planner is None:
        planner = round_planner(experiment, scheme, plan, checkpoint.planner if checkpoint else None)
    policy = scenario.round_policy_of(scheme.parameters)
    channel = context.channel
    if scenario.participation_of(scheme.parameters) is not None or scenario.devices.exclude:
        channel = channel.of(planner.members)
    links, schedulers = links_and_schedulers(planner.plan, channel)
    world = World(
        scenario.server,
        experiment.fleet,
        links,
        schedulers,
        network=context.deployment.network,
        server_shares=planner.plan.server_shares,
        clients=planner.members,
        faults=experiment.faults if scheme.uses_devices else experiment.faults.without_availability(),
        round_policy=round_policy_of(policy),
        retries=retries_of(policy),
        snapshot=checkpoint.world if checkpoint else None,
    )
    if checkpoint is not None:
        restore(world, checkpoint.world)
    return world, planner


def round_planner(
    experiment: Experiment, scheme: Scheme, plan: SchemePlan, snapshot: PlannerSnapshot | None = None
) -> RoundPlanner:
    """Return the round planner that the scenario asks for, with the scheme's first plan.

    Parameters
    ----------
    snapshot : PlannerSnapshot, optional
        The state from which the planner continues; by default the run begins with round 1.
    """
    scenario, context, faults = experiment.loaded.scenario, experiment.context, experiment.faults
    members, excluded = scenario.devices.included, frozenset(scenario.devices.exclude)
    participation = scenario.participation_of(scheme.parameters)
    if participation is not None:
        available = faults.availability if faults.clients_may_go_offline else None
        sampler = client_sampler(participation, scheme, plan, context.deployment, excluded, available)
        return SampledClients(scheme, plan, sampler, context, snapshot)
    if scenario.allocation.replan is not None:
        return Replanner(scheme, plan, context, members, snapshot)
    return FixedPlan(plan, members, snapshot, is_partial=bool(excluded))


def scheme_learner(experiment: Experiment, scheme: Scheme, plan: SchemePlan) -> Any:
    """Return a new learner of the scheme, or None for a timeline alone."""
    scenario = experiment.loaded.scenario
    if scenario.learning is None or experiment.data is None:
        return None
    from ...models.learning.factory import make_learner

    different = len(set(plan.cuts.of_clients)) > 1
    return make_learner(
        scheme.learner,
        scheme.learner_options(plan),
        model=scenario.model,
        cut=0 if different else plan.cuts.common,
        data=experiment.data,
        learning=scenario.learning,
        seed=scenario.seed,
        compression=scheme.task.compression.section if scheme.task.compression else None,
    )


class SchemeExecution:
    """The running scheme: everything that its rounds change.

    It begins with round 1, or continues from the latest checkpoint.
    """

    def __init__(
        self,
        experiment: Experiment,
        scheme: Scheme,
        plan: SchemePlan,
        writer: RecordWriter,
        checkpoints: SchemeCheckpoints | None,
    ) -> None:
        checkpoint = checkpoints.latest if checkpoints else None
        self._experiment, self._scheme, self._plan = experiment, scheme, plan
        self._identity = _identity(experiment, scheme)
        self._checkpoints = checkpoints
        self._world, self._planner = make_world(experiment, scheme, plan, checkpoint)
        self._learner = scheme_learner(experiment, scheme, plan)
        self._streams = RecordStreams(self._world.record, self._identity, writer)
        self._round_log = RoundLog(checkpoint.round_log if checkpoint else None)
        self._cursor = checkpoint.cursor if checkpoint else RoundCursor()
        self._last_round: RoundResult | None = None
        self._stopped_by: str | None = None
        if checkpoints is not None and checkpoint is not None:
            for entry in checkpoints.log():
                self._apply(entry)
            if self._learner is not None:
                self._learner.restore(checkpoint.learner)

    @property
    def num_rounds(self) -> int:
        """Return the number of finished rounds."""
        return len(self._round_log)

    def run(self, on_round: OnRound, observer: RunObserver | None = None) -> None:
        """Run the remaining rounds, or until the observer ends the scheme."""
        scenario, label = self._experiment.loaded.scenario, str(self._identity["label"])
        if observer is not None:
            observer.on_start(label)
        results = run_rounds(
            self._scheme,
            self._world,
            self._learner,
            self._planner,
            scenario.stop,
            scenario.learning.evaluate_every if scenario.learning else 1,
            self._cursor,
            stop_on_divergence=scenario.learning is None or scenario.learning.on_divergence == "stop",
        )
        with frozen_gc():
            for result in results:
                with deferred_interrupt():
                    self._add_round(result)
                on_round(label, result)
                if observer is not None:
                    self._stopped_by = observer.on_round(label, self._row())
                    if self._stopped_by is not None:
                        break

    def _row(self) -> dict[str, Any]:
        return self._round_log.last_row(self._scheme.parameters.name, self._identity)

    def _add_round(self, result: RoundResult) -> None:
        """Log a finished round, and save a checkpoint if one is due."""
        cut = str(self._planner.plan.cuts) if self._scheme.has_cut else ""
        self._round_log.add(result, cut, self._world.sampled_clients)
        self._last_round = result
        checkpoints = self._checkpoints
        due = checkpoints is not None and result.number % checkpoints.every == 0 and not result.is_last
        if due or self._world.record.num_kept >= SPILL_ROWS:
            self._pass_on(self._world.record.take(self._world.first_open_row))
        if due or len(self._world.record.events) >= SPILL_EVENTS:
            self._pass_on(self._world.record.events.take())
        if checkpoints is not None and due:
            checkpoints.save(self._checkpoint(), self._checkpoint_increment())

    def _pass_on(self, recorded: Recorded) -> None:
        """Pass rows or events that have left the event loop on to the results and checkpoints."""
        self._streams.add(recorded)
        if self._checkpoints is not None and len(recorded):
            self._checkpoints.add(recorded)

    def _checkpoint_increment(self) -> CheckpointIncrement:
        nodes = self._world.compute_nodes
        changes = {name: node.memory.new_changes() for name, node in nodes.items()}
        return CheckpointIncrement(self._round_log.increment(), changes, self._planner.increment())

    def _apply(self, entry: Recorded | CheckpointIncrement) -> None:
        """Add an entry of the checkpoints' log: rows of intervals, events, or results of rounds."""
        if not isinstance(entry, CheckpointIncrement):
            self._streams.add(entry)
            return
        self._round_log.apply(entry.rounds)
        for name, changes in entry.memory_changes.items():
            self._world.compute_nodes[name].memory.add_changes(changes)
        self._planner.apply(entry.device_plans)

    def _checkpoint(self) -> SchemeCheckpoint:
        try:
            world = take_snapshot(self._world)
            learner = self._learner.state() if self._learner is not None else None
        except (NotAtRoundEndError, PicklingError, AttributeError, TypeError) as error:
            label, number = self._identity["label"], len(self._round_log)
            raise CheckpointError(f"{label}: no checkpoint can be made of round {number}: {error}") from error
        planner, round_log = self._planner.snapshot(), self._round_log.snapshot()
        return SchemeCheckpoint(world, learner, planner, self._cursor, round_log)

    def finish(self, *, interrupted: bool = False, failure: Failure | None = None) -> SchemeRun:
        """Return the results of the finished rounds; save them if the scheme has come to its end."""
        record, complete = self._world.record, not interrupted and failure is None
        rows, events = record.take(len(record)), record.events.take()
        if not complete:
            self._streams.add(rows[rows["round"] <= self.num_rounds])
            self._streams.add([event for event in events if event.round <= self.num_rounds])
        else:
            self._pass_on(rows)
            self._pass_on(events)
        self._streams.finish()
        run = self._results(interrupted=interrupted, failure=failure)
        if self._checkpoints is not None and complete:
            assert self._last_round is not None  # a scheme that has not finished has rounds left to run
            self._checkpoints.finish(FinishedScheme(run, record.emptied(), self._last_round))
        return run

    def _results(self, *, interrupted: bool, failure: Failure | None) -> SchemeRun:
        experiment, scheme, world = self._experiment, self._scheme, self._world
        identity, learner, planner = self._identity, self._learner, self._planner
        round_log, label = self._round_log, str(identity["label"])
        intervals, events = self._streams.intervals, self._streams.events
        rounds = intervals.rounds.table(round_log.table(scheme.parameters.name, identity))
        stages, total_s = intervals.stages.table(), intervals.rounds.last_end_s
        devices = device_table(
            experiment,
            scheme,
            planner.device_plans(),
            identity,
            (round_log.sampled_clients or ()) if planner.participants() is not None else None,
            round_log.accuracy,
            float(rounds["end_s"].max()),
        )
        lanes: dict[str, str] = dict(world.record.phases)
        times = round_log.device_times().sort_index()
        devices = devices.assign(**energy_columns(stages, lanes, devices["device"].tolist(), times))
        devices["left_at_s"] = [world.departed_at_s.get(client, np.nan) for client in devices["device"]]
        devices["rounds"] = [round_log.rounds_of_device[client] for client in devices["device"]]
        devices = devices.assign(
            **event_columns(events, devices["device"].tolist(), round_log.observed_s_of_device)
        )
        nodes = node_table(experiment, scheme, self._plan, world, identity, stages, total_s)
        cuts = planner.plan.cuts
        cut = list(cuts.of_clients) if cuts.per_device else cuts.common
        # a round that did not end may have changed some of the weights
        trained = learner is not None and not interrupted and failure is None
        weights = learner.fingerprint(planner.participants()) if trained else None
        summary = {
            "scheme": scheme.parameters.name,
            "paper_label": paper_label(scheme.parameters),
            "failed": None if failure is None else failure.text,
            "stopped_by": self._stopped_by,
            "cut": cut if scheme.has_cut else None,
            **self._plan.notes,
            "predicted_latency_s": self._plan.predicted_s,
            "planned_latency_s": self._plan.planned_round_s,
            "planned_is_bound": self._plan.planned_is_bound,
            "plan_for": self._plan.plan_for,
            **scheme_summary(rounds, experiment.loaded.scenario.target_accuracy),
            "plans": 1 + planner.num_replans,
            "left_at_s": {str(client): world.departed_at_s[client] for client in sorted(world.departed_at_s)},
            "timeline_fingerprint": intervals.timeline.hexdigest(world.record),
            "weights_fingerprint": weights,
            "clients_pass": learner.chosen_passes if learner else {},
            "device_memory_bits": float(devices["memory_bits"].max()),
            "node_memory_bits": float(nodes[["memory_planned_bits", "memory_peak_bits"]].max().max()),
            "cost": float(nodes["cost"].sum()),
        }
        memory = memory_table(world, identity)
        stages = with_device_times(stages, times, identity)
        return SchemeRun(label, summary, rounds, devices, nodes, stages, memory, interrupted, failure)
