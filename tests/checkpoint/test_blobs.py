"""Large values are stored once, stay while anybody refers to them, and go when nobody does."""

from __future__ import annotations

import operator
import random
from typing import Annotated, TypedDict

import numpy as np
import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from tests.checkpoint.sql_savers import SAVERS
from vecgraph.checkpoint import bulk
from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.checkpoint.base import empty_checkpoint
from vecgraph.checkpoint.blobs import Blobs, digests_in
from vecgraph.checkpoint.cells import Cells
from vecgraph.checkpoint.columnwrites import WritesChunk
from vecgraph.checkpoint.marks import Marks
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.frames.history import history
from vecgraph.graph import END, START, StateGraph
from vecgraph.testing.compare import difference

AT = 200
"""Bytes of a large value here."""

KINDS = {
    "memory": lambda _, **more: InMemorySaver(**more),
    "folder": lambda folder, **more: ArrowSaver(folder / "run", **more),
    "async": lambda folder, **more: ArrowSaver(folder / "run", durability="async", **more),
    "objects": lambda folder, **more: ArrowSaver(
        "run", filesystem=SubTreeFileSystem(str(folder), LocalFileSystem()), **more
    ),
    **SAVERS,
}
OPEN_AGAIN = [kind for kind in KINDS if kind != "memory"]


class State(TypedDict, total=False):
    n: int
    doc: str
    log: Annotated[list, operator.add]


def large(*said) -> str:
    return f"{said!r} ".rjust(3 * AT, "-")


def config(thread, checkpoint=None):
    found = {"thread_id": thread, "checkpoint_ns": ""}
    return {"configurable": found | ({"checkpoint_id": checkpoint} if checkpoint else {})}


def put(saver, thread, **values):
    """Put a checkpoint whose channels have these values."""
    before = saver.get_tuple(config(thread))
    made = empty_checkpoint()
    step = 0 if before is None else before.metadata["step"] + 1
    made["channel_values"] = values
    made["channel_versions"] = dict.fromkeys(values, step + 1)
    at = config(thread) if before is None else before.config
    return saver.put(at, made, {"step": step}, made["channel_versions"])


def app_of(saver):
    """Return a graph that writes a large value, and appends a large item to a list."""

    def work(state):
        n = state["n"]
        return {"n": n + 1, "doc": large("doc", n), "log": [{"said": large("item", n)}]}

    builder = StateGraph(State).add_node("work", work).add_edge(START, "work")
    builder.add_conditional_edges("work", lambda s: END if s["n"] >= 3 else "work")
    app = builder.compile(checkpointer=saver)
    app.engine.small, app.engine.lane = 1, 16
    return app


def everything(saver):
    saver._codec._cache.clear()  # what is known by heart may be gone
    return [tuple(item) for item in saver.list(None)]


def blobs(saver) -> int:
    """Return how many large values there are."""
    saver._shelf.drain()
    with saver._shelf.reading():
        return len(saver.storage.find(["blobs"]))


def unchanged(saver, act) -> None:
    """Do something that is to change nothing that is read."""
    expected = everything(saver)
    act()
    different = difference(expected, everything(saver))
    assert different is None, different


@pytest.fixture(params=KINDS)
def opened(request, tmp_path):
    made = []

    def opened(**more):
        made.append(KINDS[request.param](tmp_path, blob_at=AT, **more))
        return made[-1]

    yield opened
    for saver in made:
        saver.close()


def test_a_large_value_goes_with_the_last_who_has_it(opened) -> None:
    saver = opened()
    for thread in ("a", "b"):
        put(saver, thread, x=large("shared"), y=large(thread))
    assert blobs(saver) == 3

    saver.delete_thread("a")
    unchanged(saver, saver.compact)
    assert blobs(saver) == 2
    saver.delete_thread("b")
    saver.compact()
    assert blobs(saver) == 0

    put(saver, "c", x=large("shared"))
    assert saver.get_tuple(config("c")).checkpoint["channel_values"] == {"x": large("shared")}


def test_a_large_write_stays_while_it_is_pending(opened) -> None:
    saver = opened()
    at = put(saver, "a", x=1)
    saver.put_writes(at, [("x", large("written"))], "task")
    early = config("b", "ffffffff-0000-6000-8000-000000000000")
    saver.put_writes(early, [("x", large("early"))], "task")
    numbers = saver.register_threads(prefix="many/", count=2)
    places = np.zeros(2, np.int32)
    for thread in ("many/0", "many/1"):
        put(saver, thread, x=1)
    saver.put_writes_many(numbers, places, ["t", "t"], "", "x", [large("m"), large("n")])
    put(saver, "gone", x=large("gone"))
    saver.delete_thread("gone")
    saver.delete_thread("many/1")

    unchanged(saver, saver.compact)
    assert blobs(saver) <= 4
    assert saver.get_tuple(config("many/0")).pending_writes == [("t", "x", large("m"))]


