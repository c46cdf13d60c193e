"""The HTML page: sections with text and charts, and everything that a browser needs to show them."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from bokeh.embed.bundle import bundle_for_objs_and_resources
from bokeh.models import UIElement
from bokeh.resources import INLINE

from .html import Html, text

__all__ = ["Part", "Section", "render"]

Part: TypeAlias = Html | UIElement
"""A piece of HTML, or a chart, table or control of Bokeh."""


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    title : str
        The heading.
    parts : sequence of Part
        Its content, from top to bottom.
    """

    title: str
    parts: Sequence[Part]

    @property
    def anchor(self) -> str:
        """Return the name that links lead to."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")


def render(title: str, introduction: Sequence[Html], sections: Sequence[Section]) -> str:
    """Return the page. It loads nothing, so that it works without a network.

    The same content gives the same bytes: the identifiers that Bokeh draws are replaced by numbers.

    Parameters
    ----------
    title : str
        The heading of the page.
    introduction : sequence of Html
        The text below it.
    sections : sequence of Section
        The sections, in their order.
    """
    charts = [part for section in sections for part in section.parts if isinstance(part, UIElement)]
    document = Document()
    with document.models.freeze():  # the models of all charts are counted once, not once for each chart
        for chart in charts:
            document.add_root(chart)
    numbers: dict[str, str] = {}
    content = _renumbered(document.to_json(deferred=False), numbers)
    roots = {numbers[chart.id]: f"chart-{number}" for number, chart in enumerate(charts, 1)}
    elements = iter(roots.values())
    bodies = []
    for section in sections:
        parts = [
            f'<div class="chart" id="{next(elements)}"></div>' if isinstance(part, UIElement) else part
            for part in section.parts
        ]
        bodies.append(
            f'<section id="{section.anchor}"><h2>{text(section.title)}</h2>\n{chr(10).join(parts)}</section>'
        )
    items = [{"docid": _DOCUMENT, "roots": roots, "root_ids": list(roots)}]
    links = "".join(f'<a href="#{section.anchor}">{text(section.title)}</a>' for section in sections)
    scripts = bundle_for_objs_and_resources(charts, INLINE).scripts() if charts else ""
    start = (
        f'<script type="application/json" id="charts">{_json({_DOCUMENT: content})}</script>\n'
        f"<script>Bokeh.embed.embed_items(JSON.parse(document.getElementById('charts').textContent),"
        f" {_json(items)});</script>"
        if charts
        else ""
    )
    heading = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n'
        f"<title>{heading}</title>\n<style>{_STYLE}</style>\n{scripts}\n</head>\n<body>\n"
        f"<header><h1>{heading}</h1>\n{chr(10).join(introduction)}\n<nav>{links}</nav></header>\n"
        f"<main>{chr(10).join(bodies)}</main>\n{start}\n</body>\n</html>\n"
    )


_DOCUMENT = "report"
_STYLE = """
body { font: 14px/1.5 system-ui, Arial, sans-serif; color: #222; margin: 0; background: #fff; }
header, main { max-width: 1360px; margin: 0 auto; padding: 0 24px; }
h1 { font-size: 24px; margin: 24px 0 4px; } h2 { font-size: 18px; margin: 0 0 8px; }
h3 { font-size: 14px; margin: 16px 0 4px; }
section { border-top: 1px solid #ddd; padding: 20px 0 12px; }
nav { margin: 12px 0 16px; } nav a { margin-right: 16px; white-space: nowrap; }
a { color: #0060a0; text-decoration: none; } a:hover { text-decoration: underline; }
p { margin: 6px 0; max-width: 900px; }
.notice { background: #fff3d6; border-left: 4px solid #d98e00; padding: 6px 12px; }
.badge { border: 1px solid #bbb; border-radius: 4px; padding: 1px 8px; margin-right: 8px; }
.notes { color: #555; font-size: 13px; margin: 6px 0; padding-left: 20px; max-width: 900px; }
.chart { margin: 8px 0; } .scroll { overflow-x: auto; margin: 8px 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: 3px 10px; text-align: right; border-bottom: 1px solid #eee; white-space: nowrap; }
thead th { border-bottom: 1px solid #999; } .words, .facts td { text-align: left; }
.facts th { text-align: left; font-weight: 600; vertical-align: top; }
.facts td { white-space: normal; overflow-wrap: anywhere; }
pre { background: #f6f6f6; padding: 10px 12px; overflow: auto; max-height: 420px; font-size: 12px; }
summary { cursor: pointer; color: #0060a0; }
"""


def _json(value: Any) -> str:
    """Return JSON that can stand in a script element: no text in it can end the element."""
    text_of_json: str = serialize_json(value, pretty=False)
    return text_of_json.replace("<", "\\u003c").replace("\u2028", "\\u2028")


def _renumbered(value: Any, numbers: dict[str, str]) -> Any:
    """Return the content of a document with its objects numbered from 1, in the order of their appearance.

    Parameters
    ----------
    value : Any
        The content, as Bokeh encodes it: objects and references to them are the mappings with an ``id``.
    numbers : dict of str to str
        Receives the new identifier of each object.
    """
    if isinstance(value, dict):
        return {
            key: numbers.setdefault(inner, f"o{len(numbers) + 1}")
            if key == "id" and isinstance(inner, str)
            else _renumbered(inner, numbers)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_renumbered(inner, numbers) for inner in value]
    return value
