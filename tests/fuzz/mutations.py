"""Random mutations of scenarios: numbers, types, names, tags, whole sections, and the text itself."""

from __future__ import annotations

import copy
import functools
import random
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from cutlayer.scenarios.yaml_lines import dump_yaml

from .documents import SMALL_DOCUMENTS, documents
from .fault_forms import put_fault

__all__ = ["mutated"]

Path_: TypeAlias = tuple[str | int, ...]

NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2, 3, 7, 64, 1000, 10**5, 10**6, 10**9, 10**12, 10**15, 10**18, 10**60, 2**31, 2**32),
    *(2**63 - 1, 2**63, 2**64, -(2**63), 5e-324, 1e-320, 1e-300, 1e-100, 1e-30, 1e-12, 1e-6, 1e-3, 0.5),
    *(0.999999999, 1.5, 1e3, 1e6, 1e9, 1e12, 1e15, 1e18, 1e24, 1e30, 1e100, 1e300, 1.7e308, -0.0, -1e300),
    *(float("inf"), float("-inf"), float("nan"), True, False),
)
TEXTS = (
    *("", " ", "x", "no", "1e9", "~", "psl", "epsl", "optimal", "access-point", "device-0", "server", "\t"),
    *("\x1b[31mred", "a\nb", "a\rb", "\x00", "\x7f", "\u202egpj", "\u2028", "\ufeff", "\ud800", "$^$", "$x"),
    *("%s", "{0}", "\\frac{", "φ", "😀", "../../x", "/dev/zero", "/", "~nobody/x", "a" * 300, "b" * 5000),
    *("a,b", '"', "'", "<b>", "&amp;", "[red]x[/red]", "-", "--help", ".", "..", "CON", "a/b", "\\"),
)
RAW = (
    *(
        "!!int [1]",
        "!!float [1.0]",
        "!!timestamp x",
        "!!bool abc",
        "!!null x",
        "!!set {a, b}",
        "!!binary aGk=",
    ),
    *(
        "!!omap [a: 1]",
        "!!python/object:os.system x",
        "!x 1",
        "!!str 1",
        "!!int 1",
        "!!float '1'",
        "*missing",
    ),
    *("9" * 5000, "0x" + "f" * 5000, "1e" + "9" * 400, "-." + "1" * 400, "[" * 60 + "]" * 60, "{a: " * 3000),
    *(
        "&a [*a, *a]",
        "2024-01-01",
        "12:30:45",
        "0b11",
        "0o17",
        "1_000",
        ".5",
        "5.",
        "+1",
        "- 1",
        "|",
        "? a",
        ":",
    ),
)
MARK = "raw@{}@"


def mutated(number: int) -> str:
    """Return the text of the mutated scenario with this number; equal numbers give equal texts."""
    rng = random.Random(number)
    known = documents()
    base = rng.choice([*known, *SMALL_DOCUMENTS] + 15 * [*SMALL_DOCUMENTS])
    data: Any = copy.deepcopy(known[base])
    _simplify(rng, data)
    raw: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3, 5))):
        rng.choice(MUTATIONS)(rng, data, known, raw)
    text = dump_yaml(data)
    for index, snippet in enumerate(raw):
        text = text.replace(MARK.format(index), snippet)
    if rng.random() < 0.05:
        text = _damaged(rng, text)
    return text


def _simplify(rng: random.Random, data: Any) -> None:
    """Keep one or two schemes and some optional sections: small scenarios are accepted more often."""
    data["schemes"] = rng.sample(data["schemes"], min(len(data["schemes"]), rng.choice((1, 1, 2))))
    if rng.random() < 0.8:
        data.pop("sweep", None)
    for key in ("learning", "stragglers", "faults", "round_policy", "participation", "compression", "sweep"):
        if rng.random() < 0.5:
            data.pop(key, None)
    _thin_out(rng, data)
    if "uplink_bps" in data.get("devices", {}):
        data.get("radio", {}).pop("sharing", None)
    if "learning" not in data:
        data["stop"].pop("accuracy", None)
    elif "participation" in data:
        data.pop("compression", None)
    if rng.random() < 0.5:
        data.get("allocation", {}).pop("replan", None)
        data.get("allocation", {}).pop("knowledge", None)


def _thin_out(rng: random.Random, data: Any) -> None:
    """Remove some of the faults, and some attributes of devices."""
    for section in ("stragglers", "faults"):
        for key in [*data.get(section, {})]:
            if rng.random() < 0.5:
                del data[section][key]
    for keys in (
        ("battery_j",),
        ("memory_mib",),
        ("uplink_bps", "downlink_bps"),
        ("overrides",),
        ("exclude",),
    ):
        if rng.random() < 0.5:
            for key in keys:
                data.get("devices", {}).pop(key, None)


