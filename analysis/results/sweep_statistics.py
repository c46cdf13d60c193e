"""What a figure of a sweep shows, as a table: centres over seeds with their 95 % intervals, by pandas."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from ...scenarios.schema.sweep import BestOver, SweepFigure
from .sweep_folder import SweepResult

__all__ = [
    "CONFIDENCE",
    "ambiguous",
    "centre_and_interval",
    "figure_table",
    "grouped",
    "is_accuracy",
    "unknown_names",
]

CONFIDENCE = 0.95


def is_accuracy(column: str) -> bool:
    """Return whether a column holds accuracies: fractions, of which more is better."""
    return "accuracy" in column and "target" not in column


def centre_and_interval(values: pd.Series[float], centre: str = "mean") -> tuple[float, float, float]:
    """Return the mean or the median and its 95 % interval; NaN where a value is missing.

    The mean's interval is Student's, the median's is between two order statistics and so holds for any
    distribution; it takes 6 values or more. An interval that does not exist is NaN.
    """
    from scipy import stats  # half a second, which a single run need not wait for

    count = len(values)
    if values.isna().any() or not count:
        return math.nan, math.nan, math.nan
    if centre == "mean":
        mean = float(values.mean())
        error = float(values.std(ddof=1)) / math.sqrt(count)  # NaN where there is one value
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, max(1, count - 1))) * error
        return mean, mean - half, mean + half
    bounds: Any = stats.quantile_test(values, p=0.5).confidence_interval(CONFIDENCE)
    return float(values.median()), float(bounds.low), float(bounds.high)


def ambiguous(points: pd.DataFrame, figure: SweepFigure) -> list[str]:
    """Return the swept keys in which points of one seed differ that fall on one place of the figure.

    Parameters
    ----------
    points : the points with their swept keys and seeds
    figure : what is to be drawn
    """
    keys = [key for key in points.columns if key not in ("point", "status", "overrides", "error")]
    by = ["seed", *(key for key in keys if key in figure.distinguishing_keys() and key != "seed")]
    free = [key for key in keys if key not in by]
    several = points.groupby(by, dropna=False)[free].nunique(dropna=False) if free else pd.DataFrame()
    return [key for key in free if (several[key] > 1).any()]


def unknown_names(
    figure: SweepFigure, schemes: pd.DataFrame, rounds: pd.DataFrame
) -> list[tuple[tuple[str, ...], str]]:
    """Return the keys of a figure that name what the tables will not have, each with what there is instead.

    Parameters
    ----------
    figure : what is to be drawn
    schemes, rounds : rows of every label; a column without a value may come to hold numbers
    """
    found: list[tuple[tuple[str, ...], str]] = []
    rows = rounds if figure.kind == "curves" else schemes
    if figure.y not in _number_columns(rows):
        found.append((("y",), _no_numbers(rows, figure)))
    if figure.best_over is not None and figure.best_over.by not in _number_columns(schemes):
        numbers = ", ".join(_number_columns(schemes))
        text = f"no column of numbers is named {figure.best_over.by}; there are: {numbers}"
        found.append((("best_over", "by"), text))
    labels = list(dict.fromkeys(schemes["label"].dropna()))
    if figure.normalise_to is not None and figure.normalise_to not in labels:
        text = f"no label {figure.normalise_to}; labels: {', '.join(labels)}"
        found.append((("normalise_to",), text))
    return found


def _number_columns(rows: pd.DataFrame) -> list[str]:
    return [
        name for name in rows.columns if pd.api.types.is_numeric_dtype(rows[name]) or rows[name].isna().all()
    ]


def _no_numbers(rows: pd.DataFrame, figure: SweepFigure) -> str:
    return f"no column of numbers is named {figure.y}; there are: {', '.join(_number_columns(rows))}"


def figure_table(result: SweepResult, figure: SweepFigure) -> pd.DataFrame:
    """Return what the figure shows: one row a panel, line and place on the x axis.

    Columns: the panel's key, the line's key, ``label, scheme``, x, y, ``y_low, y_high`` (named after y),
    ``seeds``, and the key of ``best_over`` with the value that was chosen. Of curves, the rounds that every
    seed of a line has a value for.

    Raises
    ------
    ValueError
        If a column of the figure does not exist, or holds no value.
    """
    chosen = _best(result.schemes, result.keys, figure.best_over, figure.file)
    best = [figure.best_over.key] if figure.best_over else []
    rows = chosen
    if figure.kind == "curves":
        rows = result.rounds.merge(chosen[["point", "label"]], on=["point", "label"])
    if figure.y not in _number_columns(rows):
        raise ValueError(f"figure {figure.file}: y: {_no_numbers(rows, figure)}")
    if figure.normalise_to is not None:
        rows = _normalised(rows, result.keys, figure)
    along = "round" if figure.kind == "curves" else figure.x
    named = [figure.panels, figure.lines, "label", "scheme", along, *best]
    by = list(dict.fromkeys(name for name in named if name is not None))
    if figure.kind == "curves":
        rows = rows.dropna(subset=[figure.y])
    frame = grouped(rows, by, figure.y, figure.centre)
    if figure.kind == "curves":
        ends_s = rows.groupby(by, dropna=False)["end_s"].mean().reset_index()
        frame = frame.merge(ends_s, on=by)
    if not len(frame) or frame[figure.y].isna().all():
        raise ValueError(f"figure {figure.file}: {figure.y} has no value at any place of the figure")
    if figure.kind == "curves":
        line = [name for name in by if name != "round"]
        frame = frame[frame["seeds"] == frame.groupby(line, dropna=False)["seeds"].transform("max")]
    # best_over may have taken them out of the order of the points
    order = [name for name in (figure.panels, along, figure.lines, "label") if name is not None]
    source = result.rounds if figure.kind == "curves" else result.schemes
    ranks = {name: {value: n for n, value in enumerate(dict.fromkeys(source[name]))} for name in order}
    ranked = pd.DataFrame({name: frame[name].map(ranks[name]) for name in order})
    frame = frame.loc[ranked.sort_values(order, kind="stable").index]
    return frame.dropna(subset=[figure.y]).reset_index(drop=True)


def grouped(rows: pd.DataFrame, by: list[str], y: str, centre: str = "mean") -> pd.DataFrame:
    """Return one row a group: its keys, the centre of y, its interval ``y_low, y_high``, and ``seeds``."""
    table = []
    for place, group in rows.groupby(by, sort=False, dropna=False):
        found = centre_and_interval(group[y], centre)
        values = dict(zip((y, f"{y}_low", f"{y}_high"), found, strict=True))
        table.append(dict(zip(by, place, strict=True)) | values | {"seeds": len(group)})
    return pd.DataFrame(table, columns=[*by, y, f"{y}_low", f"{y}_high", "seeds"])


def _best(schemes: pd.DataFrame, keys: list[str], best: BestOver | None, file: str) -> pd.DataFrame:
    """Return, of each label and each combination of the other keys, the rows at the best value of one key."""
    if best is None:
        return schemes
    if best.by not in schemes.columns or schemes[best.by].isna().all():
        raise ValueError(f"figure {file}: best_over: the runs have no {best.by}")
    others = ["label", *(key for key in keys if key != best.key)]
    means = (
        schemes.groupby([*others, best.key], sort=False, dropna=False)[best.by].mean().dropna().reset_index()
    )
    ordered = means.sort_values(best.by, ascending=not is_accuracy(best.by), kind="stable")
    kept = ordered.drop_duplicates(others)[[*others, best.key]]
    return schemes.merge(kept, on=[*others, best.key])


def _normalised(rows: pd.DataFrame, keys: list[str], figure: SweepFigure) -> pd.DataFrame:
    """Return the rows with y divided by the reference's at the same point, or at its own best one."""
    best = figure.best_over.key if figure.best_over else None
    paired = [key for key in (*keys, "seed") if key != best]
    reference = rows.loc[rows["label"] == figure.normalise_to, [*paired, figure.y]]
    if reference.empty:
        known = ", ".join(dict.fromkeys(rows["label"]))
        raise ValueError(
            f"figure {figure.file}: normalise_to: no label {figure.normalise_to}; labels: {known}"
        )
    joined = rows.merge(reference, on=paired, how="left", suffixes=("", "_of_reference"))
    return rows.assign(**{figure.y: (joined[figure.y] / joined[f"{figure.y}_of_reference"]).to_numpy()})
