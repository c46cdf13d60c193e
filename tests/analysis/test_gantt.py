"""Laws of the Gantt charts: every interval is one bar, idleness is seen, a colour is a phase."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from cutlayer.analysis.gantt import gantt_figure
from cutlayer.analysis.style import WAITING, phase_colour
from cutlayer.scenarios.streams import stream

COLUMNS = ["label", "seed", "round", "node", "lane", "phase", "start_s", "end_s", "wait_s"]


def intervals(*rows: tuple[int, str, str, str, float, float, float], label: str = "psl") -> pd.DataFrame:
    """Return a table from rows of (round, node, lane, phase, start_s, end_s, wait_s)."""
    return pd.DataFrame([(label, 0, *row) for row in rows], columns=COLUMNS)


def parallel(
    label: str = "psl", devices: int = 3, rounds: int = 4, stage_s: float = 1.0, seed: int = 0
) -> pd.DataFrame:
    """Return rounds of a parallel scheme whose stages last 0.5 to 1.5 times ``stage_s``, barriers between."""
    rng = stream(seed, "gantt test", devices)
    rows, now_s = [], 0.0

    def stages(number: int, node: str, start_s: float, *names: tuple[str, str]) -> float:
        for lane, phase in names:
            end_s = start_s + stage_s * rng.uniform(0.5, 1.5)
            rows.append((label, seed, number, node, lane, phase, start_s, end_s, 0.0))
            start_s = end_s
        return start_s

    up = ("compute", "client_forward"), ("uplink", "uplink")
    down = ("downlink", "downlink"), ("compute", "client_backward")
    for number in range(1, rounds + 1):
        now_s = max(stages(number, f"device-{i}", now_s, *up) for i in range(devices))
        now_s = stages(number, "server", now_s, ("compute", "server_forward"), ("compute", "server_backward"))
        now_s = max(stages(number, f"device-{i}", now_s, *down) for i in range(devices))
    return pd.DataFrame(rows, columns=COLUMNS)


def boxes(axes: Axes) -> dict[str, NDArray[np.float64]]:
    """Return the drawn bars by phase, ``[num_bars, 4]``: start, end (axis unit, here s), top, bottom."""
    found = {}
    for collection in axes.collections:
        phase = str(collection.get_label())
        if not phase.startswith("_"):
            extents = [path.get_extents() for path in collection.get_paths()]
            found[phase] = np.array([(e.x0, e.x1, e.y0, e.y1) for e in extents])
    return found


def row(axes: Axes, node: str) -> dict[str, NDArray[np.float64]]:
    """Return the bars of one node, whose name stands at the middle of its row."""
    names = [text.get_text() for text in axes.get_yticklabels()]
    middle = axes.get_yticks()[names.index(node)]
    others = [tick for tick in axes.get_yticks() if tick != middle] or [1e9]
    reach = min(abs(middle - other) for other in others) / 2
    found = {}
    for phase, drawn in boxes(axes).items():
        own = drawn[np.abs(drawn[:, 2:].mean(axis=1) - middle) < reach]
        if len(own):
            found[phase] = own
    return found


def legend(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.legends[0].get_texts()} if figure.legends else set()


@pytest.mark.parametrize("rounds", [(1, 2), (2, 4), (3, 3)])
def test_every_shown_interval_is_one_bar(rounds: tuple[int, int]) -> None:
    """By phase, bars and intervals of the shown rounds agree in number and in their starts and ends."""
    table = parallel()
    shown = table[table["round"].between(*rounds)]
    drawn = boxes(gantt_figure(table, rounds=rounds).axes[0])

    assert set(shown["phase"]) == set(drawn) - {WAITING}
    for phase, part in shown.groupby("phase"):
        expected = part[["start_s", "end_s"]].to_numpy() - shown["start_s"].min()
        order = np.lexsort(drawn[str(phase)][:, 1::-1].T)
        np.testing.assert_allclose(
            expected[np.lexsort(expected[:, ::-1].T)], drawn[str(phase)][order, :2], rtol=0, atol=1e-12
        )


def test_many_devices_lose_no_interval() -> None:
    """With 200 devices, bar widths still sum to the intervals' durations, phase by phase."""
    table = parallel(devices=200, rounds=1)
    drawn = boxes(gantt_figure(table).axes[0])
    durations = (table["end_s"] - table["start_s"]).groupby(table["phase"]).sum()

    for phase, duration_s in durations.items():
        assert duration_s == pytest.approx(np.diff(drawn[str(phase)][:, :2]).sum(), rel=1e-9)


