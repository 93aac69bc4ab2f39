"""A table in, a table out: the same rows as a list of dicts, and what LangGraph makes of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.differential.cases import SIZES, examples, spread, truth
from tests.differential.vecgraph_side import compiled, failure, paths
from vecgraph.testing import difference, disagreement, reference
from vecgraph.testing.strategies import graphs, numeric_graphs, rows

WORDS = {"GraphRecursionError": "recursion"}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tier", ["rowwise", "vector", "expr"])
@examples(10)
@given(data=st.data())
def test_a_table_is_its_rows(tier, size, data) -> None:
    spec = data.draw(numeric_graphs())
    given_rows = data.draw(rows(spec, min(size, 12), numbers=True))
    records = truth(spec, given_rows, by_langgraph=False)
    batch, places = spread(given_rows, size)
    table = data.draw(st.sampled_from([arrays, arrow, lists]))(batch, spec.inputs)
    app = compiled(spec, tier)
    for path in paths(app, size):
        result = app.batch(table, {"recursion_limit": spec.limit})
        assert len(result) == size
        for row, (place, value) in enumerate(zip(places, result.to_list(), strict=True)):
            found = failure(records[place], value) or ending(records[place], result, row)
            assert found is None, f"{path}, row {row} of {size}, input {batch[row]!r}: {found}"
        assert [error.row for error in result.errors] == [
            row for row, place in enumerate(places) if records[place].errors
        ]


def ending(expected, result, row):
    """Return where the status or the number of supersteps of a row is wrong."""
    word = "done"
    if expected.errors:
        word = WORDS.get(expected.errors[0][0], "error")
    steps = max((step.step for step in expected.steps if step.tasks), default=0)
    found = difference([word, steps], [str(result.status[row]), int(result.steps[row])])
    return found and f"status and steps: {found}"


def arrays(batch, names):
    """Columns as NumPy arrays; objects where an int does not fit."""
    return {name: array([row[name] for row in batch]) for name in names}


def array(values):
    fits = all(type(v) is float for v in values) or all(
        type(v) is int and -(2**63) <= v < 2**63 for v in values
    )
    if fits:
        return np.array(values)
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def arrow(batch, names):
    """Columns as an Arrow table, or as arrays where Arrow has no such int."""
    columns = arrays(batch, names)
    if any(column.dtype == object for column in columns.values()):
        return columns
    return pa.table(columns)


def lists(batch, names):
    return {name: [row[name] for row in batch] for name in names}


@pytest.mark.parametrize(("strategy", "numbers"), [(graphs(), False), (numeric_graphs(), True)])
@pytest.mark.parametrize("tier", ["rowwise", "vector", "expr", "async"])
@examples(10)
@given(data=st.data())
def test_the_shipped_reference_is_the_oracle(tier, strategy, numbers, data) -> None:
    """`vecgraph.testing.reference(app)`, which runs the app's own nodes one row at a time."""
    spec = data.draw(strategy)
    tier = tier if numbers or tier == "async" else "rowwise"
    given_rows = data.draw(rows(spec, 3, numbers=numbers))
    app = reference(compiled(spec, tier))
    for row, expected in zip(given_rows, truth(spec, given_rows, by_langgraph=False), strict=True):
        record = app.record(row, {"recursion_limit": spec.limit})
        found = disagreement(expected, record)
        assert found is None, f"input {row!r}: {found}"
