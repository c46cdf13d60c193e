"""Tables of the names that a scenario can use, and of a model's units."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.table import Table
from rich.text import Text

from cutlayer.scenarios.loading.library import description, library
from cutlayer.scenarios.model_costs.unit_table import UnitTable
from cutlayer.scenarios.registry import Kind, specs
from cutlayer.scenarios.schema.fleets import fleets
from cutlayer.scenarios.suggestions import closest

__all__ = ["listing", "unit_listing"]

_KINDS: dict[str, tuple[Kind, ...]] = {
    "schemes": ("scheme",),
    "models": ("model",),
    "datasets": ("dataset",),
    "allocations": ("plan", "subchannels", "power", "cut"),
    "path-losses": ("path_loss",),
    "fadings": ("fading",),
}


def listing(topic: str | None = None) -> list[Table]:
    """Return the table of one topic, such as ``"schemes"``, or the tables of all topics.

    Raises
    ------
    ValueError
        If there is no such topic.
    """
    tables: dict[str, Callable[[], Table]] = {
        **{name: partial(_names, name) for name in _KINDS},
        "fleets": _fleets,
        "scenarios": _scenarios,
    }
    if topic is not None and topic not in tables:
        topics = list(tables)
        raise ValueError(
            f"nothing to list under {topic!r}; known: {', '.join(topics)}{closest(topic, topics)}"
        )
    return [table() for name, table in tables.items() if topic in (None, name)]


def _names(topic: str) -> Table:
    """Return the registered names of a topic, with their summaries and parameters."""
    table = Table("name", "what it is", "parameters", title=topic)
    for kind in _KINDS[topic]:
        for spec in specs(kind):
            label = f"{kind}: {spec.name}" if len(_KINDS[topic]) > 1 else spec.name
            keys = (key for key in spec.parameters.model_fields if key not in ("name", "model", "label"))
            table.add_row(label, Text(spec.summary), ", ".join(keys))
    return table


def _fleets() -> Table:
    """Return the measured device populations of the library."""
    table = Table("name", "what it is", "attributes", title="fleets")
    for name, fleet in fleets().items():
        table.add_row(name, fleet.summary, ", ".join(fleet.devices))
    return table


def _scenarios() -> Table:
    """Return the scenarios of the library, each with the question that it answers."""
    table = Table("name", "what it shows", title="scenarios")
    for name, path in library().items():
        table.add_row(name, Text(description(path)))
    return table


def unit_listing(units: UnitTable, title: str) -> Table:
    """Return a terminal table of a model's units; a multiply-accumulate counts as one FLOP."""
    mebi = 8 * 2**20
    columns = (
        "unit",
        "forward [MFLOP]",
        "backward [MFLOP]",
        "activations [kbit]",
        "kept by autograd [kbit]",
        "parameters [MiB]",
    )
    caption = "per sample; a multiply-accumulate counts as one FLOP"
    saved_bits = units.activation_bits if units.autograd is None else units.autograd.saved_bits
    table = Table(title=title, caption=caption)
    for number, column in enumerate(columns):
        table.add_column(Text(column), justify="right" if number else "left")
    rows = zip(
        units.units,
        units.forward_flops,
        units.backward_flops,
        units.activation_bits,
        saved_bits,
        units.parameter_bits,
        strict=True,
    )
    for unit, forward, backward, activation, saved, parameters in rows:
        table.add_row(
            unit,
            f"{forward / 1e6:.4f}",
            f"{backward / 1e6:.4f}",
            f"{activation / 1e3:.1f}",
            f"{saved / 1e3:.1f}",
            f"{parameters / mebi:.4f}",
        )
    table.add_section()
    table.add_row(
        "all",
        f"{units.forward_flops.sum() / 1e6:.4f}",
        f"{units.backward_flops.sum() / 1e6:.4f}",
        "",
        f"{saved_bits.sum() / 1e3:.1f}",
        f"{units.parameter_bits.sum() / mebi:.4f}",
    )
    return table