def test_a_device_is_busy_or_waits_until_the_rounds_end() -> None:
    """From the round's start to its end, a device's bars follow without gap or overlap."""
    table = parallel(rounds=2)
    axes = gantt_figure(table, rounds=(1, 2)).axes[0]
    for i in range(3):
        spans = np.concatenate(list(row(axes, f"device {i}").values()))[:, :2]
        spans = spans[np.argsort(spans[:, 0])]

        assert 0.0 == pytest.approx(spans[0, 0])
        np.testing.assert_allclose(spans[1:, 0], spans[:-1, 1], rtol=0, atol=1e-9)
        assert table["end_s"].max() == pytest.approx(spans[-1, 1])


def test_a_device_waits_for_its_turn() -> None:
    """The time of a round before a device's first activity in it is drawn as waiting."""
    table = intervals(
        (1, "device-0", "compute", "client_forward", 0.0, 4.0, 0.0),
        (1, "device-1", "compute", "client_forward", 3.0, 4.0, 2.0),
    )
    axes = gantt_figure(table).axes[0]

    np.testing.assert_allclose([[0.0, 3.0]], row(axes, "device 1")[WAITING][:, :2])
    assert WAITING not in row(axes, "device 0")


def test_work_queued_at_the_server_shows_once() -> None:
    """Jobs that wait at the same time make one waiting bar, below the server's own bars."""
    table = intervals(
        (1, "server", "compute", "server_forward", 0.0, 2.0, 0.0),
        (1, "server", "compute", "server_forward", 2.0, 3.0, 1.5),
        (1, "server", "compute", "server_forward", 3.0, 4.0, 2.0),
    )
    drawn = row(gantt_figure(table).axes[0], "server")

    np.testing.assert_allclose([[0.5, 3.0]], drawn[WAITING][:, :2])
    assert drawn["server_forward"][:, 3].max() <= drawn[WAITING][0, 2]


def test_lanes_that_are_busy_at_once_stand_apart() -> None:
    """No two bars cover each other when a node computes and sends at the same time."""
    table = intervals(
        (1, "device-0", "compute", "client_forward", 0.0, 2.0, 0.0),
        (1, "device-0", "uplink", "uplink", 1.0, 3.0, 0.0),
        (1, "device-0", "compute", "client_backward", 4.0, 5.0, 0.0),
    )
    drawn = boxes(gantt_figure(table).axes[0])

    for one, other in combinations(np.concatenate(list(drawn.values())), 2):
        in_time = min(one[1], other[1]) - max(one[0], other[0]) > 1e-12
        in_height = min(one[3], other[3]) - max(one[2], other[2]) > 1e-12
        assert not (in_time and in_height), (one, other)
    np.testing.assert_allclose([[3.0, 4.0]], drawn[WAITING][:, :2])


def test_a_phase_has_one_colour_everywhere() -> None:
    """Panels and calls give a phase the same colour, unknown phases too."""
    new = intervals((1, "device-0", "uplink", "mask_exchange", 0.0, 1.0, 0.0), label="fedsl")
    tables = [parallel("psl"), parallel("sfl"), new]
    together = gantt_figure(pd.concat(tables)).axes
    alone = [gantt_figure(table).axes[0] for table in tables]
    for axes in (*together, *alone):
        for collection in axes.collections:
            phase = str(collection.get_label())
            if not phase.startswith("_") and phase != WAITING:
                colours = {to_hex(colour).upper() for colour in collection.get_facecolor()}

                assert {phase_colour(phase)} == colours


def test_the_legend_names_what_takes_time() -> None:
    """The legend has the phases with a visible bar and waiting, and no others."""
    busy = (1, "device-0", "compute", "client_forward", 0.0, 1.0, 0.0)
    instant = (1, "server", "compute", "aggregate", 1.0, 1.0, 0.0)
    later = (2, "device-0", "uplink", "uplink", 1.0, 2.0, 0.0)
    waiting = (1, "device-1", "compute", "client_forward", 0.0, 0.5, 0.0)

    assert {"Client forward"} == legend(gantt_figure(intervals(busy, instant, later), rounds=(1, 1)))
    assert {"Client forward", "Waiting"} == legend(gantt_figure(intervals(busy, waiting)))
    assert {"Client forward", "Uplink"} == legend(gantt_figure(intervals(busy, later), rounds=(1, 2)))
    assert set() == legend(gantt_figure(intervals(instant)))


def test_a_fast_scheme_shows_what_it_does_in_the_slowest_first_round() -> None:
    """By default each panel has the whole rounds that end by the end of the longest first round."""
    slow = intervals((1, "device-0", "compute", "client_forward", 0.0, 10.0, 0.0), label="sl")
    fast = intervals(
        *((n, "device-0", "compute", "client_forward", 3.0 * n - 3, 3.0 * n, 0.0) for n in range(1, 9)),
        label="epsl",
    )
    axes = gantt_figure(pd.concat([slow, fast])).axes

    assert [10.0] == [end for _, end, *_ in boxes(axes[0])["client_forward"]]
    assert [3.0, 6.0, 9.0] == [end for _, end, *_ in boxes(axes[1])["client_forward"]]
    assert "3.00 s a round, mean of rounds 1–3" == axes[1].get_title(loc="right")


