"""Files of graphs as researchers publish them: mapped attributes, defaults, parallel edges, unsafe XML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.schema.network import ACCESS_POINT
from cutlayer.scenarios.schema.network import Network as NetworkSection
from cutlayer.sim.links.wired_network import Network, build_network

HEADER = '<?xml version="1.0" encoding="utf-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'

ZOO = f"""{HEADER}  <key attr.name="GeoExtent" attr.type="string" for="graph" id="d0" />
  <key attr.name="Network" attr.type="string" for="graph" id="d1" />
  <key attr.name="Latitude" attr.type="double" for="node" id="d2" />
  <key attr.name="Longitude" attr.type="double" for="node" id="d3" />
  <key attr.name="Internal" attr.type="int" for="node" id="d4" />
  <key attr.name="label" attr.type="string" for="node" id="d5" />
  <key attr.name="LinkSpeed" attr.type="string" for="edge" id="d6" />
  <key attr.name="LinkSpeedUnits" attr.type="string" for="edge" id="d7" />
  <key attr.name="LinkSpeedRaw" attr.type="double" for="edge" id="d8" />
  <key attr.name="LinkLabel" attr.type="string" for="edge" id="d9" />
  <graph edgedefault="undirected">
    <data key="d0">Country</data>
    <data key="d1">Example</data>
    <node id="0"><data key="d2">47.07</data><data key="d5">Graz</data><data key="d4">1</data></node>
    <node id="1"><data key="d2">48.21</data><data key="d5">Vienna</data><data key="d4">1</data></node>
    <node id="2"><data key="d5">Linz &amp; Wels</data><data key="d4">1</data></node>
    <node id="3"><data key="d5">None</data><data key="d4">0</data></node>
    <node id="4"><data key="d5">None</data><data key="d4">0</data></node>
    <edge source="0" target="1">
      <data key="d6">155</data><data key="d9">155 Mbps</data>
      <data key="d7">M</data><data key="d8">155000000.0</data>
    </edge>
    <edge source="0" target="1">
      <data key="d6">10</data><data key="d7">G</data><data key="d8">10000000000.0</data>
    </edge>
    <edge source="1" target="2"><data key="d8">2500000000.0</data></edge>
    <edge source="2" target="2"><data key="d8">1000.0</data></edge>
    <edge source="2" target="3"><data key="d9">Planned</data></edge>
    <edge source="3" target="4"><data key="d8">34000000.0</data></edge>
  </graph>
</graphml>
"""
"""A file in the format of the Internet Topology Zoo: numeric ids, labels that repeat, parallel edges, an edge
from a node to itself, and edges without a rate."""


def network(path: Path, nodes: list[dict[str, Any]], **keys: Any) -> Network:
    """Return the network of a section that names a file."""
    return build_network(NetworkSection.model_validate({"nodes": nodes, "graph": str(path), **keys}))


def written(folder: Path, text: str, name: str = "net.graphml") -> Path:
    """Return the path of a new file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_topology_zoo_file_is_used_unedited(tmp_path: Path) -> None:
    """The scenario maps ids, labels and the attribute of the rate; the file stays as it was published."""
    found = network(
        written(tmp_path, ZOO),
        [{"name": "vm", "at": "2"}, {"name": "far", "at": "4"}],
        rate="LinkSpeedRaw",
        default_rate_bps=1e6,
        access_point="Graz",
    )
    assert {ACCESS_POINT, "1", "vm", "3", "far"} == set(found.graph)
    rates = {ends: attributes["rate_bps"] for ends, attributes in found.graph.edges.items()}
    there = {(ACCESS_POINT, "1"): 1e10, ("1", "vm"): 2.5e9, ("vm", "3"): 1e6, ("3", "far"): 3.4e7}
    assert there | {(end, start): rate for (start, end), rate in there.items()} == rates
    assert ((ACCESS_POINT, "1"), ("1", "vm")) == found.route(ACCESS_POINT, "vm", 8.0)


