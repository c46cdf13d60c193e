"""The texts that stand for labels in figures and tables."""

from __future__ import annotations

import pytest

from cutlayer.analysis.results.paper_labels import paper_labels


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ({"psl": "PSL", "sl": "SL"}, {"psl": "PSL", "sl": "SL"}),
        ({"a": "PSL", "b": "PSL"}, {"a": "a", "b": "b"}),
        ({"psl": "SL", "SL": None}, {"psl": "psl", "SL": "SL"}),
        ({"a": "b", "b": None, "c": "a"}, {"a": "a", "b": "b", "c": "c"}),
    ],
)
def test_no_two_labels_have_one_text(recorded: dict[str, str | None], shown: dict[str, str]) -> None:
    """If texts coincide, also with a label that stands for itself, the labels take their place."""
    assert shown == paper_labels(recorded)
