"""The style that all figures share: sizes, units of time, axes and legends, and the writing of files."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from ...scenarios.schema.sweep import FIGURE_SUFFIXES
from .figure_format import LABEL_PT, SMALL_PT, TITLE_PT, WIDTH_IN, FigureFormat

__all__ = [
    "FIGURE_SUFFIXES",
    "LABEL_PT",
    "SMALL_PT",
    "TITLE_PT",
    "WIDTH_IN",
    "TimeUnit",
    "figure_style",
    "legend_below",
    "node_label",
    "phase_label",
    "plain_axes",
    "save_figure",
    "shown_in_notebooks",
    "small_pt",
    "styled",
    "text_width_pt",
    "thinning",
    "time_unit",
    "title_pt",
    "wrapped_to",
]

_PNG_DPI = 200
_SCREEN_DPI = 100
# Text stays text in vector files (TrueType in PDF), and the same figure gives the same bytes. Labels are the
# user's, so that a dollar sign is a dollar sign, and no formula.
_SETTINGS: dict[Any, Any] = {
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "cutlayer",
    "text.parse_math": False,
    "text.usetex": False,
}
_RENDERERS = {"png": "agg", "svg": "svg", "pdf": "pdf"}
_FILE_METADATA: dict[str, dict[str, str | None]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
    ".html": {"Date": None},
}


Arguments = ParamSpec("Arguments")
Drawn = TypeVar("Drawn")


@contextmanager
def figure_style(form: FigureFormat | None = None) -> Iterator[None]:
    """Draw with Matplotlib's defaults and the settings of this package, and ignore the user's settings.

    The user's matplotlibrc, style sheets and backend have no effect on a figure that is made and saved
    inside of this context, and they are in force again after it.

    Parameters
    ----------
    form : FigureFormat, optional
        Decides on the letters.
    """
    form = form or FigureFormat()
    letters = {
        "font.family": form.families,
        "font.size": form.label_pt,
        "axes.labelsize": form.label_pt,
        "axes.titlesize": form.title_pt,
        "legend.fontsize": form.label_pt,
        "xtick.labelsize": form.small_pt,
        "ytick.labelsize": form.small_pt,
    }
    with matplotlib.rc_context():
        matplotlib.rcParams.update(_DEFAULTS | _SETTINGS | letters)
        yield


def styled(draw: Callable[Arguments, Drawn]) -> Callable[Arguments, Drawn]:
    """Let a function draw in :func:`figure_style`, with the letters of its argument ``form``."""

    @functools.wraps(draw)
    def in_style(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Drawn:
        form = kwargs.get("form")
        with figure_style(form if isinstance(form, FigureFormat) else None):
            return draw(*args, **kwargs)

    return in_style


def title_pt() -> float:
    """Return the size of titles in the current :func:`figure_style`, [pt]."""
    return float(matplotlib.rcParams["axes.titlesize"])


def small_pt() -> float:
    """Return the size of the numbers of axes in the current :func:`figure_style`, [pt]."""
    return float(matplotlib.rcParams["xtick.labelsize"])


def text_width_pt(text: str, size_pt: float) -> float:
    """Return the width of a line of text in the current :func:`figure_style`, [pt]."""
    width_pt, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(size=size_pt), ismath=False
    )
    return float(width_pt)


_DEFAULTS = {name: value for name, value in dict.items(matplotlib.rcParamsDefault) if name != "backend"}


def phase_label(phase: str) -> str:
    """Return the text for a phase: ``Client forward`` for ``client_forward``."""
    words = phase.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def node_label(node: str) -> str:
    """Return the text for a node or a wire: ``vm 1 → vm 2`` for ``vm-1>vm-2``."""
    return node.replace("-", " ").replace(">", " → ")


@dataclass(frozen=True)
class TimeUnit:
    """A unit of a time axis and its length in seconds."""

    symbol: str
    seconds: float

    def text(self, duration_s: float) -> str:
        """Return a duration with three significant digits, for example ``1.25 s``."""
        value = duration_s / self.seconds
        return f"{value:.0f} {self.symbol}" if value >= 100 else f"{value:#.3g} {self.symbol}"


def time_unit(longest_s: float) -> TimeUnit:
    """Return the unit that keeps the numbers up to ``longest_s`` short: µs, ms, s, min or h."""
    for below_s, unit in (
        (1e-3, TimeUnit("µs", 1e-6)),
        (1.0, TimeUnit("ms", 1e-3)),
        (600.0, TimeUnit("s", 1.0)),
        (3 * 3600.0, TimeUnit("min", 60.0)),
    ):
        if longest_s < below_s:
            return unit
    return TimeUnit("h", 3600.0)


def wrapped_to(text: str, width_pt: float, size_pt: float) -> str:
    """Return the text broken into lines that are at most as wide as stated, as far as its words allow.

    An equation such as ``φ = 0.5`` stays in one line.

    Parameters
    ----------
    width_pt : float
        Width of a line, [pt].
    size_pt : float
        Size of the letters, [pt].
    """
    lines = [""]
    equation = "\u00a0=\u00a0"
    for word in text.replace(" = ", equation).split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width_pt(longer, size_pt) > width_pt:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines).replace(equation, " = ")


def thinning(room_pt: float, needed_pt: float) -> int:
    """Return the step between the labels to show, one of 1, 2, 5, 10, 20, ...

    Parameters
    ----------
    room_pt : float
        Distance between two neighbouring labels, [pt].
    needed_pt : float
        Distance that two shown labels need so as not to overlap, [pt].
    """
    steps = (base * 10**power for power in range(9) for base in (1, 2, 5))
    return next((step for step in steps if step * room_pt >= needed_pt), 10**9)


def plain_axes(axes: Axes) -> None:
    """Give the axes small tick labels, a light vertical grid behind the data, and no frame above or right."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_linewidth(0.6)
    family = matplotlib.rcParams["font.family"]  # ticks are made later, when another style may be in force
    axes.tick_params(labelsize=small_pt(), labelfontfamily=family, width=0.6, length=2.5)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.4)
    axes.set_axisbelow(True)


