"""Messages about wrong compute nodes, links, memories and layer profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.networks import write_profile
from tests.support.wrong_input import DIGITS, GOOD, MODEL, Row, check, issue

NODES = "network: {nodes: [{name: n, count: 2}]}\n"
MEASURED = "{name: measured, profile: times}"
MEASURED_NODES = "network: {nodes: [{name: n, profile: vm}]}\nbatch_size: 128\n"
LINKS = "uplink_bps: 1e6, downlink_bps: 1e6"
OWN = "devices.uplink_bps gives links of the devices' own, without the radio"
PLACEMENT = (
    "mpsl: placement must be 1 rising numbers from 2 to 4, one between each two of the 2 nodes; it is {}"
)


def scenario(
    schemes: str = "[psl]", *, more: str = "", model: str = MODEL, devices: str = "", radio: str = ""
) -> str:
    """Return the good scenario with these schemes, sections and further keys of its devices."""
    text = GOOD.replace("[psl]", schemes).replace(MODEL, model)
    text = text.replace("{subchannels: 4}", radio or "{subchannels: 4}")
    return text.replace("{count: 2}", f"{{count: 2, {devices}}}" if devices else "{count: 2}") + more


def one_node(keys: str) -> str:
    """Return a section of one node with these keys, where line 7 stands."""
    return f"network: {{nodes: [{{{keys}}}]}}\n"


ROWS = [
    # Nodes and their names.
    *(
        Row(
            name,
            scenario(f"[{name}]"),
            issue("network", f"{name} trains on compute nodes: give network.nodes", 1),
        )
        for name in ("mpsl", "one_hop")
    ),
    *(
        Row(
            f"reserved {name}",
            scenario(more=one_node(f"name: {name}")),
            issue(
                "network.nodes.0.name",
                f"names that begin with {taken} are taken by the simulator; choose another",
            ),
        )
        for name, taken in (
            ("device-3", "device"),
            ("server", "server"),
            ("server-0", "server"),
            ("access-point", "access-point"),
        )
    ),
    Row(
        "no name",
        scenario(more=one_node("count: 2")),
        issue("network.nodes.0.name", "this key is required and missing"),
    ),
    Row(
        "name twice",
        scenario(more="network: {nodes: [{name: n-1}, {name: m}, {name: n, count: 2}]}\n"),
        issue("network", "nodes: names must be unique; given twice: n-1"),
    ),
    Row(
        "no nodes",
        scenario(more="network: {nodes: []}\n"),
        issue("network.nodes", "must hold at least one value"),
    ),
    *(
        Row(
            f"wrong {key}",
            scenario(more=one_node(f"name: n, {key}: {value}")),
            issue(f"network.nodes.0.{key}", f"must be greater than {rule}; it is {value}"),
        )
        for key, value, rule in (
            ("count", 0, "or equal to 1"),
            ("clock_hz", 0, "0"),
            ("memory_mib", 0, "0"),
            ("price_per_hour", -1, "or equal to 0"),
        )
    ),
    # Wires.
    Row(
        "wires and a graph",
        scenario(more="network: {nodes: [{name: n}], wires: [], graph: net.gml}\n"),
        issue("network", "give either wires or graph"),
    ),
    Row(
        "end of a wire unknown",
        scenario("[mpsl]", more="network: {nodes: [{name: n}], wires: [{between: [acces-point, n]}]}\n"),
        issue("network", "no wires lead from access-point to n"),
    ),
    Row(
        "three ends",
        scenario(more="network: {nodes: [{name: n}], wires: [{between: [a, b, c]}]}\n"),
        issue("network.wires.0.between", "must hold at most 2 items; it holds 3"),
    ),
    Row(
        "no rate",
        scenario(more="network: {nodes: [{name: n}], wire: {rate_bps: 0}}\n"),
        issue("network.wire.rate_bps", "must be greater than 0; it is 0"),
    ),
    Row(
        "delay before",
        scenario(more="network: {nodes: [{name: n}], wire: {delay_s: -1}}\n"),
        issue("network.wire.delay_s", "must be greater than or equal to 0; it is -1"),
    ),
    Row(
        "graph missing",
        scenario("[mpsl]", more="network: {nodes: [{name: n}], graph: net.gml}\n"),
        issue("network", "graph: cannot read ...net.gml: ...No such file..."),
    ),
    # Workflows.
    *(
        Row(
            f"{workflow} of several batches",
            scenario(f"[{{name: one_hop, workflow: {workflow}, {key}: 2}}]", more=NODES),
            issue("schemes.0", f"workflow {workflow} plans one mini-batch; batches and repeats must be 1", 3),
        )
        for workflow, key in (("improved", "batches"), ("optimal", "repeats"))
    ),
    Row(
        "workflow unknown",
        scenario("[{name: one_hop, workflow: best}]", more=NODES),
        issue(
            "schemes.0.workflow",
            "must be 'balanced_greedy', 'random', 'improved' or 'optimal'; it is 'best'",
            3,
        ),
    ),
    Row(
        "a helper too few",
        scenario("[{name: one_hop, workflow: [0]}]", more=NODES),
        issue("schemes", "one_hop: workflow lists 1 helpers; each of 2 owners needs one", 3),
    ),
    Row(
        "no such helper",
        scenario("[{name: one_hop, workflow: [0, 2]}]", more=NODES),
        issue("schemes", "one_hop: workflow names helper 2; there are 2, numbered from 0", 3),
    ),
    Row(
        "helper below zero",
        scenario("[{name: one_hop, workflow: [0, -1]}]", more=NODES),
        issue("schemes.0.workflow.1", "must be greater than or equal to 0; it is -1", 3),
    ),
    # Placements and cuts.
    *(
        Row(
            f"placement {given}",
            scenario(f"[{{name: mpsl, placement: {given}}}]", more=NODES),
            issue("schemes", PLACEMENT.format(given), 3),
        )
        for given in ("[2, 3]", "[5]", "[1]", "[3, 2]")
    ),
    Row(
        "placement unknown",
        scenario("[{name: mpsl, placement: best}]", more=NODES),
        issue("schemes.0.placement", "must be 'stage_sum' or 'slowest'; it is 'best'", 3),
    ),
    Row(
        "nothing left for nodes",
        scenario("[{name: mpsl, first_units: 3, last_units: 3}]", more=NODES),
        issue(
            "schemes",
            "mpsl: the model has 6 units; first_units 3 and last_units 3 leave none for the nodes",
            3,
        ),
    ),
    Row(
        "more nodes than units",
        scenario("[mpsl]", more=one_node("name: n, count: 5")),
        issue("network.nodes", "mpsl: 5 nodes need a unit each; the owners' parts leave 4"),
    ),
    Row(
        "no cut zero",
        scenario("[{name: edgesplit, cuts: [0, 1]}]"),
        issue("schemes.0.cuts.0", "must be greater than or equal to 1; it is 0", 3),
    ),
    Row(
        "cuts unknown",
        scenario("[{name: esfl, cuts: best}]"),
        issue("schemes.0.cuts", "must be 'each' or 'common'; it is 'best'", 3),
    ),
    # Memory of nodes.
    Row(
        "chain too small",
        scenario("[mpsl]", more=one_node("name: n, count: 2, memory_mib: 0.01")),
        issue(
            "network.nodes",
            "mpsl, whose layer 0 is unit 2: layer 0 fits no node: the copies of 2 owners need 1.5"
            " MiB, and the largest node has 0.01 MiB",
        ),
    ),
    Row(
        "helpers too small",
        scenario("[one_hop]", more=one_node("name: n, count: 2, memory_mib: 0.1")),
        issue(
            "network.nodes",
            "one_hop: no assignment fits into the helpers' memory: 2 owners need ...have 0.1 MiB, 0.1 MiB",
        ),
    ),
    # Links of the devices' own.
    *(
        Row(
            f"{key} alone",
            scenario(devices=f"{key}: 1e6"),
            issue("devices", "give both uplink_bps and downlink_bps, or neither", 5),
        )
        for key in ("uplink_bps", "downlink_bps")
    ),
    Row(
        "no uplink",
        scenario(devices="uplink_bps: [1e6, 0], downlink_bps: 1e6"),
        issue("devices.uplink_bps", "must be greater than 0 for every device; it has 0", 5),
    ),
    Row(
        "downlink of one device",
        scenario(devices="uplink_bps: 1e6, downlink_bps: [1e6]"),
        issue("devices.downlink_bps", "lists 1 values; devices.count is 2, one each is needed", 5),
    ),
    Row(
        "fading and sharing of own links",
        scenario(devices=LINKS, radio="{fading: {model: rayleigh, coherence_s: 1}, sharing: tdma}"),
        (
            *issue("radio.fading", f"{OWN}; leave out fading", 6),
            *issue("radio.sharing", f"{OWN}; leave out sharing", 6),
        ),
    ),
    # Measured times.
    Row(
        "training on measured times",
        scenario("[mpsl]", model=MEASURED, devices=f"profile: pi, {LINKS}", more=MEASURED_NODES + DIGITS),
        issue("model.name", "measured has no weights to train; name a model, or leave out learning", 4),
    ),
    Row(
        "another batch size",
        scenario("[mpsl]", model=MEASURED, devices="profile: pi", more=MEASURED_NODES.replace("128", "64")),
        issue("batch_size", "model.profile was measured with mini-batches of 128; it must be that", 8),
    ),
    *(
        Row(
            f"{name} on measured times",
            scenario(f"[{name}]", model=MEASURED, devices="profile: pi", more="batch_size: 128\n"),
            issue(
                "model.profile",
                f"{name} computes times from FLOPs; the schemes that can use measured times are"
                " edgesplit, esfl, mpsl, one_hop",
                4,
            ),
        )
        for name in ("sl", "sfl", "sfl_v2", "psl", "epsl", "fl", "centralised")
    ),
    Row(
        "server without times",
        scenario("[esfl]", model=MEASURED, devices="profile: pi", more="batch_size: 128\n"),
        issue("server.profile", "esfl trains with the server: name the profile whose times it has", 1),
    ),
    Row(
        "places without times",
        scenario("[mpsl]", model=MEASURED, more=MEASURED_NODES.replace(", profile: vm", "")),
        (
            *issue(
                "devices.profile",
                "model.profile is given, so a profile must be named here, one of: pi, vm",
                5,
            ),
            *issue(
                "network.nodes", "model.profile is given, so a profile must be named here, one of: pi, vm"
            ),
        ),
    ),
    Row(
        "places unknown",
        scenario("[mpsl]", model=MEASURED, devices="profile: pu", more=MEASURED_NODES.replace("vm", "vw")),
        (
            *issue(
                "devices.profile",
                "no device 'pu' in the layer profile; measured: pi, vm; did you mean 'pi'?",
                5,
            ),
            *issue(
                "network.nodes", "no device 'vw' in the layer profile; measured: pi, vm; did you mean 'vm'?"
            ),
        ),
    ),
    Row(
        "times of one device",
        scenario("[mpsl]", model=MEASURED, devices="profile: [pi]", more=MEASURED_NODES),
        issue("devices.profile", "lists 1 values; devices.count is 2, one each is needed", 5),
    ),
    Row(
        "times of no model",
        scenario(devices="profile: pi"),
        issue("devices.profile", "names a device of model.profile, and there is no model.profile", 5),
    ),
    Row(
        "no such folder",
        scenario("[mpsl]", model="{name: measured, profile: nowhere}", more=MEASURED_NODES),
        issue("model...", "the layer profile ...nowhere must be a folder of CSV files; there is none", 4),
    ),
    Row(
        "another number of layers",
        scenario(
            "[mpsl]",
            model="{name: mlp, input_shape: [1, 8, 8], classes: 10, profile: times}",
            devices="profile: pi",
            more=MEASURED_NODES,
        ),
        issue("model.profile", "...times has 6 layers; model mlp has 3 units", 4),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_issue_has_its_line(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong section ends with status 2 and one line for each issue; nothing is written."""
    monkeypatch.chdir(tmp_path)
    times = [[1.0, 1.0, 1.0]] * 6
    write_profile(tmp_path / "times", {"pi": times, "vm": times}, [1.0] * 6, [1.0] * 6)
    check(row, tmp_path)
