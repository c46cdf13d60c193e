"""A scenario's sweep: which points it has, and which figures are drawn of them. See docs/scenario.md."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ..errors import ScenarioIssue
from ..section import Section
from .fields import Index, PositiveInt

__all__ = ["BestOver", "Sweep", "SweepFigure", "combinations", "swept_keys", "wrong_figures"]


_TABLES = ("points", "rounds", "schemes", "wall_times")


def _values(dimension: str) -> Any:
    return Field(default={}, description=f"dotted keys, each with its values, {dimension}")


Values = dict[str, Annotated[list[Any], Field(min_length=1)]]
Overrides = tuple[dict[str, Any], ...]
Column = Annotated[str, Field(min_length=1)]


class BestOver(Section):
    """Of one swept key, show only the value that is best for each line and each other combination."""

    key: Column = Field(description="the swept key, for example learning.optimizer.client_lr")
    by: Column = Field(
        default="final_validation_accuracy",
        description="column of schemes.csv; its mean over seeds decides, the greatest where it is an accuracy"
        " and else the least",
    )


class SweepFigure(Section):
    """One figure of a sweep: a line, or a group of bars, for each scheme."""

    file: Column = Field(description="name in the sweep folder; a .png unless it ends in .svg or .pdf")
    kind: Literal["line", "bar", "curves"] = Field(
        default="line", description="curves: over the rounds of a run; line and bar: over a swept key"
    )
    x: Column = Field(description="a swept key or label; of curves: round or end_s")
    y: Column = Field(description="column of schemes.csv; of curves: of rounds.parquet")
    lines: Column | None = Field(default=None, description="swept key with a line for each value, and scheme")
    panels: Column | None = Field(default=None, description="swept key with a panel for each value")
    centre: Literal["mean", "median"] = Field(
        default="mean", description="over seeds; with its 95 % interval: Student's t, or order statistics"
    )
    normalise_to: Column | None = Field(
        default=None, description="label whose value at the same point and seed y is divided by"
    )
    best_over: BestOver | None = Field(default=None, description="show the best value of a swept key alone")
    x_log: bool = Field(default=False, description="logarithmic x axis")
    y_log: bool = Field(default=False, description="logarithmic y axis")
    x_label: Column | None = Field(default=None, description="of the x axis; the key in words by default")
    y_label: Column | None = Field(default=None, description="of the y axis; the column in words by default")

    @field_validator("file")
    @classmethod
    def _in_the_folder(cls, name: str) -> str:
        if name != Path(name).name or name.startswith("."):
            raise ValueError(f"must be a file's name, without a folder; it is {name!r}")
        if Path(name).stem in _TABLES:  # the figure's own table is a CSV of its name
            raise ValueError(f"must be none of the sweep's tables ({', '.join(_TABLES)}); it is {name!r}")
        return name

    @model_validator(mode="after")
    def _keys_belong_to_the_kind(self) -> SweepFigure:
        if self.kind == "curves":
            if self.x not in ("round", "end_s"):
                raise ValueError(f"x of curves is round or end_s, not {self.x}")
            if self.normalise_to is not None:
                raise ValueError("normalise_to is a key of kind line or bar: rounds of schemes are not alike")
        return self

    def named_keys(self) -> dict[tuple[str, ...], str]:
        """Return the keys that a point's place in the figure depends on, by where the figure names them."""
        named: dict[tuple[str, ...], str | None] = {
            ("x",): self.x,
            ("lines",): self.lines,
            ("panels",): self.panels,
            ("best_over", "key"): self.best_over.key if self.best_over else None,
        }
        return {place: key for place, key in named.items() if key is not None}

    def told_apart_by(self) -> set[str]:
        """Return the keys that a point's place in the figure depends on."""
        return set(self.named_keys().values())


