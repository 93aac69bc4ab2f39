"""Random streams: the same batch seed, row, step and node give the same numbers in any batch."""

from __future__ import annotations

from vecgraph.rng._philox import row_generator, stream_key
from vecgraph.rng._streams import RowStreams

__all__ = ["RowStreams", "row_generator", "stream_key"]
