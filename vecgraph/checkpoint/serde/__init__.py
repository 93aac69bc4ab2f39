"""Python values as bytes and back, exactly and safely."""

from __future__ import annotations

from vecgraph.checkpoint.serde._schema import classes_in as classes_in
from vecgraph.checkpoint.serde.pack import MAX_DEPTH as MAX_DEPTH
from vecgraph.checkpoint.serde.pack import Packer as Packer
from vecgraph.checkpoint.serde.pack import Record as Record
from vecgraph.checkpoint.serde.pack import StoredError as StoredError

__all__ = ["MAX_DEPTH", "Packer", "Record", "StoredError", "classes_in"]
