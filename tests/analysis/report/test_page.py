"""The page as a file: it loads nothing, its texts are escaped, and equal content gives equal bytes."""

from __future__ import annotations

import os
import subprocess
import sys

import pandas as pd
from bokeh.models import ColumnDataSource, HBar, UIElement

from cutlayer.analysis.report.charts import new_chart, plain
from cutlayer.analysis.report.html import Html, badge, facts, folded, notes, paragraph, table
from cutlayer.analysis.report.page import Section, render
from tests.support.report_pages import charts_of, columns_of, loaded_addresses, objects_of, shown_text

HOSTILE = "</script><img src=x onerror=alert(1)>&\u2028$$x$$"


def chart(label: str = "psl") -> UIElement:
    """Return a chart with one bar."""
    figure = new_chart(height=100, zoom="x")
    figure.add_glyph(
        ColumnDataSource({"y": [0.0], "right": [1.0], "label": [label]}), HBar(y="y", right="right", left=0)
    )
    return figure


def test_the_page_loads_nothing() -> None:
    """All scripts and styles are part of the page."""
    page = render("title", [], [Section("Part", [paragraph("text"), chart()])])
    assert ["data:,"] == loaded_addresses(page)
    assert "Bokeh" in page


def test_a_page_without_charts_has_no_scripts() -> None:
    """Text alone needs no library."""
    page = render("title", [paragraph("first")], [Section("Part", [paragraph("text")])])
    assert "<script" not in page
    assert "title first Part Part text" in shown_text(page).replace("title title", "title")


def test_texts_of_users_stay_texts() -> None:
    """Neither a label in a chart nor one in the text can end an element or start one."""
    frame = pd.DataFrame({HOSTILE: [HOSTILE]})
    parts = [paragraph(HOSTILE), notes([HOSTILE]), facts({HOSTILE: HOSTILE}), table(frame), badge(HOSTILE)]
    page = render(HOSTILE, [], [Section(HOSTILE, [*parts, folded(HOSTILE, Html()), chart(HOSTILE)])])
    assert "<img" not in page
    assert "</script><img" not in page
    assert HOSTILE in [columns["label"][0] for columns in columns_of(page) if "label" in columns]
    assert "onerror=alert(1)" in shown_text(page)


def test_no_label_is_taken_for_a_formula() -> None:
    """Bokeh would load MathJax for a text between two pairs of dollars."""
    for text in ("$$x$$", r"\(x\)", r"\[x\]"):
        assert text != plain(text)
        assert text == plain(text).replace("\u2060", "")
    assert "epsl φ=0.5" == plain("epsl φ=0.5")


def test_equal_content_gives_equal_bytes() -> None:
    """The second page of a process equals the first, although Bokeh has numbered its objects on."""
    first, second = (render("title", [], [Section("Part", [chart(), chart()])]) for _ in range(2))
    assert first == second


def test_every_process_writes_the_same_bytes() -> None:
    """The order of no set or hash appears in the page."""
    code = (
        "from tests.analysis.report.test_page import *; import hashlib;"
        "print(hashlib.sha256(render('t', [], [Section('P', [chart(), chart()])]).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert 1 == len(digests)


def test_references_lead_to_their_objects() -> None:
    """After the renumbering each reference names an object, and each element of the page has its chart."""
    page = render("title", [], [Section("Part", [chart(), chart()])])
    document = charts_of(page)["report"]
    assert 2 == len(document["roots"])
    assert 2 == len(list(objects_of(page, "HBar")))
    assert all(f'id="chart-{number}"' in page for number in (1, 2))
