"""Every channel rule, by cell and by column, against LangGraph's channel of the same name.

A history is a list of supersteps; each superstep writes some values, then the channel may be
consumed and the run may seem to finish. The rule, its column form and LangGraph's object go
through the same history and must read the same, be available at the same times, report the
same changes and refuse the same writes with the same text.
"""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph import channels as theirs
from langgraph.types import Overwrite as TheirOverwrite

from tests.differential.cases import examples
from vecgraph import channels as ours
from vecgraph.channels.base import Write
from vecgraph.columns import Column
from vecgraph.testing.building import mix
from vecgraph.testing.compare import same
from vecgraph.testing.programs import floats, integers, values
from vecgraph.types import Overwrite

NAMES = st.sampled_from(["a", "b", "c"])
LISTS = st.lists(st.integers(0, 3), max_size=2)
REPLACED = st.builds(Overwrite, LISTS)

RULES = {
    "LastValue": (lambda lib: lib.LastValue(object), values),
    "LastValueAfterFinish": (lambda lib: lib.LastValueAfterFinish(object), values),
    "AnyValue": (lambda lib: lib.AnyValue(object), values),
    "EphemeralValue": (lambda lib: lib.EphemeralValue(object), values),
    "EphemeralValue-free": (lambda lib: lib.EphemeralValue(object, guard=False), values),
    "UntrackedValue": (lambda lib: lib.UntrackedValue(object), values),
    "Topic": (lambda lib: lib.Topic(object), st.one_of(values, LISTS)),
    "Topic-all": (lambda lib: lib.Topic(object, accumulate=True), st.one_of(values, LISTS)),
    "Barrier": (lambda lib: lib.NamedBarrierValue(str, {"a", "b", "c"}), NAMES),
    "BarrierAtEnd": (
        lambda lib: lib.NamedBarrierValueAfterFinish(str, {"a", "b", "c"}),
        NAMES,
    ),
    "add-int": (lambda lib: lib.BinaryOperatorAggregate(int, operator.add), integers),
    "mul-int": (lambda lib: lib.BinaryOperatorAggregate(int, operator.mul), integers),
    "add-float": (lambda lib: lib.BinaryOperatorAggregate(float, operator.add), floats),
    "add-mixed": (
        lambda lib: lib.BinaryOperatorAggregate(int, operator.add),
        st.one_of(integers, floats, st.booleans()),
    ),
    "add-list": (
        lambda lib: lib.BinaryOperatorAggregate(list, operator.add),
        st.one_of(LISTS, LISTS, REPLACED),
    ),
    "max": (lambda lib: lib.BinaryOperatorAggregate(int, max), st.one_of(integers, floats)),
    "or": (lambda lib: lib.BinaryOperatorAggregate(bool, operator.or_), st.booleans()),
    "mix": (lambda lib: lib.BinaryOperatorAggregate(int, mix), integers),
    "absent": (lambda lib: lib.BinaryOperatorAggregate(int | str, operator.add), integers),
    "any-fold": (lambda lib: lib.BinaryOperatorAggregate(int, operator.add), values),
}

ROWS = 5


@pytest.mark.parametrize("name", RULES)
@examples(40)
@given(data=st.data())
def test_a_rule_is_langgraphs_channel(name, data) -> None:
    make, writes = RULES[name]
    rule, channel = keyed(make(ours)), keyed(make(theirs))
    cell = rule.initial()
    for written, consume, finish in data.draw(histories(writes)):
        expected, failed = outcome(lambda w=written: channel.update([translated(v) for v in w]))
        if not written:
            before = rule.available(cell)
            found, wrong = outcome(lambda c=cell, b=before: rule.tick(c) if b else (c, False))
            expected = expected if before else False
        else:
            found, wrong = outcome(lambda c=cell, w=written: rule.fold(c, w))
        assert wrong == failed
        if failed:
            return
        cell, changed = found
        assert changed == expected
        agree(rule, cell, channel)
        if consume:
            cell, changed = rule.consume(cell)
            assert changed == channel.consume()
        if finish:
            cell, changed = rule.finish(cell)
            assert changed == channel.finish()
        agree(rule, cell, channel)


@pytest.mark.parametrize("name", RULES)
@examples(40)
@given(data=st.data())
def test_a_column_is_its_rows(name, data) -> None:
    """Folding a column == folding each row's cell, whoever writes to which rows."""
    make, writes = RULES[name]
    rule = keyed(make(ours))
    column, cells = rule.empty(ROWS), [rule.initial() for _ in range(ROWS)]
    for _ in range(data.draw(st.integers(1, 4))):
        tasks = data.draw(st.lists(st.lists(places(writes)), min_size=1, max_size=3))
        columns = [as_write(task) for task in tasks if task]
        if not columns:
            continue
        folded = rule.fold_columns(column, columns)
        column, cells, ended = step(rule, column, cells, folded, tasks)
        if ended:
            return
        for note, of_rows in ((rule.consume, rule.consume_columns), (rule.finish, None)):
            column, changed = (of_rows or rule.finish_columns)(column)
            pairs = [note(cell) for cell in cells]
            cells = [pair[0] for pair in pairs]
            assert changed.tolist() == [pair[1] for pair in pairs]


def step(rule, column, cells, folded, tasks):
    """Apply a fold to the column and to the cells; compare them row by row."""
    failed = dict(folded.failures)
    where = range(ROWS) if folded.where is None else folded.where.tolist()
    changed = where if folded.changed is None else folded.changed.tolist()
    after = dict(zip(where, folded.cells.tolist(), strict=True))
    for row in range(ROWS):
        mine = [value for task in tasks for at, value in task if at == row]
        if not mine:
            assert row not in after
            continue
        expected, error = outcome(lambda r=row, m=mine: rule.fold(cells[r], m))
        assert (row in failed) == (error is not None)
        if error:
            assert error == (type(failed[row]).__name__, str(failed[row]))
            continue
        cells[row] = expected[0]
        assert same(after[row], expected[0]), (after[row], expected[0])
        assert (row in changed) == expected[1]
    if failed:
        return column, cells, True
    new = folded.cells if folded.where is None else column.put(folded.where, folded.cells)
    read = rule.read_columns(new).tolist()
    for row, cell in enumerate(cells):
        if rule.available(cell):
            assert same(read[row], rule.read(cell))
    return new, cells, False


def places(writes):
    return st.tuples(st.integers(0, ROWS - 1), writes)


def as_write(task) -> Write:
    where = np.array([at for at, _ in task], np.intp)
    repeats = len(set(where.tolist())) < len(task) or bool((np.diff(where) < 0).any())
    return Write(where, Column.of([value for _, value in task]), repeats)


def histories(writes):
    return st.lists(
        st.tuples(st.lists(writes, max_size=3), st.booleans(), st.booleans()), max_size=6
    )


def keyed(channel):
    channel.key = "k"
    return channel


def translated(value):
    return TheirOverwrite(value.value) if isinstance(value, Overwrite) else value


def outcome(call):
    try:
        return call(), None
    except Exception as error:  # noqa: BLE001  any refusal is an outcome
        return None, (type(error).__name__, str(error))


def agree(rule, cell, channel) -> None:
    assert rule.available(cell) == channel.is_available()
    if channel.is_available():
        assert same(rule.read(cell), channel.get()), (rule.read(cell), channel.get())
