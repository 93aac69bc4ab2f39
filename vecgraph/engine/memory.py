"""Keep freed memory for the next superstep instead of giving it back to the kernel.

A lane's columns are a few hundred kilobytes each, which glibc takes from the kernel and
gives back at every allocation: each superstep then faults every page in again, and that
costs several times the arithmetic of a cheap node. Raising glibc's thresholds keeps that
memory in the process. It concerns speed alone.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

__all__ = ["keep_freed_memory"]

# <malloc.h>
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3

_MAPPED_FROM = 16 << 20
"""Bytes from which an allocation is still mapped and unmapped on its own."""
_KEPT = 128 << 20
"""Bytes of freed memory at the heap's top that the process keeps."""
_GROWTH = 16 << 20
"""Bytes that the heap grows by at least."""


@cache
def keep_freed_memory() -> bool:
    """Raise glibc's allocation thresholds, once a process.

    Returns
    -------
    bool
        Whether it was done: not outside Linux with glibc, and not if the environment
        variable ``VECGRAPH_MALLOPT`` is ``off``.
    """
    if sys.platform != "linux" or os.environ.get("VECGRAPH_MALLOPT", "").lower() == "off":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False  # musl has no mallopt
    options = (
        (_M_MMAP_THRESHOLD, _MAPPED_FROM),
        (_M_TRIM_THRESHOLD, _KEPT),
        (_M_TOP_PAD, _GROWTH),
    )
    done = [mallopt(option, value) for option, value in options]
    return all(done)
