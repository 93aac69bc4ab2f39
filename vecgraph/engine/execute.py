"""Run one task of a lane: the node over its rows, then its edges and routers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.columns import Column
from vecgraph.constants import END
from vecgraph.engine.retry import retried
from vecgraph.engine.single import destinations, warn_unknown
from vecgraph.errors import EmptyInputError, ParentCommand
from vecgraph.nodes.outcome import Outcome, joined, of_columns, of_pairs, of_results, sent_by_rows
from vecgraph.nodes.rowwise import call_rows
from vecgraph.nodes.vector import labels_of, normalise, says_more
from vecgraph.nodes.writer import StateWriter, branch_channel
from vecgraph.positions import compose, count, positions
from vecgraph.tracing.outcomes import labels_of_answer, node_outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.engine.scope import TaskScope
    from vecgraph.engine.site import Site
    from vecgraph.engine.tables import Tables
    from vecgraph.nodes.action import Action
    from vecgraph.program import Branch, NodeSpec
    from vecgraph.state import Inputs
    from vecgraph.tracing.traced import Answer
    from vecgraph.typing import Where

__all__ = ["answered", "caller", "end_of", "routed", "run_node", "run_router"]


def run_node(spec: NodeSpec, inputs: Inputs, site: Site) -> Outcome:
    """Run a node on all rows of a task; each row's failure is its own."""
    action = spec.action
    if action is None:
        return _start(spec, inputs)
    return _TIERS[action.tier](spec, action, inputs, site)


def _start(spec: NodeSpec, inputs: Inputs) -> Outcome:
    if not inputs.is_objects:
        columns = {name: inputs.column(name) for name in inputs.names}
        known = {name: column for name, column in columns.items() if column is not None}
        assert isinstance(spec.writer, StateWriter)
        outcome = of_columns(known, None, spec.writer.keys, inputs.m)
        outcome.raw = known
        return outcome
    objects = inputs.rows()
    empty = [i for i, o in enumerate(objects) if o is None]
    if not empty:
        return of_results(objects, None, spec.writer, inputs.m)
    where = np.flatnonzero([o is not None for o in objects])
    outcome = of_results([objects[i] for i in where.tolist()], where, spec.writer, inputs.m)
    error = EmptyInputError(f"Received no input for {spec.name}")
    outcome.failures += [(i, error) for i in empty]
    return outcome


def caller(
    action: Action, mapper: Callable[[Any], Any] | None, scope: TaskScope
) -> Callable[[Any], Any]:
    """Return a function of one row's input that does all a call needs, and no more."""
    fn, inject = action.fn, action.inject
    assert fn is not None
    if not inject and mapper is None:
        return fn
    if mapper is None:
        return lambda value: fn(value, **scope.arguments(inject))
    if not inject:
        return lambda value: fn(mapper(value))
    return lambda value: fn(mapper(value), **scope.arguments(inject))


def _rowwise(spec: NodeSpec, action: Action, inputs: Inputs, site: Site) -> Outcome:
    done: list[Any] = []
    site.scope.enter(spec.name, site, done)
    call = caller(action, inputs.mapper, site.scope)
    results, where, failures = call_rows(call, inputs.rows(), done)
    outcome = of_results(results, where, spec.writer, inputs.m)
    outcome.failures += failures
    return outcome


def _traced(spec: NodeSpec, action: Action, inputs: Inputs, site: Site) -> Outcome:
    return answered(spec, inputs, site, action.options["traced"].answer(inputs))


def answered(spec: NodeSpec, inputs: Inputs, site: Site, answer: Answer | None) -> Outcome:
    """Return the outcome of a traced node; without an answer each row goes through its function."""
    action = spec.action
    assert action is not None
    if answer is None:
        return _rowwise(spec, action, inputs, site)
    assert action.fn is not None
    assert isinstance(spec.writer, StateWriter)
    site.scope.enter(spec.name, site, vectorised=True)
    return node_outcome(answer, action.fn, inputs, spec.writer)