def _paths(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Yield the path and the value of each node below a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key), inner
        yield from _paths(inner, (*path, key))


def _parent(data: Any, path: Path_) -> Any:
    return functools.reduce(lambda value, key: value[key], path[:-1], data)


def _chosen(rng: random.Random, data: Any, kind: type | tuple[type, ...] = object) -> Path_ | None:
    paths = [path for path, value in _paths(data) if isinstance(value, kind)]
    return rng.choice(paths) if paths else None


def _set(rng: random.Random, data: Any, kind: type | tuple[type, ...], value: Any) -> None:
    path = _chosen(rng, data, kind)
    if path is not None:
        _parent(data, path)[path[-1]] = value


def _extreme(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    path = _chosen(rng, data, (int, float))
    if path is not None:
        kind = type(_parent(data, path)[path[-1]])
        same = [number for number in NUMBERS if type(number) is kind]
        _parent(data, path)[path[-1]] = rng.choice(same if rng.random() < 0.7 else NUMBERS)


def _scale(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    path = _chosen(rng, data, (int, float))
    if path is not None:
        value = _parent(data, path)[path[-1]]
        factor = 10 ** rng.randint(-3, 6)
        _parent(data, path)[path[-1]] = type(value)(value * factor) if value else factor


def _text(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    _set(rng, data, str, rng.choice(TEXTS))


def _other_type(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    values: tuple[Any, ...] = (
        None,
        "",
        "text",
        1,
        1.5,
        True,
        [],
        {},
        [1],
        [[]],
        [None],
        {"a": 1},
        {"name": {}},
    )
    _set(rng, data, object, copy.deepcopy(rng.choice(values)))


def _tag(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    raw.append(rng.choice(RAW))
    _set(rng, data, object, MARK.format(len(raw) - 1))


def _deleted(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    path = _chosen(rng, data)
    if path is not None:
        del _parent(data, path)[path[-1]]


def _repeated(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    path = _chosen(rng, data, list)
    if path is not None:
        values = _parent(data, path)[path[-1]]
        values += copy.deepcopy(values) * rng.choice((1, 1, 1, 50))


def _renamed(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    path = _chosen(rng, data)
    if path is not None and isinstance(parent := _parent(data, path), dict):
        key = str(path[-1])
        at = rng.randrange(len(key) + 1)
        typo = rng.choice(
            (key[:at] + key[at + 1 :], key[:at] + "x" + key[at:], key.upper(), rng.choice(TEXTS))
        )
        parent[typo] = parent.pop(path[-1])


def _spliced(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    """Put a section of another scenario at its own place, or anywhere."""
    other = documents[rng.choice(list(documents))]
    path = _chosen(rng, other)
    if path is None:
        return
    value = copy.deepcopy(_parent(other, path)[path[-1]])
    if rng.random() < 0.7:
        section = data
        for key in path[:-1]:
            if not isinstance(section, dict) or not isinstance(key, str):
                return
            section = section.setdefault(key, {})
        if isinstance(section, dict) and isinstance(path[-1], str):
            section[path[-1]] = value
    else:
        _set(rng, data, object, value)


def _fault(rng: random.Random, data: Any, documents: dict[str, Any], raw: list[str]) -> None:
    put_fault(rng, data)


MUTATIONS: tuple[Callable[[random.Random, Any, dict[str, Any], list[str]], None], ...] = (
    *[_extreme] * 6,
    *[_scale] * 5,
    *[_spliced] * 5,
    *[_fault] * 5,
    *[_text] * 2,
    *[_deleted] * 3,
    *(_other_type, _tag, _repeated, _renamed),
)


def _damaged(rng: random.Random, text: str) -> str:
    """Return the text with a part that is cut off, given twice or replaced."""
    at, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
    piece = rng.choice(
        ("\x00", "\ufeff", "\t", "\x85", "\u2028", "\x1b", "{", "[", "]", ": ", "- ", "&a ", "*a", "%")
    )
    return rng.choice(
        (
            text[:at],
            text[:at] + text[end:],
            text + text[at:end],
            text[:at] + piece + text[at:],
            text[:at] + chr(rng.randrange(0x300)) + text[at + 1 :],
            text.replace("\n", "\r\n"),
            text + "---\n" + text,
        )
    )
