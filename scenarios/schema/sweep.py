"""Scenario section ``sweep``: the points of a sweep and its figures. The user's page is docs/scenario.md."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from ..errors import ScenarioIssue
from ..section import Section
from ..text import Label
from .fields import PositiveInt, Seed

__all__ = [
    "FIGURE_SUFFIXES",
    "BestOver",
    "Sweep",
    "SweepFigure",
    "combinations",
    "figure_key_issues",
    "swept_keys",
]


POINTS_MAX = 100_000
"""Largest number of points of a sweep, seeds included."""

FIGURE_SUFFIXES = (".png", ".svg", ".pdf", ".html")
"""The endings of a figure's file; each stands for a format."""
_TABLES = ("points", "rounds", "schemes", "wall_times")


def _values(combination: str) -> Any:
    return Field(default={}, description=f"dotted keys with a list of values each; {combination}")


Values = dict[str, Annotated[list[Any], Field(min_length=1)]]
Overrides = tuple[dict[str, Any], ...]
Column: TypeAlias = Label


class BestOver(Section):
    """Show only the best value of one swept key, for each line and each combination of the other keys."""

    key: Column = Field(description="swept key, for example learning.optimizer.client_lr")
    by: Column = Field(
        default="final_validation_accuracy",
        description="column of schemes.csv whose mean over seeds decides: the largest mean of an accuracy,"
        " the smallest of all other columns",
    )


class SweepFigure(Section):
    """One figure of a sweep: a line, or a group of bars, for each scheme."""

    file: Column = Field(
        description="file name in the sweep folder; a PNG file unless it ends in .svg or .pdf"
    )
    kind: Literal["line", "bar", "curves"] = Field(
        default="line", description="line and bar: over a swept key; curves: over the rounds of a run"
    )
    x: Column = Field(
        description="quantity on the x axis: a swept key or label; for kind curves: round or end_s"
    )
    y: Column = Field(
        description="quantity on the y axis: a column of schemes.csv; for kind curves: of rounds.parquet"
    )
    lines: Column | None = Field(
        default=None,
        description="swept key; one line for each of its values and each scheme; absent: one for each scheme",
    )
    panels: Column | None = Field(
        default=None, description="swept key; one panel for each of its values; absent: one panel"
    )
    centre: Literal["mean", "median"] = Field(
        default="mean",
        description="average over seeds, shown with its 95 % confidence interval; mean: by the delta method"
        " on a scale that keeps it in the range of the quantity; median: from order statistics",
    )
    normalise_to: Column | None = Field(
        default=None,
        description="label of a scheme; y is divided by its value at the same point and seed; absent: no"
        " division",
    )
    where: dict[str, Any] = Field(
        default={},
        description="swept keys, each with the value to show or a list of values; other points are left out",
    )
    schemes: tuple[Column, ...] = Field(
        default=(), description="names or labels of the schemes to show; empty: all"
    )
    best_over: BestOver | None = Field(
        default=None, description="show only the best value of one swept key; absent: show all values"
    )
    x_log: bool = Field(default=False, description="true: logarithmic x axis")
    y_log: bool = Field(default=False, description="true: logarithmic y axis")
    x_label: Column | None = Field(
        default=None, description="label of the x axis; absent: derived from the key"
    )
    y_label: Column | None = Field(
        default=None, description="label of the y axis; absent: derived from the column"
    )

    @field_validator("file")
    @classmethod
    def _in_the_folder(cls, name: str) -> str:
        if name != Path(name).name or name.startswith("."):
            raise ValueError("must be a file's name, without a folder")
        if Path(name).stem in _TABLES:  # the figure's own table is a CSV of its name
            raise ValueError(f"must be none of the sweep's tables ({', '.join(_TABLES)})")
        return name

    @model_validator(mode="after")
    def _keys_belong_to_the_kind(self) -> SweepFigure:
        if self.kind == "curves":
            if self.x not in ("round", "end_s"):
                raise ValueError(f"x of curves is round or end_s, not {self.x}")
            if self.normalise_to is not None:
                raise ValueError("normalise_to is a key of kind line or bar: rounds of schemes are not alike")
        return self

    @property
    def name(self) -> str:
        """Return the name of the file without the suffix of a figure."""
        return self.file if Path(self.file).suffix not in FIGURE_SUFFIXES else Path(self.file).stem

    def named_keys(self) -> dict[tuple[str, ...], str]:
        """Return the swept keys that the figure names, by the key path inside the figure."""
        keys: dict[tuple[str, ...], str | None] = {
            ("x",): self.x,
            ("lines",): self.lines,
            ("panels",): self.panels,
            ("best_over", "key"): self.best_over.key if self.best_over else None,
            **{("where", key): key for key in self.where},
        }
        return {path: key for path, key in keys.items() if key is not None}

    def distinguishing_keys(self) -> set[str]:
        """Return the swept keys that distinguish the points in the figure."""
        return {key for path, key in self.named_keys().items() if path[0] != "where"}