def _vector(spec: NodeSpec, action: Action, inputs: Inputs, site: Site) -> Outcome:
    limit = action.options.get("max_batch") or inputs.m
    if inputs.m <= limit:
        return _call_vector(spec, action, inputs, site)
    parts = []
    for begin in range(0, inputs.m, limit):
        end = min(begin + limit, inputs.m)
        where = np.arange(begin, end)
        part = inputs.slice(begin, end)
        parts.append((where, _call_vector(spec, action, part, site.take(where))))
    return joined(parts, inputs.m)


def _call_vector(spec: NodeSpec, action: Action, inputs: Inputs, site: Site) -> Outcome:
    assert action.fn is not None
    assert isinstance(spec.writer, StateWriter)
    site.scope.enter(spec.name, site, vectorised=True)
    batch = inputs.batch(site)
    try:
        fn, inject = action.fn, action.inject
        extra = site.scope.arguments(inject) if inject else {}
        returned = retried(lambda rows: fn(rows, **extra), spec.retry_policy, site.scope)(batch)
        batch.close()
        return normalise(spec.name, returned, inputs.m, spec.writer.keys, site.tables.goals)
    except Exception as error:  # noqa: BLE001 - the rows of the call fail, no other does
        if action.options.get("on_error") != "split" or inputs.m == 1:
            return Outcome(inputs.m, failures=[(i, error) for i in range(inputs.m)])
    half = inputs.m // 2
    halves = [np.arange(half), np.arange(half, inputs.m)]
    return joined(
        [(at, _call_vector(spec, action, inputs.take(at), site.take(at))) for at in halves],
        inputs.m,
    )


def _expr(spec: NodeSpec, action: Action, inputs: Inputs, site: Site) -> Outcome:
    expression: Any = action.fn
    columns, ok, rest = _split(expression, inputs)
    parts = []
    if columns is not None:
        parts.append(
            (ok, _evaluate(spec, expression, columns, inputs.m if ok is None else len(ok), site))
        )
    if len(rest):
        results, where, failures = call_rows(expression.scalar, inputs.take(rest).rows(), [])
        part = of_results(results, where, spec.writer, len(rest))
        part.failures += failures
        parts.append((rest, part))
    return joined(parts, inputs.m)


def _evaluate(
    spec: NodeSpec, expression: Any, columns: dict[str, Any], m: int, site: Site
) -> Outcome:
    channels = site.tables.channels
    declared = [name for name in expression.outputs if _arrow_type(channels[name]) is not None]
    values, errors = expression.evaluate(columns, m, declared)
    outcome = Outcome(m, failures=errors)
    alive = outcome.ok
    assert isinstance(spec.writer, StateWriter)
    results = {name: Column.of_array(array).take(alive) for name, array in values.items()}
    outcome.writes = of_columns(results, alive, spec.writer.keys, m).writes
    return outcome


def _split(expression: Any, inputs: Inputs) -> tuple[dict[str, Any] | None, Where, Any]:
    """Split rows by whether they have every channel that an expression reads.

    Returns
    -------
    dict of str to ndarray or Arrow array, or None
        What the complete rows have; None if there are none.
    intp ndarray or None
        The complete rows; None: all.
    intp ndarray
        The others; plain Python says what the expression makes of them.
    """
    columns = {name: inputs.column(name) for name in expression.names}
    complete = np.ones(inputs.m, np.bool_)
    for column in columns.values():
        complete &= False if column is None else column.mask()
    rest = np.flatnonzero(~complete)
    if len(rest) == inputs.m:
        return None, None, rest
    ok = None if not len(rest) else np.flatnonzero(complete)
    return {n: c.take(ok).values for n, c in columns.items() if c is not None}, ok, rest


def _arrow_type(channel: Any) -> Any:
    return getattr(channel, "arrow_type", None)


