"""Routes between compute nodes: the quickest for the message at hand, over wires that the user describes."""

from __future__ import annotations

from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.schema.network import ACCESS_POINT
from cutlayer.scenarios.schema.network import Network as NetworkSection
from cutlayer.sim.links.wired_network import Network, build_network

GRAPHML, GML = "net.graphml", "net.gml"


def network(**section: Any) -> Network:
    """Return the network of a section."""
    return build_network(NetworkSection.model_validate(section))


def wire(one: str, other: str, rate_bps: float, delay_s: float = 0.0) -> dict[str, Any]:
    """Return a wire of the section ``wires``."""
    return {"between": [one, other], "rate_bps": rate_bps, "delay_s": delay_s}


def test_without_wires_there_is_a_chain_and_one_wire_to_each_node() -> None:
    """The access point reaches every node, and each node the next, over one wire in either direction."""
    found = network(nodes=[{"name": "n", "count": 3}], wire={"rate_bps": 1e6, "delay_s": 0.5})
    near = [(ACCESS_POINT, f"n-{n}") for n in (1, 2, 3)] + [("n-1", "n-2"), ("n-2", "n-3")]
    assert {*near, *((other, one) for one, other in near)} == set(found.graph.edges)
    assert ("n-1", "n-2", "n-3") == tuple(node.name for node in found.nodes)
    assert (("n-3", "n-2"),) == found.route("n-3", "n-2", 1.0)
    assert 2.5 == found.route_s(ACCESS_POINT, "n-3", 2e6)


def test_a_message_to_the_same_place_takes_no_wire() -> None:
    """Two parts on one node need nothing sent."""
    found = network(nodes=[{"name": "n"}])
    assert () == found.route("n", "n", 1e9)
    assert 0 == found.route_s("n", "n", 1e9)


def test_the_route_depends_on_the_size_of_the_message() -> None:
    """A slow wire straight to the node is quicker for few bits, two fast ones with delays for many.

    1 Mbit/s against twice 100 Mbit/s and 10 ms: both take the same for 20,408 bits.
    """
    found = network(
        nodes=[{"name": "n"}],
        wires=[
            wire(ACCESS_POINT, "n", 1e6),
            wire(ACCESS_POINT, "hub", 1e8, 0.01),
            wire("hub", "n", 1e8, 0.01),
        ],
    )
    assert ((ACCESS_POINT, "n"),) == found.route(ACCESS_POINT, "n", 20_400)
    assert ((ACCESS_POINT, "hub"), ("hub", "n")) == found.route(ACCESS_POINT, "n", 20_420)
    assert pytest.approx(0.02 + 2 * 0.5) == found.route_s(ACCESS_POINT, "n", 5e7)


