"""The documentation's examples run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cutlayer
from cutlayer.scenarios import registry

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/guides").glob("*.md")),
]


def blocks(language: str) -> list[tuple[str, str]]:
    """Return the page's name and the text of every fenced block in a language."""
    texts = []
    for page in PAGES:
        for text in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
            texts.append((page.name, text))
    return texts


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_python_examples_run(page: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block is a whole script; what it registers is taken back."""
    monkeypatch.chdir(tmp_path)
    registry.specs("scheme")  # loads the built-in names, once and for all blocks
    for kind, known in registry._specs.items():
        monkeypatch.setitem(registry._specs, kind, dict(known))
    if "runs/quickstart" in text:
        cutlayer.run("quickstart", out="runs/quickstart", overrides=["learning=null", "stop.rounds=2"])
    exec(compile(text, page, "exec", dont_inherit=True), {"__name__": "__main__"})


def test_the_readmes_scenario_is_valid(tmp_path: Path) -> None:
    """The example scenario runs."""
    (text,) = (text for page, text in blocks("yaml") if page == "README.md")
    scenario = tmp_path / "my-study.yaml"
    scenario.write_text(text, encoding="utf-8")
    result = cutlayer.run(scenario, overrides=["stop.rounds=1"])
    assert ["sl", "sfl", "psl", "epsl φ=0.5"] == list(result.summary["schemes"])


def test_links_lead_somewhere() -> None:
    """Every relative link of a page names a file of the repository."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_named_files_and_functions_exist() -> None:
    """What a page calls ``folder/file.py: name`` is a function, class or constant of that file."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for path, name in re.findall(r"`((?!a/b\.py)[\w/]+/\w+\.py)(?:: ([\w.]+))?`", text):
            assert (ROOT / path).is_file(), f"{page.name}: {path}"
            last = name.split(".")[-1]
            defined = rf"^\s*(?:(?:def|class) {last}\b|{last}\s*[:=])"
            code = (ROOT / path).read_text(encoding="utf-8")
            assert not name or re.search(defined, code, re.M), f"{page.name}: {path}: {name}"
