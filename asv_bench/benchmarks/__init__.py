"""Benchmarks of vecgraph for asv; `tests/bench` runs each at its smallest size."""
