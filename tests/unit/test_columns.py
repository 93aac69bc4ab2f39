"""Columns: the cases that made the rules."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pyarrow as pa
import pytest

from vecgraph.columns import Column, concat, objects
from vecgraph.constants import MISSING

AT = np.array([1], np.intp)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False], "bool"),
        ([1, 2], "int"),
        ([2**63 - 1, -(2**63)], "int"),
        ([2**63], "object"),
        ([1.0, math.nan], "float"),
        ([1, 1.0], "object"),
        ([1, True], "object"),
        ([None], "object"),
        (["a"], "object"),
        ([[1], [2]], "object"),
        ([np.float64(1)], "object"),
        ([], "object"),
    ],
)
def test_a_column_follows_its_values(values: list, kind: str) -> None:
    assert Column.of(values).kind == kind


def test_minus_zero_and_nan_stay() -> None:
    column = Column.of([-0.0, math.nan]).put(AT, Column.of([-0.0]))
    assert [math.copysign(1, v) for v in column.tolist()] == [-1.0, -1.0]
    assert math.isnan(Column.of([1.0]).put(AT - 1, Column.of([math.nan])).item(0))


def test_an_int_into_floats_stays_an_int() -> None:
    column = Column.of([0.5, 1.5]).put(AT, Column.of([2**53 + 1]))
    assert column.kind == "object"
    assert column.tolist() == [0.5, 2**53 + 1]
    assert type(column.item(1)) is int


def test_none_is_a_value_and_missing_is_not() -> None:
    column = Column.of_cells([None, MISSING])
    assert column.mask().tolist() == [True, False]
    assert column.tolist() == [None, MISSING]
    assert column.item(1) is MISSING


def test_absent_rows_take_any_kind() -> None:
    assert Column.absent(3).put(AT, Column.of([2])).kind == "int"
    assert concat([Column.absent(1), Column.of([1.5])]).kind == "float"
    assert concat([Column.absent(1), Column.absent(2)]).tolist() == [MISSING] * 3
    assert concat([Column.of([]), Column.of([1])]).kind == "int"


def test_presence_is_dropped_when_complete() -> None:
    column = Column.absent(2).put(AT, Column.of([2]))
    assert column.put(AT - 1, Column.of([1])).present is None
    assert column.take(AT).present is None
    assert column.put(AT, Column.absent(1)).mask().tolist() == [False, False]


def test_put_copies_unless_it_owns() -> None:
    column = Column.of([1, 2])
    assert column.put(AT, Column.of([5])).tolist() == [1, 5]
    assert column.tolist() == [1, 2]
    owned = column.put(AT, Column.of([5]), owned=True)
    assert owned.values is column.values
    some = Column.of_cells([1, MISSING, MISSING])
    assert some.put(AT, Column.of([5])).mask().tolist() == [True, True, False]
    assert some.mask().tolist() == [True, False, False]


@pytest.mark.parametrize(("narrow", "wide"), [("i1", "i8"), ("u4", "i8"), ("f4", "f8")])
def test_narrow_numbers_are_widened(narrow: str, wide: str) -> None:
    assert Column.of_array(np.ones(2, narrow)).values.dtype == np.dtype(wide)


def test_tensors_keep_shape_and_type() -> None:
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    column = Column.of_array(values)
    assert (column.kind, column.nbytes, len(column)) == ("tensor", 24, 3)
    row = column.item(2)
    assert row.dtype == np.float32
    row[:] = 0
    assert values[2].tolist() == [4.0, 5.0], "a row that comes out is a copy"
    put = column.put(AT, Column.of_array(np.ones((1, 2), np.float32)))
    assert put.kind == "tensor"
    assert column.put(AT, Column.of_array(np.ones((1, 3), np.float32))).kind == "object"
    assert Column.absent(2).put(AT, column.take(AT)).kind == "tensor"


def test_structs_scatter_and_promote() -> None:
    values = np.array([(1, 0.5), (2, 1.5)], [("n", "i8"), ("x", "f8")])
    column = Column.of_array(values)
    assert (column.kind, column.tolist()) == ("struct", [(1, 0.5), (2, 1.5)])
    assert column.put(AT, column.take(AT - 1)).kind == "struct"
    assert column.put(AT, Column.of(["a"])).tolist() == [(1, 0.5), "a"]
    assert Column.absent(2).put(AT, column.take(AT)).tolist() == [MISSING, (2, 1.5)]


def test_arrow_columns_stay_arrow_while_the_type_holds_the_values() -> None:
    column = Column.of_array(pa.array(["a", None]))
    assert (column.kind, column.tolist()) == ("arrow", ["a", None])
    assert column.put(AT, Column.of(["b"])).kind == "arrow"
    mixed = column.put(AT, Column.of([5]))
    assert (mixed.kind, mixed.tolist()) == ("object", ["a", 5])
    assert column.as_numpy().tolist() == ["a", None]
    ints = Column.of_array(pa.array([1, 2]))
    assert ints.put(AT, Column.of([2.0])).tolist() == [1, 2.0]
    assert type(ints.put(AT, Column.of([2.0])).item(1)) is float


def test_objects_holds_sequences_as_values() -> None:
    assert objects(iter([[1, 2], [3, 4]])).tolist() == [[1, 2], [3, 4]]
    assert objects([np.arange(2), np.arange(2)]).shape == (2,)
    assert objects([]).shape == (0,)


@pytest.mark.parametrize(
    "moment",
    [
        datetime.datetime(2020, 10, 25, 2, 30, fold=1),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    ],
    ids=["fold", "another zone", "another class of zone"],
)
def test_moments_that_would_show_another_hour_stay_objects(moment) -> None:
    kind = pa.timestamp("us", None if moment.tzinfo is None else "UTC")
    fitted = Column.of([moment]).fitted(kind, None, None)
    assert list(map(repr, fitted.tolist())) == [repr(moment)]
