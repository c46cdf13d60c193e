"""The reference pages say what the code says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cutlayer.scenarios.loading.loader import scenario_json_schema
from cutlayer.sim.timeline import phases
from cutlayer.sim.timeline.event_log import EventKind

ROOT = Path(__file__).parents[2]
PAGES = ("scenario.md", "results.md", "library.md", "python.md", "commands.md")


@pytest.fixture(scope="module", autouse=True)
def _docs() -> Iterator[None]:
    """Let the tests import the modules that make the pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        for name in [name for name in sys.modules if name.partition(".")[0] == "reference_pages"]:
            patch.delitem(sys.modules, name)
        yield


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_fresh(name: str) -> None:
    """Writing the page anew changes nothing; otherwise run ``python docs/refresh.py reference``."""
    import reference_pages

    page = (reference_pages.FOLDER / name).read_text(encoding="utf-8")
    assert reference_pages.PAGES[name]() == page


def test_there_are_no_other_pages() -> None:
    """Every page of the folder is generated."""
    import reference_pages

    assert set(PAGES) == set(reference_pages.PAGES)
    assert set(PAGES) == {path.name for path in reference_pages.FOLDER.iterdir()}


def test_every_key_has_a_description() -> None:
    """Every key of every section says what it means."""
    schema = json.loads(scenario_json_schema())
    assert [] == sorted(set(_without_description(schema)))


def _without_description(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        properties = node.get("properties")
        if isinstance(properties, Mapping):
            for key, value in properties.items():
                if isinstance(value, Mapping) and "description" not in value:
                    yield f"{node.get('title')}.{key}"
        for value in node.values():
            yield from _without_description(value)
    elif isinstance(node, list):
        for value in node:
            yield from _without_description(value)


def test_every_phase_and_kind_of_event_is_explained() -> None:
    """The page of the results explains all values of the columns ``phase`` and ``kind``."""
    page = (ROOT / "docs" / "reference" / "results.md").read_text(encoding="utf-8")
    built_in = [value for value in vars(phases).values() if isinstance(value, phases.Phase)]
    assert [] == [phase.name for phase in built_in if f"| `{phase.name}` | `{phase.lane}` |" not in page]
    assert [] == [kind.value for kind in EventKind if f"| `{kind.value}` |" not in page]
