"""Laws of the figures' look: colours that stay apart, units that stay short, files whole or not at all."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cutlayer.analysis.figures.style import (
    FIGURE_SUFFIXES,
    PHASE_COLOURS,
    WAITING_COLOUR,
    bar_style,
    node_label,
    phase_colour,
    phase_label,
    save_figure,
    thinning,
    time_unit,
)
from cutlayer.sim.schemes.mask_renewal import IMPORTANCE_UPLOAD, MASK_BROADCAST
from cutlayer.sim.timeline import phases

# Machado, Oliveira, Fernandes 2009, table 1, severity 1.0
SIGHTS = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour: str, sight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return CIELAB coordinates of a colour as that sight sees it (IEC 61966-2-1, CIE 15, D65)."""
    coded = np.array(to_rgb(colour))
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    x, y, z = XYZ @ np.clip(sight @ linear, 0, 1) / [0.9505, 1.0, 1.089]
    fx, fy, fz = (np.cbrt(t) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


def a_figure() -> Figure:
    figure = Figure(figsize=(2, 2))
    figure.subplots().set_title("words")
    return figure


@pytest.mark.parametrize("sight", SIGHTS)
def test_any_two_phases_look_different(sight: str) -> None:
    """Phases and waiting are at least 15 apart in CIELAB, for colour-blind readers too.

    Compute nodes do a server's work, in rows of their own, and may look like it.
    """
    colours = {**PHASE_COLOURS, "waiting": WAITING_COLOUR}
    close = [
        (one, other)
        for one, other in combinations(colours, 2)
        if np.linalg.norm(lab(colours[one], SIGHTS[sight]) - lab(colours[other], SIGHTS[sight])) < 15
        and not (one.startswith("server_") and other.startswith("node_"))
    ]

    assert [] == close


def test_every_phase_has_a_colour_of_its_own() -> None:
    """No phase that the schemes use falls back on a colour that follows from its name."""
    used = [*vars(phases).values(), IMPORTANCE_UPLOAD, MASK_BROADCAST]

    assert [] == [p.name for p in used if isinstance(p, phases.Phase) and p.name not in PHASE_COLOURS]


@pytest.mark.parametrize("side", ["client", "server", "head", "node"])
def test_forward_is_darker_than_backward(side: str) -> None:
    """A side's two passes differ in lightness by 20 or more, so that greyscale print tells them apart."""
    forward, backward = (
        lab(phase_colour(f"{side}_{way}"), SIGHTS["normal"])[0] for way in ("forward", "backward")
    )

    assert backward - forward >= 20


def test_an_unknown_phase_keeps_its_colour() -> None:
    """A phase without a colour of its own gets one that depends on its name alone, and no known phase's."""
    assert "#AA4499" == phase_colour("mask_exchange")
    assert "#AA4499" not in PHASE_COLOURS.values()


def test_the_bars_of_a_phase_have_its_colour() -> None:
    """The face of a bar is the colour of its phase, and waiting alone is hatched."""
    assert phase_colour("uplink") == bar_style("uplink")["facecolor"]
    assert "hatch" in bar_style("waiting")
    assert "hatch" not in bar_style("uplink")


def test_phases_in_words() -> None:
    """A phase's label is its name as words with one capital."""
    assert "Client forward" == phase_label("client_forward")
    assert "Uplink" == phase_label("uplink")


def test_nodes_in_words() -> None:
    """A node's label is its name with spaces, and a wire's an arrow between its ends."""
    assert "device 0" == node_label("device-0")
    assert "access point → vm 1" == node_label("access-point>vm-1")


@pytest.mark.parametrize(
    ("longest_s", "symbol", "text"),
    [
        (5e-4, "µs", "500 µs"),
        (0.25, "ms", "250 ms"),
        (1.25, "s", "1.25 s"),
        (1200.0, "min", "20.0 min"),
        (36000.0, "h", "10.0 h"),
    ],
)
def test_the_unit_keeps_numbers_short(longest_s: float, symbol: str, text: str) -> None:
    """The unit follows the longest time, and the text has three significant digits."""
    unit = time_unit(longest_s)

    assert symbol == unit.symbol
    assert text == unit.text(longest_s)


def test_kept_labels_have_room() -> None:
    """The step is the least of 1, 2, 5, 10, ... that makes the room large enough."""
    assert [1, 2, 5, 10, 50] == [thinning(room, 8.0) for room in (8.0, 4.0, 2.0, 1.0, 0.2)]


@pytest.mark.parametrize("suffix", FIGURE_SUFFIXES)
def test_the_same_figure_gives_the_same_bytes(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A saved figure depends on its content alone, not on the time of saving; nothing else is left."""
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for now_s, path in zip(("1000000000", "2000000000"), paths, strict=True):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", now_s)  # the clock, as far as Matplotlib knows
        save_figure(a_figure(), path)

    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths == sorted(tmp_path.iterdir())


def test_text_stays_text(tmp_path: Path) -> None:
    """Words of a figure are words in SVG, and PDF embeds TrueType fonts, none of Type 3."""
    save_figure(a_figure(), tmp_path / "a.svg")
    save_figure(a_figure(), tmp_path / "a.pdf")

    assert ">words</text>" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert b"/FontFile2" in (tmp_path / "a.pdf").read_bytes()
    assert b"/Type3" not in (tmp_path / "a.pdf").read_bytes()


def test_a_failed_rendering_leaves_the_old_file(tmp_path: Path) -> None:
    """If drawing raises, the earlier file is untouched and no part of the new one is left."""
    path = tmp_path / "a.svg"
    path.write_text("old", encoding="utf-8")
    figure = a_figure()
    figure.axes[0].set_title(r"$\nosuchsymbol{$")

    with pytest.raises(ValueError, match="nosuchsymbol"):
        save_figure(figure, path)

    assert "old" == path.read_text(encoding="utf-8")
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.bmp"])
def test_an_unknown_suffix_names_the_known_ones(tmp_path: Path, name: str) -> None:
    """A suffix that has no format is an error with the allowed ones, and nothing is written."""
    with pytest.raises(ValueError, match=r"\.png, \.svg, \.pdf"):
        save_figure(a_figure(), tmp_path / name)

    assert [] == list(tmp_path.iterdir())