def _subgraph(spec: NodeSpec, action: Action, inputs: Inputs, site: Site) -> Outcome:
    child: Any = action.fn.nested  # type: ignore[union-attr]
    site.scope.enter(spec.name, site, vectorised=True)
    result = child.run_rows(inputs, site.rows, site.scope)
    failures, commands = [], []
    for position, error in result.failures:
        if isinstance(error, ParentCommand) and error.command.graph in {"", spec.name}:
            commands.append((position, dataclasses.replace(error.command, graph=None)))
        else:
            failures.append((position, error))
    if result.columns is not None and not failures and not commands:
        assert isinstance(spec.writer, StateWriter)
        outcome = of_columns(result.columns, None, spec.writer.keys, inputs.m)
        outcome.raw = result.columns
        return outcome
    values = dict(zip(range(inputs.m), result.objects(), strict=True))
    for position, _ in failures:
        del values[position]
    values.update(commands)
    where = np.array(sorted(values), np.intp)
    ordered = [values[i] for i in where.tolist()]
    outcome = of_results(ordered, None if len(where) == inputs.m else where, spec.writer, inputs.m)
    outcome.failures += failures
    return outcome


_TIERS: dict[str, Callable[[NodeSpec, Action, Inputs, Site], Outcome]] = {
    "rowwise": _rowwise,
    "traced": _traced,
    "vector": _vector,
    "expr": _expr,
    "subgraph": _subgraph,
}


def run_router(
    spec: NodeSpec, branch: Branch, inputs: Inputs, ok: Where, m: int, site: Site
) -> Outcome:
    """Run a router on the rows at `ok` of a task of M rows; return signals and packets."""
    action = branch.action
    part = _ROUTERS.get(action.tier, _route_vector)(spec, branch, inputs, site)
    return joined([(ok, part)], m) if ok is not None else part


def _route_rows(spec: NodeSpec, branch: Branch, inputs: Inputs, site: Site) -> Outcome:
    done: list[Any] = []
    site.scope.enter(spec.name, site, done)
    call = caller(branch.action, inputs.mapper, site.scope)
    results, where, failures = call_rows(call, inputs.rows(), done)
    outcome = _of_labels(spec, branch, results, where, inputs.m, site.tables)
    outcome.failures += failures
    return outcome


def _route_traced(spec: NodeSpec, branch: Branch, inputs: Inputs, site: Site) -> Outcome:
    return routed(spec, branch, inputs, site, branch.action.options["traced"].answer(inputs))


def routed(
    spec: NodeSpec, branch: Branch, inputs: Inputs, site: Site, answer: Answer | None
) -> Outcome:
    """Return what a traced router says; without an answer each row goes through its function."""
    if answer is None:
        return _route_rows(spec, branch, inputs, site)
    outcome = Outcome(inputs.m)
    labels, where, results = labels_of_answer(answer)
    others = [(where, _of_labels(spec, branch, results, None, len(where), site.tables))]
    for label, at in labels:
        end = end_of(branch, label, site.tables)
        if end is None:
            k = count(at, inputs.m)
            part = _of_labels(spec, branch, [label] * k, None, k, site.tables)
            others.append((positions(at, inputs.m), part))
        elif end != END:
            outcome.signal(branch_channel(end), at)
    if len(answer.suspects):
        some, place = inputs.take(answer.suspects), site.take(answer.suspects)
        others.append((answer.suspects, _route_rows(spec, branch, some, place)))
    for at, part in others:
        outcome.merge(joined([(at, part)], inputs.m))
    outcome.failures.sort(key=lambda failure: failure[0])
    return outcome


def end_of(branch: Branch, label: Any, tables: Tables) -> str | None:
    """Return the node that a label stands for; None if that takes a closer look."""
    try:
        end = branch.ends[label] if branch.ends else label
    except (KeyError, TypeError):
        return None
    return end if isinstance(end, str) and (end == END or end in tables.goals) else None


