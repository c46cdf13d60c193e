"""A checker of traces: the rules of Chrome's JSON format that Perfetto relies on, and sums of durations."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Event", "busy_ns", "check_trace", "nanoseconds_of", "trace_events"]

Event: TypeAlias = dict[str, Any]
PHASES = {"M", "X", "i", "C", "s", "f"}


def trace_events(path: Path) -> list[Event]:
    """Return the events of a trace file, compressed or not."""
    content = path.read_bytes()
    text = gzip.decompress(content) if path.suffix == ".gz" else content
    events: list[Event] = json.loads(text)["traceEvents"]
    return events


def nanoseconds_of(microseconds: float) -> int:
    """Return a time of the file as whole nanoseconds; the file has three decimals of microseconds."""
    return round(microseconds * 1000)


def check_trace(events: Iterable[Event]) -> None:
    """Check that phases are known, intervals of a track nest, and that flows have both ends."""
    events = list(events)
    assert {event["ph"] for event in events} <= PHASES
    _check_names(events)
    tracks = _intervals_by_track(events)
    for intervals in tracks.values():
        _check_nesting(intervals)
    _check_arrows(events)
    _check_chains(events)
    for event in events:
        if event["ph"] == "C":
            assert event["args"]["value"] >= 0


def busy_ns(events: Iterable[Event]) -> dict[tuple[str, str], tuple[int, int]]:
    """Return the number of intervals and their total time, [ns], by the name of a process and a phase."""
    events = list(events)
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    totals: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for event in events:
        if event["ph"] == "X":
            key = (names[event["pid"]], event["name"])
            number, total_ns = totals[key]
            totals[key] = number + 1, total_ns + nanoseconds_of(event["dur"])
    return dict(totals)


def _check_names(events: list[Event]) -> None:
    """Each process and each track that is used has one name, and no track has two processes."""
    processes = [e["pid"] for e in events if e["name"] == "process_name"]
    threads = [e["tid"] for e in events if e["name"] == "thread_name"]
    assert len(processes) == len(set(processes))
    assert len(threads) == len(set(threads))
    assert not {*processes} & {*threads}
    process_of = {e["tid"]: e["pid"] for e in events if e["name"] == "thread_name"}
    for event in events:
        assert event["pid"] in processes
        if event["ph"] in "Xisf":
            assert process_of[event["tid"]] == event["pid"]


def _intervals_by_track(events: list[Event]) -> dict[int, list[tuple[int, int]]]:
    tracks: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            start_ns, length_ns = nanoseconds_of(event["ts"]), nanoseconds_of(event["dur"])
            assert length_ns >= 0
            tracks[event["tid"]].append((start_ns, start_ns + length_ns))
    return tracks


def _check_nesting(intervals: list[tuple[int, int]]) -> None:
    """Each interval ends before the one around it."""
    around: list[int] = []
    for start_ns, end_ns in sorted(intervals, key=lambda each: (each[0], -each[1])):
        while around and around[-1] <= start_ns:
            around.pop()
        assert not around or end_ns <= around[-1]
        around.append(end_ns)


def _check_arrows(events: list[Event]) -> None:
    """Each arrow has a beginning and an end in two processes, behind and before intervals of its tracks.

    A beginning binds to the interval before it in the file, and an end to the one behind it.
    """
    ends: dict[str, dict[str, Event]] = defaultdict(dict)
    order: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event["ph"] in "Xsf":
            order[event["tid"]].append(event)
        if event["ph"] in "sf":
            assert event["ph"] not in ends[event["id"]]
            ends[event["id"]][event["ph"]] = event
    for on_track in order.values():
        _check_bound(on_track, "s")
        _check_bound(on_track[::-1], "f")
    for arrow in ends.values():
        assert {"s", "f"} == set(arrow)
        assert arrow["s"]["ts"] <= arrow["f"]["ts"]
        assert arrow["s"]["pid"] != arrow["f"]["pid"]


def _check_bound(events: list[Event], kind: str) -> None:
    """Each arrow of a kind has the instant of the last interval before it in this order."""
    last: Event | None = None
    for event in events:
        if event["ph"] == "X":
            last = event
        elif event["ph"] == kind:
            assert last is not None
            assert event["ts"] == last["ts"]


def _check_chains(events: list[Event]) -> None:
    """Each chain begins once, ends once, and goes forward in time."""
    chains: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if "bind_id" in event:
            chains[event["bind_id"]].append(event)
    for chain in chains.values():
        chain.sort(key=lambda event: (event["ts"], event["ts"] + event["dur"]))
        assert [False, *[True] * (len(chain) - 1)] == [event.get("flow_in", False) for event in chain]
        assert [*[True] * (len(chain) - 1), False] == [event.get("flow_out", False) for event in chain]
