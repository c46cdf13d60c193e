"""The points that a figure of a sweep lacks: those without a value, and those that are not finished."""

from __future__ import annotations

import pandas as pd

from ....scenarios.schema.sweep import SweepFigure
from .sweep_folder import SweepResult

__all__ = ["gap_notes", "reached_text", "with_gaps"]

_MAX_GAPS = 6
"""The number of points that a note lists."""
_TARGET_COLUMNS = ("time_to_target_s", "rounds_to_target", "samples_to_target")


def with_gaps(table: pd.DataFrame, result: SweepResult, figure: SweepFigure) -> pd.DataFrame:
    """Return the table of a figure with the seeds that the sweep plans, and with rows for missing points.

    Parameters
    ----------
    table : DataFrame
        One row for each panel, line and x value, with ``label, scheme, seeds, seeds_with_value``.
    result : SweepResult
        The sweep, of the points that the figure shows.
    figure : SweepFigure
        The figure's section of the scenario.

    Returns
    -------
    DataFrame
        The table with the column ``seeds_planned``. Where no seed of a label is finished, a row has no
        values. There is no such row if the labels of the schemes differ between points, or if ``best_over``
        chooses points.
    """
    keys = [name for name in dict.fromkeys((figure.panels, figure.lines, figure.x)) if name in result.keys]
    points = result.points if keys else result.points.assign(_all=0)
    grouped = points.groupby(keys or "_all", sort=False, dropna=False)["seed"]
    planned = grouped.nunique().rename("seeds_planned").reset_index()
    if not keys:
        return table.assign(seeds_planned=int(planned["seeds_planned"].iloc[0]))
    labels = result.schemes.drop_duplicates(["label", "scheme"])[["label", "scheme"]]
    of_points = result.schemes.groupby("point")["label"].agg(frozenset)
    if figure.best_over is not None or of_points.nunique() > 1:
        return table.merge(planned, on=keys, how="left")
    whole = planned.merge(labels, how="cross")
    merged = whole.merge(table, on=[*keys, "label", "scheme"], how="left", sort=False)
    counts = ["seeds", "seeds_with_value"]
    filled = merged.fillna(dict.fromkeys(counts, 0)).astype(dict.fromkeys(counts, int))
    return filled[[*table.columns, "seeds_planned"]]


def reached_text(figure: SweepFigure, target: float | None) -> str:
    """Return why points without a value are missing: ``no point reached 75 %``.

    Parameters
    ----------
    target : float or None
        The target accuracy of the sweep, as a fraction of 1; None if its points differ in it.
    """
    if figure.y not in _TARGET_COLUMNS:
        return "no point has a value"
    return f"no point reached {'the target' if target is None else f'{100 * target:g} %'}"


def gap_notes(table: pd.DataFrame, figure: SweepFigure) -> list[str]:
    """Return notes on the points that the figure lacks, and on those with fewer seeds than planned.

    Parameters
    ----------
    table : DataFrame
        The result of :func:`.sweep_statistics.figure_table`.
    """
    finished = table["seeds"] >= table["seeds_planned"]
    lines = table.drop_duplicates([n for n in (figure.panels, figure.lines, "label") if n])
    rows = lines if figure.kind == "curves" else table
    notes = []
    if unvalued := _listed(rows[rows[figure.y].isna() & (rows["seeds"] > 0)], figure, "seeds"):
        fault = "reached the target" if figure.y in _TARGET_COLUMNS else "has a value"
        notes.append(f"not shown, because not every seed {fault}: {unvalued}")
    if unfinished := _listed(rows[~finished.loc[rows.index]], figure, "seeds_planned"):
        notes.append(f"seeds are missing, pending or failed: {unfinished}")
    return notes


def _listed(rows: pd.DataFrame, figure: SweepFigure, of: str) -> str:
    """Return the first points of a table as text, each with its number of seeds."""
    keys = [figure.panels, figure.lines, None if figure.kind == "curves" else figure.x]
    names = list(dict.fromkeys(key for key in keys if key is not None and key != "label"))
    count = "seeds_with_value" if of == "seeds" else "seeds"
    texts = [
        f"{row['paper_label']}{''.join(f', {name}={row[name]}' for name in names)}"
        f" ({row[count]} of {row[of]} seeds)"
        for row in rows.to_dict("records")
    ]
    more = f"; and {len(texts) - _MAX_GAPS} more" if len(texts) > _MAX_GAPS else ""
    return "; ".join(texts[:_MAX_GAPS]) + more