def test_an_edge_without_a_rate_needs_a_stated_one(tmp_path: Path) -> None:
    """The message names the edge, its attributes, and the key that gives a rate."""
    with pytest.raises(
        ValueError, match=r"edge 2 – 3 needs LinkSpeedRaw .*: LinkLabel\. .* default_rate_bps"
    ):
        network(written(tmp_path, ZOO), [{"name": "vm", "at": "2"}], rate="LinkSpeedRaw", access_point="Graz")


DEFAULTS = f"""{HEADER}  <key id="r" for="edge" attr.name="rate_bps" attr.type="double">
    <default>1e9</default>
  </key>
  <key id="d" for="edge" attr.name="delay_s" attr.type="double"><default>0.5</default></key>
  <key id="l" for="node" attr.name="label" attr.type="string"><default>hub</default></key>
  <graph edgedefault="undirected">
    <node id="access-point"/><node id="near"/><node id="far"/>
    <edge source="access-point" target="near"/>
    <edge source="near" target="far"><data key="r">8</data><data key="d">2</data></edge>
  </graph>
</graphml>
"""


def test_defaults_of_keys_hold_where_an_edge_has_no_value(tmp_path: Path) -> None:
    """An edge without a value has the default of the attribute; a value of its own takes precedence."""
    found = network(written(tmp_path, DEFAULTS), [{"name": "near"}, {"name": "far"}])
    assert 0.5 + 8 / 1e9 == found.route_s(ACCESS_POINT, "near", 8.0)
    assert 2 + 8 / 8 == found.route_s("near", "far", 8.0)


