"""Tables of what there is: names for scenarios, and a model's units."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.table import Table
from rich.text import Text

from cutlayer.scenarios.loading.loader import library, load_scenario
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
}


def listing(what: str | None = None) -> list[Table]:
    """Return the tables of one kind of name, or of all.

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    tables: dict[str, Callable[[], Table]] = {
        **{name: partial(_names, name) for name in _KINDS},
        "fleets": _fleets,
        "scenarios": _scenarios,
    }
    known = list(tables)
    if what is not None and what not in known:
        raise ValueError(f"nothing to list under {what!r}; known: {', '.join(known)}{closest(what, known)}")
    return [table() for name, table in tables.items() if what in (None, name)]


def _names(name: str) -> Table:
    table = Table("name", "what it is", "parameters", title=name)
    for kind in _KINDS[name]:
        for spec in specs(kind):
            shown = f"{kind}: {spec.name}" if len(_KINDS[name]) > 1 else spec.name
            keys = (key for key in spec.parameters.model_fields if key not in ("name", "model", "label"))
            table.add_row(shown, Text(spec.summary), ", ".join(keys))
    return table


def _fleets() -> Table:
    table = Table("name", "what it is", "attributes", title="fleets")
    for name, fleet in fleets().items():
        table.add_row(name, fleet.summary, ", ".join(fleet.devices))
    return table


def _scenarios() -> Table:
    table = Table("name", "schemes", "model", title="scenarios")
    for name in library():
        scenario = load_scenario(name).scenario
        table.add_row(name, ", ".join(str(s.label) for s in scenario.schemes), scenario.model.name)
    return table


def unit_listing(units: UnitTable, title: str) -> Table:
    """Return a model's units for the terminal; FLOPs count a multiply-accumulate as one."""
    mebi = 8 * 2**20
    columns = ("unit", "forward [MFLOP]", "backward [MFLOP]", "activations [kbit]", "parameters [MiB]")
    caption = "per sample; a multiply-accumulate counts as one FLOP"
    table = Table(title=title, caption=caption)
    for number, column in enumerate(columns):
        table.add_column(Text(column), justify="right" if number else "left")
    rows = zip(
        units.units,
        units.forward_flops,
        units.backward_flops,
        units.activation_bits,
        units.parameter_bits,
        strict=True,
    )
    for unit, forward, backward, activation, parameters in rows:
        table.add_row(
            unit,
            f"{forward / 1e6:.4f}",
            f"{backward / 1e6:.4f}",
            f"{activation / 1e3:.1f}",
            f"{parameters / mebi:.4f}",
        )
    table.add_section()
    table.add_row(
        "all",
        f"{units.forward_flops.sum() / 1e6:.4f}",
        f"{units.backward_flops.sum() / 1e6:.4f}",
        "",
        f"{units.parameter_bits.sum() / mebi:.4f}",
    )
    return table