def test_what_a_copy_has_stays(opened) -> None:
    saver = opened()
    put(saver, "a", x=large(0))
    put(saver, "a", x=large(1))
    saver.copy_thread("a", "b")
    saver.delete_thread("a")
    unchanged(saver, saver.compact)
    found = [item[1]["channel_values"]["x"] for item in everything(saver)]
    assert found == [large(1), large(0)]


def test_pruning_gives_room_back(opened) -> None:
    saver = opened()
    for thread in ("a", "b"):
        for n in range(4):
            put(saver, thread, x=large(thread, n), y=large("shared"))
    saver.compact()
    saver.prune(["a"])
    unchanged(saver, saver.compact)
    # Deleted checkpoints that a database holds in one chunk with others hide no more than they did.
    assert blobs(saver) == 1 + 4 + 1


def test_what_batches_have_in_columns_stays_and_goes(opened) -> None:
    saver = opened()
    app = app_of(saver)
    app.batch([{"n": i % 3, "log": []} for i in range(20)], config("b"))
    app.invoke({"n": 1, "log": [{"said": large("first")}]}, config("x"))
    unchanged(saver, saver.compact)
    assert blobs(saver) > 3
    saver.delete_thread("x")
    saver.delete_thread("b/0")
    unchanged(saver, saver.compact)
    assert blobs(saver) == 3  # what was appended; texts of a column are not apart
    for i in range(1, 20):
        saver.delete_thread(f"b/{i}")
    saver.compact()
    assert blobs(saver) == 0


def test_a_batch_that_was_pruned_gives_room_back(tmp_path) -> None:
    with KINDS["folder"](tmp_path, blob_at=AT) as saver:
        app_of(saver).batch([{"n": i % 3, "log": []} for i in range(20)], config("b"))
        unchanged(saver, saver.compact)
        saver.prune([f"b/{i}" for i in range(20)])
        assert len(everything(saver)) == 20
        unchanged(saver, saver.compact)
        # The document of the end, and the three lists as a whole.
        assert blobs(saver) == 4
        app_of(saver).invoke({"n": 2}, config("b/3"))
        unchanged(saver, saver.compact)


@pytest.mark.parametrize("retention", ["last", 2])
def test_values_of_checkpoints_that_are_not_kept_go(tmp_path, retention) -> None:
    with ArrowSaver(tmp_path / "run", blob_at=AT, retention=retention) as saver:
        for n in range(4):
            put(saver, "a", x=large(n), y=large("shared"))
        saver.compact()
        unchanged(saver, saver.compact)
        assert blobs(saver) == (2 if retention == "last" else 4)
    with ArrowSaver(tmp_path / "run", read_only=True) as reader:
        assert everything(reader)[0][1]["channel_values"]["x"] == large(3)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_deletion_that_frees_much_frees_it_at_once(tmp_path, kind) -> None:
    with KINDS[kind](tmp_path) as saver:
        put(saver, "a", x=random.Random(1).randbytes(100_000))
        put(saver, "b", x=random.Random(2).randbytes(100_000))
        saver.delete_thread("a")
        assert blobs(saver) == 1
        saver.prune(["b"], strategy="delete")
        assert blobs(saver) == 0


@pytest.mark.parametrize("kind", OPEN_AGAIN)
def test_another_process_takes_away_what_one_left(tmp_path, kind) -> None:
    options = {"compact_on_close": False} if KINDS[kind] not in SAVERS.values() else {}
    with KINDS[kind](tmp_path, blob_at=AT, **options) as saver:
        put(saver, "a", x=large("a"))
        put(saver, "b", x=large("b"))
        saver.delete_thread("a")
    with KINDS[kind](tmp_path, blob_at=AT, **options) as saver:
        unchanged(saver, saver.compact)
        assert blobs(saver) == 1


@pytest.mark.parametrize("kind", SAVERS)
def test_a_value_that_another_writer_took_away_is_stored_again(tmp_path, kind) -> None:
    with SAVERS[kind](tmp_path, blob_at=AT) as one, SAVERS[kind](tmp_path, blob_at=AT) as other:
        put(one, "a", x=large("value"))
        put(other, "b", x=large("value"))
        one.delete_thread("a")
        one.delete_thread("b")
        one.compact()
        assert blobs(one) == 0
        put(other, "c", x=large("value"))
        assert one.get_tuple(config("c")).checkpoint["channel_values"] == {"x": large("value")}


