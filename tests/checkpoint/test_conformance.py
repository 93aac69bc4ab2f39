"""Our savers hold what a perfect one holds, whatever is done to them."""

from __future__ import annotations

from hypothesis import settings
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.testing.savers import conformance

SHORT = settings(max_examples=30, stateful_step_count=25, deadline=None)

TestMemory = conformance(lambda _: InMemorySaver(), durable=False).TestCase
TestMemory.settings = SHORT

TestMemorySnapshots = conformance(
    lambda _: InMemorySaver(snapshot_every=2, blob_at=20), durable=False
).TestCase
TestMemorySnapshots.settings = SHORT

TestArrow = conformance(lambda folder: ArrowSaver(folder / "run", durability="exit")).TestCase
TestArrow.settings = SHORT

TestArrowInTheBackground = conformance(
    lambda folder: ArrowSaver(
        folder / "run", durability="async", compression="none", snapshot_every=3, blob_at=30
    )
).TestCase
TestArrowInTheBackground.settings = SHORT

TestArrowObjects = conformance(
    lambda folder: ArrowSaver(
        "run", filesystem=SubTreeFileSystem(str(folder), LocalFileSystem()), snapshot_every=4
    )
).TestCase
TestArrowObjects.settings = SHORT
