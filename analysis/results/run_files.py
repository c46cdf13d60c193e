"""The text files of a run folder: their names, tables as CSV, and the summary as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.csv

__all__ = ["ERRORS", "SCENARIO", "SUMMARY", "read_csv", "summary_text"]

SCENARIO, SUMMARY = "scenario.yaml", "summary.json"
"""The files of the scenario and of the results of each scheme."""
ERRORS = "errors.txt"
"""The file of the tracebacks of schemes that failed."""
_TEXT_COLUMNS = (
    "scheme",
    "label",
    "cut",
    "left_out",
    "subchannels",
    "node",
    "units",
    "point",
    "status",
    "overrides",
    "error",
    "paper_label",
)


def read_csv(path: Path) -> pd.DataFrame:
    """Return a table from a CSV file.

    Numbers keep every bit. The columns of text stay text, even if a value looks like a number.
    """
    texts = dict.fromkeys(_TEXT_COLUMNS, pyarrow.string())
    options = pyarrow.csv.ConvertOptions(column_types=texts)
    table = pyarrow.csv.read_csv(path, convert_options=options)
    schema = table.schema
    for number, column in enumerate(schema):
        if pyarrow.types.is_null(column.type):  # an empty column holds numbers
            schema = schema.set(number, column.with_type(pyarrow.float64()))
    frame: pd.DataFrame = table.cast(schema).to_pandas()
    return frame


def summary_text(summary: Mapping[str, Any]) -> str:
    """Return the content of ``summary.json``."""
    return json.dumps(_finite(summary), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """Return a value of the summary, with None in the place of numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
