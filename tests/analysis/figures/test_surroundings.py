"""Figures are the same bytes whatever the user's matplotlibrc, style, backend and locale are."""

from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
import pytest
from cycler import cycler
from matplotlib.figure import Figure
from PIL import Image

from cutlayer.analysis.figures.charts.learning_curves import accuracy_figure
from cutlayer.analysis.figures.charts.sweep import sweep_figure
from cutlayer.analysis.figures.gantt import gantt_figure
from cutlayer.analysis.figures.memory import memory_figure
from cutlayer.analysis.figures.style import figure_style, save_figure
from cutlayer.scenarios.schema.sweep import SweepFigure

FORMULA = "cost $^$ a_b \\frac{"
USERS: dict[Any, Any] = {
    "text.usetex": True,
    "text.parse_math": True,
    "axes.formatter.use_locale": True,
    "axes.prop_cycle": cycler(color=["red"]),
    "font.size": 31.0,
    "font.family": ["cursive"],
    "savefig.bbox": "tight",
    "savefig.transparent": True,
    "figure.dpi": 33.0,
    "figure.constrained_layout.h_pad": 2.0,
    "axes.facecolor": "black",
    "lines.linewidth": 9.0,
    "path.sketch": (3.0, 10.0, 1.0),
}


def _rounds() -> pd.DataFrame:
    columns = {"scheme": "psl", "label": FORMULA, "seed": 0, "test_accuracy": [0.25, 0.5, 0.75]}
    return pd.DataFrame({**columns, "round": [1, 2, 3], "end_s": [1.0, 2.0, 3.0]})


def _gantt() -> Figure:
    row = {"label": FORMULA, "seed": 0, "round": 1, "node": "device-0", "lane": "compute", "client": -1}
    times = {"phase": "client_forward", "start_s": [0.0], "end_s": [1.0], "wait_s": 0.0}
    return gantt_figure(pd.DataFrame({**row, **times}))


def _accuracy() -> Figure:
    return accuracy_figure(_rounds(), target=0.6)


def _memory() -> Figure:
    changes = {"label": FORMULA, "seed": 0, "node": "near", "time_s": [0.0, 1.0], "held_bits": [8e6, 9e6]}
    nodes = pd.DataFrame({"label": [FORMULA], "seed": 0, "node": "near", "memory_limit_bits": 1e7})
    return memory_figure(pd.DataFrame(changes), nodes, _rounds())


def _sweep() -> Figure:
    section = SweepFigure(file="a.png", x="devices.count", y="mean_latency_s", kind="bar")
    columns = {
        "scheme": "psl",
        "label": FORMULA,
        "paper_label": FORMULA,
        "devices.count": [1, 2],
        "mean_latency_s": [1.0, 2.0],
    }
    ends = {"mean_latency_s_low": [0.9, 1.8], "mean_latency_s_high": [1.1, 2.2], "seeds": 3}
    return sweep_figure(pd.DataFrame({**columns, **ends}), section)


FIGURES = {"gantt": _gantt, "accuracy": _accuracy, "memory": _memory, "sweep": _sweep}


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize("name", FIGURES)
def test_the_users_settings_change_no_byte(name: str, suffix: str, tmp_path: Path) -> None:
    """With the user's settings a figure has the bytes that it has without, and the settings stay in force."""
    save_figure(FIGURES[name](), tmp_path / f"plain{suffix}")
    with matplotlib.rc_context(USERS):
        before = dict(matplotlib.rcParams)
        save_figure(FIGURES[name](), tmp_path / f"users{suffix}")
        assert before == dict(matplotlib.rcParams)
    assert (tmp_path / f"plain{suffix}").read_bytes() == (tmp_path / f"users{suffix}").read_bytes()


@pytest.mark.parametrize("name", ["gantt", "accuracy", "memory"])
def test_a_formula_in_a_label_is_text(name: str, tmp_path: Path) -> None:
    """A label with dollar signs and backslashes appears as the user wrote it."""
    save_figure(FIGURES[name](), tmp_path / "a.svg")
    assert "$^$ a_b \\frac{" in (tmp_path / "a.svg").read_text(encoding="utf-8").replace("\n", " ")


DRAW = """\
import sys
from pathlib import Path
from cutlayer.analysis.figures.style import figure_style, save_figure
from matplotlib.figure import Figure
import matplotlib
with figure_style():
    figure = Figure((2, 2))
    figure.subplots().set_title("$^$ \\u03c6")
save_figure(figure, Path("a.png"))
assert "matplotlib.pyplot" not in sys.modules
"""


@pytest.mark.parametrize("backend", ["module://notebooks.backend", "no such backend"])
def test_any_backend_and_matplotlibrc(backend: str, tmp_path: Path) -> None:
    """A notebook's backend that is not installed, a matplotlibrc and a locale change no pixel."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 40\nbackend: qtagg\n")
    changes = {"MPLBACKEND": backend, "MATPLOTLIBRC": str(tmp_path), "LC_ALL": "C", "PYTHONUTF8": "0"}
    subprocess.run([sys.executable, "-c", DRAW], cwd=tmp_path, env={**os.environ, **changes}, check=True)
    with figure_style():
        figure = Figure((2, 2))
        figure.subplots().set_title("$^$ φ")
    save_figure(figure, tmp_path / "b.png")
    drawn, expected = (Image.open(BytesIO((tmp_path / n).read_bytes())) for n in ("a.png", "b.png"))
    assert expected.size == drawn.size
    assert expected.tobytes() == drawn.tobytes()
