"""How long the command line takes to answer, and a run without learning from start to end."""

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
    """Return the wall time of a Python that does nothing: what no command can be below."""
    return run_time_s([sys.executable, "-c", "pass"])


def timeline_s() -> float:
    """Return the wall time of a timeline-only run, its files and its charts written."""
    with tempfile.TemporaryDirectory() as folder:
        return run_time_s([command(), "run", "timeline_only", "--out", str(Path(folder) / "run")])


def torch_imported() -> bool:
    """Return whether a timeline-only run imports torch."""
    answer = subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True)
    return answer.stdout.strip() == "True"


def figures() -> list[Figure]:
    """Return the wall times, and whether torch was imported."""
    python, asked, timeline = interleaved(REPEATS, python_s, help_s, timeline_s)
    return [
        Figure("startup: cutlayer --help", asked, "s", "< 0.5 s"),
        Figure("startup: an empty Python, for comparison", python, "s"),
        Figure("startup: cutlayer run timeline_only", timeline, "s"),
        Figure("startup: imports of torch in a timeline-only run", (float(torch_imported()),), "", "0"),
    ]


if __name__ == "__main__":
    show(figures())
