"""Tests of the Gantt charts: every interval is one bar, waiting is visible, and a phase has one colour."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from cutlayer.analysis.figures.gantt import gantt_figure
from cutlayer.analysis.figures.gantt_rows import WAITING
from cutlayer.analysis.figures.palette import phase_colours
from cutlayer.analysis.figures.visible_rows import MAX_BARS
from cutlayer.scenarios.random_streams import stream

COLUMNS = ["label", "seed", "round", "node", "lane", "phase", "start_s", "end_s", "wait_s"]


def intervals(*rows: tuple[int, str, str, str, float, float, float], label: str = "psl") -> pd.DataFrame:
    """Return a table from rows of (round, node, lane, phase, start_s, end_s, wait_s)."""
    return pd.DataFrame([(label, 0, *row) for row in rows], columns=COLUMNS)


def parallel(
    label: str = "psl", devices: int = 3, rounds: int = 4, stage_s: float = 1.0, seed: int = 0
) -> pd.DataFrame:
    """Return rounds of a parallel scheme with barriers, whose stages last 0.5 to 1.5 times ``stage_s``."""
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


def pipeline(
    devices: int = 40, batches: int = 60, nodes: tuple[str, ...] = ("far", "near"), hop_s: float = 0.001
) -> pd.DataFrame:
    """Return one epoch in which the batches of devices go through a chain of nodes, one after the other."""
    rows, free_s = [], dict.fromkeys(nodes, 0.0)
    for batch in range(batches):
        for i in range(devices):
            now_s = float(batch * devices + i)
            rows.append((1, f"device-{i}", "compute", "client_forward", now_s, now_s + 1, 0.0))
            now_s, sender = now_s + 1, "access-point"
            for node in nodes:
                rows.append((1, f"{sender}>{node}", "wire", "activation_hop", now_s, now_s + hop_s, 0.0))
                now_s, sender = now_s + hop_s, node
                start_s = max(now_s, free_s[node])
                free_s[node] = start_s + 1.1
                rows.append((1, node, "compute", "node_forward", start_s, free_s[node], start_s - now_s))
                now_s = free_s[node]
    return intervals(*rows, label="mpsl")


def late(by_s: float) -> dict[str, Any]:
    """Return the columns of a table whose intervals all start and end later."""
    return {c: lambda t, c=c: t[c] + by_s for c in ("start_s", "end_s")}


def shown_names(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_yticklabels()]


def boxes(axes: Axes) -> dict[str, NDArray[np.float64]]:
    """Return the drawn bars by phase, ``[num_bars, 4]``: start, end (in the axis unit), top, bottom."""
    bars = {}
    for collection in axes.collections:
        phase = str(collection.get_label())
        if not phase.startswith("_"):
            extents = [path.get_extents() for path in collection.get_paths()]
            bars[phase] = np.array([(e.x0, e.x1, e.y0, e.y1) for e in extents])
    return bars


def row(axes: Axes, node: str) -> dict[str, NDArray[np.float64]]:
    """Return the bars of one node by phase. The name of the node stands at the middle of its row."""
    names = [text.get_text() for text in axes.get_yticklabels()]
    middle = axes.get_yticks()[names.index(node)]
    others = [tick for tick in axes.get_yticks() if tick != middle] or [1e9]
    reach = min(abs(middle - other) for other in others) / 2
    bars = {}
    for phase, drawn in boxes(axes).items():
        in_row = drawn[np.abs(drawn[:, 2:].mean(axis=1) - middle) < reach]
        if len(in_row):
            bars[phase] = in_row
    return bars


def legend(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.legends[0].get_texts()} if figure.legends else set()


@pytest.mark.parametrize("rounds", [(1, 2), (2, 4), (3, 3)])
def test_every_shown_interval_is_one_bar(rounds: tuple[int, int]) -> None:
    """In each phase, bars and intervals of the shown rounds agree in number, starts and ends."""
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
    """With 200 devices, the widths of a phase's bars still sum to the durations of its intervals."""
    table = parallel(devices=200, rounds=1)
    drawn = boxes(gantt_figure(table).axes[0])
    durations = (table["end_s"] - table["start_s"]).groupby(table["phase"]).sum()

    for phase, duration_s in durations.items():
        assert duration_s == pytest.approx(np.diff(drawn[str(phase)][:, :2]).sum(), rel=1e-9)


def test_a_device_is_busy_or_waits_until_the_rounds_end() -> None:
    """From the start of a round to its end, the bars of a device follow without gap or overlap."""
    table = parallel(rounds=2)
    axes = gantt_figure(table, rounds=(1, 2)).axes[0]
    for i in range(3):
        spans = np.concatenate(list(row(axes, f"device {i}").values()))[:, :2]
        spans = spans[np.argsort(spans[:, 0])]

        assert 0.0 == pytest.approx(spans[0, 0])
        np.testing.assert_allclose(spans[1:, 0], spans[:-1, 1], rtol=0, atol=1e-9)
        assert table["end_s"].max() == pytest.approx(spans[-1, 1])


