"""Time one call against another, within one process and under the same load.

The clock counts CPU time: on a machine that others use it says what a call costs, where the wall
says how long it had to wait. What uses several cores, or waits, is measured by the wall elsewhere.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import contextmanager
from statistics import median
from time import process_time
from typing import TYPE_CHECKING

from benchmarks.forms import Job

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the cyclic collector, as `timeit` and so asv do: it favours the plain loops most."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def best_of(call: Callable[[], object], repeats: int) -> float:
    """CPU seconds of the quickest of `repeats` calls: the one that others disturbed least."""
    best = float("inf")
    for _ in range(repeats):
        start = process_time()
        call()
        best = min(best, process_time() - start)
    return best


def seconds(job: Job) -> float:
    """CPU seconds of one run of the next input; its output is compared after the clock stopped."""
    number = job.next()
    data = job.inputs[number]
    start = process_time()
    output = job.run(data)
    taken = process_time() - start
    job.check(output, number)
    return taken


def ratio(one: Job, other: Job, rounds: int = 7) -> float:
    """Median, over rounds that time both in turn, of the time of `one` over that of `other`.

    In turn, so that a machine that others use slows both alike; small jobs are run several times
    a round.
    """
    with collector_paused():
        often = [_often(job) for job in (one, other)]
        return median(_mean(one, often[0]) / _mean(other, often[1]) for _ in range(rounds))


def _often(job: Job) -> int:
    """Count the runs that fill a hundredth of a second, and warm the job up."""
    seconds(job)
    return max(1, min(200, int(0.01 / seconds(job))))


def _mean(job: Job, runs: int) -> float:
    return sum(seconds(job) for _ in range(runs)) / runs
