"""The glossary defines the terms that a newcomer meets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"
TERMS = """
access point, activation gradient, barrier, broadcast, checkpoint, client, client sampling
confidence interval, critical path, cut layer, device, discrete-event simulation, downlink, event, fading
federated learning, local search, lower bound, makespan, mini-batch, objective, OFDMA, ordered queue
outage, path loss, plan, power spectral density, process, round, scenario, scheme, seed, server, slack
smashed data, snapshot, split learning, straggler, subchannel, sweep, target accuracy
unit, unit table, uplink, worker pool
"""


def rows() -> list[list[str]]:
    """Return the cells of each row of the glossary."""
    text = GLOSSARY.read_text(encoding="utf-8").replace(r"\|", "/")
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| term")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def defined_terms() -> set[str]:
    """Return the terms of all rows; a row may have several, and a term may have a remark in parentheses."""
    cells = [re.sub(r" \([^)]*\)", "", row[0]) for row in rows()]
    return {term.strip() for cell in cells for term in cell.split(",")}


@pytest.mark.parametrize("term", re.split(r",\s+|\n", TERMS.strip()))
def test_the_term_is_defined(term: str) -> None:
    """A row of the glossary is about the term."""
    assert term in defined_terms()


def test_rows_are_complete() -> None:
    """Each row has a term, a meaning that is a sentence, a symbol or unit, and a place."""
    assert [] == [row for row in rows() if len(row) != 4 or not row[0] or not row[1].endswith(".")]