def test_a_device_waits_for_its_turn() -> None:
    """The time between the start of a round and a device's first activity is drawn as waiting."""
    table = intervals(
        (1, "device-0", "compute", "client_forward", 0.0, 4.0, 0.0),
        (1, "device-1", "compute", "client_forward", 3.0, 4.0, 2.0),
    )
    axes = gantt_figure(table).axes[0]

    np.testing.assert_allclose([[0.0, 3.0]], row(axes, "device 1")[WAITING][:, :2])
    assert WAITING not in row(axes, "device 0")


def test_work_queued_at_the_server_shows_once() -> None:
    """Tasks that wait at the same time make one waiting bar, below the bars of the server's work."""
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
        on_time = min(one[1], other[1]) - max(one[0], other[0]) > 1e-12
        in_height = min(one[3], other[3]) - max(one[2], other[2]) > 1e-12
        assert not (on_time and in_height), (one, other)
    np.testing.assert_allclose([[3.0, 4.0]], drawn[WAITING][:, :2])


def test_a_phase_has_one_colour_everywhere() -> None:
    """A phase has the same colour in all panels and figures, as does the only unlisted phase of a figure."""
    new = intervals((1, "device-0", "uplink", "mask_exchange", 0.0, 1.0, 0.0), label="fedsl")
    tables = [parallel("psl"), parallel("sfl"), new]
    together = gantt_figure(pd.concat(tables)).axes
    alone = [gantt_figure(table).axes[0] for table in tables]
    for axes in (*together, *alone):
        for collection in axes.collections:
            phase = str(collection.get_label())
            if not phase.startswith("_") and phase != WAITING:
                colours = {to_hex(colour).upper() for colour in np.atleast_2d(collection.get_facecolor())}

                assert {phase_colours([phase])[phase]} == colours


def test_the_legend_names_phases_that_take_time() -> None:
    """The legend lists the phases with a visible bar and waiting, and no others."""
    busy = (1, "device-0", "compute", "client_forward", 0.0, 1.0, 0.0)
    instant = (1, "server", "compute", "aggregate", 1.0, 1.0, 0.0)
    later = (2, "device-0", "uplink", "uplink", 1.0, 2.0, 0.0)
    waiting = (1, "device-1", "compute", "client_forward", 0.0, 0.5, 0.0)

    assert {"Client forward"} == legend(gantt_figure(intervals(busy, instant, later), rounds=(1, 1)))
    assert {"Client forward", "Waiting"} == legend(gantt_figure(intervals(busy, waiting)))
    assert {"Client forward", "Uplink"} == legend(gantt_figure(intervals(busy, later), rounds=(1, 2)))
    assert set() == legend(gantt_figure(intervals(instant)))


def test_a_fast_scheme_shows_its_rounds_within_the_slowest_first_round() -> None:
    """By default each panel has the complete rounds that end by the end of the longest first round."""
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

    np.testing.assert_allclose(ends, [np.asarray(path.vertices)[0, 0] for paths in lines for path in paths])
    np.testing.assert_allclose(ends - np.diff(ends, prepend=0) / 2, [t.get_position()[0] for t in axes.texts])
    assert ["round 1", "round 2", "round 3"] == [text.get_text() for text in axes.texts]


def test_later_rounds_start_at_zero_in_every_panel() -> None:
    """If a figure shows rounds n to m, the time of each scheme counts from the start of its round n."""
    tables = [parallel("psl", stage_s=1.0), parallel("sfl", stage_s=2.0)]
    for axes in gantt_figure(pd.concat(tables), rounds=(3, 4)).axes:
        assert 0.0 == min(drawn[:, 0].min() for drawn in boxes(axes).values())


def test_the_lowest_seed_is_drawn() -> None:
    """The figure of a table with several seeds shows only the lowest seed."""
    both = pd.concat([parallel(seed=7), parallel(seed=2)])

    np.testing.assert_array_equal(
        boxes(gantt_figure(parallel(seed=2)).axes[0])["uplink"], boxes(gantt_figure(both).axes[0])["uplink"]
    )


def test_categories_draw_like_text() -> None:
    """A table with categories gives the same bars as a table with text."""
    table = parallel()
    categories = table.astype(dict.fromkeys(["label", "node", "lane", "phase"], "category"))
    expected, actual = (boxes(gantt_figure(t, rounds=(2, 2)).axes[0]) for t in (table, categories))

    assert expected.keys() == actual.keys()
    for phase, drawn in expected.items():
        np.testing.assert_array_equal(drawn, actual[phase])


