"""The plan and the network on the page: the values of devices.csv in readable units, and all links."""

from __future__ import annotations

from dataclasses import replace

import cutlayer
from cutlayer.analysis.report.page import Section, render
from cutlayer.analysis.report.plan_sections import network_section, plan_section, plan_table
from tests.support.report_pages import columns_of


def test_the_plan_has_readable_units() -> None:
    """Subchannels are ranges, rates are in Mbit/s, and columns without values are left out."""
    run = cutlayer.run("timeline_only", schemes=["psl"], overrides=["stop.rounds=1", "devices.count=3"])
    devices = run.devices.assign(subchannels=["0|1|2|7", "3", "all"])
    table = plan_table(devices)
    assert ["0–2, 7", "3", "all"] == table["subchannels"].tolist()
    assert [f"{rate / 1e6:.4g}" for rate in devices["uplink_bps"]] == table["uplink [Mbit/s]"].tolist()
    assert ["0", "1", "2"] == table["device"].tolist()
    assert not {"slow [%]", "offline [%]", "band [%]"} & set(table.columns)


def test_the_map_has_every_subchannel_of_every_device() -> None:
    """A cell is one subchannel of one device; a device that has the whole band in its turn has all."""
    run = cutlayer.run("timeline_only", schemes=["sl", "psl"], overrides=["stop.rounds=1"])
    page = render("t", [], [plan_section(run)])
    (cells,) = [columns for columns in columns_of(page) if "index" in columns]
    shown = set(zip(cells["group"], cells["device"], cells["index"], strict=True))
    psl = run.devices[run.devices["label"] == "psl"]
    expected = {
        ("PSL", f"device {number}", int(index))
        for number, text in zip(psl["device"], psl["subchannels"], strict=True)
        for index in text.split("|")
    }
    assert expected == {cell for cell in shown if cell[0] == "PSL"}
    last = max(index for _, _, index in expected)
    assert {(f"device {i}", j) for i in range(5) for j in range(last + 1)} == {
        cell[1:] for cell in shown if cell[0] == "SL"
    }


def test_the_network_has_every_device_at_its_position() -> None:
    """Devices stand where devices.csv says, and each has a link to the access point."""
    run = cutlayer.run("timeline_only", schemes=["psl"], overrides=["stop.rounds=1"])
    section = network_section(run)
    assert section is not None
    sources = list(columns_of(render("t", [], [section])))
    (points,) = [columns for columns in sources if columns.get("name", [""])[0] == "device 0"]
    assert (run.devices["x_m"].tolist(), run.devices["y_m"].tolist()) == (points["x"], points["y"])
    (links,) = [columns for columns in sources if "dash" in columns]
    assert 5 == len(links["x0"])


def test_compute_nodes_are_wired() -> None:
    """A chain of compute nodes is drawn with its wires, which are solid lines."""
    run = cutlayer.run("mpsl", schemes=["mpsl"], overrides=["learning=null", "stop={rounds: 1}"])
    section = network_section(run)
    assert section is not None
    sources = list(columns_of(render("t", [], [section])))
    names = {name for columns in sources for name in columns.get("name", [])}
    assert {"node 1", "node 2", "node 3", "access point"} <= names
    (links,) = [columns for columns in sources if "dash" in columns]
    assert 6 == links["dash"].count("dashed")
    assert links["dash"].count("solid") >= 3


def test_a_network_without_positions_has_no_drawing() -> None:
    """Fixed gains need no positions."""
    run = cutlayer.run("timeline_only", schemes=["psl"], overrides=["stop.rounds=1"])
    section = network_section(replace(run, devices=run.devices.assign(x_m=None, y_m=None)))
    assert section is None
    assert isinstance(network_section(run), Section)
