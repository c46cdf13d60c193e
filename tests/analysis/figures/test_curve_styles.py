"""Laws of the curves' looks: a scheme keeps its own, and no two curves of a figure are alike."""

from cutlayer.analysis.figures.curve_styles import curve_indices, curve_style, marked_points
from cutlayer.scenarios.registry import specs


def test_the_curves_of_all_schemes_differ() -> None:
    """Of the built-in schemes' curves no two share a colour or a marker."""
    names = [spec.name for spec in specs("scheme") if str(spec.entry_point).startswith("cutlayer.")]
    styles = [curve_style(index) for index in curve_indices(names)]

    assert len(names) == len({style["color"] for style in styles})
    assert len(names) == len({style["marker"] for style in styles})


def test_many_curves_differ() -> None:
    """With 14 curves and more, no two share a colour; with any number up to 200, no two look alike."""
    styles = [curve_style(index) for index in range(200)]

    assert 16 == len({style["color"] for style in styles[:16]})
    assert 200 == len({(style["color"], style["marker"]) for style in styles})


def test_dashed_curves_lie_on_solid_ones() -> None:
    """Of two curves that coincide the one with gaps lies on top, so that both are seen."""
    solid, dashed = curve_style(0), curve_style(1)

    assert ("-", "--") == (solid["linestyle"], dashed["linestyle"])
    assert solid["zorder"] < dashed["zorder"]


def test_markers_of_curves_stand_apart() -> None:
    """Curves of as many points have their markers at different ones, about eight each."""
    marked = [set(range(40)[first::step]) for first, step in (marked_points(40, i, 5) for i in range(5))]

    assert [8] * 5 == [len(points) for points in marked]
    assert set(range(40)) == set.union(*marked)


def test_a_scheme_looks_the_same_in_every_figure() -> None:
    """Whatever stands beside it, PSL has its look; two curves of one scheme differ, and so do all others."""
    alone, among = curve_indices(["psl"]), curve_indices(["epsl", "mine", "epsl", "psl", "sl", "epsl"])
    assert alone[0] == among[3]
    assert len(among) == len(set(among))
