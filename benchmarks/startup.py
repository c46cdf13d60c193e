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


def imports_s() -> float:
    """Return the wall time of the imports that no run with charts can do without."""
    return run_time_s([sys.executable, "-c", "import pandas, matplotlib.figure"])


def timeline_s(*options: str) -> float:
    """Return the wall time of a timeline-only run with its files and, by default, its charts."""
    with tempfile.TemporaryDirectory() as folder:
        return run_time_s([command(), "run", "timeline_only", "--out", str(Path(folder) / "run"), *options])


def timeline_without_figures_s() -> float:
    """Return the wall time of a timeline-only run with its files alone."""
    return timeline_s("--no-figures")


def torch_imported() -> bool:
    """Return whether a timeline-only run imports torch."""
    process = subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True)
    return process.stdout.strip() == "True"


def figures() -> list[Figure]:
    """Return the wall times, and whether the timeline-only run imports torch."""
    empty_s, answer_s, import_s, run_s, plain_s = interleaved(
        REPEATS, python_s, help_s, imports_s, timeline_s, timeline_without_figures_s
    )
    over_imports = tuple(run / imports for run, imports in zip(run_s, import_s, strict=True))
    plain_over_imports = tuple(run / imports for run, imports in zip(plain_s, import_s, strict=True))
    return [
        Figure("startup: cutlayer --help", answer_s, "s", "< 0.5 s"),
        Figure("startup: an empty Python, for comparison", empty_s, "s"),
        Figure("startup: cutlayer run timeline_only", run_s, "s"),
        Figure("startup: the same over the import of pandas and matplotlib", over_imports, target="≤ 1.4"),
        Figure("startup: the same with --no-figures", plain_over_imports),
        Figure("startup: imports of torch in a timeline-only run", (float(torch_imported()),), "", "0"),
    ]


if __name__ == "__main__":
    show(figures())