@pytest.mark.parametrize("kind", SAVERS)
def test_a_value_that_came_to_be_referred_to_meanwhile_stays(tmp_path, kind, monkeypatch) -> None:
    with SAVERS[kind](tmp_path, blob_at=AT) as one, SAVERS[kind](tmp_path, blob_at=AT) as other:
        monkeypatch.setattr(Blobs, "is_worth_it", False)
        put(one, "a", x=large(1), y=large(2))
        one.delete_thread("a")
        found = Blobs.unused_now

        def slowly(self):
            answer = found(self)
            assert len(answer[0]) == 2
            return answer

        read = one._read

        def meanwhile(what, *args):
            answer = read(what, *args)
            if what == one._blobs.unused_now:
                put(other, "b", x=large(1))
            return answer

        monkeypatch.setattr(Blobs, "unused_now", slowly)
        monkeypatch.setattr(one, "_read", meanwhile)
        one.compact()
        assert blobs(one) == 1
        assert other.get_tuple(config("b")).checkpoint["channel_values"] == {"x": large(1)}


@pytest.mark.parametrize("kind", OPEN_AGAIN)
def test_readers_go_on_while_values_are_taken_away(tmp_path, kind) -> None:
    is_sql = KINDS[kind] in SAVERS.values()
    with KINDS[kind](tmp_path, blob_at=AT) as saver:
        for n in range(6):
            put(saver, f"t{n}", x=large(n), y=large("shared"))
        saver.flush()
        more = {"blob_at": AT} if is_sql else {"blob_at": AT, "read_only": True}
        with KINDS[kind](tmp_path, **more) as reader:
            listing = reader.list(None)
            found = [next(listing)]
            for n in range(0, 6, 2):
                saver.delete_thread(f"t{n}")
            saver.compact()
            found += listing
            assert all(large("shared") == i.checkpoint["channel_values"]["y"] for i in found)
            left = {item[0]["configurable"]["thread_id"] for item in everything(reader)}
            assert left == {"t1", "t3", "t5"}
            assert blobs(saver) == 4


def test_a_chunk_that_cannot_be_read_keeps_all_large_values(tmp_path) -> None:
    with KINDS["sqlite"](tmp_path, blob_at=AT) as saver:
        put(saver, "a", x=large("a"))
        put(saver, "b", x=large("b"))
        (header, _) = saver.storage.find(["entries"])
        rows = saver.storage._db.session.rows
        where = f"WHERE number = {header.number}"
        [(payload,)] = rows(f"SELECT payload FROM vecgraph_chunks {where}")
        rows(f"UPDATE vecgraph_chunks SET payload = ? {where}", [bytes(len(payload))])
    with KINDS["sqlite"](tmp_path, blob_at=AT) as saver:
        saver.delete_thread("b")
        saver.compact()
        assert blobs(saver) == 2
        saver.storage._db.session.rows(f"UPDATE vecgraph_chunks SET payload = ? {where}", [payload])
        unchanged(saver, saver.compact)
        assert blobs(saver) == 1


def test_of_two_writes_the_same_counts_once_chunks_are_put_together(tmp_path) -> None:
    with KINDS["folder"](tmp_path) as saver:
        at = put(saver, "a", x=1)
        saver.put_writes(at, [("__interrupt__", "first")], "task", "~path")
        (number,) = saver.find_threads(["a"])
        places = np.array([number]), np.zeros(1, np.int32)
        saver.put_writes_many(*places, ["task"], "", "__interrupt__", ["second"])
        saver.put_writes(at, [("x", 2)], "other", "path")
        unchanged(saver, saver.compact)
        assert ("task", "__interrupt__", "second") in everything(saver)[0][4]


def test_a_pruned_thread_beside_one_with_writes_to_come_is_there_once(tmp_path) -> None:
    with KINDS["folder"](tmp_path) as saver:
        for thread in ("a", "b"):
            put(saver, thread, x=1)
            put(saver, thread, x=2)
        saver.compact()
        early = config("a", "ffffffff-0000-6000-8000-000000000000")
        saver.put_writes(early, [("x", 3)], "task")
        saver.prune(["b"])
        unchanged(saver, saver.compact)
        assert len(history(saver)) == len(everything(saver)) == 3


