"""Write the timeline of a run for Perfetto: a process for each node, and a track for each of its lanes.

The intervals are read and written in parts of whole rounds, so that memory does not grow with their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..explain.activities import by_round
from ..explain.causes import NodeEvents
from ..results.atomic_files import RunFolderError, write_whole
from ..results.run import Run
from .counters import Counters, memory_changes, subchannels_of
from .dependencies import Arrows, Dependencies
from .round_parts import Part, whole_rounds
from .trace_file import TraceFile, nanoseconds, opened_trace
from .tracks import Tracks

__all__ = ["SUFFIXES", "UntraceableRunError", "write_trace"]

SUFFIXES = (".json.gz", ".json")
"""The endings of a trace's name; the first one means compression."""
_MESSAGE = "message"
_TIMES = ("start_s", "end_s", "wait_s")
_COLUMNS = ["round", "node", "lane", "phase", *_TIMES, "bits", "flops", "energy_j", "client"]
_ROUND_COLUMNS = ("participants", "left_out", "cut", "energy_j", "train_loss", "test_accuracy")


class UntraceableRunError(ValueError):
    """Raised if a run has no such rounds, or no intervals; the message says what it has."""


def write_trace(
    run: Run, path: Path, *, labels: Sequence[str] = (), rounds: tuple[int, int] | None = None
) -> None:
    """Write the timeline of a run as a trace in Chrome's JSON format.

    Parameters
    ----------
    run : Run
        The run.
    path : Path
        The file; its name ends in ``.json.gz`` or ``.json``.
    labels : sequence of str, optional
        The labels of the schemes to show; all by default.
    rounds : (first, last), optional
        The rounds to show; all by default.

    Raises
    ------
    UntraceableRunError
        If the name has another ending, if the run's intervals are lost, or if it has none of the rounds.
    RunFolderError
        If the file cannot be written.
    """
    if not path.name.endswith(SUFFIXES):
        raise UntraceableRunError(f"{path.name} must end in {' or '.join(SUFFIXES)}")
    if run.recorded.lost:
        raise UntraceableRunError(f"the intervals of the run are lost: {run.recorded.lost}")
    if not len(run.rounds):
        raise UntraceableRunError("the run has no round")
    last = int(run.rounds["round"].max())
    first_shown, last_shown = rounds or (1, last)
    if not 1 <= first_shown <= min(last_shown, last):
        raise UntraceableRunError(
            f"the run has no rounds {first_shown} to {last_shown}; rounds count from 1 to {last}"
        )
    shown = [label for label in run.summary["schemes"] if not labels or label in labels]
    details = {
        "run": run.summary["name"],
        "seed": run.summary["seed"],
        "rounds": f"{first_shown} to {min(last, last_shown)}",
        "version": run.summary["versions"].get("cutlayer", ""),
    }

    def write(draft: Path) -> None:
        with opened_trace(draft, details, compressed=path.name.endswith(SUFFIXES[0])) as file:
            _RunTrace(run, file, shown, (first_shown, last_shown)).write()

    try:
        write_whole(path, write)
    except OSError as error:
        raise RunFolderError(f"cannot write {path}: {error.strerror or error}") from None


class _RunTrace:
    """Writes the events of a run's schemes, one scheme after the other."""

    def __init__(self, run: Run, file: TraceFile, labels: Sequence[str], rounds: tuple[int, int]) -> None:
        self._run, self._file, self._rounds = run, file, rounds
        self._numbers = {label: number for number, label in enumerate(labels)}
        self._dependencies = Dependencies()
        self._next_process = 1

    def write(self) -> None:
        """Write all events."""
        scheme: _SchemeTrace | None = None
        for part in whole_rounds(self._run.recorded.groups(self._rounds)):
            if part.label not in self._numbers:
                continue
            if scheme is None or scheme.label != part.label:
                scheme = self._begin(part.label)
            scheme.add(part)
            self._next_process = scheme.tracks.next_process

    def _begin(self, label: str) -> _SchemeTrace:
        shown = self._run.shown_label(label)
        tracks = Tracks(self._file, shown, self._numbers[label], self._next_process)
        return _SchemeTrace(self._run, self._file, label, tracks, self._dependencies, self._rounds)


