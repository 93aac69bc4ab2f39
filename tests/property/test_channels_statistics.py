"""The mathematical channels: columns equal rows bit for bit, rows equal the definition."""

from __future__ import annotations

import copy
import itertools
import math
import statistics
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.test_channels_columns import FLOATS, SCALARS, exact, folds
from vecgraph.channels import (
    EWMA,
    Channel,
    Count,
    Histogram,
    Mean,
    MinMax,
    RingBuffer,
    SetUnion,
    TopK,
    Variance,
)
from vecgraph.channels.base import Write
from vecgraph.columns import Column
from vecgraph.constants import MISSING
from vecgraph.types import Overwrite

CHANNELS = [
    Mean(),
    Variance(),
    Variance(ddof=1),
    MinMax(),
    Count(),
    TopK(k=1),
    TopK(k=3),
    TopK(k=2, largest=False),
    Histogram(edges=[-1, 0, 0.5, 2]),
    EWMA(alpha=0.3),
    EWMA(halflife=2),
    RingBuffer(size=1),
    RingBuffer(size=3),
    SetUnion(),
]
ODD = st.one_of(
    SCALARS["mixed"],
    st.just("text"),
    st.none(),
    st.one_of(st.none(), FLOATS, st.lists(FLOATS, max_size=3)).map(Overwrite),
)


def state(channel: Channel, cell: Any) -> Any:
    """A cell in one form: a row of a structured array and a tuple mean the same."""
    if isinstance(cell, tuple) and hasattr(channel, "_held"):
        return exact((cell[0], channel._held(cell)))
    if isinstance(cell, tuple) and hasattr(channel, "_counts"):
        return exact((cell[0], channel._counts(cell)))
    return seen(cell)


def seen(value: Any) -> Any:
    """What a node reads, so that it compares exactly."""
    return sorted(map(repr, value)) if isinstance(value, frozenset) else exact(value)


def readings(channel: Channel, column: Column) -> list[Any]:
    """What each run reads: by the column form, checked against the scalar form."""
    read = channel.read_columns(column).tolist()
    cells = column.tolist()
    rows = [channel.read(c) if channel.available(c) else MISSING for c in cells]
    assert list(map(seen, read)) == list(map(seen, rows))
    mask = channel.available_columns(column)
    available = [True] * len(column) if mask is None else mask.tolist()
    assert available == [channel.available(c) for c in cells]
    return read


def check(channel: Channel, column: Column, writes: list[Write]) -> Column:
    """Fold both ways, compare cells, changes and failures; return the column afterwards."""
    before = [state(channel, c) for c in column.tolist()]
    folded = channel.fold_columns(column, writes)
    expected = Channel.fold_columns(channel, column, writes)
    assert before == [state(channel, c) for c in column.tolist()]
    n = len(column)
    where = np.arange(n) if folded.where is None else folded.where
    assert where.tolist() == expected.where.tolist()
    failures = [(at, type(e), str(e)) for at, e in folded.failures]
    assert failures == [(at, type(e), str(e)) for at, e in expected.failures]
    changed = np.arange(n) if folded.changed is None else folded.changed
    assert changed.tolist() == expected.changed.tolist()
    pairs = zip(where, folded.cells.tolist(), expected.cells.tolist(), strict=True)
    failed = {at for at, _, _ in failures}
    for at, mine, theirs in pairs:
        assert at in failed or state(channel, mine) == state(channel, theirs)
    return column.put(folded.where, folded.cells)


@pytest.mark.parametrize("channel", CHANNELS, ids=repr)
@given(data=st.data())
def test_columns_fold_as_rows(channel: Channel, data: Any) -> None:
    """Three supersteps of any writes, from the empty column on."""
    kinds = st.sampled_from([*SCALARS.values(), FLOATS, ODD])
    n, column = 0, None
    for _ in range(3):
        other, writes = data.draw(folds(st.just(0), data.draw(kinds), absent=False))
        if column is None:
            n, column = len(other), channel.empty(len(other))
        usable = [w for w in writes if w.where is not None and w.where.max() < n]
        if usable:
            column = check(channel, column, usable)
            readings(channel, column)