@st.composite
def meshes(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return wires among the access point, a node and two relays, with the node in reach."""
    ends = [pair for pair in permutations((ACCESS_POINT, "n", "r1", "r2"), 2) if pair[0] < pair[1]]
    chosen = [*draw(st.lists(st.sampled_from(ends), unique=True)), (ACCESS_POINT, "n")]
    rates, delays_s = st.sampled_from([1e3, 1e6, 1e9]), st.sampled_from([0.0, 1e-3, 1.0])
    return [wire(*pair, draw(rates), draw(delays_s)) for pair in dict.fromkeys(chosen)]


@given(meshes(), st.sampled_from([1.0, 1e4, 1e9]))
def test_no_route_is_quicker(wires: list[dict[str, Any]], bits: float) -> None:
    """Of all ways over the wires, in both directions, none takes less than the route."""
    found = network(nodes=[{"name": "n"}], wires=wires)
    for start, end in ((ACCESS_POINT, "n"), ("n", ACCESS_POINT)):
        all_ways = nx.all_simple_paths(found.graph, start, end)
        times_s = [
            sum(
                bits / found.graph.edges[hop]["rate_bps"] + found.graph.edges[hop]["delay_s"]
                for hop in pairwise(way)
            )
            for way in all_ways
        ]
        assert pytest.approx(min(times_s)) == found.route_s(start, end, bits)
        route = found.route(start, end, bits)
        assert (start, end) == (route[0][0], route[-1][1])
        assert all(one[1] == other[0] for one, other in pairwise(route))


def write_graph(path: Path, edges: list[tuple[str, str, dict[str, Any]]], *, directed: bool = False) -> Path:
    """Write a graph in the format of the path's ending."""
    graph: nx.Graph[str] = nx.DiGraph() if directed else nx.Graph()
    graph.add_edges_from(edges)
    write = nx.write_graphml if path.suffix == ".graphml" else nx.write_gml
    write(graph, path)
    return path


@pytest.mark.parametrize("name", [GRAPHML, GML])
def test_files_and_wires_give_the_same_network(name: str, tmp_path: Path) -> None:
    """An undirected file is wires in both directions; a missing delay is none."""
    edges: list[tuple[str, str, dict[str, Any]]] = [
        (ACCESS_POINT, "hub", {"rate_bps": 1e7, "delay_s": 0.25}),
        ("hub", "a", {"rate_bps": 1000}),
        ("a", "b", {"rate_bps": 5e8, "delay_s": 0.0}),
    ]
    nodes = [{"name": "a"}, {"name": "b"}]
    from_file = network(nodes=nodes, graph=str(write_graph(tmp_path / name, edges)))
    by_hand = network(nodes=nodes, wires=[wire(one, other, **attributes) for one, other, attributes in edges])
    assert dict(by_hand.graph.edges.items()) == dict(from_file.graph.edges.items())
    assert 6 == len(from_file.graph.edges)


@pytest.mark.parametrize("name", [GRAPHML, GML])
def test_directed_files_have_their_directions(name: str, tmp_path: Path) -> None:
    """The two directions of a wire may differ; where there is one only, the other way goes round."""
    edges = [
        (ACCESS_POINT, "a", {"rate_bps": 1.0}),
        ("a", ACCESS_POINT, {"rate_bps": 100.0}),
        (ACCESS_POINT, "b", {"rate_bps": 100.0}),
        ("b", "a", {"rate_bps": 100.0}),
    ]
    path = write_graph(tmp_path / name, edges, directed=True)
    found = network(nodes=[{"name": "a"}, {"name": "b"}], graph=str(path))
    assert ((ACCESS_POINT, "b"), ("b", "a")) == found.route(ACCESS_POINT, "a", 100.0)
    assert (("a", ACCESS_POINT),) == found.route("a", ACCESS_POINT, 100.0)
    assert ("b", "a") == found.route("b", ACCESS_POINT, 1.0)[0]


def test_nodes_out_of_reach_are_refused(tmp_path: Path) -> None:
    """All nodes that no wires lead to are named."""
    nodes = [{"name": "a"}, {"name": "b"}, {"name": "c"}]
    with pytest.raises(ValueError, match=r"no wires lead from access-point to b, c$"):
        network(nodes=nodes, wires=[wire(ACCESS_POINT, "a", 1.0), wire("b", "c", 1.0)])
    path = write_graph(tmp_path / GML, [("acces-point", "a", {"rate_bps": 1.0})])
    with pytest.raises(ValueError, match=r"no wires lead from access-point to a, b, c$"):
        network(nodes=nodes, graph=str(path))


def test_nodes_that_cannot_answer_are_refused(tmp_path: Path) -> None:
    """In a directed graph the way back must be there too: gradients go back."""
    path = write_graph(tmp_path / GRAPHML, [(ACCESS_POINT, "a", {"rate_bps": 1.0})], directed=True)
    with pytest.raises(ValueError, match="no wires lead from a back to access-point"):
        network(nodes=[{"name": "a"}], graph=str(path))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"rate_bps": 0.0},
        {"rate_bps": -1.0},
        {"rate_bps": "fast"},
        {"rate_bps": np.inf},
        {"rate_bps": 1.0, "delay_s": -0.5},
        {"rate_bps": 1.0, "delay_s": np.nan},
        {"delay_s": 1.0},
    ],
    ids=str,
)
def test_wrong_edges_are_refused_with_the_file(attributes: dict[str, Any], tmp_path: Path) -> None:
    """The file, the edge and the rule are named."""
    path = write_graph(tmp_path / GRAPHML, [(ACCESS_POINT, "a", attributes)])
    with pytest.raises(
        ValueError, match=r"net\.graphml: the edge access-point – a needs rate_bps greater than 0"
    ):
        network(nodes=[{"name": "a"}], graph=str(path))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("net.json", "{}", r"net\.json must be a \.graphml or a \.gml file"),
        ("net.gml", None, r"cannot read .*net\.gml: .*No such file"),
        ("net.graphml", None, r"cannot read .*net\.graphml: .*No such file"),
        ("net.gml", "graph [ node", r"cannot read .*net\.gml: "),
        ("net.graphml", "<graphml><", r"cannot read .*net\.graphml: "),
        ("net.gml", "", r"cannot read .*net\.gml: "),
        ("net.graphml", "<graphml/>", r"cannot read .*net\.graphml: "),
    ],
)
def test_files_that_are_no_graph_are_refused(
    name: str, text: str | None, message: str, tmp_path: Path
) -> None:
    """A missing, broken or unknown file is an error that names it, and no traceback."""
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        network(nodes=[{"name": "a"}], graph=str(tmp_path / name))


def test_parallel_wires_of_a_scenario_are_refused() -> None:
    """Two wires that the scenario lists between the same ends are a mistake."""
    with pytest.raises(ValueError, match="more than one wire leads from access-point to a"):
        network(nodes=[{"name": "a"}], wires=[wire("a", ACCESS_POINT, 1.0), wire(ACCESS_POINT, "a", 9.0)])