class Sweep(Section):
    """The points of a sweep: all combinations of a point of ``grid``, ``zip`` and ``list``, and a seed."""

    grid: Values = _values("points are all combinations of the values")
    zip: Values = _values("the n-th point has the n-th value of each key")
    list: Overrides = Field(
        default=(), description="list of points: each gives dotted keys with one value each"
    )
    seeds: PositiveInt | Annotated[tuple[Seed, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="number of seeds, counted up from the scenario's seed, or a list of seeds; absent: the"
        " scenario's seed",
    )
    figure: tuple[SweepFigure, ...] = Field(
        default=(), description="figures that are drawn in the sweep folder"
    )

    @model_validator(mode="after")
    def _each_key_once(self) -> Sweep:
        lengths = {key: len(values) for key, values in self.zip.items()}
        if len(set(lengths.values())) > 1:
            counts_text = ", ".join(f"{key} lists {length}" for key, length in lengths.items())
            raise ValueError(f"zip: its keys must list equally many values; {counts_text}")
        if (points := self.num_points()) > POINTS_MAX:
            digits = int(points.bit_length() * math.log10(2))
            shown = f"{points:,}" if digits < 12 else f"more than 10^{digits - 1}"
            raise ValueError(f"has {shown} points; at most {POINTS_MAX:,} are allowed: sweep fewer values")
        listed = {key for entry in self.list for key in entry}
        counts = Counter([*self.grid, *self.zip, *listed])
        counts["seed"] += self.seeds is not None
        for key, count in counts.items():
            if count > 1:
                raise ValueError(f"{key} is swept twice; a key stands in one of grid, zip, list and seeds")
            if not all(key.split(".")) or re.match(r"sweep\b", key):
                raise ValueError(f"{key!r} is not a dotted key of a scenario such as devices.count")
        return self

    def num_points(self) -> int:
        """Return the number of points, the product of all numbers of values."""
        rows = len(next(iter(self.zip.values()))) if self.zip else 1
        seeds = self.seeds if isinstance(self.seeds, int) else len(self.seeds or (0,))
        return math.prod(len(values) for values in self.grid.values()) * rows * max(1, len(self.list)) * seeds


def swept_keys(sweep: Sweep) -> tuple[str, ...]:
    """Return the swept keys, without the seed, in the order of the file."""
    listed = dict.fromkeys(key for entry in sweep.list for key in entry)
    return tuple(key for key in (*sweep.grid, *sweep.zip, *listed) if key != "seed")


def figure_key_issues(sweep: Sweep) -> list[ScenarioIssue]:
    """Return the issues of the sweep's figures that follow from the section alone, without its points."""
    allowed = {*swept_keys(sweep), "label"}
    names: set[str] = set()
    issues = []
    for number, figure in enumerate(sweep.figure):
        path = ("sweep", "figure", number)
        name = figure.name
        if name in names:
            issues.append(
                ScenarioIssue((*path, "file"), f"{name} is the name of several; each needs its own")
            )
        names.add(name)
        for inner, key in figure.named_keys().items():
            if inner[0] == "where" and key == "label":
                text = "is for swept keys; schemes: chooses the labels to show"
                issues.append(ScenarioIssue((*path, *inner), text))
            elif inner == ("lines",) and key == "label":
                text = "each label has a line already; leave out lines: label"
                issues.append(ScenarioIssue((*path, *inner), text))
            elif key not in allowed and (inner != ("x",) or figure.kind != "curves"):
                text = f"{key} is not swept; swept: {', '.join(sorted(allowed))}"
                issues.append(ScenarioIssue((*path, *inner), text))
    return issues


def combinations(sweep: Sweep, seed: int) -> list[dict[str, tuple[Any, tuple[str | int, ...]]]]:
    """Return the overrides of each point: the value of each dotted key, and its key path in the sweep.

    Parameters
    ----------
    sweep : Sweep
    seed : int
        Seed of the scenario. It is the first seed if ``seeds`` is a number.

    Returns
    -------
    list of dict
        One mapping for each point. Seeds change fastest, then entries of the list, rows of zip, and the last
        key of the grid.
    """

    def at(key: str, value: Any, *path: str | int) -> tuple[str, tuple[Any, tuple[str | int, ...]]]:
        return key, (value, ("sweep", *path))

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
