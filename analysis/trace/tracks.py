"""The tracks of a trace: a process for each node of a scheme, with a track for each of its lanes."""

from __future__ import annotations

from ..explain.activities import device_of
from .trace_file import TraceFile, Track

__all__ = ["Tracks"]

_THREADS = 1000
"""Distance between the numbers of two processes; those in between number their tracks."""
_LANES = ("rounds", "compute", "uplink", "downlink", "wire")
_FIRST_DEVICE = 1_000_000
_SCHEME_POSITIONS = 10_000_000


class Tracks:
    """The processes and tracks of one scheme. Each is named in the file when it is first used.

    The first process has the name of the scheme alone. It shows the rounds, and counters of the radio.

    Parameters
    ----------
    file : TraceFile
        The file.
    label : str
        The name of the scheme in the display.
    scheme : int
        The number of the scheme, from 0.
    first_process : int
        The number of its first process.
    """

    def __init__(self, file: TraceFile, label: str, scheme: int, first_process: int) -> None:
        self._file, self._label = file, label
        self._first_position = scheme * _SCHEME_POSITIONS
        self._tracks: dict[tuple[str, str], Track] = {}
        self._processes: dict[str, int] = {}
        self.next_process = first_process
        self.scheme_process = self.process("")

    def process(self, node: str) -> int:
        """Return the number of a node's process; an empty name stands for the scheme's own."""
        if node not in self._processes:
            number, self.next_process = self.next_process, self.next_process + 1
            self._processes[node] = number
            name = f"{self._label} · {node}" if node else self._label
            self._file.name_process(number * _THREADS, name, self._first_position + self._position(node))
        return self._processes[node] * _THREADS

    def track(self, node: str, lane: str) -> Track:
        """Return the track of a lane of a node, or of another row with this name."""
        key = (node, lane)
        if key not in self._tracks:
            process = self.process(node)
            number = sum(1 for other, _ in self._tracks if other == node)
            track = self._tracks[key] = Track(process, process + 1 + number)
            position = _LANES.index(lane) if lane in _LANES else len(_LANES) + number
            self._file.name_thread(track, lane, position)
        return self._tracks[key]

    def _position(self, node: str) -> int:
        """Return the position of a node: the scheme, the server, other nodes as they come, and devices."""
        if node in ("", "server"):
            return ("", "server").index(node)
        device = device_of(node)
        return len(self._processes) + 1 if device < 0 else _FIRST_DEVICE + device
