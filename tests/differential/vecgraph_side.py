"""vecgraph as an executor of specs: many rows at once, brought to one record a row."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

from tests.differential.langgraph_side import LANGGRAPH
from vecgraph.interop import from_langgraph
from vecgraph.testing.building import build, build_pregel, vecgraph_library
from vecgraph.testing.compare import difference
from vecgraph.testing.forms import has_expression, has_vector_form, has_vector_route
from vecgraph.testing.specs import PregelSpec

TIERS = ("rowwise", "async", "vector", "expr", "mixed")


def compiled(spec, tier="rowwise"):
    """Build the spec with vecgraph, every node in the tier or the nearest that it has."""
    make = build_pregel if isinstance(spec, PregelSpec) else build
    return make(spec, vecgraph_library(), tiers_of(spec, tier))


def handed_over(spec, tier="rowwise"):
    """Build the spec with LangGraph, and hand it over."""
    make = build_pregel if isinstance(spec, PregelSpec) else build
    return from_langgraph(make(spec, LANGGRAPH, tiers_of(spec, tier)))


def tiers_of(spec, tier) -> dict[str, str]:
    """Return the tier of each node when `tier` is asked for."""
    if isinstance(spec, PregelSpec):
        return {node.plan.name: tier for node in spec.nodes}
    cycle = ("vector", "expr", "rowwise", "async")
    chosen = {}
    for at, plan in enumerate(spec.nodes):
        asked = cycle[at % 4] if tier == "mixed" else tier
        chosen[plan.name] = possible(plan, spec, asked)
    return chosen


def possible(plan, spec, tier) -> str:
    """Return `tier` if the node has such a form, else ``rowwise``."""
    routes = [route for route in spec.routes if route.source == plan.name]
    vector = has_vector_form(plan) and all(has_vector_route(route) for route in routes)
    forms = {
        "vector": vector,
        "expr": has_expression(plan, spec) and all(has_vector_route(r) for r in routes),
        "async": True,
    }
    if forms.get(tier):
        return tier
    return "vector" if tier == "expr" and vector else "rowwise"


SHORT = "the short way"
"""A path: runs one at a time that nobody watches."""


def batched(app, rows, limit, *, observed=True):
    """Run all rows in one batch of dicts; return values and exceptions, and tasks by row."""
    seen = defaultdict(lambda: defaultdict(list))

    def observe(superstep) -> None:
        for task in superstep.tasks:
            for row, step in zip(task.rows.tolist(), task.step.tolist(), strict=True):
                seen[row][step].append(task.node)

    config = {"recursion_limit": limit}
    observe = observe if observed else None
    if app.is_async:
        pending = app.abatch(rows, config, return_exceptions=True, observer=observe)
        return asyncio.run(pending), seen
    return app.batch(rows, config, return_exceptions=True, observer=observe), seen


def paths(app, size):
    """Yield the names of the engine's ways to run a batch, with the app set up for each.

    By itself the engine takes columns for many rows only. Forcing them for few, in lanes
    that hold few rows, makes every batch go through compaction and refill as well.
    """
    engine = app.engine
    small, lane = engine.small, engine.lane
    yield "by itself"
    if engine.control is not None:
        engine.small, engine.lane = 1, max(2, size // 3)
        yield "in small lanes"
    engine.small, engine.lane = small, lane
    if engine.tables.quick is not None:
        engine.small = size + 1
        yield SHORT
        engine.small = small


def failure(expected, result):
    """Return where one row's result is not what was expected; None if it is."""
    if isinstance(result, Exception):
        error = (type(result).__name__, str(result))
        return None if error in expected.errors else f"raised {error}, not {expected.errors}"
    if expected.errors:
        return f"returned {result!r}, did not raise {expected.errors}"
    return difference(expected.value, result)


def wrong_tasks(expected, seen):
    """Return where the tasks of one row differ, superstep by superstep; None if they agree."""
    steps = [step for step in expected.steps if step.tasks]
    failed = expected.errors and expected.errors[0][0] != "GraphRecursionError"
    for step in steps:
        names = [name for name, _ in step.tasks]
        found = [name for name in seen.get(step.step, []) if name != "__start__"]
        if failed and step is steps[-1] and not found:
            continue  # a superstep that fails may leave no record
        # A task of many rows says of their Sends to several nodes how many, not in which order.
        agree = Counter(names) == Counter(found) if step.pushed else names == found
        if not agree:
            return f"step {step.step} ran {found}, not {names}"
    last = max((step.step for step in steps), default=0)
    extra = {step: names for step, names in seen.items() if step > last and step > 0}
    return f"ran on: {extra}" if extra else None
