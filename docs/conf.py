"""Settings of the documentation site: ``sphinx-build -W docs docs/_build`` builds it, without a network.

The pages are plain Markdown that a code host shows too. So navigation is here, and not in the pages, and
links to folders and pages outside of ``docs`` become text.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

from chart_tables import with_tables  # noqa: E402 - Sphinx does not search this folder

project = "Cutlayer"
copyright = "The Cutlayer authors"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "Cutlayer"
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]

FIRST_GUIDES = [
    "install",
    "write_scenario",
    "notebook",
    "report",
    "trace",
    "explain_round",
    "paper_figures",
    "choose_plan",
    "stragglers_and_faults",
    "own_model",
    "own_data",
]
"""The order of the first guides in the navigation; the others follow by name."""


def _guides() -> str:
    """Return the guides in their order, one a line."""
    names = sorted(path.stem for path in (DOCS / "guides").glob("*.md"))
    first = [name for name in FIRST_GUIDES if name in names]
    return "\n".join(f"guides/{name}" for name in [*first, *(n for n in names if n not in first)])


NAVIGATION = {
    "index": f"""
```{{toctree}}
:hidden:
:caption: Tutorial

tutorial
```
```{{toctree}}
:hidden:
:caption: How-to guides

{_guides()}
extending
```
```{{toctree}}
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
```{{toctree}}
:hidden:
:caption: Reference

reference/scenario
reference/results
reference/library
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
    """Add the navigation of a page, and turn charts into tables, and links to other folders into text."""
    folder = (DOCS / name).parent

    def shown(match: re.Match[str]) -> str:
        target = (folder / match[2]).resolve()
        is_followed = target.is_relative_to(DOCS) or (target.is_file() and target.suffix != ".md")
        return match[0] if is_followed else match[1]

    text[0] = with_tables(_LINK.sub(shown, text[0])) + NAVIGATION.get(name, "")


def setup(app: Sphinx) -> None:
    """Connect the steps of this file to Sphinx."""
    app.connect("source-read", _prepare_page)
    app.add_lexer("csv", TextLexer)