@given(
    edges=st.lists(st.tuples(st.sampled_from([1e3, 1e6, 1e9]), st.sampled_from([0.0, 0.1, 1.0])), min_size=1)
)
def test_of_parallel_edges_the_fastest_counts(
    edges: list[tuple[float, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The largest rate decides, then the smallest delay; the order in the file does not, nor its format."""
    graph: nx.MultiGraph[str] = nx.MultiGraph()
    for rate_bps, delay_s in edges:
        graph.add_edge(ACCESS_POINT, "a", rate_bps=rate_bps, delay_s=delay_s)
    folder = tmp_path_factory.mktemp("graphs")
    nx.write_graphml(graph, folder / "net.graphml")
    nx.write_gml(graph, folder / "net.gml")
    rate_bps, negative_delay_s = max((rate_bps, -delay_s) for rate_bps, delay_s in edges)
    expected = {"rate_bps": rate_bps, "delay_s": -negative_delay_s}
    for name in ("net.graphml", "net.gml"):
        assert expected == network(folder / name, [{"name": "a"}]).graph.edges[ACCESS_POINT, "a"]


def test_a_gml_file_may_repeat_labels_and_edges(tmp_path: Path) -> None:
    """Nodes that share a label are named by their ids. Of parallel edges the fastest counts; loops do not."""
    text = """graph [
  node [ id 0 label "Graz" ] node [ id 1 label "None" ]
  node [ id 2 label "None" ] node [ id 3 label "Linz" ]
  edge [ source 0 target 1 speed 1000000 ] edge [ source 0 target 1 speed 10000000 ]
  edge [ source 1 target 2 speed 1000000 ] edge [ source 2 target 3 speed 1000000 ]
  edge [ source 3 target 3 speed 1 ]
]"""
    found = network(
        written(tmp_path, text, "net.gml"), [{"name": "vm", "at": "Linz"}], rate="speed", access_point="Graz"
    )
    assert {ACCESS_POINT, "1", "2", "vm"} == set(found.graph)
    assert 1e7 == found.graph.edges[ACCESS_POINT, "1"]["rate_bps"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"access_point": "Grax"}, r"access_point: .*has no node 'Grax'.* did you mean 'Graz'"),
        (
            {"access_point": "None"},
            r"access_point: 2 nodes of .* have the label 'None'; name one of the ids 3, 4",
        ),
        ({"access_point": "2"}, "nodes: vm: at: the node '2' .* is the place of access-point already"),
    ],
    ids=["unknown", "two have the label", "place of another"],
)
def test_places_that_the_file_does_not_have_are_refused(
    keys: dict[str, str], message: str, tmp_path: Path
) -> None:
    """A place is named by an id, or by a label that only one node has."""
    with pytest.raises(ValueError, match=message):
        network(written(tmp_path, ZOO), [{"name": "vm", "at": "2"}], rate="LinkSpeedRaw", **keys)


def test_keys_of_a_graph_need_a_graph() -> None:
    """Keys that map attributes or nodes of a graph are refused without one, as is one place for two nodes."""
    for keys in ({"rate": "speed"}, {"access_point": "0"}, {"default_delay_s": 1.0}):
        (key,) = keys
        with pytest.raises(ValueError, match=f"{key} is a key of a graph; .* or leave out {key}"):
            NetworkSection.model_validate({"nodes": [{"name": "n"}], **keys})
    with pytest.raises(ValueError, match="nodes: n: at is a key of a graph"):
        NetworkSection.model_validate({"nodes": [{"name": "n", "at": "1"}]})
    with pytest.raises(ValueError, match="at is the place of one node; count is 2"):
        NetworkSection.model_validate({"nodes": [{"name": "n", "at": "1", "count": 2}]})


def entities() -> str:
    """Return a document type whose last entity stands for 10^9 others."""
    pairs = zip("abcdefghi", "bcdefghij", strict=True)
    declared = "".join(f'<!ENTITY {name} "{f"&{inner};" * 10}">' for inner, name in pairs)
    return f'<!DOCTYPE graphml [<!ENTITY a "ha">{declared}]>'


@pytest.mark.parametrize(
    "document_type",
    [
        entities(),
        '<!DOCTYPE graphml [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE graphml SYSTEM "http://localhost:1/graphml.dtd">',
        "<!DOCTYPE graphml>",
    ],
    ids=["entities of entities", "entity of a file", "external document type", "empty"],
)
def test_document_types_are_refused(document_type: str, tmp_path: Path) -> None:
    """No entity is expanded and no other file is opened, since the declaration itself is refused."""
    text = ZOO.replace("<graphml", document_type + "<graphml", 1).replace("Graz", "&j;")
    with pytest.raises(ValueError, match=r"cannot read .*net\.graphml: it declares a document type"):
        network(written(tmp_path, text), [{"name": "vm", "at": "2"}], rate="LinkSpeedRaw")


@pytest.mark.parametrize(
    "name", ["\x85", "a\u2028b", "x" * 300], ids=["control character", "line separator", "long"]
)
def test_names_that_cannot_be_printed_are_refused(name: str, tmp_path: Path) -> None:
    """A node has no name with control characters, line separators or more than 200 characters."""
    graph: nx.Graph[str] = nx.Graph()
    graph.add_edge(ACCESS_POINT, name, rate_bps=1.0)
    graph.add_edge(name, "a", rate_bps=1.0)
    nx.write_graphml(graph, tmp_path / "net.graphml")
    with pytest.raises(ValueError, match="name of a node must have no control characters and at most"):
        network(tmp_path / "net.graphml", [{"name": "a"}])


@pytest.mark.parametrize(("key", "name"), [("rate", "LinkSpeedRow"), ("delay", "DelayMs")])
def test_attributes_that_no_edge_has_are_refused(key: str, name: str, tmp_path: Path) -> None:
    """A default never hides a mistyped attribute; the message lists those of the file."""
    keys = {"rate": "LinkSpeedRaw", "default_rate_bps": 1e9, "access_point": "Graz", key: name}
    with pytest.raises(ValueError, match=rf"{key}: no edge .* '{name}'; there are: .*LinkSpeedRaw"):
        network(written(tmp_path, ZOO), [{"name": "vm", "at": "2"}], **keys)
