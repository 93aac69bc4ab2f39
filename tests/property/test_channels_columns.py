"""The column form of every channel equals its scalar form, row by row."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vecgraph.channels import (
    AnyValue,
    BinaryOperatorAggregate,
    EphemeralValue,
    LastValue,
    LastValueAfterFinish,
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
    Topic,
    UntrackedValue,
    reduce,
)
from vecgraph.channels.base import Channel, Folded, Write
from vecgraph.columns import Column
from vecgraph.constants import MISSING
from vecgraph.types import Overwrite

INTS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**62, 2**63 - 1, -(2**63), 2**63, -(2**64), 2**53 + 1]),
)
SMALL = st.integers(-3, 3)
FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf, -math.inf, 0.1, 1e308]), st.floats()
)
SCALARS = {
    "bool": st.booleans(),
    "small": SMALL,
    "int": INTS,
    "float": FLOATS,
    "mixed": st.one_of(st.booleans(), SMALL, FLOATS, INTS),
}
LISTS = st.lists(SMALL, max_size=3)
OVERWRITES = st.one_of(
    SMALL.map(Overwrite),
    SMALL.map(lambda v: {"__overwrite__": v}),
    SMALL.map(lambda v: {"value": v, "type": "__overwrite__"}),
)


def exact(value: Any) -> Any:
    """A key that tells -0.0 from 0.0, NaN from others, and True from 1 from 1.0."""
    if isinstance(value, np.ndarray):
        return ("array", value.dtype.str, tuple(map(exact, value.tolist())))
    if isinstance(value, list | tuple):
        return (type(value), tuple(map(exact, value)))
    if isinstance(value, float):
        return (type(value), "nan" if math.isnan(value) else value.hex())
    if isinstance(value, Overwrite):
        return (Overwrite, exact(value.value))
    return (type(value), repr(value))


def summary(folded: Folded, n: int) -> dict[int, Any]:
    """What each written row holds, whether it changed, or how it failed."""
    where = range(n) if folded.where is None else folded.where.tolist()
    assert list(where) == sorted(set(where))
    changed = range(n) if folded.changed is None else folded.changed.tolist()
    failures = {position: (type(e), str(e)) for position, e in folded.failures}
    assert list(failures) == sorted(failures)
    assert not set(failures) & set(changed)
    return {
        position: failures.get(position, (exact(cell), position in set(changed)))
        for position, cell in zip(where, folded.cells.tolist(), strict=True)
    }


def check(channel: Channel, column: Column, writes: list[Write]) -> Folded:
    """Fold both ways, compare, and make sure that nothing that went in was changed."""
    before = [exact(v) for c in [column, *(w.values for w in writes)] for v in c.tolist()]
    folded = channel.fold_columns(column, writes)
    expected = Channel.fold_columns(channel, column, writes)
    assert summary(folded, len(column)) == summary(expected, len(column))
    assert before == [exact(v) for c in [column, *(w.values for w in writes)] for v in c.tolist()]
    return folded


@st.composite
def folds(draw: st.DrawFn, cells: st.SearchStrategy, values: st.SearchStrategy, absent: bool):
    """A column and one to three writes to it; positions in any order, with repeats or None.

    Those of Sends stand by row, often equally many of each.
    """
    n = draw(st.integers(1, 5))
    cell = st.one_of(cells, st.just(MISSING)) if absent else cells
    column = Column.of_cells(draw(st.lists(cell, min_size=n, max_size=n)))
    writes = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["all", "unique", "repeats", "sorted", "even"]))
        only = kind in {"unique", "even"}
        at = st.lists(st.integers(0, n - 1), min_size=1, max_size=2 * n, unique=only)
        where = None if kind == "all" else np.array(draw(at), np.intp)
        if kind in {"sorted", "even"}:
            where = np.repeat(np.sort(where), draw(st.integers(1, 3)) if kind == "even" else 1)
        m = n if where is None else len(where)
        written = Column.of(draw(st.lists(values, min_size=m, max_size=m)))
        writes.append(Write(where, written, kind not in {"all", "unique"}))
    return column, writes


ANY = st.one_of(st.none(), SMALL, FLOATS, st.booleans(), st.text(max_size=2), LISTS)
REPLACING = [
    LastValue(int, "k"),
    AnyValue(int, "k"),
    EphemeralValue(int),
    EphemeralValue(int, guard=False),
    UntrackedValue(int),
    UntrackedValue(int, False),
    Topic(int),
    Topic(int, accumulate=True),
]


@pytest.mark.parametrize("channel", REPLACING, ids=repr)
@given(data=st.data(), kind=st.sampled_from([ANY, SMALL, FLOATS]))
def test_replacing_channels_fold_columns_as_rows(channel: Channel, data: Any, kind: Any) -> None:
    cells = kind.map(lambda v: (v,)) if isinstance(channel, Topic) else kind
    column, writes = data.draw(folds(cells, kind, absent=True))
    check(channel, column, writes)
    check_ticks(channel, column)


@given(data=st.data())
def test_last_value_after_finish_folds_columns_as_rows(data: Any) -> None:
    channel = LastValueAfterFinish(int, "k")
    column, writes = data.draw(folds(st.tuples(ANY, st.booleans()), ANY, absent=True))
    check(channel, column, writes)
    check_ticks(channel, column)


@pytest.mark.parametrize("barrier", [NamedBarrierValue, NamedBarrierValueAfterFinish])
@pytest.mark.parametrize("names", [3, 70])
@given(data=st.data())
def test_barriers_fold_columns_as_rows(barrier: type[Any], names: int, data: Any) -> None:
    channel = barrier(str, {f"n{i}" for i in range(names)})
    name = st.sampled_from(sorted(channel.names))
    written = st.one_of(name, name, name, st.sampled_from(["?", 1]))
    cells = (
        st.sets(name)
        .map(lambda seen: channel.fold(0, list(seen))[0])
        .map(lambda cell: channel.finish(cell)[0])
    )
    column, writes = data.draw(folds(cells | st.just(channel.initial()), written, absent=False))
    check(channel, column, writes)
    check_ticks(channel, column)
    everything = Column.full(3, (1 << names) - 1)
    check_ticks(channel, everything)


def check_ticks(channel: Channel, column: Column) -> None:
    """tick, consume, finish, available and read: as columns, as rows."""
    for name in ("tick_columns", "consume_columns", "finish_columns"):
        cells, changed = getattr(channel, name)(column)
        by_rows, expected = getattr(Channel, name)(channel, column)
        assert list(map(exact, cells.tolist())) == list(map(exact, by_rows.tolist()))
        assert changed.tolist() == expected.tolist()
    available = channel.available_columns(column)
    rows = [channel.available(cell) for cell in column.tolist()]
    assert (rows if available is not None else [True] * len(column)) == (
        rows if available is None else available.tolist()
    )
    read = [channel.read(c) if channel.available(c) else MISSING for c in column.tolist()]
    assert list(map(exact, channel.read_columns(column).tolist())) == list(map(exact, read))


OPERATORS = [
    operator.add,
    operator.iadd,
    operator.sub,
    operator.mul,
    operator.and_,
    operator.or_,
    operator.xor,
    operator.ixor,
    max,
    min,
    np.add,
    np.subtract,
    np.multiply,
    np.bitwise_or,
    np.maximum,
    np.minimum,
    lambda a, b: [a, b],
    operator.truediv,
]


@pytest.mark.parametrize("function", OPERATORS, ids=lambda f: getattr(f, "__name__", "?"))
@given(data=st.data(), kinds=st.tuples(*[st.sampled_from(list(SCALARS))] * 2))
def test_a_reducer_folds_columns_as_rows(function: Any, data: Any, kinds: Any) -> None:
    channel = BinaryOperatorAggregate(int, function)
    cells, values = (SCALARS[kind] for kind in kinds)
    column, writes = data.draw(folds(cells, values, absent=data.draw(st.booleans())))
    check(channel, column, writes)


@pytest.mark.parametrize("function", [operator.add, operator.sub])
@pytest.mark.parametrize("each", [1, 2, 3])
@given(data=st.data(), near=st.sampled_from([2**62, 2**63 - 2, -(2**63) + 1, -(2**62), 0]))
def test_sums_of_a_rows_values_leave_int64_as_python_does(
    function: Any, each: int, near: int, data: Any
) -> None:
    ints = st.one_of(st.integers(-2, 2), st.sampled_from([2**62, 2**61, -(2**61), -(2**62)]))
    cells = data.draw(st.lists(st.one_of(st.just(near), st.just(0)), min_size=3, max_size=3))
    where = np.repeat(np.arange(3), each)
    values = data.draw(st.lists(ints, min_size=len(where), max_size=len(where)))
    channel = BinaryOperatorAggregate(int, function)
    check(channel, Column.of(cells), [Write(where, Column.of(values), repeats=True)])


@pytest.mark.parametrize("function", [operator.add, operator.isub, operator.mul, np.maximum])
@given(data=st.data(), kinds=st.tuples(*[st.sampled_from(list(SCALARS))] * 2))
def test_very_many_values_a_row_fold_as_few_do(function: Any, data: Any, kinds: Any) -> None:
    """One run that sends very much takes no round for each of its values."""
    channel = BinaryOperatorAggregate(int, function)
    cells, values = (SCALARS[kind] for kind in kinds)
    column, writes = data.draw(folds(cells, values, absent=data.draw(st.booleans())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reduce, "_LONG", 1)
        check(channel, column, writes)


def test_a_sum_of_floats_leaves_the_ints_of_other_rows_ints() -> None:
    twice, once = np.zeros(2, np.intp), np.ones(1, np.intp)
    writes = [Write(twice, Column.of([0.5, 0.5]), True), Write(once, Column.of([1]))]
    check(BinaryOperatorAggregate(int, operator.add), Column.of([1, 2]), writes)


def test_the_rounds_of_a_long_span_are_not_made() -> None:
    """One row with many values is folded in a number of calls that does not grow with them."""
    many = 20_000
    where = np.zeros(many, np.intp)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reduce, "rounds_of", None)
        for start, values in ((2**62, np.arange(many)), (0.5, np.arange(many) * 0.1)):
            channel = BinaryOperatorAggregate(int, operator.add)
            column = Column.of([start])
            folded = channel.fold_columns(column, [Write(where, Column.of_array(values), True)])
            total = start
            for value in values.tolist():
                total += value
            assert folded.cells.tolist() == [total]


@pytest.mark.parametrize("function", [operator.add, operator.iadd, max])
@given(data=st.data())
def test_a_reducer_of_lists_and_overwrites_folds_columns_as_rows(function: Any, data: Any) -> None:
    channel = BinaryOperatorAggregate(list, function)
    values = st.one_of(LISTS, LISTS, SMALL, OVERWRITES, LISTS.map(tuple))
    column, writes = data.draw(folds(LISTS, values, absent=True))
    check(channel, column, writes)


@pytest.mark.parametrize("function", [operator.add, operator.mul, operator.and_, max, np.maximum])
@given(
    data=st.data(),
    dtypes=st.tuples(*[st.sampled_from([np.int8, np.int64, np.float32, np.float64, np.bool_])] * 2),
)
def test_a_reducer_of_tensors_folds_columns_as_rows(function: Any, data: Any, dtypes: Any) -> None:
    channel = BinaryOperatorAggregate(np.ndarray, function)
    shape = data.draw(st.sampled_from([(1,), (2,), (2, 2)]))
    n = data.draw(st.integers(1, 4))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    column, write = (
        Column.of_array(rng.integers(0, 100, (n, *shape)).astype(dtype)) for dtype in dtypes
    )
    check(
        channel, column, [Write(None, write), Write(np.array([n - 1]), write.take(np.array([0])))]
    )


@example(rows=1000, active=3)
@given(rows=st.integers(1, 60), active=st.integers(1, 60))
def test_few_rows_of_many_merge_as_many_of_many(rows: int, active: int) -> None:
    """Both ways to find the positions written: by sorting, and by marking."""
    rng = np.random.default_rng(rows)
    column = Column.of(list(range(rows)))
    writes = [
        Write(rng.integers(0, rows, active), Column.of(list(range(active))), repeats=True)
        for _ in range(2)
    ]
    for channel in (AnyValue(int), LastValue(int), BinaryOperatorAggregate(int, operator.sub)):
        check(channel, column, writes)
