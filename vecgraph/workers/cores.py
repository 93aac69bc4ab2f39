"""How many cores this process may use: by its affinity and by its container's quota."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cores"]

_V2 = "/sys/fs/cgroup"
_V1 = "/sys/fs/cgroup/cpu"


def cores() -> int:
    """Return how many cores this process may use; at least one.

    The least of what its affinity mask names and what the quotas of its cgroups allow,
    rounded down: a quota of one and a half cores feeds one worker.
    """
    allowed = _quota()
    return max(1, min(_affinity(), int(allowed) if allowed is not None else _affinity()))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(v2: str = _V2, v1: str = _V1, of: str = "/proc/self/cgroup") -> float | None:
    """Return the cores that the cgroups of this process allow it, None if they set no limit."""
    found = [_of_v2(folder) for folder in _folders(v2, of)]
    found.append(_of_v1(Path(v1)))
    known = [quota for quota in found if quota is not None]
    return min(known, default=None)


def _folders(root: str, of: str) -> list[Path]:
    """Return the folder of this process's cgroup and those above it, as far as they are seen."""
    top, path = Path(root), ""
    for line in _read(Path(of)).splitlines():
        if line.startswith("0::"):
            path = line.removeprefix("0::").strip("/")
    inner = top / path
    return [folder for folder in (inner, *inner.parents) if folder.is_relative_to(top)]


def _of_v2(folder: Path) -> float | None:
    parts = _read(folder / "cpu.max").split()
    if len(parts) != 2 or parts[0] == "max":
        return None
    return int(parts[0]) / int(parts[1])


def _of_v1(folder: Path) -> float | None:
    quota = _read(folder / "cpu.cfs_quota_us").strip()
    period = _read(folder / "cpu.cfs_period_us").strip()
    if not quota or not period or int(quota) <= 0:
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
