"""A file of trace events in Chrome's JSON format, which Perfetto opens, written event by event as text.

Times are in microseconds with three decimals. Instants are rounded to whole nanoseconds, and durations are
differences of rounded instants, so that intervals that do not overlap do not overlap in the file either.
"""

from __future__ import annotations

import gzip
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

__all__ = ["Flow", "TraceFile", "Track", "nanoseconds", "opened_trace"]

_COMPRESSION = 6
"""The level of gzip, from 1 to 9; higher ones take much more time and save little."""


@dataclass(frozen=True)
class Track:
    """A row of the display.

    Attributes
    ----------
    process, thread : int
        Its numbers in the file. No two tracks have the same thread.
    """

    process: int
    thread: int


@dataclass(frozen=True)
class Flow:
    """The part of an interval in a chain of arrows.

    Attributes
    ----------
    number : int
        The number of the chain.
    comes_in, goes_out : bool
        Whether an arrow ends at the interval, and whether one begins at it.
    """

    number: int
    comes_in: bool
    goes_out: bool


def nanoseconds(time_s: float) -> int:
    """Return an instant, [s], rounded to whole nanoseconds."""
    return round(time_s * 1e9)


def _microseconds(time_ns: int) -> str:
    """Return a number of nanoseconds as the text of a number of microseconds with three decimals."""
    return f"{time_ns // 1000}.{time_ns % 1000:03d}"


class TraceFile:
    """Writes events to an open text file.

    Parameters
    ----------
    write : callable
        Writes a text.
    """

    def __init__(self, write: Callable[[str], Any]) -> None:
        self._write = write
        self._names: dict[str, str] = {}
        self._separator = "\n"

    def name_process(self, process: int, name: str, position: int) -> None:
        """Give a process its name and its position among all processes."""
        self._metadata("process_name", process, 0, {"name": name})
        self._metadata("process_sort_index", process, 0, {"sort_index": position})

    def name_thread(self, track: Track, name: str, position: int) -> None:
        """Give a track its name and its position in its process."""
        self._metadata("thread_name", track.process, track.thread, {"name": name})
        self._metadata("thread_sort_index", track.process, track.thread, {"sort_index": position})

    def interval(
        self,
        track: Track,
        name: str,
        start_ns: int,
        end_ns: int,
        details: Mapping[str, Any],
        flow: Flow | None = None,
    ) -> None:
        """Add an interval of a track, with details that the display shows on a click."""
        chain = ""
        if flow is not None:
            begins = ',"flow_out":true' if flow.goes_out else ""
            ends = ',"flow_in":true' if flow.comes_in else ""
            chain = f',"bind_id":"{flow.number}"{begins}{ends}'
        self._add(
            f'"ph":"X","name":{self._quoted(name)},"pid":{track.process},"tid":{track.thread},'
            f'"ts":{_microseconds(start_ns)},"dur":{_microseconds(end_ns - start_ns)}{chain}'
            f"{self._details(details)}"
        )

    def instant(self, track: Track, name: str, time_ns: int, details: Mapping[str, Any]) -> None:
        """Add a mark at an instant."""
        self._add(
            f'"ph":"i","s":"t","name":{self._quoted(name)},"pid":{track.process},"tid":{track.thread},'
            f'"ts":{_microseconds(time_ns)}{self._details(details)}'
        )

    def counter(self, process: int, name: str, time_ns: int, value: float) -> None:
        """Add a new value of a quantity of a process."""
        self._add(
            f'"ph":"C","name":{self._quoted(name)},"pid":{process},"ts":{_microseconds(time_ns)},'
            f'"args":{{"value":{value!r}}}'
        )

    def arrow_begins(self, track: Track, name: str, number: int, time_ns: int) -> None:
        """Add the beginning of an arrow, right behind the interval that it begins at."""
        self._arrow(f'"ph":"s","id":"{number}"', track, name, time_ns)

    def arrow_ends(self, track: Track, name: str, number: int, time_ns: int) -> None:
        """Add the end of an arrow, just before the interval that it ends at.

        An end binds to the next interval of its track. Versions of Perfetto differ in the property ``bp``,
        which lets it bind to the interval before.
        """
        self._arrow(f'"ph":"f","id":"{number}"', track, name, time_ns)

    def _arrow(self, kind: str, track: Track, name: str, time_ns: int) -> None:
        quoted = self._quoted(name)
        self._add(
            f'{kind},"cat":{quoted},"name":{quoted},"pid":{track.process},"tid":{track.thread},'
            f'"ts":{_microseconds(time_ns)}'
        )

    def _metadata(self, name: str, process: int, thread: int, content: Mapping[str, Any]) -> None:
        details = self._details(content)
        self._add(f'"ph":"M","name":"{name}","pid":{process},"tid":{thread},"ts":0{details}')

    def _details(self, details: Mapping[str, Any]) -> str:
        if not details:
            return ""
        each = (f"{self._quoted(name)}:{_json_value(value)}" for name, value in details.items())
        return f',"args":{{{",".join(each)}}}'

    def _quoted(self, name: str) -> str:
        """Return a name as a string of JSON; few names occur in many events."""
        if name not in self._names:
            self._names[name] = json.dumps(name)
        return self._names[name]

    def _add(self, content: str) -> None:
        self._write(f"{self._separator}{{{content}}}")
        self._separator = ",\n"


def _json_value(value: Any) -> str:
    """Return a value in JSON, which has no number that is not finite."""
    if type(value) is int:
        return str(value)
    if type(value) is float and math.isfinite(value):
        return repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(str(value))
    return json.dumps(value)


@contextmanager
def opened_trace(path: Path, details: Mapping[str, Any], *, compressed: bool) -> Iterator[TraceFile]:
    """Open a file for events, and close the list of events at the end.

    Equal events give equal bytes, because the file has neither a time nor a name of its own.

    Parameters
    ----------
    path : Path
        The file.
    details : mapping of str to Any
        Facts about the whole trace.
    compressed : bool
        Whether to compress the file with gzip.
    """
    with path.open("wb") as raw:
        binary: IO[bytes] = raw
        if compressed:
            binary = cast("IO[bytes]", gzip.GzipFile("", "wb", _COMPRESSION, raw, mtime=0))
        with io.TextIOWrapper(binary, encoding="utf-8", newline="\n") as file:
            file.write(f'{{"displayTimeUnit":"ms","otherData":{json.dumps(dict(details))},"traceEvents":[')
            yield TraceFile(file.write)
            file.write("\n]}\n")
