"""Named fleets: published distributions of device attributes, in ``scenarios/library/fleets/``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ..section import Section
from ..suggestions import closest
from ..yaml_lines import parse_yaml

__all__ = ["FLEETS", "NamedFleet", "fleets", "named_fleet"]

FLEETS = Path(__file__).parent.parent / "library" / "fleets"


class NamedFleet(Section):
    """A file of ``scenarios/library/fleets/``.

    Attributes
    ----------
    summary : str
        One line for the list of fleets.
    source : str
        The publication, the numbers that it states, and the assumptions that this project adds.
    devices : dict
        Keys of the section ``devices``. They apply to a scenario that does not give them itself.
    """

    summary: str
    source: str
    devices: dict[str, Any]


@cache
def fleets() -> dict[str, NamedFleet]:
    """Return the named fleets."""
    fleets_by_name = {}
    for path in sorted(FLEETS.glob("*.yaml")):
        data, _ = parse_yaml(path.read_text(encoding="utf-8"), path.name)
        fleets_by_name[path.stem] = NamedFleet.model_validate(data)
    return fleets_by_name


def named_fleet(name: str) -> NamedFleet:
    """Return the fleet with this name.

    Raises
    ------
    ValueError
        If no fleet has this name.
    """
    allowed = fleets()
    if name not in allowed:
        hint = closest(name, list(allowed))
        raise ValueError(f"no fleet is named {name!r}; known: {', '.join(allowed)}{hint}")
    return allowed[name]