def act_at_random(saver, rng, steps) -> None:
    """Do all that makes and takes away references, in any order; nothing may go that is read."""
    threads = [f"t{i}" for i in range(6)]
    app = app_of(saver)

    def write(thread):
        if (found := saver.get_tuple(config(thread))) is not None:
            saver.put_writes(found.config, [("x", large(rng.randrange(5)))], str(rng.random()))

    def batch(thread):
        rows = [{"n": rng.randrange(3), "log": []} for _ in range(3)]
        app.batch(rows, config(f"b{rng.randrange(2)}"))
        threads.append(f"b0/{rng.randrange(3)}")

    acts = [
        lambda t: put(saver, t, x=large(rng.randrange(5)), y=large(t, rng.random())),
        lambda t: put(saver, t, x=large(rng.randrange(5)), y=large(t)),
        lambda t: saver.copy_thread(t, rng.choice([name for name in threads if name != t])),
        lambda t: unchanged_but(saver, [t], lambda: saver.delete_thread(t)),
        lambda t: unchanged_but(saver, [t], lambda: saver.prune([t])),
        lambda _: unchanged(saver, saver.compact),
        write,
        batch,
    ]
    for _ in range(steps):
        rng.choice(acts)(rng.choice(threads))
    unchanged(saver, saver.compact)


def unchanged_but(saver, threads, act) -> None:
    """Do something that changes what is read of some threads only."""

    def others():
        found = everything(saver)
        return [i for i in found if i[0]["configurable"]["thread_id"] not in threads]

    expected = others()
    act()
    assert difference(expected, others()) is None


@pytest.mark.parametrize("kind", ["memory", "folder", "objects", "sqlite"])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_that_is_read_goes_whatever_happens(tmp_path, kind, seed) -> None:
    with KINDS[kind](tmp_path, blob_at=AT, snapshot_every=3) as saver:
        act_at_random(saver, random.Random(seed), 40)
        for thread in saver.thread_ids():
            saver.delete_thread(thread)
        saver.compact()
        assert blobs(saver) == 0


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(100, 130))
def test_nothing_that_is_read_goes_whatever_happens_for_long(tmp_path, kind, seed) -> None:
    test_nothing_that_is_read_goes_whatever_happens(tmp_path, kind, seed)


def writes_forgotten(patch) -> None:
    patch.setattr("vecgraph.checkpoint.blobs._REFERRING", ("entries", "columns"))


def entries_forgotten(patch) -> None:
    patch.setattr("vecgraph.checkpoint.blobs._REFERRING", ("columns", "writes"))


def columns_forgotten(patch) -> None:
    patch.setattr(Cells, "digests", lambda self: (np.array([], np.intp), []))


def appended_forgotten(patch) -> None:
    patch.setattr("vecgraph.checkpoint.blobs.digests_in", lambda body: [*digests_in(body)][:1])


def written_columns_forgotten(patch) -> None:
    patch.setattr(WritesChunk, "body", lambda self, row: b"")


def heirs_forgotten(patch) -> None:
    patch.setattr(Marks, "lost", Marks.which_gone)


def thinned_forgotten(patch) -> None:
    unused = Blobs.unused
    patch.setattr(Blobs, "unused", lambda self, left_out=None, bodies=(): unused(self, left_out))


def known_for_ever(patch) -> None:
    patch.setattr(bulk.Codec, "forget", lambda self: None)


FAULTS = {
    writes_forgotten: lambda folder: in_each(test_a_large_write_stays_while_it_is_pending, folder),
    written_columns_forgotten: lambda folder: in_each(
        test_a_large_write_stays_while_it_is_pending, folder
    ),
    entries_forgotten: lambda folder: in_each(
        test_a_large_value_goes_with_the_last_who_has_it, folder
    ),
    columns_forgotten: lambda folder: in_each(
        test_what_batches_have_in_columns_stays_and_goes, folder
    ),
    appended_forgotten: lambda folder: in_each(
        test_a_large_value_goes_with_the_last_who_has_it, folder
    ),
    heirs_forgotten: lambda folder: in_each(test_what_a_copy_has_stays, folder),
    thinned_forgotten: test_a_batch_that_was_pruned_gives_room_back,
    known_for_ever: lambda folder: test_a_value_that_another_writer_took_away_is_stored_again(
        folder, "sqlite"
    ),
}


def in_each(test, folder) -> None:
    with ArrowSaver(folder / "run", blob_at=AT) as saver:
        test(lambda: saver)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_seeded_fault_is_caught(tmp_path, monkeypatch, fault) -> None:
    with monkeypatch.context() as patch:
        fault(patch)
        with pytest.raises(Exception):  # noqa: B017, PT011 - a wrong count, or a value that is gone
            FAULTS[fault](tmp_path)
    (tmp_path / "sound").mkdir()
    FAULTS[fault](tmp_path / "sound")
