"""The command report: where its page goes, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cutlayer.test_cli import SCENARIO, cli, refused

WITHOUT_BOKEH = """
import sys
from importlib.abc import MetaPathFinder

class NoBokeh(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "bokeh":
            raise ModuleNotFoundError("No module named 'bokeh'", name="bokeh")

sys.meta_path.insert(0, NoBokeh())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "bokeh" else real(name, *more)
sys.argv = ["cutlayer", "report", sys.argv[1]]
from cutlayer.cli.main import main
main()
"""
"""A process in which Bokeh is not installed."""


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of two schemes."""
    parent = tmp_path_factory.mktemp("report")
    (parent / "two.yaml").write_text(SCENARIO, encoding="utf-8")
    cli("run", parent / "two.yaml", "--out", parent / "run", "--no-figures")
    return parent / "run"


def test_the_page_goes_into_the_folder(run_folder: Path) -> None:
    """The command names the page."""
    assert f"written to {run_folder / 'report.html'}" in cli("report", run_folder).stdout
    assert (run_folder / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_page_goes_to_another_file(run_folder: Path, tmp_path: Path) -> None:
    """With --output and --rounds, another page of other rounds."""
    cli("report", run_folder, "--output", tmp_path / "page.html", "--rounds", "2")
    assert "shows round 2 of" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_wrong_input_is_refused(run_folder: Path, tmp_path: Path) -> None:
    """Unknown rounds, other folders and paths that cannot be written, each with one message."""
    output = tmp_path / "page.html"
    for arguments, message in (
        ((run_folder, "--rounds", "9"), "--rounds: rounds 9 to 9: the table's rounds are 1 to"),
        ((run_folder, "--rounds", "x"), "no span of rounds"),
        ((tmp_path / "nothing",), "does not exist"),
        ((run_folder, "--output", tmp_path / "no" / "page.html"), "there is no folder"),
    ):
        assert message in refused(
            "report", *arguments, *(() if "--output" in arguments else ("--output", output))
        )
    assert not output.exists()


def test_without_the_package_the_message_says_how_to_install_it(run_folder: Path) -> None:
    """One line with the extra, status 2, and no page."""
    (run_folder / "report.html").unlink(missing_ok=True)
    process = subprocess.run(
        [sys.executable, "-c", WITHOUT_BOKEH, str(run_folder)], check=False, capture_output=True, text=True
    )
    assert "a report needs the package Bokeh: pip install 'cutlayer[report]'\n" == process.stderr
    assert 2 == process.returncode
    assert not (run_folder / "report.html").exists()
