"""From what a traced function returned to what the engine takes: writes, and labels with rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.columns import Column
from vecgraph.constants import MISSING
from vecgraph.nodes.outcome import Outcome, joined, of_columns, of_results
from vecgraph.nodes.rowwise import call_rows
from vecgraph.positions import compose, positions
from vecgraph.tracing.values import Pick, Struct, cells_of, column_of, is_scalar

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.nodes.writer import StateWriter
    from vecgraph.state import Inputs
    from vecgraph.tracing.scope import Returned
    from vecgraph.tracing.traced import Answer
    from vecgraph.tracing.values import Value
    from vecgraph.typing import Where

__all__ = ["Labels", "labels_of_answer", "node_outcome", "whole_columns"]

Labels = list[tuple[Any, "Where"]]
"""Labels of a router with the rows that they are for; no row occurs twice."""

_FEW = 64
"""A table of more labels is looked up row by row."""


def whole_columns(answer: Answer) -> dict[str, Column] | None:
    """Return the columns of a dict that all rows return at one place; None for anything else."""
    whole = answer.whole
    if whole is None or not isinstance(whole.value, Struct) or whole.value.kind != "dict":
        return None
    value = whole.value
    return {k: column_of(item, answer.m) for k, item in zip(value.keys, value.items, strict=True)}


def node_outcome(
    answer: Answer, fn: Callable[[Any], Any], inputs: Inputs, writer: StateWriter
) -> Outcome:
    """Return what a node gives for M rows; suspect rows go through `fn`."""
    m = answer.m
    raw = whole_columns(answer)
    if raw is not None:
        outcome = of_columns(raw, None, writer.keys, m)
        outcome.raw = raw
        return outcome
    parts: dict[str, Column] = {}
    others: list[tuple[Any, list[Any]]] = []
    for each in answer.returned:
        _add(parts, others, each, m)
    failures = []
    if len(answer.suspects):
        results, where, failed = call_rows(fn, inputs.take(answer.suspects).rows(), [])
        at = compose(answer.suspects, where)
        others.append((at, results))
        failures = [(int(answer.suspects[position]), error) for position, error in failed]
    rest = [_apart(parts, at, results, m) for at, results in others]
    outcome = of_columns(parts, None, writer.keys, m)
    for at, results in rest:
        if results:
            part = of_results(results, None, writer, len(results))
            outcome.merge(joined([(at, part)], m))
    outcome.failures = sorted([*outcome.failures, *failures], key=lambda failure: failure[0])
    outcome.raw = parts
    return outcome


def _add(
    parts: dict[str, Column], others: list[tuple[Any, list[Any]]], each: Returned, m: int
) -> None:
    """Put a dict of columns in its rows; keep anything else as objects."""
    value, rows = each.value, positions(each.rows, m)
    if isinstance(value, Struct) and value.kind == "dict":
        for key, item in zip(value.keys, value.items, strict=True):
            _put(parts, key, rows, column_of(item, len(rows)), m)
    else:
        others.append((rows, cells_of(value, len(rows))))


def _put(parts: dict[str, Column], key: Any, rows: Any, column: Column, m: int) -> None:
    base = parts.get(key)
    parts[key] = (Column.absent(m) if base is None else base).put(rows, column, owned=True)


def _apart(
    parts: dict[str, Column], rows: Any, results: list[Any], m: int
) -> tuple[Any, list[Any]]:
    """Put the results that are dicts into the columns; return the others, save for None."""
    is_dict = [type(result) is dict for result in results]
    at = np.flatnonzero(is_dict)
    dicts = [results[i] for i in at.tolist()]
    for key in dict.fromkeys(key for row in dicts for key in row):
        column = Column.of_cells([row.get(key, MISSING) for row in dicts])
        known = np.flatnonzero(column.mask())
        _put(parts, key, rows[at[known]], column.take(known), m)
    left = [i for i, d in enumerate(is_dict) if not d and results[i] is not None]
    return rows[left], [results[i] for i in left]


def labels_of_answer(answer: Answer) -> tuple[Labels, Any, list[Any]]:
    """Return what a router answers.

    Returns
    -------
    list of (label, Where)
        Rows whose label is one of a few constants.
    intp ndarray, list
        The other rows that are not suspect, ascending, and what each returns.
    """
    labels: Labels = []
    rows: list[Any] = []
    results: list[Any] = []
    for each in answer.returned:
        found = _constants(each.value)
        if found is not None:
            labels += [(label, compose(each.rows, at)) for label, at in found]
            continue
        where = positions(each.rows, answer.m)
        rows.append(where)
        results += cells_of(each.value, len(where))
    if not rows:
        return labels, np.empty(0, np.intp), results
    at = np.concatenate(rows)
    order = np.argsort(at, kind="stable")
    return labels, at[order], [results[i] for i in order.tolist()]


def _constants(value: Value) -> Labels | None:
    """Return the labels of a value that takes few, with their rows; None for another one."""
    if isinstance(value, Pick):
        if len(value.table) > _FEW:
            return None
        return _of_codes(value.codes, value.table)
    if isinstance(value, Struct):
        return None
    if is_scalar(value):
        return [(value.values, None)]
    if value.kind == "b":
        return _of_codes(value.values.view(np.int8), (False, True))
    return None


def _of_codes(codes: Any, table: tuple[Any, ...]) -> Labels:
    low, high = int(codes.min()), int(codes.max())
    if low == high:
        return [(table[low], None)]
    found = [(table[code], np.flatnonzero(codes == code)) for code in range(low, high + 1)]
    return [(label, at) for label, at in found if len(at)]
