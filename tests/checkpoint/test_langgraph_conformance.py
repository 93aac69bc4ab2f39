"""LangGraph's own conformance suite passes in full for each of our savers."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import validate
from langgraph.checkpoint.conformance.initializer import RegisteredCheckpointer

from tests.checkpoint import sql_savers
from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.interop.savers import for_langgraph

SAVERS = {
    "memory": lambda _: InMemorySaver(),
    "memory, a snapshot each time": lambda _: InMemorySaver(snapshot_every=1),
    "memory, never a snapshot": lambda _: InMemorySaver(snapshot_every=0),
    "memory, all values are blobs": lambda _: InMemorySaver(blob_at=0),
    "folder": lambda folder: ArrowSaver(folder / "run"),
    "folder, in the background": lambda folder: ArrowSaver(folder / "run", durability="async"),
}


@pytest.mark.parametrize("make", SAVERS.values(), ids=SAVERS.keys())
async def test_every_capability_is_there_and_passes(make, tmp_path_factory) -> None:
    await _passes(lambda: make(tmp_path_factory.mktemp("saver")))


@pytest.mark.parametrize("kind", sql_savers.SAVERS)
async def test_every_capability_is_there_and_passes_on_databases(kind, tmp_path, request) -> None:
    if kind != "sqlite":
        request.getfixturevalue(kind)
    await _passes(lambda: sql_savers.SAVERS[kind](tmp_path))


async def _passes(make) -> None:
    async def factory() -> AsyncGenerator[BaseCheckpointSaver, None]:
        async with make() as saver:
            yield for_langgraph(saver)

    report = await validate(RegisteredCheckpointer("vecgraph", factory))

    failures = [failure for result in report.results.values() for failure in result.failures]
    assert failures == []
    assert all(result.detected and result.passed for result in report.results.values())
    assert len(report.results) == 8