def _of_labels(
    spec: NodeSpec, branch: Branch, results: list[Any], where: Where, m: int, tables: Tables
) -> Outcome:
    outcome = Outcome(m)
    try:
        labels = list(dict.fromkeys(results))
        ends = {label: branch.ends[label] if branch.ends else label for label in labels}
    except (TypeError, KeyError):
        ends = {None: None}  # lists, Sends, labels that the path map lacks: row by row
    if all(isinstance(end, str) and (end == END or end in tables.goals) for end in ends.values()):
        _signal_labels(outcome, results, ends, where)
        return outcome
    sent = None if branch.translate else sent_by_rows(results, positions(where, m))
    if sent is not None:
        outcome.packets.append(sent)
        return outcome
    rows = []
    for position, result in zip(positions(where, m).tolist(), results, strict=True):
        try:
            pairs = destinations(branch, result)
        except Exception as error:  # noqa: BLE001 - the row's router failed
            outcome.failures.append((position, error))
            continue
        rows.append((position, [pair for pair in pairs if _is_known(tables, spec.name, pair[0])]))
    outcome.merge(of_pairs(rows, m))
    return outcome


def _is_known(tables: Tables, node: str, channel: str) -> bool:
    known = channel in tables.channels
    if not known:
        warn_unknown(node, channel)
    return known


def _signal_labels(
    outcome: Outcome, results: list[Any], ends: dict[Any, str], where: Where
) -> None:
    if len(ends) == 1:
        (end,) = ends.values()
        if end != END:
            outcome.signal(branch_channel(end), where)
        return
    index = {label: code for code, label in enumerate(ends)}
    codes = np.fromiter(map(index.__getitem__, results), np.intp, len(results))
    for label, end in ends.items():
        if end != END:
            at = np.flatnonzero(codes == index[label])
            outcome.signal(branch_channel(end), compose(where, at))


def _route_vector(spec: NodeSpec, branch: Branch, inputs: Inputs, site: Site) -> Outcome:
    action = branch.action
    assert action.fn is not None
    site.scope.enter(spec.name, site, vectorised=True)
    batch = inputs.batch(site)
    goals = site.tables.goals
    try:
        inject = action.inject
        extra = site.scope.arguments(inject) if inject else {}
        returned = action.fn(batch, **extra)
        batch.close()
        if says_more(returned):
            return normalise(spec.name, returned, inputs.m, (), goals)
        chosen = labels_of(action.name, returned, inputs.m, branch.ends, goals)
    except Exception as error:  # noqa: BLE001 - the rows of the call fail, no other does
        return Outcome(inputs.m, failures=[(i, error) for i in range(inputs.m)])
    outcome = Outcome(inputs.m)
    for end, at in chosen:
        if end != END:
            outcome.signal(branch_channel(end), at)
    return outcome


def _route_expr(spec: NodeSpec, branch: Branch, inputs: Inputs, site: Site) -> Outcome:
    router: Any = branch.action.fn
    columns, ok, rest = _split(router, inputs)
    parts = []
    if columns is not None:
        parts.append((ok, _choose(branch, router, columns, inputs.m if ok is None else len(ok))))
    if len(rest):
        results, where, failures = call_rows(router.scalar, inputs.take(rest).rows(), [])
        part = _of_labels(spec, branch, results, where, len(rest), site.tables)
        part.failures += failures
        parts.append((rest, part))
    return joined(parts, inputs.m)


def _choose(branch: Branch, router: Any, columns: dict[str, Any], m: int) -> Outcome:
    routed = router.evaluate(columns, m)
    outcome = Outcome(m, failures=list(routed.errors))
    for code, label in enumerate(routed.labels):
        end = branch.ends[label] if branch.ends else label
        at = np.flatnonzero(routed.codes == code)
        if end != END and len(at):
            outcome.signal(branch_channel(end), None if len(at) == m else at)
    return outcome


_ROUTERS: dict[str, Callable[[NodeSpec, Branch, Inputs, Site], Outcome]] = {
    "rowwise": _route_rows,
    "traced": _route_traced,
    "expr": _route_expr,
    "vector": _route_vector,
}
