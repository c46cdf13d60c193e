"""The wires in a GraphML or GML file, as network researchers publish topologies."""

from __future__ import annotations

import difflib
import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

import networkx as nx

from ...scenarios.input_files import check_input_file
from ...scenarios.schema.fields import BIT_RATE_RANGE_BPS, DURATION_RANGE_S
from ...scenarios.schema.network import ACCESS_POINT, ComputeNode
from ...scenarios.schema.network import Network as NetworkSection
from ...scenarios.text import LABEL_LENGTH_MAX, control_character

__all__ = ["WireOfFile", "wires_of_file"]

_UNREADABLE = (
    OSError,
    nx.NetworkXException,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""The exceptions that networkx raises for a file that is no graph of its format."""


class WireOfFile(NamedTuple):
    """One direction of an edge of a file.

    Attributes
    ----------
    start, end : str
        Names of the ends, as the simulator uses them.
    rate_bps, delay_s : float
        Data rate, [bit/s], and propagation delay, [s].
    """

    start: str
    end: str
    rate_bps: float
    delay_s: float


def wires_of_file(section: NetworkSection, nodes: tuple[ComputeNode, ...]) -> list[WireOfFile]:
    """Return the wires of the file that a section names, one for each direction of each pair of nodes.

    An edge takes the default of an attribute that the file declares, then the section's ``default_rate_bps``
    or ``default_delay_s``. Of parallel edges the one with the largest rate counts; of equal rates, the one
    with the smallest delay. An edge from a node to itself is left out: a message to the same node uses no
    wire.

    Parameters
    ----------
    section : Network
        The scenario's section ``network``, with a file in ``graph``.
    nodes : tuple of ComputeNode
        All compute nodes, one by one.

    Raises
    ------
    ValueError
        If the file cannot be read, an edge has no rate, or a node of the section is not in the file.
    """
    assert section.graph is not None
    path = section.graph
    graph = _read(path)
    names = _names(path, graph, section, nodes)
    defaults = graph.graph.get("edge_default", {})
    _check_attributes(section, {*defaults, *(key for *_, edge in graph.edges(data=True) for key in edge)})
    fastest: dict[tuple[str, str], WireOfFile] = {}
    for one, other, attributes in graph.edges(data=True):
        if one == other:
            continue
        rate_bps, delay_s = _rate_and_delay(section, {**defaults, **attributes}, f"{one} – {other}")
        directions = [(one, other)] if graph.is_directed() else [(one, other), (other, one)]
        for start, end in directions:
            wire = WireOfFile(names[start], names[end], rate_bps, delay_s)
            known = fastest.setdefault((wire.start, wire.end), wire)
            if (wire.rate_bps, -wire.delay_s) > (known.rate_bps, -known.delay_s):
                fastest[wire.start, wire.end] = wire
    return list(fastest.values())


def _read(path: Path) -> nx.Graph[Any]:
    """Return the graph of a file, with all parallel edges."""
    readers = {".graphml": _read_graphml, ".gml": _read_gml}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"graph: {path} must be a .graphml or a .gml file")
    try:
        check_input_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # networkx warns about keys that no edge needs
            return reader(path)
    except _UNREADABLE as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"graph: cannot read {path}: {reason}") from None


def _read_graphml(path: Path) -> nx.Graph[Any]:
    content = path.read_bytes()
    _refuse_document_types(content)
    graph: nx.Graph[Any] = nx.read_graphml(path, force_multigraph=True)
    return graph


def _refuse_document_types(content: bytes) -> None:
    """Raise a ValueError if an XML file declares a document type: entities expand without bound."""

    def refuse(*_: object) -> None:
        raise ValueError("it declares a document type (DOCTYPE), which may hold entities; remove it")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from None


def _read_gml(path: Path) -> nx.Graph[Any]:
    """Return the graph with the ids of its nodes; published files have parallel edges without saying so."""
    text = path.read_text(encoding="utf-8-sig")
    header = text.partition("node")[0]
    if not re.search(r"\bmultigraph\b", header):
        text = re.sub(r"^(\s*)graph(\s*)\[", r"\1graph\2[ multigraph 1 ", text, count=1, flags=re.MULTILINE)
    graph: nx.Graph[Any] = nx.parse_gml(text, label="id")
    names = {node: str(data["label"]) for node, data in graph.nodes(data=True) if "label" in data}
    counts = Counter(names.values())
    ids = {str(node) for node in graph}
    unique = {node: name for node, name in names.items() if counts[name] == 1 and name not in ids}
    return nx.relabel_nodes(graph, {node: unique.get(node, str(node)) for node in graph})


def _names(
    path: Path, graph: nx.Graph[Any], section: NetworkSection, nodes: tuple[ComputeNode, ...]
) -> dict[Any, str]:
    """Return the simulator's name of each node of the graph: of a relay, its own name in the file."""
    labels = {node: str(data["label"]) for node, data in graph.nodes(data=True) if "label" in data}
    counts = Counter(labels.values())
    nodes_by_label = {label: node for node, label in labels.items() if counts[label] == 1}
    own = {str(node): node for node in graph}
    names: dict[Any, str] = {}
    for name, key, place in (
        (ACCESS_POINT, "access_point", section.access_point),
        *((node.name, f"nodes: {node.name}: at", node.at) for node in nodes),
    ):
        wanted = name if place is None else place
        node = own.get(wanted, nodes_by_label.get(wanted))
        if place is not None and node is None and counts[place] > 1:
            ids = ", ".join(sorted(str(other) for other, label in labels.items() if label == place))
            raise ValueError(
                f"{key}: {counts[place]} nodes of {path} have the label {place!r}; name one of the ids {ids}"
            )
        if node is None and place is not None:
            hint = "".join(f"; did you mean {near!r}?" for near in _similar(place, [*own, *nodes_by_label]))
            raise ValueError(f"{key}: {path} has no node {place!r}, neither by its id nor by its label{hint}")
        if node in names:
            raise ValueError(f"{key}: the node {node!r} of {path} is the place of {names[node]} already")
        if node is not None:
            names[node] = name
    taken = set(names.values())
    for text, node in own.items():
        if (escape := control_character(text)) is not None or len(text) > LABEL_LENGTH_MAX:
            problem = f"has {escape}" if escape else f"has {len(text)} characters"
            raise ValueError(
                f"graph: {path}: the name of a node must have no control characters and at most"
                f" {LABEL_LENGTH_MAX} characters; one {problem}"
            )
        if node not in names and text in taken:
            raise ValueError(
                f"graph: {path} has a node {text!r}, which the scenario places elsewhere; choose another name"
            )
        names.setdefault(node, text)
    return names


def _similar(name: str, allowed: list[str]) -> list[str]:
    return difflib.get_close_matches(name, allowed[:10_000], n=1, cutoff=0.5)


def _check_attributes(section: NetworkSection, present: set[Any]) -> None:
    """Raise if no edge has an attribute that the scenario names, since a default would hide the mistake."""
    for key in ("rate", "delay"):
        name = getattr(section, key)
        if name != NetworkSection.model_fields[key].default and name not in present:
            listed = ", ".join(sorted(map(str, present))) or "none"
            raise ValueError(
                f"{key}: no edge of {section.graph} has the attribute {name!r}; there are: {listed}"
            )


def _rate_and_delay(section: NetworkSection, attributes: Mapping[str, Any], edge: str) -> tuple[float, float]:
    """Return the rate, [bit/s], and the delay, [s], of an edge with these attributes."""
    rate_bps = _number(attributes.get(section.rate, section.default_rate_bps))
    delay_s = _number(attributes.get(section.delay, section.default_delay_s))
    lowest_bps, largest_bps = BIT_RATE_RANGE_BPS
    if not (lowest_bps <= rate_bps <= largest_bps and 0 <= delay_s <= DURATION_RANGE_S[1]):
        present = ", ".join(map(str, attributes)) or "none"
        raise ValueError(
            f"graph: {section.graph}: the edge {edge} needs {section.rate} greater than 0, from"
            f" {lowest_bps:g} to {largest_bps:g} bit/s, and {section.delay} of 0 or more, in s; its"
            f" attributes are: {present}. rate and delay name other attributes; default_rate_bps is the rate"
            " of edges without one"
        )
    return rate_bps, delay_s


def _number(value: Any) -> float:
    """Return the number in an attribute; NaN, which no range holds, if it is none."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
