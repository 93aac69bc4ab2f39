"""Checkpoints in row form: what a row says, and its bytes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from vecgraph.checkpoint.chunks import damaged, pack_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vecgraph.checkpoint._forms import ChannelVersions
    from vecgraph.checkpoint.storage import Header

__all__ = ["APPEND", "CLEAR", "PUT", "REF", "SAME", "UPDATES", "Entry", "Op", "entry_of"]

PUT, APPEND, CLEAR, REF, SAME = range(5)
"""What happened to a channel, first in an `Op`."""

UPDATES = frozenset((PUT, APPEND, REF))
"""Operations that give a channel a value it had not; a copy of a thread says it in `SAME`."""

Op = list[Any]
"""What happened to a channel, and with what.

* ``[PUT, packed, n]``: it has this value; n is its length if it is a list, else None;
* ``[REF, digest, n]``: the same, and the value is in a blob;
* ``[APPEND, base, packed items, is blob, thread, seq]``: items came to the end of a list of `base`
  items; then the place of the channel's change before (thread None: the same thread);
* ``[CLEAR]``: it is empty again;
* ``[SAME, thread, seq]``: it has the value that the change at this place gave it.

A negative number, ``-1 - op``, says of PUT and REF that the value is the parent's, repeated."""

_FULL, _NO_SENDS, _UPDATED = 1, 2, 4


@dataclass(slots=True)
class Entry:
    """What a row of ``entries`` says.

    Attributes
    ----------
    v : int
    id : str or None
        None: it follows from time, step and place.
    parent : int, str or None
        Place of the parent, or the id of one that is not in the storage.
    parent_thread : int or None
        None: the same thread.
    step : int or None
    ts : int
        Microseconds since 1970.
    source : str or None
    changes : mapping of str to Op
        With `full` of every channel, else of those that changed since the parent.
    versions, seen : mapping
        With `full` all of them, else what is new or different.
    dropped : list
        Names of channels without a version any more; and pairs of node and channel (or None,
        for all of the node) that are not seen any more.
    metadata : bytes or None
        Packed, without step and source; None: as the parent's.
    updated : list of str, True or None
        ``updated_channels``; True: the channels that were put or appended to, sorted.
    top : int or None
        Place of the checkpoint with the greatest id of the thread; None: this one.
    extra : bytes or None
        Packed: other keys of the checkpoint.
    sends : bool
        It has an empty ``pending_sends``.
    full : bool
    """

    v: int
    id: str | None
    parent: int | str | None
    parent_thread: int | None
    step: int | None
    ts: int
    source: str | None
    changes: Mapping[str, Op]
    versions: ChannelVersions = field(default_factory=dict)
    seen: Mapping[str, ChannelVersions] = field(default_factory=dict)
    dropped: list[Any] = field(default_factory=list)
    metadata: bytes | None = None
    updated: list[str] | Literal[True] | None = None
    top: int | None = None
    extra: bytes | None = None
    sends: bool = False
    full: bool = False

    def body(self) -> bytes:
        """Return the entry as bytes."""
        flags = _FULL * self.full + _NO_SENDS * self.sends + _UPDATED * (self.updated is True)
        updated = None if self.updated is True else self.updated
        said: list[Any] = [
            flags,
            self.v,
            _short(self.id),
            self.parent if not isinstance(self.parent, str) else _short(self.parent),
            self.parent_thread,
            self.step,
            self.ts,
            self.source,
            self.changes,
            self.versions,
            self.seen,
            self.metadata,
            updated,
            self.dropped or None,
            self.top,
            self.extra,
        ]
        while said[-1] is None:
            said.pop()
        return pack_body(said)


_FIELDS = 16
_FEWEST = 11


def entry_of(header: Header, said: Any, place: str) -> Entry:
    """Return the entry that a row says.

    Raises
    ------
    DamagedCheckpointError
        It says none.
    """
    try:
        said = _complete(said)
        flags = int(said[0])
        return Entry(
            v=said[1],
            id=_long(said[2]),
            parent=said[3] if isinstance(said[3], int) else _long(said[3]),
            parent_thread=said[4],
            step=said[5],
            ts=int(said[6]),
            source=said[7],
            changes=dict(said[8]),
            versions=dict(said[9]),
            seen=dict(said[10]),
            metadata=said[11],
            updated=True if flags & _UPDATED else said[12],
            dropped=said[13] or [],
            top=said[14],
            extra=said[15],
            sends=bool(flags & _NO_SENDS),
            full=bool(flags & _FULL),
        )
    except (TypeError, ValueError) as error:
        raise damaged(header, f"a row is no checkpoint ({error})", place) from error


def _complete(said: list[Any]) -> list[Any]:
    if not _FEWEST <= len(said) <= _FIELDS:
        raise ValueError(f"it has {len(said)} parts")
    return said + [None] * (_FIELDS - len(said))


def _short(text: str | None) -> str | bytes | None:
    """Return an id as 16 bytes if it is a UUID in its usual form."""
    if text is None or len(text) != 36:
        return text
    try:
        found = uuid.UUID(text)
    except ValueError:
        return text
    return found.bytes if str(found) == text else text


def _long(said: Any) -> str | None:
    if isinstance(said, bytes):
        return str(uuid.UUID(bytes=said))
    if said is None or isinstance(said, str):
        return said
    raise TypeError(f"{said!r} is no id")
