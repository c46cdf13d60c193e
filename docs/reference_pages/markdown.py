"""Pieces of a Markdown page: tables, code in cells, and the note at the head of a generated page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["code", "generated_note", "sentence", "table"]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; columns without any text are left out."""
    cells = [[_cell(text) for text in row] for row in rows]
    shown = [n for n in range(len(headings)) if n == 0 or any(row[n] for row in cells)]
    lines = [[headings[n] for n in shown], ["---"] * len(shown), *([row[n] for n in shown] for row in cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def code(text: object) -> str:
    """Return a text as code."""
    return f"`{text}`"


def sentence(text: str) -> str:
    """Return a text with a capital letter at its beginning and a full stop at its end."""
    text = text.strip()
    is_word = re.match(r"[a-z-]+( |$|[.,;])", text) is not None
    if not text:
        return ""
    text = text[0].upper() + text[1:] if is_word else text
    return text if text.endswith(("?", ".")) else f"{text}."


def generated_note(source: str) -> str:
    """Return the comment at the head of a generated page, which says where its text comes from."""
    command = "python docs/refresh.py reference"
    return f"<!-- Generated from {source} by `{command}`. Do not edit it: change the code. -->\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", r"\|").split())
