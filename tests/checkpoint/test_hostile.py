"""Full disks, missing rights, and files that somebody made up: errors, never wrong data."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import zlib
from dataclasses import replace

import pytest

from tests.checkpoint.dying import checkpoint, config
from tests.checkpoint.storages import held, rows, said
from tests.checkpoint.test_compaction import batch, everything, same
from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.checkpoint.directory.local import DirectoryStorage
from vecgraph.checkpoint.storage import KINDS
from vecgraph.errors import (
    CheckpointFormatError,
    CheckpointWriteError,
    DamagedCheckpointError,
)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 512 KiB; skips the test where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "vecgraph-test", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"mount cannot be run: {error}")
    if done.returncode:
        pytest.skip(f"no disk may be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(saver, kept):
    """Put checkpoints until the disk is full."""
    for n in range(len(kept), 10_000):
        made = checkpoint(n)
        made["channel_values"]["noise"] = random.Random(n).randbytes(3000)
        made["channel_versions"]["noise"] = n + 1
        try:
            saver.put(config(n, with_id=False), made, {}, made["channel_versions"])
        except CheckpointWriteError:
            return
        kept.append(made)
    raise AssertionError("the disk is not full")


@pytest.mark.parametrize("durability", ["sync", "exit"])
def test_a_full_disk_loses_nothing_that_was_stored(small_disk, durability) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 200_000)
    saver = ArrowSaver(small_disk / "run", durability=durability, compact_on_close=False)
    kept: list = []
    fill(saver, kept)
    assert kept
    for _ in range(3):
        found = {item.checkpoint["id"]: item.checkpoint for item in saver.list(None)}
        same(
            [found[made["id"]]["channel_values"] for made in kept],
            [made["channel_values"] for made in kept],
        )
        assert len(found) == len(kept)
        fill(saver, kept)
    with pytest.raises(CheckpointWriteError):
        saver.compact()

    filler.unlink()
    before = len(kept)
    fill(saver, kept)
    assert len(kept) > before
    saver.close()
    with ArrowSaver(small_disk / "run", read_only=True) as reader:
        assert {item.checkpoint["id"] for item in reader.list(None)} == {m["id"] for m in kept}


def test_a_disk_that_became_read_only_is_still_read(small_disk) -> None:
    saver = ArrowSaver(small_disk / "run", compact_on_close=False)
    batch(saver, 3)
    expected = everything(saver)
    saver.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    with pytest.raises(CheckpointWriteError, match="could not be written"):
        ArrowSaver(small_disk / "run")
    with ArrowSaver(small_disk / "run", read_only=True) as reader:
        same(everything(reader), expected)


def test_a_folder_without_the_right_to_write_is_refused(tmp_path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o500)
    if os.access(tmp_path / "run", os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(CheckpointWriteError, match="Permission denied"):
        ArrowSaver(tmp_path / "run")


def spoilt(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with something cut, doubled, moved, or made up."""
    at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    how = rng.randrange(6)
    if how == 0:
        return data[:at]
    if how == 1:
        return data[:at] + data[end:]
    if how == 2:
        return data[:end] + data[at:]
    if how == 3:
        return data[:at] + rng.randbytes(end - at) + data[end:]
    if how == 4:
        number = rng.choice([0, -1, 1, 2**31 - 1, -(2**31)])
        return data[:at] + struct.pack("<i", number) + data[at + 4 :]
    return data[:at] + struct.pack("<q", rng.choice([-1, 2**62, 2**40])) + data[at + 8 :]


def read_spoilt(folder, whole, rounds, seed) -> int:
    """Read a folder with a spoilt file many times; return how often that was reported."""
    rng = random.Random(seed)
    with ArrowSaver(folder, read_only=True) as reader:
        expected = {repr(item[0]): item for item in everything(reader)}
    names = sorted(name for name in whole if name != "lock" and whole[name])
    reported = 0
    for _ in range(rounds):
        name = rng.choice(names)
        (folder / name).write_bytes(spoilt(whole[name], rng))
        try:
            with ArrowSaver(folder, read_only=True) as reader:
                found = everything(reader)
        except (DamagedCheckpointError, CheckpointFormatError):
            reported += 1
        else:
            # One file is spoilt, and everything was durable: nothing may be gone or different.
            assert len(found) == len(expected), name
            for item in found:
                same(item, expected[repr(item[0])])
        (folder / name).write_bytes(whole[name])
    return reported


@pytest.mark.parametrize("compacted", [False, True])
def test_made_up_files_are_refused_and_never_read_as_something_else(tmp_path, compacted) -> None:
    folder = tmp_path / "run"
    with ArrowSaver(folder, compact_on_close=compacted) as saver:
        batch(saver, 3)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert read_spoilt(folder, whole, 120, 1) > 5


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_many_made_up_files(tmp_path, seed) -> None:
    folder = tmp_path / "run"
    with ArrowSaver(folder, compact_on_close=seed % 2 == 0) as saver:
        batch(saver, 3)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert read_spoilt(folder, whole, 1000, seed) > 50


def test_a_size_that_is_only_declared_is_not_allocated(tmp_path) -> None:
    storage = DirectoryStorage(tmp_path / "run")
    chunk = rows(0, b"a" * 4000)
    payload = bytearray(chunk.payload)
    begin = 8 + struct.unpack_from("<i", payload, 4)[0]
    sizes = [
        at
        for at in range(begin, len(payload) - 8, 8)
        if struct.unpack_from("<q", payload, at)[0] == 4000
    ]
    struct.pack_into("<q", payload, sizes[0], 1 << 50)
    header = replace(chunk.header, crc=zlib.crc32(payload))
    storage.append([replace(chunk, payload=bytes(payload), header=header)])
    with pytest.raises(DamagedCheckpointError, match="more than a chunk may hold"):
        held(storage)
    storage.close()


def test_a_copy_of_a_folder_is_as_good(tmp_path) -> None:
    storage = DirectoryStorage(tmp_path / "run")
    flush = [rows(0, b"a"), rows(0, b"b", kind="writes")]
    storage.append(flush)
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    copy = DirectoryStorage(tmp_path / "copy")
    assert held(copy) == held(storage) == said(flush)
    assert len(copy.find(KINDS)) == 2
    copy.close()
    storage.close()