def test_labels_choose_and_order_the_panels() -> None:
    """Panels stand in the order of ``labels``, and by default in the order of the table."""
    table = pd.concat([parallel("sl"), parallel("psl"), parallel("epsl φ=1.0")])

    assert ["sl", "psl", "epsl φ=1.0"] == [a.get_title(loc="left") for a in gantt_figure(table).axes]
    chosen = gantt_figure(table, labels=["epsl φ=1.0", "sl"]).axes
    assert ["epsl φ=1.0", "sl"] == [a.get_title(loc="left") for a in chosen]


def test_a_scheme_that_stopped_earlier_keeps_its_panel() -> None:
    """A scheme without the shown rounds has an empty panel with a title that says so."""
    axes = gantt_figure(pd.concat([parallel("psl", rounds=1), parallel("sfl")]), rounds=(2, 3)).axes

    assert "no such round" == axes[0].get_title(loc="right")
    assert {} == boxes(axes[0])


def test_missing_data_is_an_error() -> None:
    """An empty table, an unknown label and missing rounds are errors that list the available ones."""
    with pytest.raises(ValueError, match="nothing to draw"):
        gantt_figure(parallel().iloc[:0])
    with pytest.raises(ValueError, match="no intervals of fl; the table has psl"):
        gantt_figure(parallel(), labels=["fl"])
    with pytest.raises(ValueError, match="rounds 5 to 6: the table's rounds are 1 to 4"):
        gantt_figure(parallel(), rounds=(5, 6))


def test_a_long_epoch_shows_its_beginning() -> None:
    """If an epoch has too many bars, a panel shows all bars of its rows that start before the panel's end."""
    table = pipeline()
    axes = gantt_figure(table).axes[0]
    drawn = boxes(axes)
    end_s = 60 * max(bars[:, 1].max() for bars in drawn.values())  # the axis is in minutes
    rows = table[table["node"].isin(["far", "near", *(f"device-{i}" for i in range(0, 40, 2))])]
    rows = rows[rows["start_s"] < end_s - 1e-9]

    assert MAX_BARS == len(rows)
    for phase, part in rows.groupby("phase"):
        assert len(part) == len(drawn[str(phase)])
        cut_s = np.minimum(part["end_s"], end_s) - part["start_s"]
        assert cut_s.sum() == pytest.approx(60 * np.diff(drawn[str(phase)][:, :2]).sum())
    expected = f"first {end_s / 60:.1f} min of round 1 (44.0 min), 20 of 40 devices"
    assert expected == axes.get_title(loc="right")


def test_work_that_is_queued_at_the_end_of_a_panel_is_drawn_as_queued() -> None:
    """If a task is ready before the end of the panel and starts later, its waiting is drawn up to the end."""
    table = intervals(
        *((1, "vm", "compute", "node_forward", float(n), n + 1.0, float(n)) for n in range(2 * MAX_BARS))
    )
    waiting = row(gantt_figure(table).axes[0], "vm")[WAITING]

    np.testing.assert_allclose([[0.0, MAX_BARS / 60]], waiting[:, :2])


def test_requested_rounds_have_the_same_limit() -> None:
    """A panel of requested rounds ends at the limit too, and a line stands only where a round ends."""
    table = pd.concat([pipeline(batches=30).assign(round=n).assign(**late(3000.0 * n)) for n in (1, 2)])
    axes = gantt_figure(table, rounds=(1, 2)).axes[0]
    lines = [c for c in axes.collections if str(c.get_label()).startswith("_")]

    assert MAX_BARS == sum(len(bars) for phase, bars in boxes(axes).items() if phase != WAITING)
    assert axes.get_title(loc="right").endswith("of rounds 1–2 (72.0 min), 20 of 40 devices")
    assert [1, 1] == [len(line.get_paths()) for line in lines]


def test_fewer_devices_before_less_time() -> None:
    """If the bars of the devices alone are too many, a round is complete, but shows every n-th device."""
    axes = gantt_figure(parallel(devices=1500, rounds=2)).axes[0]
    drawn = boxes(axes)

    assert 750 == len(drawn["uplink"])
    assert len(drawn["server_forward"]) == 1
    assert axes.get_title(loc="right").endswith("for round 1, 750 of 1500 devices")


def test_a_device_that_takes_part_later_has_no_row() -> None:
    """If each round samples other devices, a figure has rows only for the devices of its rounds."""
    rows = [
        (number, f"device-{10 * number + i}", "compute", "client_forward", float(number), number + 1.0, 0.0)
        for number in (1, 2, 3)
        for i in range(2)
    ]
    assert ["device 10", "device 11"] == shown_names(gantt_figure(intervals(*rows), rounds=(1, 1)).axes[0])
    names = shown_names(gantt_figure(intervals(*rows), rounds=(2, 3)).axes[0])
    assert ["device 20", "device 21", "device 30", "device 31"] == names


