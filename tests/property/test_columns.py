"""A column against a plain list: what comes out is what went in, whatever happens between."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.test_channels_columns import exact
from vecgraph.columns import Column, concat
from vecgraph.constants import MISSING

EDGES = [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**53 + 1, 0, -0.0, math.nan, math.inf]
VALUE = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(EDGES),
    st.none(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.tuples(st.integers()),
    st.sampled_from([np.float64(1.5), np.int64(3), np.bool_(True), np.float32(0.5)]),
)
KINDS: dict[str, st.SearchStrategy] = {
    "bool": st.booleans(),
    "int": st.integers(-(2**63), 2**63 - 1),
    "big": st.integers(),
    "float": st.floats(),
    "text": st.text(max_size=3),
    "any": VALUE,
    "row": st.just(np.arange(2)),
}


def cells(absent: bool = True) -> st.SearchStrategy:
    """Lists of cells of one kind, or of several, some of them absent."""

    def of(kind: str) -> st.SearchStrategy:
        one = st.one_of(KINDS[kind], st.just(MISSING)) if absent else KINDS[kind]
        return st.lists(one, max_size=6)

    return st.sampled_from(list(KINDS)).flatmap(of)


def same(column: Column, expected: list[Any]) -> None:
    """The column holds exactly these, by every way to look at it."""
    assert len(column) == len(expected)
    keys = list(map(exact, expected))
    assert list(map(exact, column.tolist())) == keys
    assert [exact(column.item(i)) for i in range(len(column))] == keys
    assert list(map(exact, column.as_objects().tolist())) == keys
    present = [v is not MISSING for v in expected]
    assert column.mask().tolist() == present
    assert column.is_full == all(present)


@given(cells())
def test_what_goes_in_comes_out(values: list[Any]) -> None:
    same(Column.of_cells(values), values)


@given(cells(absent=False))
def test_present_values_come_out(values: list[Any]) -> None:
    column = Column.of(values)
    same(column, values)
    assert column.present is None


@given(VALUE, st.integers(0, 4))
def test_a_full_column_repeats_its_value(value: Any, n: int) -> None:
    same(Column.full(n, value), [value] * n)


@given(cells(), st.data())
def test_take_is_indexing(values: list[Any], data: Any) -> None:
    column = Column.of_cells(values)
    assert column.take(None) is column
    index = st.integers(0, len(values) - 1) if values else st.nothing()
    where = np.array(data.draw(st.lists(index, max_size=8) if values else st.just([])), np.intp)
    same(column.take(where), [values[i] for i in where])


@given(cells(), cells(), st.booleans(), st.data())
def test_put_is_assignment(base: list[Any], new: list[Any], owned: bool, data: Any) -> None:
    new = new[: len(base)]
    where = data.draw(st.permutations(range(len(base))))[: len(new)]
    column, other = Column.of_cells(base), Column.of_cells(new)
    expected = list(base)
    for at, value in zip(where, new, strict=True):
        expected[at] = value
    same(column.put(np.array(where, np.intp), other, owned=owned), expected)
    same(other, new)
    if not owned:
        same(column, base)
    assert column.put(None, other) is other


@given(st.lists(cells(), min_size=1, max_size=4))
def test_concat_is_concatenation(parts: list[list[Any]]) -> None:
    same(concat([Column.of_cells(p) for p in parts]), [v for part in parts for v in part])


@given(st.lists(cells(), min_size=1, max_size=3))
def test_kinds_follow_the_values(parts: list[list[Any]]) -> None:
    """Values of one scalar type make that kind; a mix, or a large int, makes objects."""
    names = {bool: "bool", int: "int", float: "float"}
    for values in parts:
        known = [v for v in values if v is not MISSING]
        kinds = {type(v) for v in known}
        fits = all(-(2**63) <= v < 2**63 for v in known if type(v) is int)
        plain = len(kinds) == 1 and fits
        expected = names.get(next(iter(kinds)), "object") if plain else "object"
        assert Column.of_cells(values).kind == expected


DTYPES = ["?", "i1", "i8", "u1", "u4", "u8", "f2", "f4", "f8", "U2", "S2", "O", "M8[s]", "c16", "g"]


@pytest.mark.parametrize("dtype", DTYPES)
@given(seed=st.integers(0, 99), n=st.integers(0, 5))
def test_an_adopted_array_is_widened_exactly(dtype: str, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2**8, n).astype(np.int64).astype(dtype)
    if dtype == "u8" and n:
        values[0] = 2**64 - 1
    column = Column.of_array(values)
    assert column.kind in {"bool", "int", "float", "object"}
    assert all(a == b for a, b in zip(column.tolist(), values, strict=True))
    wanted = {"?": bool, "i": int, "u": int, "f": float, "U": str, "S": bytes}
    kind = wanted.get(dtype[0])
    assert kind is None or {type(v) for v in column.tolist()} <= {kind}


ARROW = {
    pa.string(): st.text(max_size=3),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(),
    pa.list_(pa.int64()): st.lists(st.integers(0, 9), max_size=2),
}


@pytest.mark.parametrize("kind", ARROW, ids=str)
@given(data=st.data())
def test_declared_columns_are_lists_too(kind: pa.DataType, data: Any) -> None:
    """Arrow values, nulls (a value, not an absence) and what the type cannot hold."""
    value = st.one_of(ARROW[kind], st.none())
    base = data.draw(st.lists(value, min_size=1, max_size=5))
    n = len(base)
    column = Column.of_array(pa.chunked_array([pa.array(base, kind)]))
    assert column.kind == "arrow"
    same(column, base)
    written = data.draw(st.one_of(st.lists(value, max_size=n), st.lists(VALUE, max_size=n)))
    where = np.array(data.draw(st.permutations(range(n)))[: len(written)], np.intp)
    expected = list(base)
    for at, new in zip(where, written, strict=True):
        expected[at] = new
    taken = column.take(where)
    same(taken, [base[i] for i in where])
    same(column.put(where, Column.of(written)), expected)
    same(Column.of(written).put(None, column), base)
    same(concat([Column.of(written), column]), [*written, *base])
    same(concat([column, Column.absent(2)]), [*base, MISSING, MISSING])
    scattered = Column.absent(n + 1).put(np.arange(n), column)
    same(scattered, [*base, MISSING])
    assert scattered.kind == "arrow"
