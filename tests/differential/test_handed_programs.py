"""Real programs, by LangGraph and handed over: values, chunks, snapshots, stores."""

from __future__ import annotations

import asyncio
import copy
import logging
import re
import warnings

import pytest
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import Interrupt

from tests.differential.handed_programs import PROGRAMS
from vecgraph.interop import from_langgraph
from vecgraph.testing.compare import difference

logging.getLogger("langgraph").setLevel(logging.ERROR)

CONFIG = {"configurable": {"thread_id": "t"}, "tags": ["mine"], "metadata": {"by": "test"}}
IDS = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")


def plain(value):
    """Return what a run shows without ids; what was shown in the order of threads, sorted."""
    if isinstance(value, BaseMessage):
        data = value.model_dump()
        return plain({k: v for k, v in data.items() if k != "id" or str(v).startswith(("ai", "h"))})
    if isinstance(value, Interrupt):
        return ["Interrupt", plain(value.value)]
    if hasattr(value, "_asdict"):
        return [type(value).__module__, type(value).__name__, plain(value._asdict())]
    if isinstance(value, dict):
        skipped = {"created_at", "timestamp", "checkpoint_map", "__pregel_vecgraph"}
        return {plain(k): plain(v) for k, v in value.items() if k not in skipped}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return IDS.sub("ID", value) if isinstance(value, str) else repr(value)


def chunks_of(app, given, options, use_async):
    async def collect():
        return [chunk async for chunk in app.astream(given, CONFIG, **options)]

    try:
        found = asyncio.run(collect()) if use_async else list(app.stream(given, CONFIG, **options))
    except Exception as error:  # noqa: BLE001  whatever it raises is its result
        return [type(error).__name__, str(error)]
    return sorted((plain(chunk) for chunk in found), key=repr)


def played(program, hand_over, options, use_async):
    """Play a program in one thread; return all that could be seen."""
    saver, store = InMemorySaver(), InMemoryStore()
    app = program.make(saver, store)
    app = from_langgraph(app) if hand_over else app
    if program.context is not None:
        options = {**options, "context": program.context}
    seen = []
    for given in program.inputs:
        seen.append(chunks_of(app, copy.deepcopy(given), options, use_async))
        state = app.get_state(CONFIG, subgraphs=True)
        seen.append([plain(state.values), list(state.next), plain(state.tasks)])
    seen.append([plain(state) for state in app.get_state_history(CONFIG)])
    seen.append([(item.key, item.value) for item in store.search(("facts",))])
    return seen


OPTIONS = {
    "values": {"stream_mode": "values"},
    "all": {
        "stream_mode": ["updates", "values", "custom", "tasks", "checkpoints", "debug"],
        "subgraphs": True,
    },
    "messages": {"stream_mode": ["messages"], "subgraphs": True},
    # Not with updates: of a workflow LangGraph empties the questions in their chunk then.
    "v2": {"stream_mode": ["custom", "values"], "version": "v2"},
}


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_is_handed_over_does_what_it_did(name, options, use_async) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = played(PROGRAMS[name](), False, options, use_async)
        found = played(PROGRAMS[name](), True, options, use_async)
    different = difference(wanted, found)
    assert different is None, different


@pytest.mark.parametrize("size", [3, 40])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_batch_is_its_runs(name, size) -> None:
    program = PROGRAMS[name]()
    options = {} if program.context is None else {"context": program.context}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = program.make(None, InMemoryStore()).invoke(program.inputs[0], **options)
        app = from_langgraph(PROGRAMS[name]().make(None, InMemoryStore()))
        rows = [copy.deepcopy(program.inputs[0]) for _ in range(size)]
        found = app.batch(rows, **options)
    for one in found:
        assert difference(plain(wanted), plain(one)) is None
