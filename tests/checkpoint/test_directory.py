"""A folder of checkpoints through crashes, damage, full disks, other writers and readers."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
import zlib

import pyarrow as pa
import pytest

from tests.checkpoint.storages import columns, held, rows, said
from vecgraph.checkpoint.directory.appending import Appender
from vecgraph.checkpoint.directory.local import DirectoryStorage
from vecgraph.checkpoint.storage import KINDS
from vecgraph.errors import (
    CheckpointClosedError,
    CheckpointFormatError,
    CheckpointLockedError,
    CheckpointWriteError,
    DamagedCheckpointError,
)

FIRST = [rows(0, b"a" * 50), columns(1, 300, "x")]
LAST = [rows(1, b"b" * 50), columns(1, 300, "x", step=1), columns(1, 300, "x", "y")]
NEXT = [rows(2, b"c")]


def make(folder, *flushes, durable=True):
    storage = DirectoryStorage(folder)
    for flush in flushes:
        storage.append(flush, durable=durable)
    return storage


def killed(storage):
    """Let go of everything as the death of the process would."""
    storage._release()


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def restore(folder, content):
    shutil.rmtree(folder)
    folder.mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)


def test_a_segment_is_an_arrow_stream_whose_batches_say_what_they_are(tmp_path) -> None:
    make(tmp_path, FIRST, LAST).close()

    streams = sorted(tmp_path.glob("log-*.arrows"))
    assert len(streams) == 3
    with pa.ipc.open_stream(streams[1].read_bytes()) as reader:
        batches = list(reader.iter_batches_with_custom_metadata())
    assert [b.batch["x"].to_pylist() for b in batches] == [list(range(1, 301))] * 2
    for found in batches:
        assert b" " in found.custom_metadata[b"vecgraph"]


@pytest.mark.parametrize("durable", [True, False])
def test_what_was_appended_survives_a_killed_process(tmp_path, durable) -> None:
    killed(make(tmp_path, FIRST, LAST, durable=durable))

    storage = make(tmp_path, NEXT)
    assert held(storage) == said(FIRST + LAST + NEXT)
    storage.close()


def test_a_flush_without_commit_records_counts_once_it_is_whole(tmp_path) -> None:
    storage = make(tmp_path, FIRST)
    begin = (tmp_path / "commits-00000").stat().st_size
    storage.append(LAST)
    killed(storage)
    os.truncate(tmp_path / "commits-00000", begin)

    storage = make(tmp_path, NEXT)
    assert held(storage) == said(FIRST + LAST + NEXT)
    storage.close()
    storage = make(tmp_path)
    assert held(storage) == said(FIRST + LAST + NEXT)
    storage.close()


def cuts(begin, end):
    """Every byte of a short part; of a longer one, both ends and some between."""
    inside = range(begin, end, max(1, (end - begin) // 60))
    return sorted({begin, begin + 1, *inside, end - 1})


@pytest.mark.parametrize("durable", [True, False])
def test_a_torn_tail_is_dropped_wherever_it_is_torn(tmp_path, durable) -> None:
    folder = tmp_path / "run"
    storage = make(folder, FIRST)
    before = files(folder)
    storage.append(LAST, durable=durable)
    killed(storage)
    after = files(folder)

    for name in ("log-00000.arrows", "log-00001.arrows", "log-00002.arrows"):
        for cut in cuts(len(before.get(name, b"")), len(after[name])):
            # The records of the flush were not written, or not all of them.
            kept = len(before["commits-00000"]) + 128 * (cut % 3)
            commits = after["commits-00000"][:kept] if durable else after["commits-00000"]
            restore(folder, after | {name: after[name][:cut], "commits-00000": commits})
            storage = make(folder, NEXT)
            assert held(storage) == said(FIRST + NEXT), (name, cut)
            killed(storage)
            storage = make(folder)
            assert held(storage) == said(FIRST + NEXT), (name, cut)
            killed(storage)


@pytest.mark.parametrize("read_only", [True, False])
def test_cut_commit_records_lose_nothing(tmp_path, read_only) -> None:
    folder = tmp_path / "run"
    killed(make(folder, FIRST, LAST))
    whole = files(folder)

    for cut in cuts(0, len(whole["commits-00000"])):
        restore(folder, whole | {"commits-00000": whole["commits-00000"][:cut]})
        storage = DirectoryStorage(folder, read_only=read_only)
        assert held(storage) == said(FIRST + LAST), cut
        killed(storage)


def test_what_is_missing_of_a_durable_flush_is_named_and_the_rest_is_there(tmp_path) -> None:
    folder = tmp_path / "run"
    make(folder, FIRST, LAST).close()
    whole = files(folder)
    name = "log-00001.arrows"

    for cut in cuts(len(whole[name]) - 300, len(whole[name])):
        restore(folder, whole | {name: whole[name][:cut]})
        for read_only in (True, False):
            storage = DirectoryStorage(folder, read_only=read_only)
            headers = storage.find(KINDS)
            assert len(headers) == 5
            with pytest.raises(DamagedCheckpointError, match="too early") as caught:
                storage.load([headers[3]])
            assert caught.value.file.endswith(name)
            assert caught.value.chunk == headers[3].number
            assert caught.value.threads == (1, 300)
            others = headers[:3] + headers[4:]
            assert storage.load(others) == [c.payload for i, c in enumerate(FIRST + LAST) if i != 3]
            if not read_only:
                storage.append(NEXT)
                assert storage.load(storage.find(["entries"], 2, 2)) == [NEXT[0].payload]
            storage.close()


def test_any_flipped_bit_is_harmless_or_reported(tmp_path) -> None:
    folder = tmp_path / "run"
    make(folder, FIRST, LAST).close()
    whole = files(folder)
    expected = said(FIRST + LAST)
    reported = 0

    for name in sorted(set(whole) - {"lock"}):
        is_short = name == "manifest.json"
        for at in range(len(whole[name])) if is_short else cuts(0, len(whole[name])):
            data = bytearray(whole[name])
            data[at] ^= 1 if is_short else 1 << (at % 8)  # 0 becomes 1
            restore(folder, whole | {name: bytes(data)})
            try:
                storage = DirectoryStorage(folder, read_only=True)
                assert held(storage) == expected, (name, at)
                storage.close()
            except (DamagedCheckpointError, CheckpointFormatError):
                reported += 1
    assert reported > 100


def test_a_flipped_bit_touches_its_own_chunk_only(tmp_path) -> None:
    folder = tmp_path / "run"
    make(folder, FIRST, LAST).close()
    whole = files(folder)
    others = [c.payload for i, c in enumerate(FIRST + LAST) if i != 1]

    name = "log-00001.arrows"
    for at in range(len(LAST[1].schema), len(LAST[1].schema) + len(FIRST[1].payload), 37):
        data = bytearray(whole[name])
        data[at] ^= 8
        restore(folder, whole | {name: bytes(data)})
        storage = DirectoryStorage(folder)
        headers = storage.find(KINDS)
        assert storage.load([headers[0], *headers[2:]]) == others
        storage.close()


def test_a_missing_segment_is_named(tmp_path) -> None:
    make(tmp_path, FIRST, LAST).close()
    (tmp_path / "log-00001.arrows").unlink()

    storage = make(tmp_path)
    headers = storage.find(KINDS)
    with pytest.raises(DamagedCheckpointError) as caught:
        storage.load([headers[1]])
    assert caught.value.file.endswith("log-00001.arrows")
    assert storage.load(headers[::2]) == [FIRST[0].payload, LAST[0].payload, LAST[2].payload]
    storage.close()


def test_chunks_that_neither_record_nor_frame_explains_are_damage(tmp_path) -> None:
    storage = make(tmp_path, FIRST, LAST)
    storage.close()
    commits = bytearray((tmp_path / "commits-00000").read_bytes())
    commits[200] ^= 1
    (tmp_path / "commits-00000").write_bytes(commits)
    stream = bytearray((tmp_path / "log-00001.arrows").read_bytes())
    stream[len(FIRST[1].schema) + 110] ^= 1
    (tmp_path / "log-00001.arrows").write_bytes(stream)

    storage = make(tmp_path)
    with pytest.raises(DamagedCheckpointError) as caught:
        storage.find(["entries"])
    assert caught.value.file.endswith("log-00001.arrows")
    assert caught.value.offset == len(FIRST[1].schema)
    storage.close()
    # Somebody may still make something of it.
    assert (tmp_path / "log-00001.arrows").read_bytes() == stream


MIDDLE = [rows(1, b"b" * 50), columns(1, 300, "x", "y")]
"""The last chunk of its segment, and a segment of its own."""
AFTER = [columns(1, 300, "x", step=1)]


def damaged_in_the_middle(folder):
    """Damage each chunk of the flush before the last one, in its record and in its frame.

    Returns what there was, and what is left.
    """
    make(folder, FIRST, MIDDLE, AFTER).close()
    whole = files(folder)
    left = {name: bytearray(data) for name, data in whole.items()}
    begins = {"log-00000.arrows": b" 1 1 50 ", "log-00002.arrows": b" 300 1 300 "}
    for at, (name, text) in enumerate(begins.items()):
        left["commits-00000"][128 * (2 + at) + 50] ^= 1
        left[name][left[name].index(text if at else b"1 0 2 2 1 ")] ^= 1
    left = {name: bytes(data) for name, data in left.items()}
    restore(folder, left)
    return whole, left


def test_nothing_is_cut_where_the_middle_is_damaged(tmp_path) -> None:
    """A tail is torn only if all before it is there: else the rest may still be needed."""
    folder = tmp_path / "run"
    whole, left = damaged_in_the_middle(folder)

    for _ in range(2):
        storage = make(folder)
        with pytest.raises(DamagedCheckpointError, match="no valid chunk"):
            storage.find(KINDS)
        for change in (lambda: storage.append(NEXT), lambda: storage.replace([], NEXT)):  # noqa: B023
            with pytest.raises(DamagedCheckpointError, match="no valid chunk"):
                change()
        storage.close()
        assert {**files(folder), "lock": b""} == {**left, "lock": b""}

    restore(folder, whole)
    storage = make(folder, NEXT)
    assert held(storage) == said([*FIRST, *MIDDLE, *AFTER, *NEXT])
    storage.close()


def test_a_tail_that_is_torn_behind_damage_is_left_too(tmp_path) -> None:
    folder = tmp_path / "run"
    damaged_in_the_middle(folder)
    for name in ("commits-00000", "log-00001.arrows"):
        with (folder / name).open("ab") as file:
            file.write(b"half")
    left = files(folder)
    make(folder).close()
    assert {**files(folder), "lock": b""} == {**left, "lock": b""}


def test_segments_cut_although_damaged_are_noticed(tmp_path, monkeypatch) -> None:
    """The fault seeded: recovery that cuts whatever does not count."""
    repair = Appender._repair

    def cutting(self, found) -> None:
        found.damages = []
        repair(self, found)

    monkeypatch.setattr(Appender, "_repair", cutting)
    for test in (
        test_nothing_is_cut_where_the_middle_is_damaged,
        test_a_tail_that_is_torn_behind_damage_is_left_too,
    ):
        (tmp_path / test.__name__).mkdir()
        with pytest.raises(AssertionError):
            test(tmp_path / test.__name__)


def test_a_replacement_that_was_interrupted_did_not_happen(tmp_path) -> None:
    storage = make(tmp_path, FIRST)
    begin = (tmp_path / "commits-00000").stat().st_size
    storage.replace(storage.find(["entries"]), NEXT)
    killed(storage)
    whole = (tmp_path / "commits-00000").read_bytes()

    for cut in (begin, begin + 100, begin + 128, begin + 256):
        (tmp_path / "commits-00000").write_bytes(whole[:cut])
        storage = DirectoryStorage(tmp_path, read_only=True)
        # Before it was durable, all of its records are needed.
        assert held(storage) in (said(FIRST), said([FIRST[1], *NEXT])), cut
        storage.close()


def test_a_writer_keeps_others_out_until_it_is_closed(tmp_path) -> None:
    storage = make(tmp_path, FIRST)
    with pytest.raises(CheckpointLockedError, match=f"process {os.getpid()}") as caught:
        DirectoryStorage(tmp_path)
    assert "read_only=True" in str(caught.value)
    storage.close()
    make(tmp_path).close()


WRITER = """
import sys, time
from tests.checkpoint.storages import rows
from vecgraph.checkpoint.directory.local import DirectoryStorage
storage = DirectoryStorage(sys.argv[1])
storage.append([rows(0, b"a" * 50)])
print("ready", flush=True)
if sys.argv[2] == "fork":
    import os
    if os.fork():
        os._exit(0)
    print("forked", flush=True)
