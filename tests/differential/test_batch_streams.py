"""Streams of a batch: one row's frames are the stream of that run alone, in both libraries."""

from __future__ import annotations

import asyncio
import logging
import operator
import warnings
from typing import Annotated, TypedDict

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from langgraph.checkpoint.memory import InMemorySaver

from tests.differential.functional import _plain
from tests.differential.test_threads import OURS, THEIRS
from tests.differential.threads import Ids, build, is_race, plans, shown
from vecgraph.config import get_stream_writer
from vecgraph.graph import StateGraph

logging.getLogger("langgraph").setLevel(logging.ERROR)

MODES = ["updates", "values", "tasks"]
LIMIT = 4
"""Sends may multiply."""


def config_of(row):
    return {"configurable": {"thread_id": f"t/{row}"}, "recursion_limit": LIMIT}


def alone(app, value, row, *, use_async):
    """Return what one run streams, its exception last."""
    chunks = []

    async def collect():
        async for chunk in app.astream(value, config_of(row), stream_mode=MODES, subgraphs=True):
            chunks.append(chunk)  # noqa: PERF401  what came before an error counts

    try:
        if use_async:
            asyncio.run(collect())
        else:
            for chunk in app.stream(value, config_of(row), stream_mode=MODES, subgraphs=True):
                chunks.append(chunk)  # noqa: PERF402
    except Exception as error:  # noqa: BLE001  whatever it raises is its result
        chunks.append(((), "error", error))
    return chunks


def together(app, values, *, use_async, in_flight):
    """Return the frames of a batch, row by row."""
    options = {"stream_mode": MODES, "subgraphs": True, "in_flight": in_flight}
    config = {"configurable": {"thread_id": "t"}, "recursion_limit": LIMIT}

    async def collect():
        return [frame async for frame in app.abatch_stream(values, config, **options)]

    frames = (
        asyncio.run(collect()) if use_async else list(app.batch_stream(values, config, **options))
    )
    for frame in frames:
        assert len(set(frame.rows.tolist())) == len(frame.rows) == len(frame.payloads)
    return [
        [(frame.ns, frame.mode, payload) for frame in frames for payload in frame.of(row)]
        for row in range(len(values))
    ]


def told(chunks):
    return [repr(_plain(shown(_named(chunk), Ids()), None)) for chunk in chunks]


def _named(chunk):
    ns, mode, payload = chunk
    payload = (type(payload).__name__, str(payload)) if mode == "error" else payload
    return [tuple(part.split(":")[0] for part in ns), mode, payload]


EXAMPLES = settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("in_flight", [2, 1000])
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@given(plan=plans())
@EXAMPLES
def test_a_rows_frames_are_its_stream(plan, use_async, in_flight) -> None:
    assume(not any(node.fails for node in plan.nodes))  # calls are counted over all rows
    assume(not is_race(plan, use_async=use_async))
    values = [{"n": n, "log": []} for n in range(5)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        app = build(OURS, plan, InMemorySaver(), [])
        found = together(app, values, use_async=use_async, in_flight=in_flight)
        ours = build(OURS, plan, InMemorySaver(), [])
        theirs = build(THEIRS, plan, InMemorySaver(), [])
        for row, value in enumerate(values):
            chunks = told(found[row])
            own = told(alone(ours, value, row, use_async=use_async))
            assert (sorted(chunks) if use_async else chunks) == (sorted(own) if use_async else own)
            wanted = told(alone(theirs, value, row, use_async=use_async))
            # Side by side, LangGraph's tasks end in any order; and it drops the end of a failure.
            if not wanted or "'error'" not in wanted[-1]:
                assert sorted(chunks) == sorted(wanted)


class State(TypedDict):
    n: int
    log: Annotated[list, operator.add]


def halving(begun):
    def work(state):
        begun.append(state["n"])
        get_stream_writer()(("work", state["n"]))
        if state["n"] == 3:
            raise KeyError(3)
        return {"n": state["n"] // 2, "log": [state["n"]]}

    graph = StateGraph(State)
    graph.add_node("work", work)
    graph.add_edge("__start__", "work")
    graph.add_conditional_edges("work", lambda state: "work" if state["n"] else "__end__")
    return graph.compile()


def test_rows_run_only_as_far_as_frames_are_read_and_a_failure_is_its_rows_own() -> None:
    begun = []
    values = [{"n": n, "log": []} for n in range(50)]
    stream = halving(begun).batch_stream(values, stream_mode=["custom", "values"], in_flight=8)
    assert not begun
    first = next(stream)
    assert (first.mode, len(first.rows)) == ("values", 8)
    assert len(begun) <= 8
    frames = [first, *stream]
    failed = [frame for frame in frames if frame.mode == "error"]
    assert sorted(row for frame in failed for row in frame.rows.tolist()) == [
        n for n in range(50) if n in {3, 6, 7, 12, 13, 14, 15} or 24 <= n < 32 or n >= 48
    ]
    assert all(isinstance(error, KeyError) for frame in failed for error in frame.payloads)
    latest = {}
    for frame in frames:
        if frame.mode == "values":
            latest.update(zip(frame.rows.tolist(), frame.payloads, strict=True))
    assert latest[20] == {"n": 0, "log": [20, 10, 5, 2, 1]}


async def test_on_a_loop_runs_wait_for_a_reader_and_end_when_it_leaves() -> None:
    begun = []
    values = [{"n": n, "log": []} for n in range(500)]
    stream = halving(begun).abatch_stream(values, stream_mode="updates", in_flight=4)
    async for _ in stream:
        break
    await asyncio.sleep(0.05)
    at_rest = len(begun)
    assert at_rest < 100
    await stream.aclose()
    await asyncio.sleep(0.01)
    assert len(begun) == at_rest


def test_a_table_is_streamed_with_its_numbers() -> None:
    table = {"n": [1, 2, 4], "log": [[], [], []]}
    frames = list(halving([]).batch_stream(table, stream_mode="updates", ids=[7, 8, 9]))
    last = [frame for frame in frames if 9 in frame.rows][-1]
    assert last.of(9) == [{"work": {"n": 0, "log": [1]}}]
    assert last.of(7) == []
