"""Read YAML as plain data with the line of each key. Numbers follow the rules of YAML 1.2.

The text may come from an unknown source, so it is checked before it becomes data. The checks cover its size,
depth and tags, the length of its numbers, and the number of values that aliases repeat.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from .errors import KeyPath, ScenarioError, ScenarioIssue
from .text import control_character, printable

__all__ = ["dump_yaml", "parse_value", "parse_yaml"]

CHARACTERS_MAX = 8 * 2**20
"""Largest number of characters of a YAML text."""
DEPTH_MAX = 50
"""Largest number of mappings and lists that are nested in each other."""
VALUES_MAX = 1_000_000
"""Largest number of values, where an alias counts as all values that it stands for."""
DIGITS_MAX = 100
"""Largest number of digits of a whole number."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the YAML 1.2 core schema: ``1e9`` is a number, ``no`` is text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper; it quotes text that YAML 1.1 or 1.2 would read as another type."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {  # noqa: RUF012 - PyYAML's own
        first: list(resolvers) for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }


_PREFIX = "tag:yaml.org,2002:"
_FORMS: dict[str, re.Pattern[str]] = {}
"""The pattern of a value of each scalar type, by tag."""
for _type, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
):
    _FORMS[_PREFIX + _type] = re.compile(rf"(?:{_pattern})\Z")
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_PREFIX + _type, _FORMS[_PREFIX + _type], _first)
_Loader.add_constructor(_PREFIX + "int", lambda loader, node: _integer(node.value))
_Loader.add_constructor(_PREFIX + "float", lambda loader, node: _real(node.value))
_TAGS: dict[type[yaml.Node], frozenset[str]] = {
    yaml.ScalarNode: frozenset({*_FORMS, _PREFIX + "str"}),
    yaml.SequenceNode: frozenset({_PREFIX + "seq"}),
    yaml.MappingNode: frozenset({_PREFIX + "map"}),
}
"""The tags that each kind of node may have."""
_KINDS = {yaml.ScalarNode: "value", yaml.SequenceNode: "sequence", yaml.MappingNode: "mapping"}


def _integer(text: str) -> int:
    return int(text, 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10)


def _real(text: str) -> float:
    return float(
        text.replace(".inf", "inf")
        .replace(".Inf", "inf")
        .replace(".INF", "inf")
        .replace(".n", "n")
        .replace(".N", "N")
    )


def parse_yaml(text: str, source: str, path: KeyPath = ()) -> tuple[Any, dict[KeyPath, int]]:
    """Return the data and the line of each key path.

    Parameters
    ----------
    path : KeyPath, optional
        The path of the text's value in the scenario; by default the text is a whole scenario.

    Raises
    ------
    ScenarioError
        If the text is not valid YAML, a key is given twice, a tag does not fit its value, or the text stands
        for too many values. Other YAML readers silently drop one of two equal keys.
    """
    if len(text) > CHARACTERS_MAX:
        message = f"has {len(text):,} characters; at most {CHARACTERS_MAX:,} are read"
        raise ScenarioError([ScenarioIssue((), message)], source)
    lines: dict[KeyPath, int] = {}
    issues: list[ScenarioIssue] = []
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        _check_size(node, source)
        _check_nodes(node, path, lines, issues)
        data = loader.construct_document(node) if node is not None and not issues else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark  # it may lie past the last line
        line = min(mark.line + 1, len(text.splitlines())) if mark else 1
        reason = ", ".join(filter(None, (error.context, error.problem)))
        raise ScenarioError([ScenarioIssue((), f"not valid YAML: {reason}")], source, {(): line}) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ScenarioError([ScenarioIssue((), f"not valid YAML: {error}")], source) from None
    except RecursionError:
        raise _nested_too_deeply(source, 1) from None
    if issues:
        raise ScenarioError(issues, source, lines)
    return data, lines


def _nested_too_deeply(source: str, line: int) -> ScenarioError:
    message = (
        f"not valid YAML: nested more than {DEPTH_MAX} deep, or an alias that stands inside its own anchor"
    )
    return ScenarioError([ScenarioIssue((), message)], source, {(): line})


