"""The descriptions of columns are those of the tables that a run has."""

from __future__ import annotations

import pytest

import cutlayer
from cutlayer.analysis.results.column_descriptions import (
    CHAIN_VALUES,
    COLUMNS,
    ONE_HOP_VALUES,
    SCHEME_VALUES,
    SUMMARY_VALUES,
)


@pytest.fixture(scope="module")
def finished() -> cutlayer.Run:
    """Return a run of two schemes with compute nodes, so that every table has rows but the events'."""
    return cutlayer.run("mpsl", overrides=["learning=null", "stop.rounds=1"], schemes=["mpsl", "one_hop"])


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_has_the_described_columns(finished: cutlayer.Run, table: str) -> None:
    """Names and order agree."""
    assert list(COLUMNS[table]) == list(getattr(finished, table).columns)


def test_the_summary_has_the_described_values(finished: cutlayer.Run) -> None:
    """Names agree, for the run and for each scheme."""
    assert list(SUMMARY_VALUES) == list(finished.summary)
    further = {"mpsl": CHAIN_VALUES, "one_hop": ONE_HOP_VALUES}
    for values in finished.summary["schemes"].values():
        assert {*SCHEME_VALUES, *further[values["scheme"]]} == set(values)


def test_descriptions_are_sentences() -> None:
    """Each begins with a capital letter or code, and ends with a full stop."""
    described = [*COLUMNS.values(), SUMMARY_VALUES, SCHEME_VALUES, CHAIN_VALUES, ONE_HOP_VALUES]
    meanings = [column.meaning for columns in described for column in columns.values()]
    assert [] == [text for text in meanings if not text.endswith(".") or text[0].islower()]
