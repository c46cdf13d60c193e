"""Pages of reports for tests: what a reader sees in them, and what their charts hold."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np

__all__ = ["charts_of", "columns_of", "loaded_addresses", "objects_of", "shown_text"]


class _Reader(HTMLParser):
    """Collects the text of a page without its scripts and styles, and the addresses that it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self._within = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._within = tag if tag in ("script", "style") else ""
        for name, value in attributes:
            if name in ("src", "srcset", "data") or (name == "href" and tag == "link"):
                self.addresses.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts.append(data)
        elif not self._within:
            self.texts.append(data)


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader


def shown_text(page: str) -> str:
    """Return the text outside of charts."""
    return re.sub(r"\s+", " ", " ".join(_read(page).texts))


def loaded_addresses(page: str) -> list[str]:
    """Return the addresses of scripts, styles and pictures that the page refers to."""
    return _read(page).addresses


def charts_of(page: str) -> Any:
    """Return the content of the page's charts, as Bokeh encodes it."""
    match = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.DOTALL)
    return json.loads(match[1]) if match else {}


def objects_of(page: str, name: str) -> Iterator[dict[str, Any]]:
    """Yield the attributes of each object of the charts with this name of Bokeh."""

    def visit(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            if value.get("name") == name and "id" in value:
                yield value.get("attributes", {})
            for inner in value.values():
                yield from visit(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from visit(inner)

    yield from visit(charts_of(page))


def columns_of(page: str) -> Iterator[dict[str, list[Any]]]:
    """Yield the columns of each data source of the charts."""
    for attributes in objects_of(page, "ColumnDataSource"):
        entries = attributes.get("data", {}).get("entries", [])
        yield {name: _values(values) for name, values in entries}


def _values(encoded: Any) -> list[Any]:
    if isinstance(encoded, dict) and encoded.get("type") == "ndarray":
        content = encoded["array"]
        if isinstance(content, dict):
            values: list[Any] = np.frombuffer(
                gzip.decompress(base64.b64decode(content["data"])), encoded["dtype"]
            ).tolist()
            return values
        return list(content)
    return list(encoded)