def test_lines_stand_at_the_ends_of_rounds() -> None:
    """Each shown round ends with a line at its last activity, and its number stands above its middle."""
    table = parallel(rounds=3)
    ends = table.groupby("round")["end_s"].max().to_numpy()
    axes = gantt_figure(table, rounds=(1, 3)).axes[0]
    lines = [c.get_paths() for c in axes.collections if str(c.get_label()).startswith("_")]

    np.testing.assert_allclose(ends, [path.vertices[0, 0] for paths in lines for path in paths])
    np.testing.assert_allclose(ends - np.diff(ends, prepend=0) / 2, [t.get_position()[0] for t in axes.texts])
    assert ["round 1", "round 2", "round 3"] == [text.get_text() for text in axes.texts]


def test_later_rounds_start_at_zero_in_every_panel() -> None:
    """With rounds n to m shown, each scheme's time counts from the start of its own round n."""
    tables = [parallel("psl", stage_s=1.0), parallel("sfl", stage_s=2.0)]
    for axes in gantt_figure(pd.concat(tables), rounds=(3, 4)).axes:
        assert 0.0 == min(drawn[:, 0].min() for drawn in boxes(axes).values())


def test_the_lowest_seed_is_drawn() -> None:
    """A table of several seeds gives the figure of its lowest seed alone."""
    both = pd.concat([parallel(seed=7), parallel(seed=2)])

    np.testing.assert_array_equal(
        boxes(gantt_figure(parallel(seed=2)).axes[0])["uplink"], boxes(gantt_figure(both).axes[0])["uplink"]
    )


def test_categories_draw_like_text() -> None:
    """A table whose texts are categories gives the same bars as one with plain text."""
    table = parallel()
    categories = table.astype(dict.fromkeys(["label", "node", "lane", "phase"], "category"))
    expected, actual = (boxes(gantt_figure(t, rounds=(2, 2)).axes[0]) for t in (table, categories))

    assert expected.keys() == actual.keys()
    for phase, drawn in expected.items():
        np.testing.assert_array_equal(drawn, actual[phase])


def test_labels_choose_and_order_the_panels() -> None:
    """Panels come in the order of ``labels``; without it, in the order of the table."""
    table = pd.concat([parallel("sl"), parallel("psl"), parallel("epsl φ=1.0")])

    assert ["sl", "psl", "epsl φ=1.0"] == [a.get_title(loc="left") for a in gantt_figure(table).axes]
    chosen = gantt_figure(table, labels=["epsl φ=1.0", "sl"]).axes
    assert ["epsl φ=1.0", "sl"] == [a.get_title(loc="left") for a in chosen]


def test_a_scheme_that_stopped_earlier_keeps_its_panel() -> None:
    """A scheme without the rounds shown has an empty panel that says so."""
    axes = gantt_figure(pd.concat([parallel("psl", rounds=1), parallel("sfl")]), rounds=(2, 3)).axes

    assert "no such round" == axes[0].get_title(loc="right")
    assert {} == boxes(axes[0])


def test_what_is_not_there_cannot_be_drawn() -> None:
    """An empty table, an unknown label and rounds that nobody ran are errors with what there is."""
    with pytest.raises(ValueError, match="nothing to draw"):
        gantt_figure(parallel().iloc[:0])
    with pytest.raises(ValueError, match="no intervals of fl; the table has psl"):
        gantt_figure(parallel(), labels=["fl"])
    with pytest.raises(ValueError, match="rounds 5 to 6: the table's rounds are 1 to 4"):
        gantt_figure(parallel(), rounds=(5, 6))


@pytest.mark.parametrize("devices", [1, 12, 60, 200])
def test_no_words_collide_or_are_cut(devices: int) -> None:
    """Names, numbers of rounds and titles keep apart and stay inside the figure; rows run downwards."""
    labels = ("sl", "psl", "epsl φ=0.5, " + "greedy subchannels, optimal power, " * 3)
    figure = gantt_figure(pd.concat([parallel(label, devices, rounds=1) for label in labels]))
    figure.draw_without_rendering()
    for axes in figure.axes:
        names = axes.get_yticklabels()
        expected = ["server", *(f"device {i}" for i in range(devices))]
        assert [n for n in expected if n in {name.get_text() for name in names}] == [
            name.get_text() for name in names
        ]
        words = [*names, *(child for child in axes.get_children() if isinstance(child, Text))]
        extents = [word.get_window_extent() for word in words if word.get_text()]

        assert all(figure.bbox.padded(1).contains(*point) for e in extents for point in (e.min, e.max))
        assert [] == [pair for pair in combinations(extents, 2) if pair[0].padded(-1).overlaps(pair[1])]
