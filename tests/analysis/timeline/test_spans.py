"""Sets of instants: unions, gaps and differences agree with counting instants on a grid."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.analysis.timeline.spans import Coverage, Spans, gaps, length_s, merged, without

GRID = 20
spans = st.lists(
    st.tuples(st.integers(0, GRID), st.integers(0, GRID)).map(lambda pair: tuple(sorted(pair))), max_size=8
).map(lambda pairs: np.array(pairs, float).reshape(-1, 2))


def cells(some: Spans) -> set[int]:
    """Return the unit cells of the grid that the spans cover."""
    return {cell for start, end in some.astype(int) for cell in range(start, end)}


@given(spans)
def test_a_union_covers_what_its_spans_cover(some: Spans) -> None:
    """The spans of a union are in order, do not overlap, and cover the same time."""
    union = merged(some)
    assert cells(some) == cells(union)
    assert len(cells(some)) == length_s(union)
    assert (union[1:, 0] > union[:-1, 1]).all()


@given(spans)
def test_spans_and_gaps_share_out_the_time(some: Spans) -> None:
    """Each cell belongs to a span or to a gap."""
    assert set(range(GRID)) - cells(some) == cells(gaps(some, 0.0, float(GRID)))


@given(spans, spans)
def test_holes_are_cut_out(some: Spans, holes: Spans) -> None:
    """A difference covers the cells of the spans that no hole covers."""
    assert cells(some) - cells(holes) == cells(without(merged(some), holes))


@given(spans, spans)
def test_coverage_is_the_length_of_the_intersection(some: Spans, others: Spans) -> None:
    """The coverage within some spans counts the cells that are in both sets."""
    assert len(cells(some) & cells(others)) == round(Coverage(others).within_s(merged(some)), 9)
