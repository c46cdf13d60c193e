"""The time and the accuracies of ``cutlayer run quickstart``, with its files and charts."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from measuring import Figure, command, interleaved, ratios, run_time_s, show

__all__ = ["figures"]

REPEATS = 3


def figures() -> list[Figure]:
    """Return the wall times by default and in one process, and each scheme's final accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        summary: dict[str, Any] = {}

        def run_s(*options: str) -> float:
            arguments = [command(), "run", "quickstart", "--out", str(Path(folder) / "run"), "--overwrite"]
            wall_s = run_time_s([*arguments, *options])
            summary.update(json.loads((Path(folder) / "run" / "summary.json").read_text(encoding="utf-8")))
            return wall_s

        default_s, one_s = interleaved(REPEATS, run_s, lambda: run_s("--jobs", "1"))
    return [
        Figure("quickstart: wall time", default_s, "s", "≤ 15 s on two cores"),
        Figure("quickstart: wall time in one process", one_s, "s"),
        Figure("quickstart: one process over the default", ratios(one_s, default_s)),
        *(
            Figure(
                f"quickstart: final accuracy of {label}",
                (100 * scheme["final_accuracy"],),
                "%",
                "" if label == "sl" else "≥ 90 %",
            )
            for label, scheme in summary["schemes"].items()
        ),
    ]


if __name__ == "__main__":
    show(figures())
