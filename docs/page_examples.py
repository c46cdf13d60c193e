"""The examples of the pages: files that a reader writes, and commands with their output.

Each page is a story. Its examples are followed in order, in one folder that is empty at the beginning:

- A block below a line that ends in a file's name and a colon, such as `my-study.yaml`:, is that file.
- Each line of a block of the language ``sh`` that begins with ``cutlayer`` is a command, which is run.
- A text between ``<!-- output -->`` and ``<!-- end -->`` is the output of the block before it: in a block of
  the language ``text``, or as it stands between empty lines if it is Markdown.
- A comment ``<!-- not run: REASON -->`` before a block says why its commands are only parsed.

``python docs/refresh.py tutorial`` and ``guides`` write the outputs anew. The tests follow all pages.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from cutlayer.cli.main import app

__all__ = ["Example", "examples", "follow", "parse_command", "run_command", "with_outputs"]

_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"(\s*<!-- output -->\n)(```text)?.*?<!-- end -->", re.DOTALL)
_FILE = re.compile(r"`([\w./-]+\.\w+)`:\s*$")
_NOT_RUN = re.compile(r"<!-- not run: ([^>]+) -->\s*$")

Command = Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class Example:
    """A fenced block of a page.

    Attributes
    ----------
    language : str
        The language of the block.
    text : str
        The text of the block.
    file : str
        The file that the block is; empty if it is none.
    not_run : str
        The reason why its commands are only parsed; empty if they are run.
    start, end : int
        The positions of the block in the page.
    """

    language: str
    text: str
    file: str
    not_run: str
    start: int
    end: int

    @property
    def commands(self) -> list[list[str]]:
        """Return the words of each command of Cutlayer in the block, without ``cutlayer`` itself."""
        if self.language != "sh":
            return []
        text = re.sub(r"\$\([^)]*\)", "HOST", self.text.replace("\\\n", " "))
        lines = (shlex.split(line, comments=True) for line in text.splitlines())
        return [words[1:] for words in lines if words[:1] == ["cutlayer"]]


def examples(page: str) -> Iterator[Example]:
    """Yield the fenced blocks of a page in their order."""
    for match in _FENCE.finditer(page):
        before = page[: match.start()].rstrip()
        file, not_run = _FILE.search(before), _NOT_RUN.search(before)
        yield Example(
            match[2],
            match[3],
            file[1] if file else "",
            not_run[1] if not_run else "",
            match.start(),
            match.end(),
        )


def follow(page: str, command: Command) -> Iterator[tuple[Example, str]]:
    """Follow the examples of a page in the working folder; yield each block with its commands' output.

    Parameters
    ----------
    page : str
        The text of the page.
    command : callable
        Runs a command, given its words, and returns its output.
    """
    for example in examples(page):
        if example.file:
            Path(example.file).parent.mkdir(parents=True, exist_ok=True)
            Path(example.file).write_text(example.text, encoding="utf-8")
        output = ""
        for words in example.commands:
            if example.not_run:
                parse_command(words)
            else:
                output += command(words)
        yield example, output


def with_outputs(page: str, folder: Path) -> str:
    """Return a page with the outputs of its commands, which are run in a folder."""
    with contextlib.chdir(folder):
        outputs = [(example.end, output) for example, output in follow(page, run_command)]
    for end, output in reversed(outputs):
        text = "\n".join(line.rstrip() for line in output.strip("\n").splitlines())
        match = _OUTPUT.match(page, end)
        if match:
            shown = f"```text\n{text}\n```" if match[2] else f"\n{text}\n"
            page = f"{page[:end]}{match[1]}{shown}\n<!-- end -->{page[match.end() :]}"
    return page


def run_command(words: Sequence[str]) -> str:
    """Run a command in this process, and return its standard output; ``> FILE`` writes it to a file.

    Raises
    ------
    RuntimeError
        If the command fails.
    """
    words, _, target = _split_at(list(words), ">")
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.redirect_stderr(errors):
        try:
            app(list(words), prog_name="cutlayer")
        except SystemExit as ended:
            if ended.code:
                text = f"cutlayer {shlex.join(words)}: status {ended.code}\n{errors.getvalue()}"
                raise RuntimeError(text) from None
    if target:
        Path(target[0]).write_text(output.getvalue(), encoding="utf-8")
        return ""
    return output.getvalue()


def parse_command(words: Sequence[str]) -> None:
    """Check the command, arguments and options of a command line, and run nothing.

    Raises
    ------
    Exception
        If the command does not exist, or does not take the arguments.
    """
    words, _, _ = _split_at([os.path.expandvars(word) for word in words], ">")
    group = typer.main.get_command(app)
    if words[0].startswith("-"):
        group.make_context("cutlayer", list(words), resilient_parsing=True)
        return
    commands = group.commands  # type: ignore[attr-defined]
    commands[words[0]].make_context(words[0], list(words[1:]))


def _split_at(words: list[str], mark: str) -> tuple[list[str], str, list[str]]:
    if mark not in words:
        return words, "", []
    return words[: words.index(mark)], mark, words[words.index(mark) + 1 :]
