"""The page in a browser: no errors, nothing is loaded, and pointer, wheel, legend and filters answer."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

import cutlayer
from tests.support.browser import BROWSER, Page, opened

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="there is no chromium, chromium-browser or google-chrome on the PATH"
)

LABEL = "<img src=x onerror=alert(1)>"
FIND = """
    window.all = [...Bokeh.documents[0]._all_models.values()];
    window.gantt = all.filter((m) => m.type == 'Figure' && (m.y_range.factors || []).includes('Round'));
    window.bars = all.filter((m) => m.type == 'GlyphRenderer' && m.name == 'Uplink');
    gantt.length
"""
PANEL = """
    (() => {
        const view = Bokeh.index.find_one(gantt[0]);
        view.el.scrollIntoView({block: 'center'});
        const box = view.canvas_view.el.getBoundingClientRect();
        const data = bars.find((bar) => gantt[0].renderers.includes(bar)).data_source.data;
        const x = view.frame.x_scale.compute((data.left[0] + data.right[0]) / 2);
        const y = view.frame.y_scale.compute(data.y[0]);
        return [box.x + x, box.y + y];
    })()
"""

TOOLTIP = """
    (() => {
        const texts = [];
        const visit = (node) => {
            if (node.classList.contains('bk-tooltip-content')) texts.push(node.textContent);
            for (const child of [...node.children, ...(node.shadowRoot?.children ?? [])]) visit(child);
        };
        visit(document.body);
        return texts.join(' ');
    })()
"""
"""The text of the box beside the pointer."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Return the open page of a run with learning, whose first label looks like markup."""
    file = tmp_path_factory.mktemp("report") / "report.html"
    schemes = f"schemes=[{{name: psl, label: '{LABEL}'}}, epsl]"
    run = cutlayer.run("quickstart", overrides=[schemes, "stop.rounds=4", "learning.evaluate_every=1"])
    run.report(file)
    with opened(file) as open_page:
        assert 2 == open_page.evaluate(FIND)
        yield open_page


def test_the_page_opens_without_errors(page: Page) -> None:
    """The console has no error and no warning, no label became an element, and nothing was loaded."""
    assert [] == page.messages
    assert ["file", "data"] == list(dict.fromkeys(address.partition(":")[0] for address in page.requests))
    assert 0 == page.evaluate("document.querySelectorAll('img').length")


def test_the_charts_are_drawn(page: Page) -> None:
    """A picture of the page has the colours of phases, and not one colour alone."""
    page.evaluate("document.getElementById('latency-by-phase').scrollIntoView()")
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).reshape(-1, 3)
    colours = {tuple(colour) for colour in np.unique(pixels, axis=0).tolist()}
    assert {(0xD5, 0x5E, 0x00), (0x56, 0xB4, 0xE9)} <= colours


def test_a_pointer_shows_the_values_of_a_bar(page: Page) -> None:
    """Above an uplink's bar, a box has its phase, its size and its rate."""
    x, y = page.evaluate(PANEL)
    page.mouse("mouseMoved", x - 1, y)
    page.mouse("mouseMoved", x, y)
    page.wait_for(f"({TOOLTIP}).includes('Uplink')")
    text = page.evaluate(TOOLTIP)
    assert all(word in text for word in ("node: device", "round: 1", "size: ", "rate: ", "Mbit/s", "cut: "))


def test_the_wheel_zooms_while_ctrl_is_held(page: Page) -> None:
    """All panels zoom along the time axis together; without Ctrl the page scrolls."""
    x, y = page.evaluate(PANEL)
    width = "gantt.map((chart) => chart.x_range.end - chart.x_range.start)"
    before = page.evaluate(width)
    page.mouse("mouseWheel", x, y, deltaX=0, deltaY=-240, modifiers=2)
    page.wait_for(f"({width})[0] < {before[0]}")
    after = page.evaluate(width)
    assert after[0] == after[1] < before[0]
    page.evaluate("gantt[0].x_range.reset(); gantt[0].x_range.setv({start: 0})")


def test_a_round_can_be_chosen(page: Page) -> None:
    """The filter shows the bars of one round alone, and the time of that round."""
    page.evaluate("window.rounds = all.find((m) => m.name == 'rounds'); rounds.value = '2'")
    shown = page.evaluate(
        "bars.map((b) => [...Bokeh.index.find_one(b).all_indices].map((i) => b.data_source.data.round[i]))"
    )
    assert [{2}, {2}] == [set(rounds) for rounds in shown]
    assert 0 < page.evaluate("gantt[0].x_range.start")
    page.evaluate("rounds.value = 'all'")
    everything = page.evaluate("bars.map((bar) => [...Bokeh.index.find_one(bar).all_indices].length)")
    assert everything == page.evaluate("bars.map((bar) => bar.data_source.data.round.length)")
    assert 0 == page.evaluate("gantt[0].x_range.start")


def test_a_node_can_be_chosen(page: Page) -> None:
    """The filter leaves the rows of the chosen nodes in each panel."""
    page.evaluate("window.nodes = all.find((m) => m.name == 'nodes'); nodes.value = ['device 1']")
    assert [["device 1", "Round"]] * 2 == page.evaluate("gantt.map((chart) => chart.y_range.factors)")
    page.evaluate("nodes.value = []")
    assert [7, 7] == page.evaluate("gantt.map((chart) => chart.y_range.factors.length)")


def test_a_scheme_can_be_hidden(page: Page) -> None:
    """A click on its button hides the panel of the scheme."""
    page.evaluate("window.schemes = all.find((m) => m.name == 'schemes'); schemes.active = [1]")
    assert [False, True] == page.evaluate("gantt.map((chart) => chart.visible)")
    page.evaluate("schemes.active = [0, 1]")
    assert [True, True] == page.evaluate("gantt.map((chart) => chart.visible)")


def test_the_buttons_choose_the_scheme_of_a_chart_and_of_a_table(page: Page) -> None:
    """Time by node and the plan show one scheme at a time."""
    page.evaluate("window.groups = all.filter((m) => m.type == 'RadioButtonGroup'); 0")
    assert [[LABEL, "EPSL (φ = 0.5)"]] * 2 == page.evaluate("groups.map((buttons) => buttons.labels)")
    shown = """
        all.filter((m) => m.type == 'CDSView' && m.filter.column_name == 'group').map((m) => m.filter.group)
            .filter((group) => group)
    """
    assert {LABEL} == set(page.evaluate(shown))
    page.evaluate("groups.forEach((buttons) => { buttons.active = 1 })")
    assert {"EPSL (φ = 0.5)"} == set(page.evaluate(shown))


def test_a_click_on_the_legend_hides_a_phase_in_all_panels(page: Page) -> None:
    """One legend belongs to all panels."""
    position = page.evaluate(
        """
        (() => {
            const has_bars = (item) => item.renderers.includes(bars[0]);
            const legend = all.find((m) => m.type == 'Legend' && m.items.some(has_bars));
            const view = Bokeh.index.find_one(legend), plot = view.parent;
            plot.el.scrollIntoView({block: 'center'});
            const item = legend.items.findIndex(has_bars);
            const box = [...view.shadow_el.querySelectorAll('.bk-item')][item].getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        })()
        """
    )
    page.click(*position)
    page.wait_for("bars.every((bar) => !bar.visible)")
    page.click(*position)
    page.wait_for("bars.every((bar) => bar.visible)")


def test_nothing_went_wrong_meanwhile(page: Page) -> None:
    """After all filters, the console still has no error."""
    assert [] == page.messages
