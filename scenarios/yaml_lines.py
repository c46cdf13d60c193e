"""Read YAML as plain data with the line of each key. Numbers follow the rules of YAML 1.2."""

from __future__ import annotations

import re
from typing import Any

import yaml

from .errors import KeyPath, ScenarioError, ScenarioIssue

__all__ = ["dump_yaml", "parse_value", "parse_yaml"]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the YAML 1.2 core schema: ``1e9`` is a number, ``no`` is text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper; it quotes text that YAML 1.1 or 1.2 would read as another type."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {  # noqa: RUF012 - PyYAML's own
        first: list(resolvers) for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
):
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: _integer(node.value))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: _real(node.value))


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


def parse_yaml(text: str, source: str) -> tuple[Any, dict[KeyPath, int]]:
    """Return the data and the line of each key path.

    Raises
    ------
    ScenarioError
        If the text is not valid YAML, or a key is given twice. Other YAML readers silently drop one of them.
    """
    lines: dict[KeyPath, int] = {}
    issues: list[ScenarioIssue] = []
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        _collect_lines(node, (), lines, issues)
        data = loader.construct_document(node) if node is not None and not issues else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark  # it may lie past the last line
        line = min(mark.line + 1, len(text.splitlines())) if mark else 1
        reason = ", ".join(filter(None, (error.context, error.problem)))
        raise ScenarioError([ScenarioIssue((), f"not valid YAML: {reason}")], source, {(): line}) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ScenarioError([ScenarioIssue((), f"not valid YAML: {error}")], source) from None
    except RecursionError:
        text = "not valid YAML: nested too deeply, or an alias that stands inside its own anchor"
        raise ScenarioError([ScenarioIssue((), text)], source) from None
    if issues:
        raise ScenarioError(issues, source, lines)
    return data, lines


def _collect_lines(node: Any, path: KeyPath, lines: dict[KeyPath, int], issues: list[ScenarioIssue]) -> None:
    """Add the lines of all keys below a node, and issues for keys that are repeated or no text."""
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            inner = (*path, key_node.value if isinstance(key_node, yaml.ScalarNode) else "?")
            line = key_node.start_mark.line + 1
            if inner in lines:
                issues.append(ScenarioIssue(inner, f"given twice, first in line {lines[inner]}"))
                lines[inner] = line
                continue
            lines[inner] = line
            if not key_node.tag.endswith(":str"):
                kind = key_node.tag.rpartition(":")[2]
                issues.append(ScenarioIssue(inner, f"keys must be text; this one reads as {kind}"))
            _collect_lines(value_node, inner, lines, issues)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            _collect_lines(item, (*path, index), lines, issues)


def parse_value(text: str) -> Any:
    """Return the value of one YAML text, for example that of ``--set key=value``.

    Raises
    ------
    ScenarioError
        If the text is not valid YAML.
    """
    return parse_yaml(text, "--set")[0]


def dump_yaml(data: Any) -> str:
    """Return plain data as YAML text with the keys in their order; reading it gives equal data."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