def _check_size(root: yaml.Node | None, source: str) -> None:
    """Check the depth and the number of values of a document, before its aliases are followed.

    Raises
    ------
    ScenarioError
        If one of them is too large.
    """
    measured: dict[int, tuple[int, int]] = {}

    def measure(node: yaml.Node, depth: int) -> tuple[int, int]:
        """Return the number of values of a node and its height; an alias is measured once."""
        if depth > DEPTH_MAX:
            raise _nested_too_deeply(source, node.start_mark.line + 1)
        if id(node) not in measured:
            inner = [measure(child, depth + 1) for child in _inner(node)]
            height = 1 + max((height for _, height in inner), default=-1)
            measured[id(node)] = 1 + sum(size for size, _ in inner), height
        return measured[id(node)]

    total, height = (0, 0) if root is None else measure(root, 0)
    if height > DEPTH_MAX:
        raise _nested_too_deeply(source, 1)
    if total > VALUES_MAX:
        count = f"{total:,}" if total < 10**12 else f"{float(total):.0e}"
        message = f"stands for {count} values, aliases included; at most {VALUES_MAX:,} are read"
        raise ScenarioError([ScenarioIssue((), message)], source)


def _inner(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


NUMBERED_MAPPING = "overrides"
"""The last key of the one mapping whose keys are numbers, ``devices.overrides``. They are read as text."""


def _has_numbered_keys(path: KeyPath) -> bool:
    """Return whether a path leads to overrides of devices, also as one of the values of a sweep."""
    keys = [part for part in path if isinstance(part, str)]
    return bool(keys) and keys[-1].rpartition(".")[2] == NUMBERED_MAPPING


def _check_nodes(
    node: yaml.Node | None, path: KeyPath, lines: dict[KeyPath, int], issues: list[ScenarioIssue]
) -> None:
    """Add the lines of all keys below a node, and the issues of its keys, tags and values."""
    if node is None:
        return
    if (message := _wrong_value(node)) is not None:
        issues.append(ScenarioIssue(path, message))
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            inner = (*path, key_node.value if isinstance(key_node, yaml.ScalarNode) else "?")
            line = key_node.start_mark.line + 1
            if inner in lines:
                issues.append(ScenarioIssue(inner, f"given twice, first in line {lines[inner]}"))
                lines[inner] = line
                continue
            lines[inner] = line
            if _has_numbered_keys(path) and key_node.tag.endswith(":int"):
                key_node.tag = "tag:yaml.org,2002:str"
            if not key_node.tag.endswith(":str"):
                kind = key_node.tag.rpartition(":")[2]
                issues.append(ScenarioIssue(inner, f"keys must be text; this one reads as {kind}"))
            elif (escape := control_character(key_node.value)) is not None:
                message = f"keys must have no control characters; this one has {escape}"
                issues.append(ScenarioIssue(inner, message))
            _check_nodes(value_node, inner, lines, issues)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            _check_nodes(item, (*path, index), lines, issues)


def _wrong_value(node: yaml.Node) -> str | None:
    """Return the message about a tag, number or text that a scenario cannot have; None for other values."""
    if node.tag not in _TAGS[type(node)]:
        tag = _short_tag(node)
        known = any(node.tag in tags for tags in _TAGS.values())
        reason = f"does not fit this {_KINDS[type(node)]}" if known else "is not allowed"
        return f"not valid YAML: the tag {tag} {reason}; leave out the tag"
    return _wrong_scalar(node) if isinstance(node, yaml.ScalarNode) else None


def _wrong_scalar(node: yaml.ScalarNode) -> str | None:
    form = _FORMS.get(node.tag)
    if form is None:
        escape = control_character(node.value.replace("\n", "").replace("\t", ""))
        return None if escape is None else f"must have no control characters; it has {escape}"
    if not form.match(node.value):
        return f"not valid YAML: {_shortened(node.value)} is not a value of the type {_short_tag(node)}"
    if node.tag == _PREFIX + "int" and len(node.value) > DIGITS_MAX:
        return f"must be a number of at most {DIGITS_MAX} digits; it has {len(node.value):,}"
    return None


def _short_tag(node: yaml.Node) -> str:
    return printable(node.tag.replace(_PREFIX, "!!"))


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")


def parse_value(text: str, path: KeyPath = ()) -> Any:
    """Return the value of one YAML text, for example that of ``--set key=value``.

    Parameters
    ----------
    path : KeyPath, optional
        The key path that the value is for.

    Raises
    ------
    ScenarioError
        If the text is not valid YAML.
    """
    return parse_yaml(text, "--set", path)[0]


def dump_yaml(data: Any) -> str:
    """Return plain data as YAML text with the keys in their order; reading it gives equal data."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
