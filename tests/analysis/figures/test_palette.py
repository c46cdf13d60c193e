"""Tests of the palette: colours that stay apart, fixed styles of built-in names, free ones for all others."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from cutlayer.analysis.figures.palette import (
    PHASE_COLOURS,
    SCHEMES,
    WAITING_COLOUR,
    curve_indices,
    curve_style,
    marked_points,
    phase_colours,
)
from cutlayer.scenarios.registry import specs
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
    """Return the CIELAB coordinates of a colour for one kind of sight (IEC 61966-2-1, CIE 15, D65)."""
    coded = np.array(to_rgb(colour))
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    x, y, z = XYZ @ np.clip(sight @ linear, 0, 1) / [0.9505, 1.0, 1.089]
    fx, fy, fz = (np.cbrt(t) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


@pytest.mark.parametrize("sight", SIGHTS)
def test_any_two_phases_look_different(sight: str) -> None:
    """Phases and waiting are at least 15 apart in CIELAB, for colour-blind readers too.

    Compute nodes do the server's work in rows of their own, and may look like the server.
    """
    colours = {**PHASE_COLOURS, "waiting": WAITING_COLOUR}
    close = [
        (one, other)
        for one, other in combinations(colours, 2)
        if np.linalg.norm(lab(colours[one], SIGHTS[sight]) - lab(colours[other], SIGHTS[sight])) < 15
        and not (one.startswith("server_") and other.startswith("node_"))
    ]

    assert [] == close


def test_every_built_in_phase_has_a_fixed_colour() -> None:
    """The palette lists every phase that the built-in schemes use."""
    used = [*vars(phases).values(), IMPORTANCE_UPLOAD, MASK_BROADCAST]

    assert [] == [p.name for p in used if isinstance(p, phases.Phase) and p.name not in PHASE_COLOURS]


@pytest.mark.parametrize("side", ["client", "server", "head", "node"])
def test_forward_is_darker_than_backward(side: str) -> None:
    """The two passes of a side differ in lightness by 20 or more, so that greyscale print separates them."""
    forward, backward = (
        lab(PHASE_COLOURS[f"{side}_{way}"], SIGHTS["normal"])[0] for way in ("forward", "backward")
    )

    assert backward - forward >= 20


def test_a_built_in_phase_has_one_colour_in_every_figure() -> None:
    """The other phases of a figure do not change the colour of a built-in phase."""
    alone, among = phase_colours(["uplink"]), phase_colours(["mine", "uplink", "yours", "downlink"])

    assert alone["uplink"] == among["uplink"] == PHASE_COLOURS["uplink"]


def test_other_phases_take_free_colours() -> None:
    """Phases that the palette does not list have different colours, whatever their names are."""
    others = [f"exchange_{number}" for number in range(len(PHASE_COLOURS))]
    colours = phase_colours([*others, "uplink"])

    assert ["uplink", *others] == list(colours)
    assert len(colours) == len(set(colours.values()))


def test_the_curves_of_all_built_in_schemes_differ() -> None:
    """No two built-in schemes share a colour or a marker, and the palette lists no unknown scheme."""
    modules = {spec.name: getattr(spec.entry_point, "__module__", "") for spec in specs("scheme")}
    names = [name for name, module in modules.items() if module.startswith("cutlayer.")]
    styles = [curve_style(index) for index in curve_indices(names)]

    assert set() == set(SCHEMES) - set(names)
    assert len(names) == len({style["color"] for style in styles})
    assert len(names) == len({style["marker"] for style in styles})


def test_many_curves_differ() -> None:
    """Up to 16 curves have different colours; up to 200 differ in colour or marker."""
    styles = [curve_style(index) for index in range(200)]

    assert 16 == len({style["color"] for style in styles[:16]})
    assert 200 == len({(style["color"], style["marker"]) for style in styles})


def test_dashed_curves_lie_on_solid_ones() -> None:
    """Of two curves that coincide the dashed one lies on top, so that both are visible."""
    solid, dashed = curve_style(0), curve_style(1)

    assert ("-", "--") == (solid["linestyle"], dashed["linestyle"])
    assert solid["zorder"] < dashed["zorder"]


def test_markers_of_curves_stand_apart() -> None:
    """Curves with equally many points have about eight markers each, at different points."""
    marked = [set(range(40)[first::step]) for first, step in (marked_points(40, i, 5) for i in range(5))]

    assert [8] * 5 == [len(points) for points in marked]
    assert set(range(40)) == set.union(*marked)


def test_a_scheme_has_the_same_style_in_every_figure() -> None:
    """Other curves do not change the style of PSL, and two curves of one scheme have different styles."""
    alone, among = curve_indices(["psl"]), curve_indices(["epsl", "mine", "epsl", "psl", "sl", "epsl"])

    assert alone[0] == among[3]
    assert len(among) == len(set(among))
