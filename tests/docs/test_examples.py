"""The documentation's examples run as they stand."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cutlayer
from cutlayer.scenarios import registry
from cutlayer.scenarios.schema.scenario import Scenario
from cutlayer.scenarios.yaml_lines import parse_yaml

if TYPE_CHECKING:
    from page_examples import Example

ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
STORIES = [ROOT / "README.md", ROOT / "docs" / "tutorial.md", *GUIDES]
"""Pages whose examples are followed in their order, in one folder."""
PAGES = [*STORIES, *sorted(set((ROOT / "docs").rglob("*.md")) - set(STORIES))]
TRAINS_LONG = ("README.md", "tutorial.md")
"""Pages whose runs train for minutes. In the tests these runs, and all sweeps, have two rounds."""


@pytest.fixture(scope="module", autouse=True)
def _docs() -> Iterator[None]:
    """Let the tests import the modules that make the pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        patch.delitem(sys.modules, "page_examples", raising=False)
        yield


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a short run of the quickstart, which pages may read."""
    folder = tmp_path_factory.mktemp("finished") / "quickstart"
    cutlayer.run("quickstart", out=folder, overrides=["learning=null", "stop.rounds=2"])
    return folder


@pytest.fixture
def reader(finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working folder with that run; what an example registers is taken back."""
    registry.specs("scheme")  # loads the built-in names, once and for all examples
    for kind, known in registry._specs.items():
        monkeypatch.setitem(registry._specs, kind, dict(known))
    shutil.copytree(finished_run, tmp_path / "runs" / "quickstart")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def page_blocks(page: Path) -> list[Example]:
    """Return the fenced blocks of a page."""
    from page_examples import examples

    return list(examples(page.read_text(encoding="utf-8")))


def run_script(text: str, name: str) -> None:
    """Run a block of Python as a script of its own."""
    exec(compile(text, name, "exec", dont_inherit=True), {"__name__": "__main__"})


@pytest.mark.slow
@pytest.mark.parametrize("page", STORIES, ids=lambda page: page.name)
def test_a_reader_can_follow_the_page(page: Path, reader: Path) -> None:
    """Every file, command and script works in its order; runs in worker processes run in this one."""
    from page_examples import follow, run_command

    def shortened(words: Sequence[str]) -> str:
        if words[0] in ("run", "sweep") and "--jobs" not in words:
            words = [*words, "--jobs", "1"]
        if words[0] == "sweep" or (words[0] == "run" and page.name in TRAINS_LONG):
            words = [*words, "--set", "stop.rounds=2"]
        if words[0] == "sweep" and page.name == "paper_figures.md":  # its figure needs points at the target
            words = [*words, "--set", "target_accuracy=0.05"]
        return run_command(words)

    for example, _ in follow(page.read_text(encoding="utf-8"), shortened):
        if example.language == "python" and not example.file:
            if example.not_run:
                compile(example.text, page.name, "exec")
            else:
                run_script(example.text, page.name)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in STORIES], ids=lambda page: page.name)
def test_python_examples_run(page: Path, reader: Path) -> None:
    """Each block of an explanation is a whole script."""
    for example in page_blocks(page):
        if example.language == "python":
            run_script(example.text, page.name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    """Every command of a page exists, and takes its arguments and options."""
    from page_examples import parse_command

    for example in page_blocks(page):
        for words in example.commands:
            parse_command(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scenarios_keep_the_schema(page: Path) -> None:
    """Every block of YAML is a scenario, or a part of one; keys and values are allowed."""
    needed = {"name": "example", "stop": {"rounds": 1}, "schemes": ["psl"], "model": "resnet18"}
    for example in page_blocks(page):
        if example.language == "yaml":
            stated, _ = parse_yaml(example.text, page.name)
            Scenario.model_validate({**needed, **(stated or {})})


def test_outputs_are_filled_in() -> None:
    """No output of a command is empty; otherwise run ``python docs/refresh.py guides tutorial``."""
    empty = re.compile(r"<!-- output -->\s*(```text\s*```)?\s*<!-- end -->")
    assert [] == [page.name for page in STORIES if empty.search(page.read_text(encoding="utf-8"))]


def test_outputs_replace_earlier_ones(tmp_path: Path) -> None:
    """Text stays in its block, Markdown stands between empty lines, and a second time changes nothing."""
    from page_examples import with_outputs

    page = (
        "```sh\ncutlayer list schemes > names.txt\n```\n\n"
        "<!-- output -->\n```text\nold\n```\n<!-- end -->\n\n"
        "```sh\ncutlayer --version\n```\n\n<!-- output -->\n\nold\n\n<!-- end -->\n\nThe end.\n"
    )
    filled = with_outputs(page, tmp_path)
    assert "old" not in filled
    assert f"<!-- output -->\n\ncutlayer {cutlayer.__version__}\n\n<!-- end -->\n\nThe end.\n" in filled
    assert "epsl" in (tmp_path / "names.txt").read_text(encoding="utf-8")
    assert filled == with_outputs(filled, tmp_path)
