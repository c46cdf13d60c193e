"""Styles of curves and colours of phases: fixed for the built-in names, the next free ones for all others.

This module is the only one of ``analysis`` that lists names of schemes and phases. A scheme or a phase that
is not listed needs no entry: it takes the first style or colour that no other of the figure has.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "PHASE_COLOURS",
    "SCHEMES",
    "WAITING_COLOUR",
    "curve_indices",
    "curve_style",
    "label_styles",
    "marked_points",
    "phase_colours",
]

SCHEMES = (
    "sl",
    "sfl",
    "psl",
    "epsl",
    "epsl_pt",
    "centralised",
    "fl",
    "sfl_v2",
    "edgesplit",
    "esfl",
    "mpsl",
    "one_hop",
    "fedsl",
)
"""The schemes with a curve style of their own: a scheme's position here is the index of its style."""

# Okabe and Ito's colours, Paul Tol's and others, chosen so that any two stay apart (CIELAB distance above 15)
# for normal, protan, deutan and tritan sight; only compute nodes may look like a server. Forward is darker
# than backward, so that greyscale keeps the order.
PHASE_COLOURS = {
    "client_forward": "#0072B2",
    "uplink": "#D55E00",
    "server_forward": "#225522",
    "server_backward": "#ACD39E",
    "broadcast": "#F0E442",
    "downlink": "#E69F00",
    "client_backward": "#56B4E9",
    "model_upload": "#882255",
    "model_download": "#CC6677",
    "aggregate": "#332288",
    # The client's head stands beside its first part, and has links of its own.
    "activation_downlink": "#B69E49",
    "head_forward": "#0C0055",
    "head_backward": "#8686E7",
    "gradient_uplink": "#AA6D3D",
    # Compute nodes do the server's work and have greens like the server's.
    "node_forward": "#245531",
    "node_backward": "#31DB9E",
    "node_update": "#B6FFB6",
    "activation_hop": "#243131",
    "gradient_hop": "#AAAAAA",
    "importance_upload": "#CE79B6",
    "mask_broadcast": "#F3C279",
}
"""The phases with a colour of their own, in the order of a legend."""
WAITING_COLOUR = "#E8E8E8"
_OTHER_PHASE_COLOURS = ("#000000", "#777777", "#999933", "#AA4499")

_CURVE_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#000000",
    "#56B4E9",
    "#882255",
    "#332288",
    "#999933",
    "#CC3311",
    "#888888",
    "#44AA99",
    "#7700DD",
    "#770000",
    "#DDBB77",
)
_MARKERS = "os^DvPX*<>hpd"
_DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = ("-", "--", "-.", (0, (4, 1, 1, 1, 1, 1)))
_MARKERS_PER_CURVE = 8


def phase_colours(phases: Iterable[str]) -> dict[str, str]:
    """Return the colour of each phase of a figure, in the order of the legend.

    Phases without an entry in ``PHASE_COLOURS`` come last, in the order of their first appearance. Each takes
    the next colour that no other phase of the figure has, so two phases share a colour only in a figure with
    more than 25 of them.
    """
    names = dict.fromkeys(phases)
    colours = {phase: colour for phase, colour in PHASE_COLOURS.items() if phase in names}
    spare = [colour for phase, colour in PHASE_COLOURS.items() if phase not in names]
    free = itertools.cycle((*_OTHER_PHASE_COLOURS, *spare))
    return colours | {phase: next(free) for phase in names if phase not in colours}


def curve_indices(schemes: Sequence[str]) -> list[int]:
    """Return the index of each curve's style, for :func:`curve_style`.

    The first curve of a built-in scheme has the same style in every figure. Further curves of a scheme, and
    schemes that are not built in, take styles of no built-in scheme, and then styles of schemes that the
    figure lacks.

    Parameters
    ----------
    schemes : sequence of str
        Name of the scheme of each curve.
    """
    fixed = {name: index for index, name in enumerate(SCHEMES) if name in schemes}
    spare = range(len(SCHEMES), len(_CURVE_COLOURS))
    free = itertools.chain(
        spare, (index for index in itertools.count() if index not in fixed.values() and index not in spare)
    )
    seen: set[str] = set()
    indices = []
    for name in schemes:
        indices.append(fixed[name] if name in fixed and name not in seen else next(free))
        seen.add(name)
    return indices


def label_styles(schemes: Mapping[str, str]) -> dict[str, int]:
    """Return the index of the style of each label, for :func:`curve_style`.

    A figure that shows only some of the labels of a run takes their styles from here, so that a label has one
    style in all figures of the run.

    Parameters
    ----------
    schemes : mapping of str to str
        The scheme of each label of the run, shown or not.
    """
    return dict(zip(schemes, curve_indices(list(schemes.values())), strict=True))


def curve_style(index: int) -> dict[str, Any]:
    """Return the style of the ``index``-th curve of a figure, counted from 0, as line properties.

    Colours repeat after 16 curves, dashes after 4, and markers after 13; then markers are hollow. No two of
    208 curves share both a colour and a marker. A dashed curve lies on top of a solid one, so that both are
    visible where they coincide.
    """
    colour = _CURVE_COLOURS[index % len(_CURVE_COLOURS)]
    hollow = index // len(_MARKERS) % 2
    return {
        "color": colour,
        "marker": _MARKERS[index % len(_MARKERS)],
        "markerfacecolor": "white" if hollow else colour,
        "linestyle": _DASHES[index % len(_DASHES)],
        "linewidth": 1.2,
        "markersize": 3.5,
        "zorder": 2 + 0.1 * (index % len(_DASHES)),
    }


def marked_points(num_points: int, position: int, num_curves: int) -> tuple[int, int]:
    """Return the first point of a curve that has a marker, and the step to the next one.

    A curve has about eight markers. Curves with equally many points have their markers at different points.

    Parameters
    ----------
    num_points : int
        Number of points of the curve.
    position : int
        Position of the curve among the curves of the figure, from 0.
    num_curves : int
        Number of curves of the figure.
    """
    step = max(1, num_points // _MARKERS_PER_CURVE)
    return position * step // max(1, num_curves), step
