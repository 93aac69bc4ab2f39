"""Traced functions give what the functions give: value, type and exception, on generated functions."""

from __future__ import annotations

import os
import random as random_module
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.traced_functions import Writer, columns, defined
from vecgraph.nodes.outcome import unpacked
from vecgraph.nodes.writer import StateWriter
from vecgraph.state import Inputs
from vecgraph.tracing.compare import is_same
from vecgraph.tracing.outcomes import node_outcome
from vecgraph.tracing.traced import Traced
from vecgraph.tracing.values import cells_of

ROWS = 48
WRITER = StateWriter(("p", "q", "r", "n", "a", "s", "l", "g"))


def plain(fn, row):
    """Return what a function makes of a row, or the exception that it raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ~True
            return fn(row)
    except Exception as error:  # noqa: BLE001
        return error


def written(result):
    try:
        return result if isinstance(result, Exception) else dict(WRITER(result))
    except Exception as error:  # noqa: BLE001
        return error


def same(found, expected):
    if isinstance(expected, Exception):
        return type(found) is type(expected) and str(found) == str(expected)
    return is_same(found, expected)


def compared(text, given_columns, n):
    """Compare a function on columns with itself on rows; return how many rows columns vouch for."""
    fn = defined(text)
    traced = Traced(fn)
    assert traced.refused is None, (text, str(traced.refused))
    inputs = Inputs(n, tuple(given_columns), given_columns.get)
    rows = inputs.rows()
    expected = [plain(fn, row) for row in rows]
    answer = traced.answer(inputs)
    if answer is None:
        assert traced.broken is None, (text, traced.broken)
        return 0
    suspects = set(answer.suspects.tolist())
    for returned in answer.returned:
        at = range(n) if returned.rows is None else returned.rows.tolist()
        for position, cell in zip(at, cells_of(returned.value, len(at)), strict=True):
            assert position not in suspects
            assert same(cell, expected[position]), (text, rows[position], cell, expected[position])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = node_outcome(answer, fn, inputs, WRITER)
    for position, pairs in enumerate(unpacked(outcome)):
        wrote = pairs if isinstance(pairs, Exception) else dict(pairs)
        right = written(expected[position])
        if isinstance(right, dict) and isinstance(wrote, dict):
            right, wrote = dict(sorted(right.items())), dict(sorted(wrote.items()))
        assert same(wrote, right), (text, rows[position], wrote, right)
    return n - len(suspects)


@settings(max_examples=int(os.environ.get("TRACED_EXAMPLES", "250")))
@given(st.randoms(use_true_random=False))
def test_a_traced_function_gives_what_the_function_gives(random) -> None:
    compared(Writer(random).function(), columns(random, ROWS), ROWS)


def test_most_rows_of_generated_functions_are_computed_in_columns() -> None:
    random = random_module.Random(7)
    vouched = total = 0
    for _ in range(60):
        vouched += compared(Writer(random).function(), columns(random, ROWS), ROWS)
        total += ROWS
    assert vouched > total // 8


@pytest.mark.soak
def test_ten_million_rows_of_generated_functions_have_no_mismatch() -> None:
    random = random_module.Random(int(os.environ.get("TRACED_SEED", "0")))
    rows, most = 0, int(os.environ.get("TRACED_ROWS", "10000000"))
    while rows < most:
        text = Writer(random).function()
        for n in (24, 200, 900):
            compared(text, columns(random, n), n)
            rows += n
    assert rows >= most
    assert np.isfinite(rows)
