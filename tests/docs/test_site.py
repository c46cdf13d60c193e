"""The documentation builds as a site without a warning, and the site needs no network."""

from __future__ import annotations

import html.parser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the built site."""
    pytest.importorskip("furo")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(ROOT / "docs"), str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


class LoadedFiles(html.parser.HTMLParser):
    """The addresses of all files that a browser loads for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the address of a script, a style, an image or a frame."""
        values = dict(attrs)
        is_link = tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload")
        address = values.get("href") if is_link else values.get("src")
        if address and (is_link or tag in ("script", "img", "iframe", "source")):
            self.addresses.append(address)


def test_every_page_is_in_the_site(site: Path) -> None:
    """Each Markdown page has its page in the site."""
    docs = ROOT / "docs"
    expected = {
        path.relative_to(docs).with_suffix(".html")
        for path in docs.rglob("*.md")
        if "_build" not in path.parts
    }
    assert set() == {name for name in expected if not (site / name).is_file()}


def test_the_site_needs_no_network(site: Path) -> None:
    """Scripts, styles and images of every page are files of the site."""
    for page in site.rglob("*.html"):
        parser = LoadedFiles()
        parser.feed(page.read_text(encoding="utf-8"))
        for address in parser.addresses:
            assert not address.startswith(("http:", "https:", "//")), f"{page.name}: {address}"
            name = address.partition("?")[0]
            assert address.startswith("data:") or (page.parent / name).exists(), f"{page.name}: {address}"
