"""From what a traced function returned to what the engine takes: writes, and labels with rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.columns import Column
from vecgraph.constants import END, MISSING
from vecgraph.nodes.outcome import Outcome, joined, of_columns, of_results
from vecgraph.nodes.rowwise import call_rows
from vecgraph.nodes.writer import branch_channel
from vecgraph.positions import compose, positions
from vecgraph.tracing.values import Pick, Struct, cells_of, column_of, is_scalar

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.channels.base import Failure
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
    raw = whole_columns(answer)
    if raw is not None:
        outcome = of_columns(raw, None, writer.keys, answer.m)
        outcome.raw = raw
        return outcome
    gathered = _Gathered(answer.m)
    for each in answer.returned:
        gathered.add(each)
    if len(answer.suspects):
        results, where, failures = call_rows(fn, inputs.take(answer.suspects).rows(), [])
        gathered.results(compose(answer.suspects, where), results)
        gathered.failures = [(int(answer.suspects[at]), error) for at, error in failures]
    return gathered.outcome(writer)


class _Gathered:
    """What the rows of a task return at different places, put together by channel."""

    def __init__(self, m: int) -> None:
        self.m = m
        self.raw: dict[str, Column] = {}
        self.updates: dict[str, Column] = {}
        self.signals: Labels = []
        self.others: list[tuple[Any, list[Any]]] = []
        self.failures: list[Failure] = []

    def add(self, each: Returned) -> None:
        """Add what some rows return at one place."""
        value, rows = each.value, positions(each.rows, self.m)
        command = command_of(value)
        if command is not None:
            update, goto = command
            self._put(self.updates, rows, update)
            self.signals += [(end, compose(each.rows, at)) for end, at in goto if end != END]
        elif isinstance(value, Struct) and value.kind == "dict":
            self._put(self.raw, rows, value)
        else:
            self.results(rows, cells_of(value, len(rows)))

    def results(self, rows: Any, results: list[Any]) -> None:
        """Add what a function returned for some rows: dicts by channel, the rest as it is."""
        is_dict = [type(result) is dict for result in results]
        at = np.flatnonzero(is_dict)
        dicts = [results[i] for i in at.tolist()]
        for key in dict.fromkeys(key for row in dicts for key in row):
            column = Column.of_cells([row.get(key, MISSING) for row in dicts])
            known = np.flatnonzero(column.mask())
            self._put_column(self.raw, key, rows[at[known]], column.take(known))
        left = [i for i, d in enumerate(is_dict) if not d and results[i] is not None]
        if left:
            self.others.append((rows[left], [results[i] for i in left]))

    def _put(self, parts: dict[str, Column], rows: Any, value: Struct | None) -> None:
        if value is not None:
            for key, item in zip(value.keys, value.items, strict=True):
                self._put_column(parts, key, rows, column_of(item, len(rows)))

    def _put_column(self, parts: dict[str, Column], key: Any, rows: Any, column: Column) -> None:
        base = parts.get(key)
        base = Column.absent(self.m) if base is None else base
        parts[key] = base.put(rows, column, owned=True)

    def outcome(self, writer: StateWriter) -> Outcome:
        """Return it all as an Outcome, failures in the order of their rows."""
        outcome = of_columns(self.raw, None, writer.keys, self.m)
        outcome.merge(of_columns(self.updates, None, writer.keys, self.m))
        for end, at in self.signals:
            outcome.signal(branch_channel(end), at)
        for at, results in self.others:
            part = of_results(results, None, writer, len(results))
            outcome.merge(joined([(at, part)], self.m))
        outcome.failures = sorted(
            [*outcome.failures, *self.failures], key=lambda failure: failure[0]
        )
        outcome.raw = self.raw
        return outcome


def command_of(value: Value) -> tuple[Struct | None, Labels] | None:
    """Return the update of Commands of one form, and the nodes that they go to with their rows.

    None: it is no Command, or one that says more than that.
    """
    if not isinstance(value, Struct) or value.kind != "Command":
        return None
    fields = dict(zip(value.keys, value.items, strict=True))
    update, goto = fields.get("update"), fields.get("goto")
    if update is not None and not (isinstance(update, Struct) and update.kind == "dict"):
        return None
    labels: Labels | None = [] if goto is None else _constants(goto)
    if labels is None or any(type(label) is not str for label, _ in labels):
        return None
    return update, labels


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
