"""The page of a sweep: metrics with intervals, links to the pages of points, and what is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cutlayer
from cutlayer.analysis.report.html import text
from cutlayer.analysis.report.report import FILE_NAME, report_folder
from cutlayer.analysis.results.sweeps.sweep_folder import load_sweep
from tests.support.report_pages import columns_of, loaded_addresses, shown_text
from tests.support.sweeps import in_threads, written


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small sweep of two counts of devices and three seeds."""
    parent = tmp_path_factory.mktemp("sweep")
    in_threads(written(parent), parent / "out").run()
    return parent / "out"


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    """Return the page of the sweep, written with the pages of its points."""
    return report_folder(folder, points=True).read_text(encoding="utf-8")


def test_the_page_has_the_means_over_seeds(folder: Path, page: str) -> None:
    """Each point of a curve is a mean over the seeds of ``schemes.csv``, with its confidence interval."""
    assert ["data:,"] == loaded_addresses(page)
    schemes = load_sweep(folder).schemes
    means = schemes.groupby(["label", "devices.count"])["mean_latency_s"].mean()
    curves = [columns for columns in columns_of(page) if "mean" in columns][:2]
    assert ["PSL", "SL"] == sorted(columns["line"][0] for columns in curves)
    for columns in curves:
        of_label = means[columns["line"][0].lower()]
        scale = columns["mean"][0] / of_label.iloc[0]
        assert (scale * of_label).tolist() == pytest.approx(columns["mean"])
        assert all(
            low < mean < high
            for low, mean, high in zip(columns["low"], columns["mean"], columns["high"], strict=True)
        )


def test_every_point_links_to_its_page(folder: Path, page: str) -> None:
    """The links are relative, and each leads to a page."""
    (links,) = [columns["link0"] for columns in columns_of(page) if "link0" in columns]
    assert 6 == len(set(links))
    for link in links:
        assert not Path(link).is_absolute()
        assert "<h2>Gantt chart</h2>" in (folder / link).read_text(encoding="utf-8")


def test_links_hold_from_another_folder(folder: Path, page: str, tmp_path: Path) -> None:
    """A page elsewhere links back into the sweep folder."""
    other = report_folder(folder, tmp_path / "page.html", points=False).read_text(encoding="utf-8")
    (links,) = [columns["link0"] for columns in columns_of(other) if "link0" in columns]
    assert all((tmp_path / link).is_file() for link in links)


def test_points_without_a_page_have_no_link(tmp_path: Path) -> None:
    """Without the pages of points there are no dead links, and the page says how to write them."""
    in_threads(written(tmp_path), tmp_path / "out").run()
    page = report_folder(tmp_path / "out", points=False).read_text(encoding="utf-8")
    (links,) = [columns["link0"] for columns in columns_of(page) if "link0" in columns]
    assert {""} == set(links)
    assert "--points" in shown_text(page)


def test_missing_points_are_said(tmp_path: Path) -> None:
    """A failed point is counted at the top, and its error is listed."""
    in_threads(written(tmp_path), tmp_path / "out").run()
    table = (tmp_path / "out" / "points.csv").read_text(encoding="utf-8")
    point = table.splitlines()[1].split(",")[0]
    table = re.sub(
        rf"^{point},finished,(.*),$", rf"{point},failed,\1,ValueError: <no luck>", table, flags=re.MULTILINE
    )
    (tmp_path / "out" / "points.csv").write_text(table, encoding="utf-8")
    page = report_folder(tmp_path / "out", points=False).read_text(encoding="utf-8")
    assert "1 of 6 points are missing from the charts" in shown_text(page)
    assert f"{point}: ValueError: <no luck>" in shown_text(page)
    assert "<no luck>" not in page
    assert text("<no luck>") in page


def test_a_sweep_without_a_finished_point_has_no_page(folder: Path, tmp_path: Path) -> None:
    """The message says so, and nothing is written."""
    for name in ("points.csv", "schemes.csv", "rounds.parquet"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(cutlayer.RunFolderError, match="without a finished point"):
        report_folder(tmp_path)
    assert not (tmp_path / FILE_NAME).exists()
