"""The documentation's links and names lead somewhere, on a code host as on the site."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def text_of(page: Path) -> str:
    """Return the text of a page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts and MyST make them."""
    names: dict[str, int] = {}
    found = set()
    for heading in HEADING.findall(text_of(page)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.add(f"{name}-{names[name]}" if name in names else name)
        names[name] = names.get(name, 0) + 1
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file or folder of the repository, and an existing heading."""
    for target, anchor in LINK.findall(text_of(page)):
        goal = (page.parent / target) if target else page
        assert goal.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(goal), f"{page.name}: {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_files_and_functions_exist(page: Path) -> None:
    """What a page calls ``folder/file.py: name`` is a function, class or constant of that file."""
    text = page.read_text(encoding="utf-8")
    for path, name in re.findall(r"`((?!a/b\.py)[\w/]+/\w+\.py)(?:: ([\w.]+))?`", text):
        assert (ROOT / path).is_file(), f"{page.name}: {path}"
        last = name.split(".")[-1]
        defined = rf"^\s*(?:(?:def|class) {last}\b|{last}\s*[:=])"
        code = (ROOT / path).read_text(encoding="utf-8")
        assert not name or re.search(defined, code, re.M), f"{page.name}: {path}: {name}"


def test_every_page_of_the_site_can_be_reached() -> None:
    """Every page but the front page is the target of a link of another page."""
    pages = set((ROOT / "docs").rglob("*.md"))
    linked = {
        (page.parent / target).resolve()
        for page in [*PAGES]
        for target, _ in LINK.findall(text_of(page))
        if target.endswith(".md")
    }
    assert set() == pages - linked - {ROOT / "docs" / "index.md"}