class Sweep(Section):
    """Points of a study: each combination of a point of ``grid``, of ``zip`` and of ``list``, and a seed."""

    grid: Values = _values("in every combination")
    zip: Values = _values("side by side")
    list: Overrides = Field(default=(), description="combinations written out: dotted keys with a value each")
    seeds: PositiveInt | Annotated[tuple[Index, ...], Field(min_length=1)] | None = Field(
        default=None, description="a number of seeds from the scenario's own on, or a list of them"
    )
    figure: tuple[SweepFigure, ...] = Field(default=(), description="drawn in the sweep folder")

    @model_validator(mode="after")
    def _each_key_once(self) -> Sweep:
        lengths = {key: len(values) for key, values in self.zip.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{key} lists {length}" for key, length in lengths.items())
            raise ValueError(f"zip: its keys must list equally many values; {told}")
        listed = {key for entry in self.list for key in entry}
        counts = Counter([*self.grid, *self.zip, *listed])
        counts["seed"] += self.seeds is not None
        for key, count in counts.items():
            if count > 1:
                raise ValueError(f"{key} is swept twice; a key stands in one of grid, zip, list and seeds")
            if not all(key.split(".")) or re.match(r"sweep\b", key):
                raise ValueError(f"{key!r} is no dotted key of a scenario such as devices.count")
        return self


def swept_keys(sweep: Sweep) -> tuple[str, ...]:
    """Return the dotted keys that points differ in, without the seed, in the order of the file."""
    listed = dict.fromkeys(key for entry in sweep.list for key in entry)
    return tuple(key for key in (*sweep.grid, *sweep.zip, *listed) if key != "seed")


def wrong_figures(sweep: Sweep) -> list[ScenarioIssue]:
    """Return what is wrong with the sweep's figures as they stand there, whatever the points are."""
    known = {*swept_keys(sweep), "label"}
    names: set[str] = set()
    faults = []
    for number, figure in enumerate(sweep.figure):
        place = ("sweep", "figure", number)
        name = Path(figure.file).stem
        if name in names:
            faults.append(
                ScenarioIssue((*place, "file"), f"{name} is the name of several; each needs its own")
            )
        names.add(name)
        for inner, key in figure.named_keys().items():
            if inner == ("lines",) and key == "label":
                text = "each label has a line already; leave out lines: label"
                faults.append(ScenarioIssue((*place, *inner), text))
            elif key not in known and (inner != ("x",) or figure.kind != "curves"):
                text = f"{key} is not swept; swept: {', '.join(sorted(known))}"
                faults.append(ScenarioIssue((*place, *inner), text))
    return faults


def combinations(sweep: Sweep, seed: int) -> list[dict[str, tuple[Any, tuple[str | int, ...]]]]:
    """Return the overrides of each point: the value of each dotted key, and its place in the scenario.

    Parameters
    ----------
    sweep : Sweep
    seed : int
        The scenario's own, the first where ``seeds`` is a number.

    Returns
    -------
    One mapping a point. Seeds change fastest; then entries of the list, rows of zip, and the grid's last key.
    """

    def at(key: str, value: Any, *place: str | int) -> tuple[str, tuple[Any, tuple[str | int, ...]]]:
        return key, (value, ("sweep", *place))

    dimensions = [
        [[at(key, value, "grid", key, n)] for n, value in enumerate(values)]
        for key, values in sweep.grid.items()
    ]
    if sweep.zip:
        rows = range(len(next(iter(sweep.zip.values()))))
        dimensions.append([[at(k, v[n], "zip", k, n) for k, v in sweep.zip.items()] for n in rows])
    if sweep.list:
        dimensions.append(
            [[at(k, v, "list", n, k) for k, v in entry.items()] for n, entry in enumerate(sweep.list)]
        )
    if sweep.seeds is not None:
        seeds = range(seed, seed + sweep.seeds) if isinstance(sweep.seeds, int) else sweep.seeds
        dimensions.append([[at("seed", value, "seeds")] for value in seeds])
    return [dict(itertools.chain(*chosen)) for chosen in itertools.product(*dimensions)]
