"""The arithmetic of the benchmarks: medians, targets and slopes, and the page that shows them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module", autouse=True)
def _benchmarks() -> Iterator[None]:
    """Let the benchmarks import one another, as they do when they are run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        for name in ("measuring", "page", "scaling"):
            patch.delitem(sys.modules, name, raising=False)
        yield


@pytest.mark.parametrize(
    ("target", "met", "missed"),
    [
        ("≤ 1.2", 1.2, 1.21),
        ("< 0.5 s", 0.49, 0.5),
        ("≥ 0.4", 0.4, 0.39),
        ("≤ 1e-9 %", 1e-9, 2e-9),
        ("≤ 60 s on two cores", 60.0, 60.1),
        ("0", 0.0, 1.0),
    ],
)
def test_targets_are_held_against_the_median(target: str, met: float, missed: float) -> None:
    """The middle of three values decides, whatever the others are."""
    from measuring import Figure

    for middle, verdict in ((met, "met"), (missed, "missed")):
        assert verdict == Figure("a figure", (-1e9, middle, 1e9), "s", target).verdict
    assert "" == Figure("for information", (met,)).verdict


def test_a_target_without_a_number_is_refused() -> None:
    """A target that nothing can be held against is the benchmark's fault."""
    from measuring import Figure

    with pytest.raises(ValueError, match="'fast'"):
        assert Figure("a figure", (1.0,), "s", "fast").verdict


@given(st.floats(-3, 3), st.floats(1e-6, 1e3), st.integers(2, 6))
def test_the_slope_of_a_power_is_its_exponent(exponent: float, factor: float, count: int) -> None:
    """A cost of c·nᵏ has the slope k, whatever c is."""
    from scaling import Line

    sizes = tuple(10 * 3**i for i in range(count))
    (slope,) = Line("devices", "a power", sizes, (tuple(factor * n**exponent for n in sizes),), "").slopes
    assert math.isclose(exponent, slope, abs_tol=1e-9)


def test_the_page_is_filled_between_its_markers() -> None:
    """Parts are replaced whole, text around them stays, and filling twice changes nothing."""
    from measuring import Figure
    from page import fill, table

    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = table([Figure("a figure", (1.0, 2.0, 3.0), "s", "≤ 1.5")])
    parts = {"figures": rows, "machine": "- a machine", "scaling": "a drawing"}
    once = fill(text, parts)
    assert all(f"<!-- {name} -->\n{part}\n<!-- end -->" in once for name, part in parts.items())
    assert once == fill(once, parts)
    assert text.split("<!--")[0] == once.split("<!--")[0]
    assert "missed" in rows and "2 s" in rows and "1 to 3" in rows
    with pytest.raises(ValueError, match="nowhere"):
        fill(text, {"nowhere": ""})
