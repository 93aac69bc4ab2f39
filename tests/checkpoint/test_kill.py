"""A process that is killed at any moment loses nothing of what it knew to be stored."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkpoint.dying import (
    LEFT,
    THREADS,
    batch,
    checkpoint,
    large_saver,
    large_values,
)
from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.testing.compare import difference

DYING = Path(__file__).with_name("dying.py")


def check(folder, last, *, read_only) -> int:
    """Compare all that is there with what must be; return how many there are."""
    with ArrowSaver(folder, read_only=read_only, compact_on_close=False) as saver:
        found = {int(item.checkpoint["id"]): item for item in saver.list(None)}
    assert sorted(found) == list(range(len(found)))
    assert len(found) > last
    for n, item in found.items():
        different = difference(checkpoint(n)["channel_values"], item.checkpoint["channel_values"])
        assert different is None, f"checkpoint {n}: {different}"
        if n >= THREADS:
            assert item.parent_config["configurable"]["checkpoint_id"] == f"{n - THREADS:08}"
        if n <= last and n % 7 == 0:
            assert item.pending_writes == [("task", "n", n)]
    return len(found)


def kill_often(folder, durability, points) -> None:
    rng = random.Random(points)
    command = [sys.executable, str(DYING), str(folder), durability]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        last, count = -1, 0
        for point in range(points):
            process.stdin.write(f"{rng.uniform(0.05, 0.5)}\n")
            process.stdin.flush()
            last = max(last, int(process.stdout.readline()))
            if (folder / "manifest.json").exists():
                count = check(folder, last, read_only=point % 2 == 0)
            if count > 400:
                break
        process.stdin.close()
    assert count > points


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_what_was_stored_survives_a_kill(tmp_path, durability) -> None:
    kill_often(tmp_path / "run", durability, 7)


def test_a_batch_that_was_killed_again_and_again_ends_with_the_same_result(tmp_path) -> None:
    folder = tmp_path / "run"
    with ArrowSaver(tmp_path / "other") as saver:
        expected = batch(saver)
        history = steps_of(saver)
    command = [sys.executable, str(DYING), str(folder), "batch"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        for delay in (0.1, 0.15, 0.2, 0.25, 0.3):
            process.stdin.write(f"{delay}\n")
            process.stdin.flush()
            process.stdout.readline()
        process.stdin.close()

    with ArrowSaver(folder) as saver:
        found = batch(saver, resume=True)
        assert difference(expected, found) is None
        assert steps_of(saver) == history


def steps_of(saver):
    """Return the steps and values of each thread's checkpoints: none twice, none missing."""
    found: dict = {}
    for item in saver.list(None):
        thread = item.config["configurable"]["thread_id"]
        values = item.checkpoint["channel_values"].get("log")
        found.setdefault(thread, []).append((item.metadata["step"], values))
    return found


def check_large(folder, kind, last, before) -> int:
    """Compare the threads with large values with what must be; return the newest."""
    with large_saver(kind, str(folder)) as saver:
        latest = reversed([*saver.list(None)])  # the newest of a thread comes first
        found = {int(item.config["configurable"]["thread_id"]): item for item in latest}
        newest = max(found)
        assert last <= newest <= max(last, before) + 1
        assert set(range(newest - LEFT + 2, newest)) <= found.keys() | {-1, -2}
        for n, item in found.items():
            of = item.metadata["step"]
            assert of == 1 or n == newest
            values = item.checkpoint["channel_values"]
            assert difference(large_values(n, of), values) is None
            if n <= last:
                assert item.pending_writes == [("task", "shared", "written " * 4000)]
        saver.compact()
        assert saver._blobs.unused() == []
    return newest


def kill_with_large_values(folder, kind, points) -> None:
    rng = random.Random(points)
    command = [sys.executable, str(DYING), str(folder), kind]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        last, newest = -1, -1
        for _ in range(points):
            process.stdin.write(f"{rng.uniform(0.05, 0.5)}\n")
            process.stdin.flush()
            last = max(last, int(process.stdout.readline()))
            if last >= 0:
                newest = check_large(folder, kind, last, newest)
        process.stdin.close()
    assert newest > points


@pytest.mark.parametrize("kind", ["folder", "objects", "sqlite"])
def test_large_values_survive_a_kill_and_none_is_left_behind(tmp_path, kind) -> None:
    kill_with_large_values(tmp_path / "run", kind, 7)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["folder", "objects", "sqlite"])
def test_large_values_survive_hundreds_of_kills(tmp_path, kind) -> None:
    kill_with_large_values(tmp_path / "run", kind, 300)


@pytest.mark.soak
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_what_was_stored_survives_hundreds_of_kills(tmp_path, durability) -> None:
    for at in range(10):
        kill_often(tmp_path / f"run-{at}", durability, 40)
