"""The page of the documentation that shows what the benchmarks have measured, and on what machine."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from measuring import COLUMNS, Figure
from tabulate import tabulate

from cutlayer.experiments.sweep.worker_pool import cores

__all__ = ["SCALING", "filled", "write"]

_DOCS = Path(__file__).parent.parent / "docs"
SCALING = _DOCS / "figures" / "benchmarks_scaling.png"
_PAGE = _DOCS / "benchmarks.md"
_PACKAGES = ("torch", "simpy", "numpy")


def write(figures: Sequence[Figure]) -> None:
    """Put the figures, and the machine that they were measured on, into the page."""
    drawing = f"![Cost over size, log-log, with fitted slopes](figures/{SCALING.name})"
    parts = {"machine": machine(), "figures": table(figures), "scaling": drawing}
    _PAGE.write_text(filled(_PAGE.read_text(encoding="utf-8"), parts), encoding="utf-8")


def filled(text: str, parts: dict[str, str]) -> str:
    """Return a page with its parts replaced, each between its own marker and ``<!-- end -->``.

    Raises
    ------
    ValueError
        If the page lacks a marker.
    """
    for name, part in parts.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not between.search(text):
            raise ValueError(f"the page has no <!-- {name} --> with an <!-- end --> behind it")
        text = between.sub(lambda found, part=part: f"{found[1]}{part}\n{found[2]}", text)  # type: ignore[misc]
    return text


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a table in Markdown, numbers as they are printed."""
    rows = [figure.row() for figure in figures]
    return tabulate(rows, COLUMNS, tablefmt="github", disable_numparse=True)


def machine() -> str:
    """Return the machine and the versions of what was measured, as a list in Markdown."""
    import torch  # not for the processes of the benchmarks, which import this too

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
    known = Path("/proc/cpuinfo")
    text = known.read_text(encoding="utf-8") if known.is_file() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()