for line in sys.stdin:
    storage.append([rows(1, line.strip().encode())])
    print("done", flush=True)
"""


@pytest.fixture
def writer(tmp_path):
    started = []

    def start(*args):
        command = [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path), *args]
        started.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        assert started[-1].stdout.readline() == "ready\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_killed_process_does_not_keep_the_lock(tmp_path, writer) -> None:
    process = writer("-")
    with pytest.raises(CheckpointLockedError, match=f"process {process.pid}"):
        DirectoryStorage(tmp_path)
    process.kill()
    process.wait()

    storage = make(tmp_path)
    assert len(storage.find(KINDS)) == 1
    storage.close()


def test_a_child_does_not_keep_its_dead_parents_lock(tmp_path, writer) -> None:
    process = writer("fork")
    assert process.stdout.readline() == "forked\n"
    process.wait()
    make(tmp_path).close()


def test_readers_see_what_another_process_appends(tmp_path, writer) -> None:
    process = writer("-")
    reader, other = (DirectoryStorage(tmp_path, read_only=True) for _ in range(2))
    assert len(held(reader)) == 1

    for i in range(3):
        process.stdin.write(f"{i}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n"
        assert held(reader)[-1] == said([rows(1, str(i).encode())])[0]
    assert held(other) == held(reader)
    reader.close()
    other.close()


def test_a_reader_changes_nothing_and_takes_no_lock(tmp_path) -> None:
    storage = make(tmp_path, FIRST)
    before = files(tmp_path)
    reader = DirectoryStorage(tmp_path, read_only=True)
    assert not reader.exclusive
    assert held(reader) == said(FIRST)
    for change in (lambda: reader.append(NEXT), lambda: reader.replace([], NEXT)):
        with pytest.raises(CheckpointWriteError, match="read only"):
            change()
    reader.close()
    assert files(tmp_path) == before
    storage.close()


def test_a_reader_does_not_see_a_flush_in_the_making(tmp_path) -> None:
    storage = make(tmp_path, FIRST)
    reader = DirectoryStorage(tmp_path, read_only=True)
    begin = (tmp_path / "commits-00000").stat().st_size
    storage.append(LAST)
    whole = (tmp_path / "commits-00000").read_bytes()
    for cut in (begin, begin + 50, begin + 128, len(whole) - 1):
        (tmp_path / "commits-00000").write_bytes(whole[:cut])
        assert held(reader) == said(FIRST)
        late = DirectoryStorage(tmp_path, read_only=True)
        assert held(late) == said(FIRST)
        late.close()
    (tmp_path / "commits-00000").write_bytes(whole)
    assert held(reader) == said(FIRST + LAST)
    reader.close()
    storage.close()


@pytest.mark.parametrize("call", ["pwrite", "fsync"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("flush", [LAST, LAST[:2]], ids=["new segment", "old segments"])
def test_a_failed_append_leaves_everything_as_it_was(
    tmp_path, monkeypatch, call, nth, flush
) -> None:
    storage = make(tmp_path, FIRST)
    real, count = getattr(os, call), 0

    def failing(*args):
        nonlocal count
        count += 1
        if count == nth:
            if call == "pwrite":
                real(args[0], bytes(args[1])[: len(args[1]) // 2], args[2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args)

    monkeypatch.setattr(os, call, failing)
    try:
        storage.append(flush)
    except CheckpointWriteError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017
        expected = FIRST
    else:
        expected = FIRST + flush
        assert count < nth
    monkeypatch.undo()

    assert held(storage) == said(expected)
    shutil.copytree(tmp_path, tmp_path.with_name("copy"))
    for folder in (tmp_path, tmp_path.with_name("copy")):  # nobody writes to the copy
        reader = DirectoryStorage(folder, read_only=True)
        assert held(reader) == said(expected)
        reader.close()
    shutil.rmtree(tmp_path.with_name("copy"))
    storage.append(NEXT)
    killed(storage)
    storage = make(tmp_path)
    assert held(storage) == said([*expected, *NEXT])
    storage.close()


def test_a_closed_storage_says_so(tmp_path) -> None:
    storage = make(tmp_path, FIRST)
    storage.close()
    with pytest.raises(CheckpointClosedError):
        storage.append(NEXT)
    with pytest.raises(CheckpointClosedError):
        storage.find(KINDS)


@pytest.mark.parametrize(
    ("manifest", "error"),
    [
        (b"", DamagedCheckpointError),
        (b"{", DamagedCheckpointError),
        (b"[" * 100_000, DamagedCheckpointError),
        (b'{"program": "other"}', CheckpointFormatError),
        (b'{"program": "vecgraph checkpoints", "format": 99}', CheckpointFormatError),
        (b'{"program": "vecgraph checkpoints", "format": 1}', DamagedCheckpointError),
    ],
)
def test_a_folder_that_is_none_of_ours_is_refused(tmp_path, manifest, error) -> None:
    make(tmp_path, FIRST).close()
    (tmp_path / "manifest.json").write_bytes(manifest)
    for read_only in (True, False):
        with pytest.raises(error):
            DirectoryStorage(tmp_path, read_only=read_only)


def test_a_manifest_leads_to_no_file_outside(tmp_path) -> None:
    make(tmp_path, FIRST).close()
    text = (tmp_path / "manifest.json").read_text()
    for name in ("../x.arrow", "a/b", "/etc/passwd", "", ".hidden", "é.arrow"):
        said = json.loads(text) | {"files": {"0": name}}
        del said["check"]
        compact = json.dumps(said, separators=(",", ":"), sort_keys=True)
        said["check"] = zlib.crc32(compact.encode())
        (tmp_path / "manifest.json").write_text(json.dumps(said))
        with pytest.raises(DamagedCheckpointError, match="no name of a file"):
            DirectoryStorage(tmp_path, read_only=True)


def test_checkpoints_without_a_manifest_are_refused(tmp_path) -> None:
    make(tmp_path, FIRST).close()
    (tmp_path / "manifest.json").unlink()
    for read_only in (True, False):
        with pytest.raises(CheckpointFormatError, match=r"manifest\.json"):
            DirectoryStorage(tmp_path, read_only=read_only)


def test_a_reader_of_nothing_is_told(tmp_path) -> None:
    with pytest.raises(CheckpointFormatError, match="holds no checkpoints"):
        DirectoryStorage(tmp_path / "nowhere", read_only=True)
    assert not (tmp_path / "nowhere").exists()


def test_a_path_that_is_a_file_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointWriteError):
        DirectoryStorage(tmp_path / "file")
