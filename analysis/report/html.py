"""Pieces of HTML. All texts of users, such as labels and names, are escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

__all__ = [
    "Html",
    "badge",
    "facts",
    "folded",
    "joined",
    "notes",
    "notice",
    "paragraph",
    "preformatted",
    "table",
    "text",
]


class Html(str):
    """A text that is HTML already, so that nothing in it needs to be escaped."""

    __slots__ = ()


def text(content: object) -> Html:
    """Return a text as HTML."""
    return content if isinstance(content, Html) else Html(html.escape(str(content)))


def joined(parts: Iterable[Html]) -> Html:
    """Return pieces of HTML one after the other."""
    return Html("\n".join(parts))


def paragraph(content: object) -> Html:
    """Return a paragraph."""
    return Html(f"<p>{text(content)}</p>")


def notice(content: object) -> Html:
    """Return a paragraph that a reader must not miss."""
    return Html(f'<p class="notice">{text(content)}</p>')


def badge(content: object) -> Html:
    """Return a short text in a frame."""
    return Html(f'<span class="badge">{text(content)}</span>')


def notes(lines: Sequence[str]) -> Html:
    """Return a list of notes; empty without any."""
    if not lines:
        return Html()
    return Html(f'<ul class="notes">{"".join(f"<li>{text(line)}</li>" for line in lines)}</ul>')


def preformatted(content: str) -> Html:
    """Return a text with its line breaks."""
    return Html(f"<pre>{text(content)}</pre>")


def folded(summary: str, content: Html) -> Html:
    """Return content that opens at a click."""
    return Html(f"<details><summary>{text(summary)}</summary>{content}</details>")


def facts(values: Mapping[str, object]) -> Html:
    """Return a table with a name and a value in each row."""
    rows = "".join(f"<tr><th>{text(name)}</th><td>{text(value)}</td></tr>" for name, value in values.items())
    return Html(f'<table class="facts">{rows}</table>')


def table(frame: pd.DataFrame, text_columns: Sequence[str] = ()) -> Html:
    """Return a table of texts.

    Parameters
    ----------
    frame : DataFrame
        The cells, as texts.
    text_columns : sequence of str, optional
        The columns that are aligned to the left; numbers are aligned to the right.
    """
    styles = ['class="words"' if name in text_columns else "" for name in frame.columns]
    cells = zip(frame.columns, styles, strict=True)
    head = "".join(f"<th {style}>{text(name)}</th>" for name, style in cells)
    body = "".join(
        "<tr>"
        + "".join(f"<td {style}>{text(cell)}</td>" for cell, style in zip(row, styles, strict=True))
        + "</tr>"
        for row in frame.itertuples(index=False, name=None)
    )
    return Html(
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )
