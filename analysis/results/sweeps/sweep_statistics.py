"""The tables behind the figures of a sweep: means or medians over seeds, with 95 % confidence intervals."""

from __future__ import annotations

import pandas as pd

from ....scenarios.schema.sweep import BestOver, SweepFigure
from ..confidence_intervals import Range, centre_and_interval, is_accuracy, range_of
from ..paper_labels import paper_labels_of_table
from .sweep_folder import SweepResult
from .sweep_gaps import with_gaps
from .sweep_selection import selected, selected_points, unknown_values

__all__ = [
    "figure_table",
    "grouped",
    "lines_without_best_value",
    "num_diverged",
    "overlapping_keys",
    "unknown_names",
]


def overlapping_keys(points: pd.DataFrame, figure: SweepFigure) -> list[str]:
    """Return the swept keys whose values the figure would overlay: it shows them at the same position.

    Points of one seed that differ in such a key have the same panel, line and x value, so a mean over seeds
    would mix them.

    Parameters
    ----------
    points : DataFrame
        One row a point, with the swept keys and the seed.
    figure : SweepFigure
        The figure's section of the scenario.
    """
    keys = [key for key in points.columns if key not in ("point", "status", "overrides", "error")]
    points = selected_points(points, figure)
    by = ["seed", *(key for key in keys if key in figure.distinguishing_keys() and key != "seed")]
    others = [key for key in keys if key not in by]
    num_values = points.groupby(by, dropna=False)[others].nunique(dropna=False) if others else pd.DataFrame()
    return [key for key in others if (num_values[key] > 1).any()]


def unknown_names(
    figure: SweepFigure, schemes: pd.DataFrame, rounds: pd.DataFrame
) -> list[tuple[tuple[str, ...], str]]:
    """Return the columns, values and labels that a figure names and no table will have.

    Parameters
    ----------
    figure : SweepFigure
        The figure's section of the scenario.
    schemes, rounds : DataFrame
        Rows with all labels. A column without values counts as a column of numbers.

    Returns
    -------
    list of (tuple of str, str)
        Key of the section, and the reason with the allowed names.
    """
    unknown = unknown_values(figure, schemes, schemes)
    rows = rounds if figure.kind == "curves" else schemes
    if figure.y not in _number_columns(rows):
        unknown.append((("y",), _no_numbers(rows, figure)))
    if figure.best_over is not None and figure.best_over.by not in _number_columns(schemes):
        numbers = ", ".join(_number_columns(schemes))
        text = f"no column of numbers is named {figure.best_over.by}; there are: {numbers}"
        unknown.append((("best_over", "by"), text))
    labels = list(dict.fromkeys(schemes["label"].dropna()))
    if figure.normalise_to is not None and figure.normalise_to not in labels:
        text = f"no label {figure.normalise_to}; labels: {', '.join(labels)}"
        unknown.append((("normalise_to",), text))
    return unknown


def _number_columns(rows: pd.DataFrame) -> list[str]:
    return [
        name for name in rows.columns if pd.api.types.is_numeric_dtype(rows[name]) or rows[name].isna().all()
    ]


def _no_numbers(rows: pd.DataFrame, figure: SweepFigure) -> str:
    return f"no column of numbers is named {figure.y}; there are: {', '.join(_number_columns(rows))}"


def figure_table(result: SweepResult, figure: SweepFigure) -> pd.DataFrame:
    """Return the data of a figure: one row for each panel, line and x value.

    Columns: the panel's key, the line's key, ``label, scheme``, x, y, ``y_low, y_high`` (named after y), the
    key of ``best_over`` with its best value, and counts of seeds: ``seeds`` that have results,
    ``seeds_with_value`` of y, and ``seeds_planned`` by the sweep. ``paper_label`` is the label as papers have
    it. Curves have the rounds for which every seed of a line has a value.

    A row without y is a point that the figure lacks: a seed has no value, such as a target that was not
    reached, or no point of the sweep is finished there. A curve without any round has one such row.

    ``best_over`` never chooses a value at which a run diverged. Of the others, it chooses among those with a
    number for the most seeds. A line whose runs diverged at every value is left out; see
    :func:`lines_without_best_value`.

    Raises
    ------
    ValueError
        If a column, a value or a label of the figure does not exist, or if the column holds no value.
    """
    labels = paper_labels_of_table(result.schemes)
    result = selected(result, figure)
    chosen = _rows_at_best_value(result.schemes, result.keys, figure.best_over, figure.file)
    best = [figure.best_over.key] if figure.best_over else []
    rows = chosen
    if figure.kind == "curves":
        rows = result.rounds.merge(chosen[["point", "label"]], on=["point", "label"])
    if figure.y not in _number_columns(rows):
        raise ValueError(f"figure {figure.file}: y: {_no_numbers(rows, figure)}")
    if figure.normalise_to is not None:
        rows = _normalised(rows, result.keys, figure)
    along = "round" if figure.kind == "curves" else figure.x
    columns = [figure.panels, figure.lines, "label", "scheme", along, *best]
    by = list(dict.fromkeys(name for name in columns if name is not None))
    value_range = range_of(figure.y) if figure.normalise_to is None else Range.POSITIVE
    if figure.kind == "curves":
        frame = _curve_table(rows, by, figure, value_range)
    else:
        frame = grouped(rows, by, figure.y, figure.centre, value_range)
        values = rows.groupby(by, dropna=False)[figure.y].count().rename("seeds_with_value").reset_index()
        frame = frame.merge(values, on=by)
    if not len(frame) or frame[figure.y].isna().all():
        raise ValueError(f"figure {figure.file}: {figure.y} has no value at any point of the figure")
    frame = with_gaps(frame, result, figure)
    # The selection by best_over may have changed the order of the points.
    order = [name for name in (figure.panels, along, figure.lines, "label") if name is not None]
    source = {name: result.points if name in result.points else result.rounds for name in order}
    if figure.kind != "curves":
        source |= {"label": result.schemes}
    ranks = {name: {value: n for n, value in enumerate(dict.fromkeys(source[name][name]))} for name in order}
    ranked = pd.DataFrame({name: frame[name].map(ranks[name]) for name in order})
    frame = frame.loc[ranked.sort_values(order, kind="stable").index].reset_index(drop=True)
    return frame.assign(paper_label=frame["label"].map(labels))


def _curve_table(rows: pd.DataFrame, by: list[str], figure: SweepFigure, value_range: Range) -> pd.DataFrame:
    """Return the rows of curves, with the mean ``end_s`` of each round.

    A line for which no round has a value at every seed has one row, without a round.
    """
    line = [name for name in by if name != "round"]
    seeds = rows.groupby(line, dropna=False, sort=False)["seed"].nunique().rename("num_seeds").reset_index()
    rows = rows.dropna(subset=[figure.y])
    frame = grouped(rows, by, figure.y, figure.centre, value_range).merge(seeds, on=line)
    ends_s = rows.groupby(by, dropna=False)["end_s"].mean().reset_index()
    frame = frame.merge(ends_s, on=by)
    frame = frame[frame["seeds"] == frame["num_seeds"]]
    values = rows.groupby(line, dropna=False)["seed"].nunique().rename("seeds_with_value").reset_index()
    whole = seeds.merge(values, on=line, how="left").fillna({"seeds_with_value": 0})
    frame = frame.drop(columns=["seeds", "num_seeds"]).merge(whole, on=line, how="outer", sort=False)
    return frame.rename(columns={"num_seeds": "seeds"}).astype({"seeds_with_value": int, "round": "Int64"})


def grouped(
    rows: pd.DataFrame, by: list[str], y: str, centre: str = "mean", value_range: Range | None = None
) -> pd.DataFrame:
    """Return one row a group: its keys, the centre of y, its confidence limits, and ``seeds``.

    Parameters
    ----------
    rows : DataFrame
        One row a seed and group.
    by : list of str
        The keys of a group.
    y : str
        The column of the values.
    centre : {"mean", "median"}
        The centre.
    value_range : Range, optional
        The range of the values; by default that of the column y.
    """
    table = []
    for keys, group in rows.groupby(by, sort=False, dropna=False):
        numbers = centre_and_interval(group[y], value_range or range_of(y), centre)
        values = dict(zip((y, f"{y}_low", f"{y}_high"), numbers, strict=True))
        table.append(dict(zip(by, keys, strict=True)) | values | {"seeds": len(group)})
    return pd.DataFrame(table, columns=[*by, y, f"{y}_low", f"{y}_high", "seeds"])