@pytest.mark.parametrize("channel", CHANNELS, ids=repr)
@given(values=st.lists(FLOATS, min_size=1, max_size=20), cut=st.integers(0, 20))
def test_one_run_of_a_batch_is_a_run_alone(channel: Channel, values: list[float], cut: int) -> None:
    """However the writes are cut into supersteps, and whichever form folds them."""
    alone, _ = channel.fold(channel.initial(), values)
    column = channel.empty(2)
    for part in (values[:cut], values[cut:]):
        if part:
            at = np.ones(len(part), np.intp)
            column = check(channel, column, [Write(at, Column.of(part), repeats=True)])
    assert state(channel, column.item(1)) == state(channel, alone)
    assert seen(channel.read(alone)) == seen(readings(channel, column)[1])


@pytest.mark.parametrize("channel", CHANNELS, ids=repr)
def test_rows_gather_scatter_and_forget_their_form(channel: Channel) -> None:
    """Structured rows, tuples and a mix of both go on alike."""
    first = Write(np.array([0, 2]), Column.of([1.5, 2.5]))
    column = check(channel, channel.empty(3), [first])
    for again in (
        column.take(np.array([2, 1, 0])),
        Column.of_cells(column.tolist()),
        column.take(np.array([0])).put(None, Column.of_cells(column.take(np.array([2])).tolist())),
    ):
        n = len(again)
        check(channel, again, [Write(None, Column.of([0.25] * n)), Write(None, Column.of([7] * n))])
        assert state(channel, copy.deepcopy(again.item(0))) == state(channel, again.item(0))


def read(channel: Channel, values: list[Any]) -> Any:
    return channel.read(channel.fold(channel.initial(), values)[0])


MODERATE = st.floats(-1e6, 1e6)


@given(st.lists(MODERATE, min_size=1))
def test_mean_is_the_rounded_exact_mean(values: list[float]) -> None:
    found = read(Mean(), values)
    size = max(map(abs, values))
    assert abs(Fraction(found) - sum(map(Fraction, values)) / len(values)) <= 1e-15 * size


@given(st.lists(MODERATE, min_size=2), st.sampled_from([0, 1]))
def test_variance_is_that_of_the_definition(values: list[float], ddof: int) -> None:
    mean = sum(map(Fraction, values)) / len(values)
    expected = sum((Fraction(v) - mean) ** 2 for v in values) / (len(values) - ddof)
    scale = max(map(abs, values)) ** 2
    assert read(Variance(ddof=ddof), values) == pytest.approx(
        float(expected), rel=1e-9, abs=1e-12 * scale + 1e-300
    )


@given(st.lists(st.integers()), st.integers(1, 5))
def test_orders_and_memories_are_pythons(values: list[int], k: int) -> None:
    assert read(TopK(int, k=k), values) == tuple(sorted(values, reverse=True)[:k])
    assert read(TopK(int, k=k, largest=False), values) == tuple(sorted(values)[:k])
    assert read(RingBuffer(int, size=k), values) == tuple(values[-k:])
    assert read(SetUnion(), values) == frozenset(values)
    assert read(Count(), values) == len(values)
    if values:
        assert read(MinMax(int), values) == (min(values), max(values))


@given(st.lists(FLOATS), st.lists(FLOATS.filter(math.isfinite), min_size=2, unique=True))
def test_histogram_is_numpys(values: list[float], edges: list[float]) -> None:
    # Unique floats hold 0.0 or -0.0 at most once, as ascending edges must.
    edges = sorted(set(edges))
    if len(edges) < 2:
        return
    bins = [0] * (len(edges) - 1)
    for x in values:
        for i, (low, high) in enumerate(itertools.pairwise(edges)):
            if low <= x < high or (i == len(bins) - 1 and x == high):
                bins[i] += 1
    assert read(Histogram(edges=edges), values) == tuple(bins)


@given(st.lists(MODERATE, min_size=1), st.floats(0.01, 1))
def test_ewma_is_the_recurrence(values: list[float], alpha: float) -> None:
    mean = values[0]
    for x in values[1:]:
        mean = mean + alpha * (x - mean)
    assert read(EWMA(alpha=alpha), values) == mean


def test_a_spread_far_from_zero_is_not_lost() -> None:
    """Squares of the values would cancel; sums of them lose every digit."""
    values = [1e9 + v for v in (4.0, 7.0, 13.0, 16.0)]
    assert read(Variance(ddof=1), values) == statistics.variance(values) == 30.0
