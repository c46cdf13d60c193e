"""The time and the accuracies of ``cutlayer run quickstart``, with its files and charts."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from measuring import Figure, command, run_time_s, show

__all__ = ["figures"]


def figures() -> list[Figure]:
    """Return the wall time of one run, and each scheme's final accuracy."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "run"
        wall_s = run_time_s([command(), "run", "quickstart", "--out", str(folder)])
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return [
        Figure("quickstart: wall time", (wall_s,), "s", "≤ 60 s on two cores"),
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