class _SchemeTrace:
    """Writes the events of one scheme.

    Attributes
    ----------
    label : str
        The scheme's label.
    tracks : Tracks
        Its processes and tracks.
    """

    def __init__(
        self,
        run: Run,
        file: TraceFile,
        label: str,
        tracks: Tracks,
        dependencies: Dependencies,
        rounds: tuple[int, int],
    ) -> None:
        self.label, self.tracks = label, tracks
        self._run, self._file, self._dependencies = run, file, dependencies
        table = run.rounds[run.rounds["label"].astype(str) == label]
        self._table = table[table["round"].between(*rounds)]
        columns = [self._table[name].tolist() for name in ("round", "start_s", "end_s")]
        self._spans_s = {number: (start, end) for number, start, end in zip(*columns, strict=True)}
        self._subchannels = subchannels_of(run, label)
        self._counters = Counters(file)
        events = [group[group["label"] == label] for group in run.recorded_events.groups(rounds)]
        table = pd.concat(events, ignore_index=True) if events else run.events.iloc[:0]
        self._table_of_events = table[table["round"].between(*rounds)]
        self._events = NodeEvents(self._table_of_events)
        self._begun = False
        self._last_round = 0

    def add(self, part: Part) -> None:
        """Write the next rounds, with their arrows and counters."""
        if not self._begun:
            self._begun = True
            self._write_rounds()
            self._write_events()
            self._write_memory()
        rows = part.rows[part.rows["round"].isin(self._spans_s)]
        numbers = sorted(int(number) for number in rows["round"].unique())
        starts_s = {number: self._spans_s[number][0] for number in numbers if number > self._last_round}
        all_rows = pd.concat([part.before, rows]) if len(part.before) else rows
        arrows = self._dependencies.of_rounds(by_round(all_rows, starts_s), self._spans_s, self._events)
        self._write_intervals(rows, arrows)
        self._last_round = max([self._last_round, *numbers])
        following = self._spans_s.get(self._last_round + 1)
        self._counters.write_until(math.inf if part.is_last or following is None else following[0])

    def _write_rounds(self) -> None:
        track = self.tracks.track("", "rounds")
        for row in self._table.to_dict("records"):
            details = {name: row[name] for name in _ROUND_COLUMNS if name in row and not _is_empty(row[name])}
            start_ns, end_ns = nanoseconds(row["start_s"]), nanoseconds(row["end_s"])
            self._file.interval(track, f"round {row['round']}", start_ns, end_ns, details)

    def _write_intervals(self, rows: pd.DataFrame, arrows: Arrows) -> None:
        columns = [rows[name].tolist() for name in _COLUMNS]
        for row, *cells in zip(rows.index.tolist(), *columns, strict=True):
            number, node, lane, phase, start_s, end_s, wait_s, bits, flops, energy_j, client = cells
            start_ns, end_ns = nanoseconds(start_s), nanoseconds(end_s)
            details: dict[str, Any] = {"round": number}
            if client >= 0:
                details["client"] = client
            if bits:
                details["bits"] = bits
                if end_s > start_s:
                    details["rate_bps"] = bits / (end_s - start_s)
            if flops:
                details["flops"] = flops
            if energy_j:
                details["energy_j"] = energy_j
            if wait_s:
                details["wait_s"] = wait_s
            flow = arrows.critical.get(row)
            if flow is not None:
                details["critical"] = True
            track = self.tracks.track(node, lane)
            for message in arrows.end.get(row, ()):
                self._file.arrow_ends(track, _MESSAGE, message, start_ns)
            self._file.interval(track, phase, start_ns, end_ns, details, flow)
            for message in arrows.begin.get(row, ()):
                self._file.arrow_begins(track, _MESSAGE, message, start_ns)
            self._count(node, lane, number, (start_s, end_s, wait_s, bits))

    def _count(self, node: str, lane: str, number: int, amounts: tuple[float, float, float, float]) -> None:
        """Count an interval in the queue of its lane, and among the transmissions."""
        start_s, end_s, wait_s, bits = amounts
        start_ns, end_ns = nanoseconds(start_s), nanoseconds(end_s)
        if wait_s and not node.startswith("device-"):
            ready_s = max(start_s - wait_s, self._spans_s[number][0])
            self._counters.add(self.tracks.process(node), f"queue of {lane}", nanoseconds(ready_s), start_ns)
        if bits and lane in ("uplink", "downlink"):
            process = self.tracks.scheme_process
            self._counters.add(process, f"active {lane}s", start_ns, end_ns)
            busy = self._subchannels.get(node, 0)
            self._counters.add(process, f"busy subchannels, {lane}", start_ns, end_ns, busy)

    def _write_events(self) -> None:
        """Write states of nodes as intervals on tracks of their own, and other events as marks."""
        columns = ["round", "time_s", "end_s", "node", "kind", "value", "detail"]
        for number, time_s, end_s, node, kind, value, detail in zip(
            *(self._table_of_events[name].tolist() for name in columns), strict=True
        ):
            details = {"round": number, "value": value, "detail": detail}
            details = {name: each for name, each in details.items() if not _is_empty(each)}
            if math.isnan(end_s):
                self._file.instant(self.tracks.track(node, "events"), kind, nanoseconds(time_s), details)
            else:
                track = self.tracks.track(node, kind)
                self._file.interval(track, kind, nanoseconds(time_s), nanoseconds(end_s), details)

    def _write_memory(self) -> None:
        if not self._spans_s:
            return
        first_ns = nanoseconds(min(start_s for start_s, _ in self._spans_s.values()))
        last_ns = nanoseconds(max(end_s for _, end_s in self._spans_s.values()))
        for node, time_ns, held_mib in memory_changes(self._run, self.label):
            if first_ns <= time_ns <= last_ns:
                self._file.counter(self.tracks.process(node), "memory held [MiB]", time_ns, held_mib)


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
