"""Checkpoints in memory: their budget, and that reading leaves nothing behind."""

from __future__ import annotations

import pytest

from tests.checkpoint.test_sql_savers import config, put, values
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.errors import CheckpointBudgetError


def noise(i: int) -> bytes:
    return bytes((7 * i + 13 * k) % 256 for k in range(1_000))


def test_what_does_not_fit_is_refused_and_leaves_what_was_there() -> None:
    saver = InMemorySaver(max_bytes=20_000)
    kept = 0
    while saver.nbytes < 18_000:
        put(saver, str(kept), x=noise(kept))
        kept += 1
    with pytest.raises(CheckpointBudgetError, match="the budget is 20000") as raised:
        put(saver, str(kept), x=noise(kept) * 5)
    assert 5 < kept < 20
    assert raised.value.needed > raised.value.budget == 20_000
    assert saver.nbytes <= 20_000
    assert values(saver, str(kept)) is None
    assert [values(saver, str(i)) for i in range(kept)] == [{"x": noise(i)} for i in range(kept)]
    saver.delete_thread("0")
    put(saver, "again", x=noise(0))
    assert values(saver, "again") == {"x": noise(0)}


def test_with_a_folder_to_spill_to_nothing_is_refused(tmp_path) -> None:
    saver = InMemorySaver(max_bytes=60_000, spill=tmp_path)
    for i in range(50):
        put(saver, str(i), x=noise(i))
    assert saver.nbytes <= 60_000
    assert [values(saver, str(i)) for i in range(50)] == [{"x": noise(i)} for i in range(50)]
    assert list(tmp_path.iterdir()) == []  # the file has no name
    saver.close()


async def test_reading_creates_no_thread() -> None:
    saver = InMemorySaver()
    put(saver, "there", x=1)
    before = saver.nbytes
    for name in ("", "missing", "there/", "x" * 300):
        assert saver.get_tuple(config(name)) is None
        assert await saver.aget_tuple(config(name)) is None
        assert list(saver.list(config(name))) == []
        saver.delete_thread(name)
        saver.prune([name])
    assert saver.nbytes == before
    assert [item.config["configurable"]["thread_id"] for item in saver.list(None)] == ["there"]
