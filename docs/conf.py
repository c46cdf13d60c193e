"""Settings of the documentation site: ``sphinx-build -W docs docs/_build`` builds it, without a network.

The pages are plain Markdown that a code host shows too. So navigation is here, and not in the pages, and
links to folders and pages outside of ``docs`` become text.
"""

from __future__ import annotations

import re
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

DOCS = Path(__file__).parent

project = "Cutlayer"
copyright = "The Cutlayer authors"  # noqa: A001 - Sphinx's name
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "Cutlayer"
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["wide_tables.css"]

NAVIGATION = {
    "index": """
```{toctree}
:hidden:
:caption: Tutorial

tutorial
```
```{toctree}
:hidden:
:glob:
:caption: How-to guides

guides/install
guides/write_scenario
guides/own_model
guides/own_data
guides/stragglers_and_faults
guides/large_fleets
guides/compress
guides/choose_plan
guides/explain_round
guides/checkpoints
guides/cluster
guides/*
extending
```
```{toctree}
:hidden:
:caption: Explanation

scenario
results
sweeps
planning
model
design
experiments/README
benchmarks
```
```{toctree}
:hidden:
:caption: Reference

reference/scenario
reference/results
reference/commands
reference/python
glossary
papers
```
""",
    "experiments/README": """
```{toctree}
:hidden:
:glob:

*
```
""",
}
"""The pages below a page in the navigation, in the form of Sphinx's directive."""

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(((?:\.\./)+[^)#]*)(?:#[^)]*)?\)")


def _prepare_page(app: Sphinx, name: str, text: list[str]) -> None:
    """Add the navigation of a page, and turn links that the site cannot follow into text."""
    folder = (DOCS / name).parent

    def shown(match: re.Match[str]) -> str:
        target = (folder / match[2]).resolve()
        is_followed = target.is_relative_to(DOCS) or (target.is_file() and target.suffix != ".md")
        return match[0] if is_followed else match[1]

    text[0] = _LINK.sub(shown, text[0]) + NAVIGATION.get(name, "")


def setup(app: Sphinx) -> None:
    """Connect the steps of this file to Sphinx."""
    app.connect("source-read", _prepare_page)
    app.add_lexer("mermaid", TextLexer)  # code hosts draw these charts; the site shows their text
