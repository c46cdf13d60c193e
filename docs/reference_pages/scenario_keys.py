"""The page docs/reference/scenario.md: every key of a scenario, from its JSON Schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cutlayer.scenarios.loading.loader import scenario_json_schema
from cutlayer.scenarios.registry import Kind, specs

from .markdown import code, generated_note, sentence, table
from .value_types import default_text, is_section, type_text, unit_of, without_unit

__all__ = ["scenario_page"]

Node = Mapping[str, Any]

_HEAD = """# Scenario keys

Every key of a scenario, section by section. A key without a default must be given. A key whose default is
*absent* may be left out; its meaning says what happens then. [Scenarios](../scenario.md) explains what the
sections do, and [Write a scenario](../guides/write_scenario.md) shows how to begin.

`cutlayer schema` prints the same as a [JSON Schema](../../scenarios/scenario.schema.json), with which editors
complete and check scenarios. An unknown key is refused. Numbers are read as YAML 1.2 reads them: `1e9` and
`28.0e9` are numbers.

A value *for each device* is one of:

- a number, which holds for all devices;
- a list with one number for each device;
- a [distribution](#distributions), from which the value of each device is drawn.
"""

_KINDS: dict[str, Kind] = {
    "schemes": "scheme",
    "model": "model",
    "learning.dataset": "dataset",
    "radio.path_loss": "path_loss",
    "radio.fading": "fading",
}
"""The kind of registered names that a key takes."""

_METHODS: dict[str, Kind] = {"method": "plan", "subchannels": "subchannels", "power": "power", "cut": "cut"}
"""The kind of registered methods that a key of the section ``allocation`` takes."""

_NAMED = dict.fromkeys(_KINDS, "a name, or a mapping") | {"schemes": "a list of names or mappings"}
_SCHEME_KEYS = ("label", "compression", "round_policy")
_SHARED = ("compression", "round_policy")
"""Sections that the scenario has, and each scheme may have of its own."""
_COLUMNS = ("key", "type", "default", "unit", "meaning")

_DISTRIBUTIONS = ("Distribution", "Placement", "Lognormal")


def scenario_page() -> str:
    """Return the text of the page."""
    schema = json.loads(scenario_json_schema())
    parts = [_HEAD, *_sections(schema, schema, "", 2), _distributions(schema)]
    return generated_note("the schema in `scenarios/schema`") + "\n" + "\n".join(parts)


def _sections(schema: Node, section: Node, path: str, level: int) -> Iterator[str]:
    """Yield the text of a section, then those of the sections inside it."""
    heading = f"`{path}`" if path else "Keys at the top"
    yield f"{'#' * level} {heading}\n"
    if path:
        yield sentence(_summary(section)) + "\n"
    yield _keys(section, path)
    if path == "allocation":
        yield from _allocation_methods()
    for key, value in section["properties"].items():
        inner = f"{path}.{key}" if path else key
        if inner in _KINDS:
            yield _registered(schema, value, inner)
            continue
        for part in _inner_sections(schema, value):
            if part["title"] not in _DISTRIBUTIONS:
                yield from _sections(schema, part, inner, 3 if path else 2)


def _allocation_methods() -> Iterator[str]:
    """Yield a table of the methods for each key that names one."""
    for key, kind in _METHODS.items():
        yield f"Methods of `{key}`:\n"
        yield table(("name", "meaning"), [(code(spec.name), sentence(spec.summary)) for spec in specs(kind)])


def _inner_sections(schema: Node, value: Node) -> list[Node]:
    """Return the sections that a key may take, without those of its default."""
    found = []
    for node in [value, *value.get("anyOf", []), *value.get("oneOf", [])]:
        items = node.get("items") or node.get("additionalProperties") or {}
        for candidate in (node, *(items if isinstance(items, list) else [items])):
            if isinstance(candidate, Mapping) and "$ref" in candidate:
                found.append(schema["$defs"][candidate["$ref"].rsplit("/", 1)[1]])
    return [part for part in found if "properties" in part]


def _keys(section: Node, path: str) -> str:
    """Return the table of a section's keys. A key that takes a section links to it."""
    required = section.get("required", [])
    rows = []
    for key, value in section["properties"].items():
        inner = f"{path}.{key}" if path else key
        kind = _KINDS.get(inner)
        shown = f"[`{key}`](#{_anchor(inner)})" if kind or is_section(value) else code(key)
        default = "" if key in required else default_text(value, kind)
        meaning = without_unit(value.get("description", ""), unit_of(key))
        rows.append((shown, _NAMED.get(inner) or type_text(value), default, unit_of(key), sentence(meaning)))
    return table(_COLUMNS, rows)


def _plain_keys(section: Node) -> str:
    """Return the table of a section's keys without links, except to sections that all schemes may have."""
    rows = []
    for key, value in section["properties"].items():
        shown = f"[`{key}`](#{key})" if key in _SHARED else code(key)
        default = "" if key in section.get("required", []) else default_text(value, None)
        meaning = without_unit(value.get("description", ""), unit_of(key))
        rows.append((shown, type_text(value), default, unit_of(key), sentence(meaning)))
    return table(_COLUMNS, rows)


def _registered(schema: Node, value: Node, path: str) -> str:
    """Return the text about a key that names a scheme, a model, a data set, a path loss or a fading model."""
    kind, noun, level = _KINDS[path], path.rsplit(".", 1)[-1], "##" + "#" * path.count(".")
    tag = "model" if path.startswith("radio.") else "name"
    shared = _SCHEME_KEYS if path == "schemes" else ()
    choices = value["items"]["anyOf"] if path == "schemes" else value["anyOf"]
    forms = {form["properties"][tag]["const"]: form for form in choices if "properties" in form}
    groups: dict[str, list[str]] = {}  # the names with equal keys, by the table of these keys
    for name in (spec.name for spec in specs(kind)):
        own = _own_keys(forms[name], tag, shared)
        if own:
            groups.setdefault(_own_text(schema, forms[name], own), []).append(name)
    headings = {name: f"{noun}: {', '.join(names)}" for names in groups.values() for name in names}
    links = [
        f"[`{spec.name}`](#{_anchor(headings[spec.name])})" if spec.name in headings else code(spec.name)
        for spec in specs(kind)
    ]
    summaries = [sentence(spec.summary) for spec in specs(kind)]
    lines = [
        f"{level} `{path}`\n",
        f"{sentence(value['description'])} Give a name, or a mapping with the name under `{tag}` and further"
        " keys.\n",
        table(("name", "meaning"), zip(links, summaries, strict=True)),
    ]
    if shared:
        form = {"properties": {key: forms["sl"]["properties"][key] for key in shared}}
        lines += ["All schemes have these keys:\n", _plain_keys(form)]
    for text, names in groups.items():
        lines += [f"{level}# {headings[names[0]]}\n", text]
    return "\n".join(lines)


def _own_text(schema: Node, form: Node, own: Mapping[str, Node]) -> str:
    """Return the table of a name's own keys, with the tables of sections that only it has."""
    lines = [_plain_keys({"properties": own, "required": form.get("required", [])})]
    for key, value in own.items():
        for part in _inner_sections(schema, value):
            if key not in _SHARED and part["title"] not in _DISTRIBUTIONS:
                lines += [f"`{key}`: {sentence(_summary(part))}\n", _plain_keys(part)]
    return "\n".join(lines)


def _own_keys(form: Node, tag: str, shared: tuple[str, ...]) -> dict[str, Node]:
    """Return the keys of one named form; a shared key counts if the form has another default for it."""
    return {
        key: value
        for key, value in form["properties"].items()
        if key != tag and not (key in shared and value.get("default") is None)
    }


def _distributions(schema: Node) -> str:
    """Return the text about distributions over devices."""
    lines = [
        "## Distributions\n",
        "The value of a key for each device may be drawn from a distribution. Give exactly one of these keys,"
        " for example `{uniform: [1.0e9, 1.6e9]}`. The draws depend on `seed` and on the key alone.\n",
        _plain_keys(schema["$defs"]["Placement"]),
        "The keys of `lognormal` are:\n",
        _plain_keys(schema["$defs"]["Lognormal"]),
    ]
    return "\n".join(lines)


def _summary(section: Node) -> str:
    return str(section.get("description", "")).split("\n\n")[0].replace("``", "`")


def _anchor(heading: str) -> str:
    """Return the anchor of a heading, as code hosts and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
