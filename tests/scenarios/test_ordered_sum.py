"""Sums of floats have the same bits on every version of Python."""

from __future__ import annotations

import ast
from collections import Counter
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.models.learning.evaluation import Evaluation
from cutlayer.scenarios.ordered_sum import ordered_sum

ROOT = Path(__file__).parents[2]
FOLDERS = ("analysis", "cutlayer", "experiments", "models", "scenarios", "sim")

# The calls of the built-in sum in the package, by file. They add integers, which no version of Python rounds.
INTEGER_SUMS = {
    "analysis/comparison/experiment_groups.py": 2,  # runs of one name
    "analysis/comparison/report.py": 1,  # schemes of runs
    "analysis/figures/axis_text.py": 1,  # ticks in a range
    "analysis/figures/gantt.py": 1,  # rows of devices
    "analysis/figures/gantt_rows.py": 1,  # nodes
    "analysis/figures/memory.py": 1,  # curves that meet
    "analysis/figures/style.py": 1,  # lines of text
    "analysis/figures/visible_rows.py": 1,  # nodes
    "analysis/results/recorded_tables.py": 1,  # rows of a table
    "analysis/results/sweeps/sweep_folder.py": 1,  # points
    "analysis/trace/tracks.py": 1,  # tracks
    "analysis/report/gantt_chart.py": 1,  # devices
    "experiments/provenance/named_files.py": 1,  # bytes
    "experiments/execution/scheme_workers.py": 1,  # idle workers
    "models/compression/part_sizes.py": 4,  # weights, filters and bits
    "models/learning/parts/part.py": 1,  # weights
    "models/profile.py": 2,  # bits
    "scenarios/schema/faults.py": 1,  # forms of a section
    "scenarios/schema/network.py": 1,  # nodes
    "scenarios/yaml_lines.py": 1,  # values
    "sim/allocation/chain_order.py": 1,  # nodes
    "sim/schemes/epsl.py": 1,  # rounds
    "sim/schemes/round_planners/client_sampler.py": 1,  # devices
}


def test_the_package_adds_no_floats_with_the_built_in_sum() -> None:
    """A new call of ``sum`` either adds integers and is listed above, or becomes ``ordered_sum``."""
    calls: Counter[str] = Counter()
    for path in (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name) and node.id == "sum":
                calls[path.relative_to(ROOT).as_posix()] += 1
    assert INTEGER_SUMS == calls


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100)))
def test_values_are_added_from_left_to_right(values: list[float]) -> None:
    """The sum has the bits of plain additions, also for NumPy's floats, and is a Python float."""
    expected = reduce(add, values, 0.0)
    assert expected == ordered_sum(values) == ordered_sum(np.array(values))
    assert float is type(ordered_sum(np.array(values)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.1] * 10, 0.9999999999999999), ([1e16, 1.0, -1e16], 0.0), ([], 0.0)],
)
def test_rounding_errors_are_not_compensated(values: list[float], expected: float) -> None:
    """These sums differ in Python 3.11 and 3.12 if the built-in ``sum`` computes them."""
    assert expected == ordered_sum(values)


def test_the_mean_accuracy_has_the_same_bits_everywhere() -> None:
    """The accuracy that results report is the sum from left to right over the number of clients."""
    assert 0.09999999999999999 == Evaluation((0.1,) * 10, 0.1).mean
