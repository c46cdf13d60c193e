"""Named fleets: spreads of device attributes that somebody has measured, in ``scenarios/library/fleets/``."""

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
    summary : in a line
    source : who published the numbers, what they state, and what of it is ours
    devices : keys of the section ``devices``, which a scenario takes over where it does not give its own
    """

    summary: str
    source: str
    devices: dict[str, Any]


@cache
def fleets() -> dict[str, NamedFleet]:
    """Return the named fleets."""
    found = {}
    for path in sorted(FLEETS.glob("*.yaml")):
        data, _ = parse_yaml(path.read_text(encoding="utf-8"), path.name)
        found[path.stem] = NamedFleet.model_validate(data)
    return found


def named_fleet(name: str) -> NamedFleet:
    """Return the fleet of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    known = fleets()
    if name not in known:
        raise ValueError(f"no fleet is named {name!r}; known: {', '.join(known)}{closest(name, list(known))}")
    return known[name]
