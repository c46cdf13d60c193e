"""Tests of texts that the user gives, and of messages about them."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.text import one_line, printable


@given(st.text())
def test_messages_of_errors_have_one_line_without_control_characters(text: str) -> None:
    """No text of an error changes the terminal, and an error without a text has the name of its type."""
    line = one_line(RuntimeError(text))
    assert line
    assert not [c for c in line if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}]
    if not text.strip():
        assert "RuntimeError" == line


def test_terminal_escapes_are_shown_and_not_executed() -> None:
    """An escape of the terminal appears as its escape in Python."""
    assert "boom \\x1b[31m" == one_line(RuntimeError("boom \x1b[31m"))
    assert "φ=0.5 $^$" == printable("φ=0.5 $^$")
