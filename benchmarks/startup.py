"""The time of ``cutlayer --help``, and of a whole run without learning."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import Figure, command, interleaved, run_time_s, show

__all__ = ["figures"]

REPEATS = 7

IMPORTS = "import sys, cutlayer; cutlayer.run('timeline_only'); print('torch' in sys.modules)"


def help_s() -> float:
    """Return the wall time of ``cutlayer --help``."""
    return run_time_s([command(), "--help"])


def python_s() -> float:
    """Return the wall time of a Python that does nothing, which is the least of any command."""
    return run_time_s([sys.executable, "-c", "pass"])


def timeline_s() -> float:
    """Return the wall time of a timeline-only run with its files and charts."""
    with tempfile.TemporaryDirectory() as folder:
        return run_time_s([command(), "run", "timeline_only", "--out", str(Path(folder) / "run")])


def torch_imported() -> bool:
    """Return whether a timeline-only run imports torch."""
    process = subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True)
    return process.stdout.strip() == "True"


def figures() -> list[Figure]:
    """Return the wall times, and whether the timeline-only run imports torch."""
    empty_s, answer_s, run_s = interleaved(REPEATS, python_s, help_s, timeline_s)
    return [
        Figure("startup: cutlayer --help", answer_s, "s", "< 0.5 s"),
        Figure("startup: an empty Python, for comparison", empty_s, "s"),
        Figure("startup: cutlayer run timeline_only", run_s, "s"),
        Figure("startup: imports of torch in a timeline-only run", (float(torch_imported()),), "", "0"),
    ]


if __name__ == "__main__":
    show(figures())