_HANDLE = 4.8
"""Width of a legend's handle with its gaps, in units of the size of the letters."""
_LEGEND_ENTRY = 22.0
"""Greatest width of a line of a legend, in the same units."""


def legend_below(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """Add one legend below all panels, as wide as the figure allows; the figure grows by its height."""
    if not handles:
        return
    size_pt = float(matplotlib.rcParams["legend.fontsize"])
    room_pt = 72 * figure.get_figwidth() - _HANDLE * size_pt
    texts = [wrapped_to(label, min(room_pt, _LEGEND_ENTRY * size_pt), size_pt) for label in labels]
    longest_pt = max(text_width_pt(line, size_pt) for text in texts for line in text.splitlines())
    column_pt = longest_pt + _HANDLE * size_pt
    columns = max(1, min(len(texts), int(72 * figure.get_figwidth() / column_pt)))
    rows = -(-len(texts) // columns)
    columns = -(-len(texts) // rows)  # the columns are then of even length
    lines = max(
        sum(text.count("\n") + 1 for text in texts[i * rows : (i + 1) * rows]) for i in range(columns)
    )
    figure.set_figheight(figure.get_figheight() + (1.5 * size_pt * lines + 7.2) / 72)
    figure.legend(
        handles,
        texts,
        loc="lower center" if figure.get_layout_engine() is None else "outside lower center",
        ncols=columns,
        frameon=False,
        handlelength=2.6,
        columnspacing=1.2,
    )


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure to a file in the format of its suffix. A failed rendering leaves no file behind.

    The suffix is .png (200 dots per inch), .svg or .pdf (both keep text as text), or .html (a page that holds
    the SVG).

    Raises
    ------
    ValueError
        If the suffix is none of these.
    """
    suffix = path.suffix.lower()
    if suffix not in FIGURE_SUFFIXES:
        allowed = ", ".join(FIGURE_SUFFIXES)
        raise ValueError(f"figure {path.name!r}: the suffix must be one of {allowed}; it is {suffix!r}")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        form = "svg" if suffix == ".html" else suffix[1:]
        with figure_style():
            figure.savefig(
                unfinished,
                format=form,
                backend=_RENDERERS[form],
                dpi=_PNG_DPI,
                metadata=_FILE_METADATA[suffix],
            )
        if suffix == ".html":
            svg = unfinished.read_text(encoding="utf-8")
            header = '<!doctype html>\n<meta charset="utf-8">\n<title>Cutlayer</title>\n'
            unfinished.write_text(header + svg[svg.index("<svg") :], encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def shown_in_notebooks(figure: Figure) -> Figure:
    """Return the figure with a method by which a notebook shows it, as in its PNG file.

    A figure that is made without pyplot has none.
    """
    vars(figure)["_repr_png_"] = functools.partial(_png, figure)
    return figure


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    with figure_style():
        figure.savefig(file, format="png", backend=_RENDERERS["png"], dpi=_SCREEN_DPI)
    return file.getvalue()
