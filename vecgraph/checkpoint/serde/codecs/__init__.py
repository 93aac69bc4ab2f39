"""States in formats that other programs read: JSON, MessagePack, Arrow and Protocol Buffers.

Every codec takes states as a list of dicts, as columns or as an Arrow table, and gives back exactly
what it took, or refuses it with the path. More are found among the entry points of the group
``vecgraph.codecs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.checkpoint.serde.codecs.base import Codec as Codec
from vecgraph.checkpoint.serde.codecs.compress import MAX_BYTES as MAX_BYTES
from vecgraph.checkpoint.serde.codecs.compress import Compression as Compression
from vecgraph.checkpoint.serde.codecs.table import States as States
from vecgraph.checkpoint.serde.codecs.table import Table as Table
from vecgraph.registry import load

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_BYTES", "Codec", "Compression", "States", "Table", "codec"]


def codec(
    name: str,
    compression: Compression = "none",
    *,
    schema: Any = None,
    allowed: Iterable[type[Any]] = (),
    max_bytes: int = MAX_BYTES,
) -> Codec:
    r"""Return the codec of a name.

    Parameters
    ----------
    name : {'json', 'msgpack', 'arrow', 'protobuf'} or of an entry point
    compression, schema, allowed, max_bytes
        As for `Codec`.

    Raises
    ------
    UnknownNameError
        There is none of that name.

    Examples
    --------
    >>> json = codec("json")
    >>> json.encode([{"n": 1}, {"n": 2, "at": (1, 2)}])
    b'{"n":1}\n{"n":2,"at":{"$tuple":[1,2]}}\n'
    >>> json.decode(_)
    [{'n': 1}, {'n': 2, 'at': (1, 2)}]
    """
    made: Codec = load("codecs", name)(
        compression=compression, schema=schema, allowed=allowed, max_bytes=max_bytes
    )
    return made
