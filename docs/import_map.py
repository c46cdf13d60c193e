"""Draw the maps of the folders and their imports in docs/design.md, from the import statements of the code.

``python docs/refresh.py map`` writes them, and ``tests/docs/test_import_map.py`` fails if they are out of
date.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import networkx as nx

__all__ = ["PAGE", "with_maps"]

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "design.md"
_MAP = re.compile(r"(<!-- map (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_FOLDERS = {
    "cutlayer/cli": "one module for each command",
    "cutlayer/api": "the Python interface: run, sweep, load, compare, figure",
    "experiments": "where both clocks meet: prepare, run, checkpoints, sweeps",
    "sim": "simulated time: schemes, radio, links, nodes, allocation",
    "models": "learning: networks, data sets, learners, compression",
    "analysis": "results: tables, comparison, figures, explanations, traces, reports",
    "scenarios": "the schema, loading, the registry, the library of YAML files",
}
_SIM_FOLDERS = {
    "sim/schemes": "one module for each scheme, with plans and round planners",
    "sim/world": "the event loop with all nodes, and the client pool",
    "sim/allocation": "methods for subchannels, power, cuts, shares, workflows",
    "sim/faults": "slow-downs, batteries, outages, lost messages",
    "sim/links": "transfers: transmitters, shared medium, wires, the channel",
    "sim/nodes": "devices, server and compute nodes, the fleet",
    "sim/costs": "FLOPs and bits of each stage",
    "sim/radio": "rates, path loss, fading",
    "sim/timeline": "lanes, phases, the interval record, the order of events",
}


def with_maps(page: str) -> str:
    """Return the page with both maps, ``<!-- map folders -->`` and ``<!-- map sim -->``, drawn anew."""
    maps = {"folders": _mermaid(_FOLDERS), "sim": _mermaid(_SIM_FOLDERS)}
    return _MAP.sub(lambda match: f"{match[1]}{maps[match[2]]}{match[3]}", page)


def _mermaid(folders: dict[str, str]) -> str:
    """Return a flow chart of the folders; an arrow that follows from two others is left out."""
    graph = nx.DiGraph(sorted(_arrows(folders)))
    lines = [f'    {_name(folder)}["{folder}<br>{text}"]' for folder, text in folders.items()]
    lines += [f"    {_name(a)} --> {_name(b)}" for a, b in sorted(nx.transitive_reduction(graph).edges)]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"]) + "\n"


def _name(folder: str) -> str:
    return folder.replace("/", "_")


def _arrows(folders: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each pair of different folders of which the first imports from the second."""
    tops = sorted({folder.split("/")[0] for folder in folders})
    for path in (path for top in tops for path in sorted((ROOT / top).rglob("*.py"))):
        source = _folder_of(path.relative_to(ROOT).with_suffix("").parts, folders)
        for module in _imported_modules(path):
            target = _folder_of(module, folders)
            if source and target and source != target:
                yield source, target


def _folder_of(module: tuple[str, ...], folders: dict[str, str]) -> str | None:
    """Return the innermost of the folders that a module lies in; its name begins with its top folder."""
    around = ("/".join(module[:depth]) for depth in range(len(module), 0, -1))
    return next((folder for folder in around if folder in folders), None)


def _imported_modules(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield the modules of this package that a file imports, as paths from the repository's root."""
    package = path.relative_to(ROOT).parts[:-1]
    package = package if package[0] == "cutlayer" else ("cutlayer", *package)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            modules = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            modules = [(*base, *(node.module.split(".") if node.module else ()))]
        for module in modules:
            if module[0] == "cutlayer":
                mapped = len(module) > 1 and (ROOT / module[1]).is_dir() and module[1] != "cutlayer"
                yield module[1:] if mapped else module
