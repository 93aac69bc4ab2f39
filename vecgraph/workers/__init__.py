"""Several cores for one batch: how many there are, threads, and processes with shared memory."""

from __future__ import annotations

from vecgraph.workers.cores import cores
from vecgraph.workers.parcel import dumps
from vecgraph.workers.pool import can_start, ran_in_processes
from vecgraph.workers.threads import ran_in_threads

__all__ = ["can_start", "cores", "dumps", "ran_in_processes", "ran_in_threads"]
