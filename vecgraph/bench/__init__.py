"""Benchmarks as a service to readers: run asv, publish its dashboard for offline use, write the page.

asv measures and detects regressions. What is here names the machine by its class instead of its
host, keeps paths of one machine out of what is published, serves the dashboard's scripts locally,
and turns results into `docs/benchmarks.md`. Nothing of the engine is imported.
"""

from __future__ import annotations

from vecgraph.bench.settings import BenchError

__all__ = ["BenchError"]
