"""The page docs/reference/library.md: the scenarios and fleets that come with the package."""

from __future__ import annotations

from pathlib import Path

from cutlayer.scenarios.loading.library import description, library
from cutlayer.scenarios.schema.fleets import fleets
from cutlayer.scenarios.yaml_lines import parse_yaml

from .markdown import code, generated_note, sentence, table

__all__ = ["library_page"]

EXPERIMENTS = Path(__file__).parents[1] / "experiments"

_HEAD = """# Library

The scenarios that come with the package. `cutlayer run NAME` runs one, `cutlayer sweep NAME` runs its sweep,
and `cutlayer show NAME` prints it, to start one's own from. A name leads to the page with its figures and
answers.
"""

_FLEETS = """## Fleets

`devices.fleet` names a file of [scenarios/library/fleets](../../scenarios/library/fleets) with attributes of
real devices. They hold where the scenario does not give its own.
"""


def library_page() -> str:
    """Return the text of the page."""
    rows = [
        (_name(name), sentence(description(path)), *_has_sections(path)) for name, path in library().items()
    ]
    named = [
        (code(name), ", ".join(map(code, fleet.devices)), sentence(fleet.summary))
        for name, fleet in fleets().items()
    ]
    parts = [
        _HEAD,
        table(("scenario", "question", "trains", "sweep"), rows),
        _FLEETS,
        table(("fleet", "gives", "source"), named),
    ]
    return generated_note("`scenarios/library`") + "\n" + "\n".join(parts)


def _name(name: str) -> str:
    page = EXPERIMENTS / f"{name}.md"
    return f"[`{name}`](../experiments/{name}.md)" if page.is_file() else code(name)


def _has_sections(path: Path) -> tuple[str, str]:
    """Return whether a scenario trains a model, and whether it has a sweep."""
    keys, _ = parse_yaml(path.read_text(encoding="utf-8"), path.name)
    learns, sweeps = ("yes" if keys.get(key) else "" for key in ("learning", "sweep"))
    return learns, sweeps
