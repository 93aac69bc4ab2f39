"""LangGraph as an executor of specs: one run, recorded superstep by superstep."""

from __future__ import annotations

import asyncio
import logging

from langgraph import channels
from langgraph.graph import StateGraph
from langgraph.pregel import NodeBuilder, Pregel
from langgraph.pregel._write import ChannelWriteEntry
from langgraph.types import Command, Overwrite, Send

from vecgraph.constants import MISSING
from vecgraph.testing.building import Library
from vecgraph.testing.records import RunRecord, StepRecord

LANGGRAPH = Library(
    state_graph=StateGraph,
    send=Send,
    command=Command,
    overwrite=Overwrite,
    node_builder=NodeBuilder,
    pregel=Pregel,
    write_entry=ChannelWriteEntry,
    channels=channels,
)

# Unknown keys are dropped with a log line each, by design of the generated graphs.
logging.getLogger("langgraph").setLevel(logging.ERROR)


def record(app, row, limit, invoke=True) -> RunRecord:
    """Run `app` once and return what came out and what every superstep streamed.

    Without `invoke` the result is the last ``values`` chunk, which is what it is for a
    graph whose output schema is its state: half the time.
    """
    config = {"recursion_limit": limit}
    steps: list[dict] = []
    errors = ()
    try:
        for mode, chunk in chunks(app, row, config):
            note(steps, mode, chunk)
    except Exception as error:  # noqa: BLE001  whatever a run raises is its result
        errors = ((type(error).__name__, str(error)),)
    if errors and steps and not finished(steps[-1], errors):
        # What the failed superstep's other tasks streamed is a race.
        steps[-1] |= {"updates": {}, "values": MISSING}
    records = tuple(
        StepRecord(s["step"], tuple(s["tasks"]), s["updates"], s["values"]) for s in steps
    )
    value = None
    if not errors:
        value = result(app, row, config) if invoke else last_values(steps)
    return RunRecord(value, errors, records)


def chunks(app, row, config):
    """Yield what a run streams; on an event loop if a function has only a coroutine form."""
    modes = ["updates", "values", "debug"]
    if not getattr(app, "is_async", False):
        yield from app.stream(row, config, stream_mode=modes)
        return
    seen, errors = [], []

    async def collect() -> None:
        try:
            async for item in app.astream(row, config, stream_mode=modes):
                seen.append(item)  # noqa: PERF401  what came before an error counts
        except Exception as error:  # noqa: BLE001  raised again below, after its chunks
            errors.append(error)

    asyncio.run(collect())
    yield from seen
    for error in errors:
        raise error


def result(app, row, config):
    """Return what `invoke` returns, or `ainvoke` where that is needed."""
    if getattr(app, "is_async", False):
        return asyncio.run(app.ainvoke(row, config))
    return app.invoke(row, config)


def last_values(steps):
    """Return the last ``values`` chunk, None if there was none."""
    shown = [step["values"] for step in steps if step["values"] is not MISSING]
    return shown[-1] if shown else None


def finished(step, errors) -> bool:
    """Whether the last superstep went through: only the limit stops a run between two."""
    return errors[0][0] == "GraphRecursionError"


def note(steps, mode, chunk) -> None:
    """Add one streamed chunk to the superstep that it belongs to."""
    if mode == "debug":
        if chunk["type"] == "task":
            if not steps or steps[-1]["step"] != chunk["step"]:
                steps.append(blank(chunk["step"]))
            steps[-1]["tasks"].append((chunk["payload"]["name"], chunk["payload"]["input"]))
    elif mode == "updates":
        for node, update in chunk.items():
            steps[-1]["updates"].setdefault(node, []).append(update)
    else:
        if not steps:
            steps.append(blank(0))
        steps[-1]["values"] = chunk


def blank(step) -> dict:
    return {"step": step, "tasks": [], "updates": {}, "values": MISSING}
