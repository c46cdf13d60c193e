"""Laws of the unit table: cumulative sums, an exact round trip through CSV, errors that name the place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cutlayer.scenarios.model_costs.training_memory import assumed_autograd_memory
from cutlayer.scenarios.model_costs.unit_table import (
    UnitTable,
    UnitTableError,
    read_unit_table,
    unit_table_csv,
)

COLUMNS = ("forward_flops", "backward_flops", "activation_bits", "gradient_bits", "parameter_bits")
HEADER = "unit," + ",".join(COLUMNS)
VALUES = st.floats(0, 1e30) | st.integers(0, 2**60).map(float)


@st.composite
def tables(draw: st.DrawFn) -> UnitTable:
    """Draw a unit table of 1 to 5 units."""
    count = draw(st.integers(1, 5))
    column = st.lists(VALUES, min_size=count, max_size=count).map(np.array)
    units = draw(
        st.lists(st.from_regex(r"[a-z0-9_ .-]{1,8}", fullmatch=True), min_size=count, max_size=count)
    )
    return UnitTable(tuple(units), *(draw(column) for _ in COLUMNS))


def table_of(*values: float) -> UnitTable:
    """Return a table with these values in all columns."""
    column: NDArray[np.float64] = np.array(values, dtype=np.float64)
    return UnitTable(tuple(f"u{i}" for i in range(len(values))), *([column] * len(COLUMNS)))


@settings(deadline=None)
@given(tables())
def test_csv_round_trip_is_exact(table: UnitTable) -> None:
    """A written table reads back with the same names and bit-identical values."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "units.csv"
        path.write_text(unit_table_csv(table), encoding="utf-8")
        again = read_unit_table(path)
    assert table.units == again.units
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(table, column), getattr(again, column))


def test_columns_of_memory_are_read_and_written(tmp_path: Path) -> None:
    """A file with the four columns of memory has these values, and is written as it was."""
    text = f"{HEADER},trained_bits,saved_bits,saved_batch_bits,unsaved_output_bits\na,1,2,3,4,5,6,7,8,9\n"
    path = tmp_path / "units.csv"
    path.write_text(text, encoding="utf-8")
    table = read_unit_table(path)
    assert table.autograd is not None
    assert [6, 7, 8, 9] == [float(values[0]) for values in vars(table.autograd).values()]
    assert text == unit_table_csv(table)


def test_without_columns_of_memory_four_values_are_kept_for_each_output(tmp_path: Path) -> None:
    """Every parameter is trained, and four values are kept for each output value."""
    path = tmp_path / "units.csv"
    path.write_text(f"{HEADER}\na,1,2,3,4,5\n", encoding="utf-8")
    table = read_unit_table(path)
    assert table.autograd is not None
    assert [5, 12, 0, 0] == [float(values[0]) for values in vars(table.autograd).values()]


@settings(deadline=None)
@given(tables(), st.integers(1, 64), st.integers(0, 2))
def test_memory_of_a_part_is_that_of_its_units_and_its_ends(table: UnitTable, rows: int, copies: int) -> None:
    """Units inside a part add up, and its first and its last unit add what the cuts need."""
    autograd = assumed_autograd_memory(table.activation_bits, table.parameter_bits)
    full = replace(table, autograd=autograd)
    inside = full.unit_memory_bits(rows, copies)
    begin, end = full.cut_memory_bits(rows)
    for first in range(len(full)):
        for last in range(first + 1, len(full) + 1):
            expected = inside[first:last].sum() + begin[first] + end[last]
            assert pytest.approx(expected) == full.part_memory(first, last, rows, copies).total_bits


def test_csv_is_as_documented() -> None:
    """The header has the documented columns in order; whole numbers are written without a fraction."""
    table = UnitTable(("a",), *(np.array([v]) for v in (1.0, 2.5, 3e9, 0.0, 1e-3)))
    assert f"{HEADER}\na,1,2.5,3000000000,0,0.001\n" == unit_table_csv(table)


def test_cumulative_and_single_quantities() -> None:
    """ρ, ϖ and Λ add up units 1..j; ψ and χ are those of unit j alone."""
    columns = [np.array([1.0, 2.0, 4.0]) * scale for scale in (1, 10, 100, 1000, 10000)]
    table = UnitTable(("a", "b", "c"), *columns)
    assert 3 == len(table)
    for cut, total, single in ((1, 1, 1), (2, 3, 2), (3, 7, 4)):
        assert total == table.forward_flops_to(cut)
        assert 10 * total == table.backward_flops_to(cut)
        assert 100 * single == table.activation_bits_at(cut)
        assert 1000 * single == table.gradient_bits_at(cut)
        assert 10000 * total == table.parameter_bits_to(cut)
    assert 0 == table.forward_flops_to(0) == table.backward_flops_to(0) == table.parameter_bits_to(0)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_values_are_finite_and_not_negative(value: float) -> None:
    """A negative, missing or infinite value is an error that names the unit and the column."""
    with pytest.raises(UnitTableError, match="unit 'u1': forward_flops is"):
        table_of(1.0, value)


def test_every_unit_has_every_value() -> None:
    """A model has at least one unit, and each column one value a unit."""
    with pytest.raises(UnitTableError, match="at least one unit"):
        table_of()
    columns = [np.ones(2)] * 5
    columns[3] = np.ones(1)
    with pytest.raises(UnitTableError, match="gradient_bits has 1 values for 2 units"):
        UnitTable(("a", "b"), *columns)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"units\.csv:1: the header must be unit,forward_flops"),
        ("unit,flops\n", r"units\.csv:1: the header must be unit,forward_flops"),
        (f"{HEADER}\n", r"units\.csv: a model needs at least one unit"),
        (f"{HEADER}\na,1,1,1,1,1\nb,1,1,1,1\n", r"units\.csv:3: 5 values, 6 expected"),
        (f"{HEADER}\na,1,1,1,1,1,1\n", r"units\.csv:2: 7 values, 6 expected"),
        (f"{HEADER}\na,1,x,1,1,1\n", r"units\.csv:2: .*'x'"),
        (f"{HEADER}\na,1,1,1,1,-2\n", r"units\.csv: unit 'a': parameter_bits is -2"),
        (f"{HEADER}\na,1,1,nan,1,1\n", r"units\.csv: unit 'a': activation_bits is nan"),
    ],
)
def test_wrong_files_are_named_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    """A file that is no unit table is an error with its name, and the wrong line if there is one."""
    path = tmp_path / "units.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnitTableError, match=message):
        read_unit_table(path)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    """A missing file, a folder and a file that is no text are errors with the path."""
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    for path in (tmp_path / "absent.csv", tmp_path, binary):
        with pytest.raises(UnitTableError, match=f"cannot read the unit table {path}"):
            read_unit_table(path)
