"""What the log of checkpoints relies on holds for each storage."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pyarrow.fs import LocalFileSystem

from tests.checkpoint.storages import columns, held, rows, said
from vecgraph.checkpoint.directory.local import DirectoryStorage
from vecgraph.checkpoint.directory.remote import ObjectStorage
from vecgraph.checkpoint.memory import MemoryStorage

STORAGES = {
    "memory": lambda _: MemoryStorage(),
    "folder": lambda folder: DirectoryStorage(folder / "run"),
    "objects": lambda folder: ObjectStorage(LocalFileSystem(), str(folder / "run")),
}
DURABLE = [name for name in STORAGES if name != "memory"]


@pytest.fixture(params=STORAGES)
def storage(request, tmp_path):
    made = STORAGES[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture(params=DURABLE)
def make(request, tmp_path):
    return lambda: STORAGES[request.param](tmp_path)


FLUSHES = [
    [rows(0, b"a", kind="threads", key="ab" * 16), rows(0, b"b")],
    [columns(1, 9, "x"), columns(1, 9, "x", "y"), rows(0, b"c" * 5000, kind="writes")],
    [rows(0, b"blob", kind="blobs", key="cd" * 32)],
    [columns(1, 9, "x", step=1)],
]

ALL = [chunk for flush in FLUSHES for chunk in flush]


def filled(storage):
    return [h for i, flush in enumerate(FLUSHES) for h in storage.append(flush, durable=i % 2 == 0)]


def test_what_was_appended_comes_back_in_order(storage) -> None:
    headers = filled(storage)

    assert held(storage) == said(ALL)
    numbers = [header.number for header in headers]
    assert numbers == sorted(set(numbers))
    for header, chunk in zip(headers, ALL, strict=True):
        assert header == replace(chunk.header, number=header.number)
        assert storage.schema(header.schema) == chunk.schema
    assert storage.load(headers[::-1]) == [c.payload for c in ALL[::-1]]


def test_chunks_are_found_by_kind_thread_key_and_number(storage) -> None:
    headers = filled(storage)

    def found(*args, **kwargs):
        return [headers.index(header) for header in storage.find(*args, **kwargs)]

    assert found(["columns"]) == [2, 3, 6]
    assert found(["columns", "writes"], 0, 0) == [4]
    assert found(["columns"], 9, 20) == [2, 3, 6]
    assert found(["columns"], 10, 20) == []
    assert found(["columns"], after=headers[2].number) == [3, 6]
    assert found(["threads"], key="ab" * 16) == [0]
    assert found(["threads"], key="00" * 16) == []
    assert found(["threads", "entries"], key="") == [1]
    assert found(["blobs"], key="cd" * 32) == [5]


def test_a_replacement_takes_chunks_away_and_adds_others(storage) -> None:
    headers = filled(storage)

    new = storage.replace([headers[1], headers[3]], [rows(0, b"new")])

    assert new[0].number > headers[-1].number
    kept = [c for i, c in enumerate(ALL) if i not in {1, 3}]
    assert held(storage) == said([*kept, rows(0, b"new")])
    storage.replace(new, [])
    assert held(storage) == said(kept)


def test_numbers_of_threads_are_handed_out_once(storage) -> None:
    assert storage.reserve(3) + 3 == storage.reserve(1)


def test_a_storage_that_is_opened_again_holds_the_same(make) -> None:
    storage = make()
    filled(storage)
    first = storage.reserve(2)
    headers = storage.append([rows(first + 1, b"last")], durable=False)
    storage.replace(headers, [rows(first + 1, b"very last")])
    storage.close()

    again = make()
    assert held(again) == said([*ALL, rows(first + 1, b"very last")])
    assert again.reserve(1) > first + 1
    more = again.append([rows(0, b"more")])
    assert more[0].number > headers[0].number
    again.close()
    again = make()
    assert held(again)[-1] == said([rows(0, b"more")])[0]
    again.close()


def test_a_flush_of_nothing_makes_what_was_before_durable(make) -> None:
    storage = make()
    assert storage.append([]) == []
    storage.append(FLUSHES[0], durable=False)
    assert storage.append([], durable=True) == []
    assert held(storage) == said(FLUSHES[0])
    storage.close()


def test_closing_twice_is_harmless(make) -> None:
    storage = make()
    storage.close()
    storage.close()
