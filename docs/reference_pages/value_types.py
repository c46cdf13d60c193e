"""Types, defaults and units of scenario values in words, from their JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

__all__ = ["default_text", "is_section", "type_text", "unit_of", "without_unit"]

Node = Mapping[str, Any]

_UNITS = {
    "dbm_per_hz": "dBm/Hz",
    "_per_hour": "1/h",
    "_dbm": "dBm",
    "_db": "dB",
    "clock_hz": "cycles/s",
    "_hz": "Hz",
    "_bps": "bit/s",
    "_mps": "m/s",
    "_mib": "MiB",
    "_bits": "bit",
    "cycles_per_flop": "cycles/FLOP",
    "switched_capacitance": "J·s²/cycle³",
    "spectral_efficiency_max": "bit/s/Hz",
    "_s": "s",
    "_w": "W",
    "_j": "J",
    "_m": "m",
}
"""The unit of keys that end so; the first that fits holds."""

_SHARED = {"Distribution": "a value for each device", "Placement": "a value for each device"}
_NUMBERS = {"integer": "whole number", "number": "number"}
_PLAIN = {"object": "a mapping", "boolean": "`true` or `false`", "string": "text"}
_LIMITS = (1e30, 1e-30, 1_000_000_000, 9223372036854775807)
"""Bounds that stand for "any number"; they are limits of the program, and not of the quantity."""


def unit_of(key: str) -> str:
    """Return the unit of a key, from the end of its name; empty without a unit."""
    return next((unit for ending, unit in _UNITS.items() if key.endswith(ending)), "")


def without_unit(description: str, unit: str) -> str:
    """Return a description without its unit, which has a column of its own."""
    return re.sub(rf", {re.escape(unit)}(?=$|[;,.])", "", description, count=1) if unit else description


def is_section(value: Node) -> bool:
    """Return whether a key takes a section with keys of its own."""
    nodes = [value, *value.get("anyOf", []), *value.get("oneOf", [])]
    nodes += [node["items"] for node in nodes if isinstance(node.get("items"), Mapping)]
    return any(_title(node) not in ("", *_SHARED) for node in nodes)


def type_text(value: Node) -> str:
    """Return the type of a value in words, with its bounds."""
    forms = [form for form in _forms(value) if form.get("type") != "null"]
    if any(_title(form) in _SHARED for form in forms):
        return "a value for each device"
    texts = dict.fromkeys(_form_text(form) for form in forms)
    return ", or ".join(texts)


def default_text(value: Node, kind: str | None) -> str:
    """Return the default of a key as code; ``absent`` if it has none."""
    default = value.get("default")
    if default is None:
        return "absent"
    if default == {}:
        return "its defaults" if is_section(value) and "additionalProperties" not in value else "none"
    if kind is None and is_section(value) and isinstance(default, Mapping):
        stated = _stated(default)
        return f"`{_flow(stated)}`" if len(stated) <= 3 else "its defaults"
    return f"`{_flow(_stated(default))}`"


def _forms(value: Node) -> list[Node]:
    """Return the alternatives of a value, at every depth."""
    for key in ("anyOf", "oneOf"):
        if key in value:
            return [form for choice in value[key] for form in _forms(choice)]
    return [value]


def _form_text(form: Node) -> str:
    """Return the type of a value that has no alternatives."""
    if "enum" in form or "const" in form:
        names = [f"`{name}`" for name in form.get("enum", [form.get("const")])]
        return " or ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} or {names[-1]}"
    if form.get("type") == "array":
        return _list_text(form)
    if form.get("type") in _NUMBERS:
        return _NUMBERS[form["type"]] + _range_text(form)
    if form.get("format") == "path":
        return "a path"
    return "a section" if _title(form) else _PLAIN.get(form.get("type", ""), "any value")


def _list_text(form: Node) -> str:
    if "prefixItems" in form:
        return f"a list of {len(form['prefixItems'])} numbers"
    items = dict.fromkeys(
        "sections" if _title(inner) else _plural(_form_text(inner).split(",")[0])
        for inner in _forms(form.get("items", {}))
    )
    if len(items) > 2:
        return "a list"
    return f"a list of {' or '.join(items)}"


def _plural(text: str) -> str:
    words = {"number": "numbers", "whole number": "whole numbers", "text": "texts", "a path": "paths"}
    if text.startswith("a list"):
        return text.replace("a list", "lists", 1)
    return next((many for one, many in words.items() if text.startswith(one)), "values")


def _range_text(form: Node) -> str:
    """Return the bounds of a number; bounds of the program that no one meets are left out."""
    low, high = form.get("minimum"), form.get("maximum")
    above, below = form.get("exclusiveMinimum"), form.get("exclusiveMaximum")
    low = None if low is not None and (abs(low) in _LIMITS or above is not None) else low
    high = None if high in _LIMITS else high
    bounds = [
        (low, high, f", {_number(low)} to {_number(high)}"),
        (above, high, f", above {_number(above)}, at most {_number(high)}"),
        (low, below, f", from {_number(low)}, below {_number(below)}"),
    ]
    for first, second, text in bounds:
        if first is not None and second is not None:
            return text
    if above is not None:
        return f", above {_number(above)}"
    if low is not None:
        return f", at least {_number(low)}"
    return f", at most {_number(high)}" if high is not None else ""


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return f"{int(value):,}"
    return re.sub(r"e\+?(-?)0*(\d)", r"e\1\2", f"{value:g}")


def _title(form: Node) -> str:
    return str(form["$ref"]).rsplit("/", 1)[1] if "$ref" in form else ""


def _stated(value: Any) -> Any:
    """Return a default without the keys that are null."""
    if isinstance(value, Mapping):
        return {key: _stated(inner) for key, inner in value.items() if inner is not None}
    return [_stated(inner) for inner in value] if isinstance(value, list) else value


def _flow(value: Any) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, float):
        return re.sub(r"e\+?(-?)0*(\d)", r"e\1\2", f"{value:g}") if abs(value) >= 1e6 else repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    return text.removesuffix("...\n").strip()
