"""The page of a large run: its size, the time to write it, and the time until a browser has drawn it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from measuring import Figure, show, timed

import cutlayer

__all__ = ["figures"]

REPEATS = 5
SCENARIO = """\
name: report-size
stop: {rounds: 200}
schemes: [sl, sfl, sfl_v2, psl, {name: epsl, phi: 0.5}, {name: epsl, phi: 1.0}, edgesplit, fl]
model: {name: resnet18, input_shape: [3, 64, 64], classes: 7}
devices: {count: 50}
radio: {subchannels: 100}
allocation: {subchannels: greedy}
"""


def run_folder(parent: Path) -> Path:
    """Return the folder of a run of 50 devices, eight schemes and 200 rounds."""
    (parent / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    cutlayer.run(parent / "scenario.yaml", out=parent / "run", figures=False)
    return parent / "run"


def drawn_s(page: Path) -> float | None:
    """Return the time from the start of the page to the last of its charts, [s]; None without a browser."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.support.browser import BROWSER, opened

    if BROWSER is None:
        return None
    with opened(page) as open_page:
        return float(open_page.evaluate("performance.now()")) / 1e3


def figures() -> list[Figure]:
    """Return the size of the page, and the times to write and to draw it."""
    with tempfile.TemporaryDirectory() as parent:
        folder = run_folder(Path(parent))
        run = cutlayer.load(folder)
        run.report()  # imports Bokeh
        write_s = timed(run.report)
        page = folder / "report.html"
        measured = [drawn_s(page) for _ in range(REPEATS)]
        drawn = tuple(value for value in measured if value is not None)
        size_mb = page.stat().st_size / 1e6
    name = "report: 50 devices, 8 schemes, 200 rounds:"
    shown = [
        Figure(f"{name} size of the page", (size_mb,), "MB", "≤ 15"),
        Figure(f"{name} time to write it", (write_s,), "s"),
    ]
    return [*shown, Figure(f"{name} time until it is drawn", drawn, "s", "≤ 3")] if drawn else shown


if __name__ == "__main__":
    show(figures())
