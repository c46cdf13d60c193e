"""Docstrings follow numpydoc: types after the colon, descriptions below, a summary that names the result."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("analysis", "cutlayer", "experiments", "models", "scenarios", "sim")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
SECTIONS = ("Parameters", "Attributes", "Returns")
ENTRY = re.compile(r"^[\w*, ]+ : .*")
TYPE = re.compile(
    r"^(ndarray|Tensor|int|float|bool|str|bytes|callable|sequence|mapping|dict|tuple|list|[A-Z]\w+)\b"
)
RIDDLE = re.compile(r"^(What|Who|Return (what|who|which|when|how)) ")


def docstrings(path: Path) -> Iterator[str]:
    """Yield the docstring of a module, and those of its classes and functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


def entries(docstring: str) -> Iterator[tuple[str, bool]]:
    """Yield each entry of a numpydoc section, and whether an indented description follows it."""
    lines, section = [*docstring.split("\n"), ""], ""
    for line, following in itertools.pairwise(lines):
        if following and set(following) == {"-"}:
            section = line
        elif section in SECTIONS and ENTRY.match(line):
            yield line, following.startswith("    ")


@pytest.mark.parametrize("folder", FOLDERS)
def test_descriptions_stand_below_the_type(folder: str) -> None:
    """After the colon stands a type, so that a reference can be generated from the docstrings."""
    wrong = [
        f"{path.relative_to(ROOT)}: {entry}"
        for path in MODULES
        if path.is_relative_to(ROOT / folder)
        for docstring in docstrings(path)
        for entry, is_described in entries(docstring)
        if not is_described and not TYPE.match(entry.partition(" : ")[2])
    ]
    assert [] == wrong


def test_summaries_are_no_riddles() -> None:
    """A summary names the thing: "Return the rate of each link.", not "Return what a link does."."""
    assert [] == [
        f"{path.relative_to(ROOT)}: {docstring.splitlines()[0]}"
        for path in MODULES
        for docstring in docstrings(path)
        if RIDDLE.match(docstring)
    ]