def _rows_at_best_value(
    schemes: pd.DataFrame, keys: list[str], best: BestOver | None, file: str
) -> pd.DataFrame:
    """Return the rows at the best value of one key, for each label and each combination of the other keys."""
    if best is None:
        return schemes
    if best.by not in schemes.columns or schemes[best.by].isna().all():
        raise ValueError(f"figure {file}: best_over: the runs have no {best.by}")
    best_values = _best_values(schemes, keys, best)
    if best_values.empty:
        raise ValueError(f"figure {file}: best_over: runs diverged at every value of {best.key}")
    return schemes.merge(best_values, on=list(best_values.columns))


def _best_values(schemes: pd.DataFrame, keys: list[str], best: BestOver) -> pd.DataFrame:
    """Return the best value of the key for each label and combination of the other keys, if it has one."""
    others = ["label", *(key for key in keys if key != best.key)]
    candidates = schemes.assign(diverged=_diverged(schemes)).groupby(
        [*others, best.key], sort=False, dropna=False
    )
    means = candidates.agg(
        mean=(best.by, "mean"), count=(best.by, "count"), diverged=("diverged", "any")
    ).reset_index()
    # A mean over fewer seeds would favour a value at which some runs have no number.
    means = means[~means["diverged"] & (means["count"] > 0)]
    ordered = means.sort_values(["count", "mean"], ascending=[False, not is_accuracy(best.by)], kind="stable")
    return ordered.drop_duplicates(others)[[*others, best.key]]


def _diverged(schemes: pd.DataFrame) -> pd.Series[bool]:
    """Return whether each run of a scheme diverged."""
    if "diverged_in_round" in schemes:
        return schemes["diverged_in_round"].notna()
    return pd.Series(data=False, index=schemes.index)  # the sweep is older than this column


def lines_without_best_value(result: SweepResult, figure: SweepFigure) -> list[str]:
    """Return the lines of a figure with ``best_over`` whose runs diverged at every value of its key.

    Returns
    -------
    list of str
        The label, and the values of the other swept keys, of each such line.
    """
    if figure.best_over is None:
        return []
    others = ["label", *(key for key in result.keys if key != figure.best_over.key)]
    chosen = _best_values(result.schemes, result.keys, figure.best_over)[others]
    lines = result.schemes.assign(diverged=_diverged(result.schemes)).groupby(
        others, sort=False, dropna=False
    )["diverged"]
    merged = lines.any().reset_index().merge(chosen, on=others, how="left", indicator="chosen")
    missing = merged[merged["diverged"] & (merged["chosen"] == "left_only")]
    return [
        ", ".join([str(row["label"]), *(f"{key}={row[key]}" for key in others[1:])])
        for row in missing.to_dict("records")
    ]


def num_diverged(result: SweepResult) -> int:
    """Return the number of runs of schemes that diverged, over all points of a sweep."""
    return int(_diverged(result.schemes).sum())


def _normalised(rows: pd.DataFrame, keys: list[str], figure: SweepFigure) -> pd.DataFrame:
    """Return the rows with y divided by the reference's y at the same point.

    The key of ``best_over`` does not count: scheme and reference each have their best value of it.
    """
    best = figure.best_over.key if figure.best_over else None
    paired = [key for key in (*keys, "seed") if key != best]
    reference = rows.loc[rows["label"] == figure.normalise_to, [*paired, figure.y]]
    if reference.empty:
        labels = ", ".join(dict.fromkeys(rows["label"]))
        raise ValueError(
            f"figure {figure.file}: normalise_to: no label {figure.normalise_to}; labels: {labels}"
        )
    joined = rows.merge(reference, on=paired, how="left", suffixes=("", "_of_reference"))
    return rows.assign(**{figure.y: (joined[figure.y] / joined[f"{figure.y}_of_reference"]).to_numpy()})
