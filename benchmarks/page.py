"""Writes docs/benchmarks.md: the table of all figures, and the machine that they were measured on."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from measuring import COLUMNS, Figure
from tabulate import tabulate

from cutlayer.experiments.processes.worker_processes import cores

__all__ = ["SCALING", "fill", "write"]

_DOCS = Path(__file__).parent.parent / "docs"
SCALING = _DOCS / "figures" / "benchmarks_scaling.png"
_PAGE = _DOCS / "benchmarks.md"
_PACKAGES = ("torch", "simpy", "numpy")


def write(figures: Sequence[Figure]) -> None:
    """Write the figures and the machine into the page."""
    chart = f"![Cost over size, log-log, with fitted slopes](figures/{SCALING.name})"
    parts = {"machine": machine(), "figures": table(figures), "scaling": chart}
    _PAGE.write_text(fill(_PAGE.read_text(encoding="utf-8"), parts), encoding="utf-8")


def fill(text: str, parts: dict[str, str]) -> str:
    """Return the page with its parts replaced, each between its marker and ``<!-- end -->``.

    Raises
    ------
    ValueError
        If the page lacks a marker.
    """
    for name, part in parts.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not between.search(text):
            raise ValueError(f"the page has no <!-- {name} --> with an <!-- end --> behind it")
        text = between.sub(lambda match, part=part: f"{match[1]}{part}\n{match[2]}", text)  # type: ignore[misc]
    return text


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a table in Markdown, with the numbers that ``show`` prints."""
    rows = [figure.row() for figure in figures]
    return tabulate(rows, COLUMNS, tablefmt="github", disable_numparse=True)


def machine() -> str:
    """Return the machine, and the versions of Python and the main packages, as a list in Markdown."""
    import torch  # here, because the benchmarks' processes import this module too

    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = [f"{name} {version(name)}" for name in _PACKAGES]
    return "\n".join(
        (
            f"- Processor: {processor()}, {cores()} cores",
            *(f"- GPU: {torch.cuda.get_device_name(number)}" for number in range(torch.cuda.device_count())),
            f"- Memory: {memory_gib:.0f} GiB",
            f"- System: {platform.system()}",
            f"- Python {platform.python_version()}, {', '.join(versions)}",
        )
    )


def processor() -> str:
    """Return the processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.is_file() else ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1] if match else platform.processor() or platform.machine()
