"""Streams: forms of chunks, chunks of subgraphs, and chunks that come while their task runs."""

from __future__ import annotations

import asyncio
import operator
import threading
from typing import Annotated, TypedDict

import pytest

from vecgraph.config import get_stream_writer
from vecgraph.errors import UnsupportedError
from vecgraph.graph import START, StateGraph


class State(TypedDict):
    n: int
    log: Annotated[list, operator.add]


def chain(*actions):
    graph = StateGraph(State)
    previous = START
    for at, action in enumerate(actions):
        graph.add_node(f"n{at}", action)
        graph.add_edge(previous, f"n{at}")
        previous = f"n{at}"
    return graph.compile()


def up(state):
    return {"n": state["n"] + 1}


@pytest.mark.parametrize(
    ("mode", "subgraphs", "first"),
    [
        ("updates", False, {"n0": {"n": 2}}),
        (["updates"], False, ("updates", {"n0": {"n": 2}})),
        (("updates",), False, {"n0": {"n": 2}}),
        ("updates", True, ((), {"n0": {"n": 2}})),
        (["updates"], True, ((), "updates", {"n0": {"n": 2}})),
    ],
)
def test_the_forms_of_chunks(mode, subgraphs, first) -> None:
    chunks = list(chain(up).stream({"n": 1}, stream_mode=mode, subgraphs=subgraphs))
    assert chunks[0] == first


def test_the_second_version_of_chunks() -> None:
    chunks = list(chain(up).stream({"n": 1}, stream_mode=["updates", "values"], version="v2"))
    assert [chunk["type"] for chunk in chunks] == ["values", "updates", "values"]
    assert chunks[-1] == {"type": "values", "ns": (), "data": {"n": 2, "log": []}, "interrupts": ()}
    assert chain(up).invoke({"n": 1}, version="v2").value == {"n": 2, "log": []}


def test_an_unknown_mode_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UnsupportedError, match=r"(?s)nonsense.*values"):
        list(chain(up).stream({"n": 1}, stream_mode="nonsense"))


def writes_then_waits(first, event):
    def node(state):
        get_stream_writer()(first)
        assert event.wait(30), "nobody has read the chunk while the task runs"
        return {"log": [first]}

    return node


def test_custom_chunks_come_while_their_task_runs() -> None:
    event = threading.Event()
    chunks = []
    for chunk in chain(writes_then_waits("now", event)).stream({"n": 1}, stream_mode="custom"):
        chunks.append(chunk)
        event.set()
    assert chunks == ["now"]


async def test_custom_chunks_come_while_their_coroutine_runs() -> None:
    event = asyncio.Event()

    async def node(state):
        get_stream_writer()("now")
        await asyncio.wait_for(event.wait(), 30)

    chunks = []
    async for chunk in chain(node).astream({"n": 1}, stream_mode="custom"):
        chunks.append(chunk)
        event.set()
    assert chunks == ["now"]


def test_a_stream_that_is_closed_stops_its_run() -> None:
    calls = []

    def node(state):
        calls.append(1)
        get_stream_writer()(len(calls))

    stream = chain(node, node, node).stream({"n": 1}, stream_mode="custom")
    assert next(stream) == 1
    stream.close()
    assert len(calls) == 1


async def test_an_asynchronous_stream_that_is_closed_cancels_its_run() -> None:
    ended = []

    async def node(state):
        get_stream_writer()("first")
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(1)

    stream = chain(node).astream({"n": 1}, stream_mode="custom")
    assert await anext(stream) == "first"
    await stream.aclose()
    assert ended == [1]


def test_what_a_node_raises_comes_after_its_chunks() -> None:
    def node(state):
        get_stream_writer()("before")
        raise KeyError("late")

    stream = chain(node).stream({"n": 1}, stream_mode="custom")
    assert next(stream) == "before"
    with pytest.raises(KeyError, match="late"):
        next(stream)


def test_chunks_of_subgraphs_carry_their_namespace() -> None:
    inner = chain(up)
    outer = chain(inner, lambda state: {"log": [inner.invoke(state)["n"]]})
    chunks = list(outer.stream({"n": 1}, stream_mode="updates", subgraphs=True))
    spaces = [tuple(part.split(":")[0] for part in ns) for ns, _ in chunks]
    assert spaces == [("n0",), (), ("n1",), ()]


def test_printed_modes_are_not_yielded(capsys) -> None:
    chunks = list(chain(up).stream({"n": 1}, stream_mode="values", print_mode="updates"))
    assert [chunk["n"] for chunk in chunks] == [1, 2]
    assert "n0" in capsys.readouterr().out
