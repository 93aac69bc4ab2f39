"""Five real programs give in both libraries the same streams, results, states and histories."""

from __future__ import annotations

import asyncio
import warnings
from types import SimpleNamespace

import langgraph.func
import langgraph.graph
import langgraph.types
import pytest
from langgraph.checkpoint.memory import InMemorySaver

import vecgraph.checkpoint.memory
import vecgraph.func
import vecgraph.graph
import vecgraph.types
from tests.differential.functional import _plain
from tests.differential.real_programs import REAL
from tests.differential.threads import Ids, shown
from vecgraph.testing.compare import difference


def library(graph, types, func, saver):
    return SimpleNamespace(
        StateGraph=graph.StateGraph,
        MessagesState=graph.MessagesState,
        Send=types.Send,
        Command=types.Command,
        RetryPolicy=types.RetryPolicy,
        interrupt=types.interrupt,
        task=func.task,
        entrypoint=func.entrypoint,
        saver=saver,
    )


THEIRS = library(langgraph.graph, langgraph.types, langgraph.func, InMemorySaver)
OURS = {
    "LangGraph's saver": library(vecgraph.graph, vecgraph.types, vecgraph.func, InMemorySaver),
    "our saver": library(
        vecgraph.graph,
        vecgraph.types,
        vecgraph.func,
        vecgraph.checkpoint.memory.InMemorySaver,
    ),
}


def told(lib, make, steps, *, use_async):
    """Return all that can be seen of a program: chunks, then the state and its history."""
    app, ids, seen = make(lib), Ids(), []
    for step in steps:
        config = {"configurable": {"thread_id": step.thread}}
        value = lib.Command(resume=step.resume) if step.resume is not None else step.value
        chunks = streamed(app, value, config, use_async=use_async)
        state = app.get_state(config, subgraphs=True)
        history = list(app.get_state_history(config))
        seen.append(
            {
                "chunks": sorted(map(repr, _plain(shown(chunks, Ids()), None))),
                "state": ordered(shown(state, ids)),
                "history": [ordered(shown(one, ids)) for one in history],
            }
        )
    return seen


def ordered(state):
    """Return a snapshot in which the order of side-by-side questions does not count."""
    return _plain(state, None)


def streamed(app, value, config, *, use_async):
    options = {"stream_mode": ["updates", "values", "tasks"], "subgraphs": True}

    async def collect():
        return [chunk async for chunk in app.astream(value, config, **options)]

    chunks = asyncio.run(collect()) if use_async else list(app.stream(value, config, **options))
    return [without_namespaces(chunk) for chunk in chunks]


def without_namespaces(chunk):
    ns, mode, payload = chunk
    return [tuple(part.split(":")[0] for part in ns), mode, payload]


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("ours", OURS.values(), ids=OURS)
@pytest.mark.parametrize(("make", "steps"), REAL.values(), ids=REAL)
def test_a_real_program_goes_as_in_langgraph(make, steps, ours, use_async) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = told(THEIRS, make, steps, use_async=use_async)
        found = told(ours, make, steps, use_async=use_async)
    for step, a, b in zip(steps, wanted, found, strict=True):
        assert difference(a, b) is None, f"{step}: {difference(a, b)}"