def test_a_device_keeps_its_share_of_the_server() -> None:
    """A device and its share of the server are both shown or both dropped; an idle server has no row."""
    table = intervals(
        *(
            (1, f"{node}-{i}", "compute", phase, start_s + 2 * batch, start_s + 2 * batch + 1, 0.0)
            for node, phase, start_s in (("server", "server_forward", 1.0), ("device", "client_forward", 0.0))
            for i in range(60)
            for batch in range(50)
        )
    )
    drawn = boxes(gantt_figure(table).axes[0])

    assert 30 * 50 == len(drawn["server_forward"]) == len(drawn["client_forward"])
    few = gantt_figure(table[table["node"].str.endswith(("-0", "-1"))]).axes[0]
    assert ["server 0", "server 1", "device 0", "device 1"] == shown_names(few)


@pytest.mark.parametrize(("hop_s", "wires"), [(0.04, 0), (0.06, 2)])
def test_wires_have_rows_if_one_is_busy(hop_s: float, wires: int) -> None:
    """All wires have rows if one of them is busy for 5 % of the time; otherwise none has."""
    table = pipeline(devices=2, batches=20, nodes=("far", "near"), hop_s=hop_s)
    axes = gantt_figure(table).axes[0]

    assert wires == sum("→" in name for name in shown_names(axes))
    assert (wires > 0) == ("activation_hop" in boxes(axes))


def test_nodes_of_a_chain_stand_in_its_order() -> None:
    """From top to bottom stand the nodes in the order of the chain, the wires in hop order, the devices."""
    expected = ["near", "far 2", "far 1", "access point → near", "near → far 2", "far 2 → far 1"]
    chain = pipeline(devices=1, batches=3, nodes=("near", "far-2", "far-1"), hop_s=0.5)

    assert [*expected, "device 0"] == shown_names(gantt_figure(chain).axes[0])


def test_nodes_without_a_chain_stand_by_name() -> None:
    """Nodes that receive only from the access point stand in the order of their numbers."""
    table = pd.concat([pipeline(1, 3, (f"vm-{n}",), 0.5) for n in (10, 2)])

    assert ["vm 2", "vm 10"] == shown_names(gantt_figure(table).axes[0])[:2]


def test_many_nodes_fit_on_a_page() -> None:
    """All panels together are lower than a page, however many rows they have."""
    nodes = tuple(f"vm-{n}" for n in range(60))
    tables = [pipeline(3, 2, nodes, 0.5).assign(label=label) for label in "abcdef"]

    assert gantt_figure(pd.concat(tables)).get_figheight() < 11.0


def test_no_words_collide_beside_nodes_and_wires() -> None:
    """Names and titles of a panel that ends early do not overlap, and stay inside the figure."""
    long = "mpsl of two first units and one last unit, first come first served"
    figure = gantt_figure(pd.concat([pipeline(hop_s=0.5).assign(label=long), parallel("psl", 12, rounds=1)]))
    assert_words_apart(figure)


def test_rows_too_thin_for_names_are_named_together() -> None:
    """With 14 schemes on a page, each panel names its server and its devices, and no words overlap."""
    figure = gantt_figure(pd.concat([parallel(f"scheme {n}", 5, rounds=1) for n in range(14)]))

    assert [["server", "device 0–4"]] * 14 == [shown_names(axes) for axes in figure.axes]
    assert_words_apart(figure)


@pytest.mark.parametrize("devices", [1, 12, 60, 200])
def test_no_words_collide_or_are_cut(devices: int) -> None:
    """Names, round numbers and titles do not overlap and stay inside the figure; rows stand in order."""
    labels = ("sl", "psl", "epsl φ=0.5, " + "greedy subchannels, optimal power, " * 3)
    figure = gantt_figure(pd.concat([parallel(label, devices, rounds=1) for label in labels]))
    figure.draw_without_rendering()
    for axes in figure.axes:
        names = axes.get_yticklabels()
        expected = ["server", *(f"device {i}" for i in range(devices))]
        assert [n for n in expected if n in {name.get_text() for name in names}] == [
            name.get_text() for name in names
        ]
    assert_words_apart(figure)


def assert_words_apart(figure: Figure) -> None:
    """Check that no two words of a panel overlap, and that none leaves the figure."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        words = [*axes.get_yticklabels(), *(c for c in axes.get_children() if isinstance(c, Text))]
        extents = [word.get_window_extent() for word in words if word.get_text()]

        assert all(figure.bbox.padded(1).contains(*point) for e in extents for point in (e.min, e.max))
        assert [] == [pair for pair in combinations(extents, 2) if pair[0].padded(-1).overlaps(pair[1])]
