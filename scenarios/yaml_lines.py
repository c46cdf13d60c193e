"""YAML text to plain data, with the line of every key; numbers as YAML 1.2 reads them."""

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
    """PyYAML's safe dumper; it quotes text that either version of YAML would read as something else."""

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
        If the text is no YAML, or a key is given twice (YAML readers would drop one silently).
    """
    lines: dict[KeyPath, int] = {}
    faults: list[ScenarioIssue] = []
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        _locate(node, (), lines, faults)
        data = loader.construct_document(node) if node is not None and not faults else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = min(mark.line + 1, len(text.splitlines())) if mark else 1  # the end of the text is on no line
        reason = ", ".join(filter(None, (error.context, error.problem)))
        raise ScenarioError([ScenarioIssue((), f"not valid YAML: {reason}")], source, {(): line}) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ScenarioError([ScenarioIssue((), f"not valid YAML: {error}")], source) from None
    except RecursionError:
        text = "not valid YAML: nested too deeply, or an alias that stands inside its own anchor"
        raise ScenarioError([ScenarioIssue((), text)], source) from None
    if faults:
        raise ScenarioError(faults, source, lines)
    return data, lines


def _locate(node: Any, path: KeyPath, lines: dict[KeyPath, int], faults: list[ScenarioIssue]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            here = (*path, key_node.value if isinstance(key_node, yaml.ScalarNode) else "?")
            line = key_node.start_mark.line + 1
            if here in lines:
                faults.append(ScenarioIssue(here, f"given twice, first in line {lines[here]}"))
                lines[here] = line
                continue
            lines[here] = line
            if not key_node.tag.endswith(":str"):
                kind = key_node.tag.rpartition(":")[2]
                faults.append(ScenarioIssue(here, f"keys must be text; this one reads as {kind}"))
            _locate(value_node, here, lines, faults)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            _locate(item, (*path, index), lines, faults)


def parse_value(text: str) -> Any:
    """Return one YAML value, as ``--set key=value`` takes it.

    Raises
    ------
    ScenarioError
        If the text is no YAML.
    """
    return parse_yaml(text, "--set")[0]


def dump_yaml(data: Any) -> str:
    """Return plain data as YAML text that reads back equal, keys in their order."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
