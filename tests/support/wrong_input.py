"""Wrong input for the command line, and the expected messages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from cutlayer.cli.main import app

GOOD = """\
name: good
stop: {rounds: 2}
schemes: [psl]
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
devices: {count: 2}
radio: {subchannels: 4}
"""
MODEL = "{name: lenet, input_shape: [1, 8, 8], classes: 10}"
DIGITS = "learning:\n  dataset: {name: digits}\n"


@dataclass(frozen=True)
class Row:
    """A wrong input and the expected lines of its message; ``...`` stands for any text."""

    name: str
    scenario: str | bytes
    expected: tuple[str, ...]
    options: tuple[str, ...] = ()


def changed(old: str, new: str, more: str = "") -> str:
    """Return the good scenario with one text replaced by another."""
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new) + more


def issue(key: str, message: str, line: int = 7) -> tuple[str, ...]:
    """Return the expected message of one issue; line 7 is the first after those of ``GOOD``."""
    return (f"bad.yaml:{line}: {key}: {message}",)


UNKNOWN = "unknown key; allowed: ...; did you mean {!r}?"


def answer(folder: Path, *arguments: str) -> list[str]:
    """Run a command that must fail and write no file; return its lines on standard error without warnings."""
    before = sorted(folder.rglob("*"))
    result = CliRunner().invoke(app, ["run", *arguments])
    assert isinstance(result.exception, SystemExit), result.exception
    assert 2 == result.exit_code
    assert "" == result.stdout
    assert before == sorted(folder.rglob("*"))
    return [line for line in result.stderr.splitlines() if ": warning: " not in line]


def assert_lines(expected: tuple[str, ...], lines: list[str]) -> None:
    """Compare line by line; ``...`` in an expected line stands for any text."""
    for pattern, line in zip(expected, lines, strict=False):
        assert re.fullmatch(".*".join(re.escape(part) for part in pattern.split("...")), line), line
    assert len(expected) == len(lines), lines


def check(row: Row, folder: Path) -> None:
    """Run the row's scenario in the working directory, and compare the message."""
    content = row.scenario if isinstance(row.scenario, bytes) else row.scenario.encode()
    (folder / "bad.yaml").write_bytes(content)
    out = () if "--out" in row.options else ("--out", "out")
    assert_lines(row.expected, answer(folder, "bad.yaml", *row.options, *out))
