"""Batch after batch with one saver takes no more and more memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GROWING = Path(__file__).with_name("growing.py")


def in_memory(folder, batches, every) -> list[int]:
    """Return the kilobytes that a process has after each so many batches."""
    command = [sys.executable, str(GROWING), str(folder), str(batches), str(every)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


def test_batches_leave_little_in_memory(tmp_path) -> None:
    found = in_memory(tmp_path / "run", 90, 30)
    # Of a batch the headers of its chunks stay, until they are put together.
    assert found[-1] - found[0] < 60 * 64


@pytest.mark.soak
def test_ten_thousand_batches_take_as_much_as_three_thousand(tmp_path) -> None:
    found = in_memory(tmp_path / "run", 10_000, 500)
    assert max(found[6:]) < 1.1 * max(found[:6])
