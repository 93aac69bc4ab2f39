"""Large values that nothing refers to any more: found, and taken away.

A blob is known by its digest, and whoever has the value refers to it, so it may go only when
nobody does. What refers is not counted, where a missed count would lose a value, but looked for: in
everything that is left, whatever its form, 32 bytes that are the digest are a reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from vecgraph.errors import DamagedCheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from vecgraph.checkpoint.codec import Codec
    from vecgraph.checkpoint.marks import Marks
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.storage import Header, Kind
    from vecgraph.typing import Mask, Values

    LeftOut: TypeAlias = Callable[[Kind, Values, Values], Mask]

__all__ = ["Blobs", "digests_in"]

_REFERRING: tuple[Kind, ...] = ("entries", "columns", "writes")
_DIGEST = b"\xc4\x20"
"""How 32 bytes begin in MessagePack."""
_TOGETHER = 256
"""Chunks that are loaded together."""
_PER_CHUNK = 256
"""Bytes that must be there to be freed for each chunk that has to be looked at."""


def digests_in(body: bytes) -> Iterator[bytes]:
    """Return all that may be a digest in what a row says.

    Examples
    --------
    >>> from vecgraph.checkpoint.chunks import pack_body
    >>> list(digests_in(pack_body(["x", bytes(32)]))) == [bytes(32)]
    True
    """
    at = body.find(_DIGEST)
    while at >= 0:
        yield body[at + 2 : at + 34]
        at = body.find(_DIGEST, at + 1)


class Blobs:
    """Finds the blobs that can go. Called by one thread at a time.

    Parameters
    ----------
    shelf, marks, codec
        Of the log.
    counts : bool
        Whether to note what is deleted, for `is_worth_it`.
    """

    def __init__(self, shelf: Shelf, marks: Marks, codec: Codec, *, counts: bool) -> None:
        self._counts = counts
        self._shelf = shelf
        self._marks = marks
        self._codec = codec
        self._freed = 0

    def unused(self, left_out: LeftOut | None = None, bodies: Iterable[bytes] = ()) -> list[Header]:
        """Return the blobs that nothing refers to.

        Parameters
        ----------
        left_out : callable, optional
            Gets kind, threads and places of rows; says which are about to go. Left out: those
            of deleted threads that nobody builds on.
        bodies : iterable of bytes
            What rows say that are about to be added.

        Returns
        -------
        list of Header
            None where something cannot be read: nobody knows what that refers to.
        """
        held: dict[bytes, list[Header]] = {}
        for header in self._shelf.find(["blobs"]):
            held.setdefault(bytes.fromhex(header.key), []).append(header)
        left = set(held)
        for body in bodies:
            left.difference_update(digests_in(body))
        try:
            self._spare(left, self._shelf.find(_REFERRING), left_out or self._is_lost)
        except DamagedCheckpointError:
            return []
        return [header for digest in left for header in held[digest]]

    def _is_lost(self, kind: Kind, threads: Values, seqs: Values) -> Mask:
        return self._marks.lost(threads)

    def _spare(self, left: set[bytes], headers: Sequence[Header], left_out: LeftOut) -> None:
        """Take out of `left` what chunks refer to."""
        for begin in range(0, len(headers), _TOGETHER):
            if not left:
                return
            part = headers[begin : begin + _TOGETHER]
            for chunk in self._shelf.rows([h for h in part if h.kind != "columns"]):
                gone = left_out(chunk.header.kind, chunk.threads, chunk.seqs)
                for at in np.flatnonzero(~gone).tolist():
                    left.difference_update(digests_in(chunk.body(at)))
            for columns in self._shelf.columns([h for h in part if h.kind == "columns"]):
                for rows, digests in columns.digests():
                    gone = left_out("columns", columns.threads[rows], columns.seq[rows])
                    left.difference_update(np.array(digests, object)[~gone])

    def unused_now(self) -> tuple[list[Header], int]:
        """Return the blobs that nothing refers to, and the number of the last chunk."""
        return self.unused(), self._shelf.storage.chunks - 1

    def drop(self, unused: Sequence[Header], upto: int) -> None:
        """Take blobs away, but for those that others have come to refer to.

        Parameters
        ----------
        unused : sequence of Header
        upto : int
            Number of the last chunk that was there when they were found.
        """
        self._freed = 0
        news = self._shelf.find((*_REFERRING, "marks"), after=upto) if unused else []
        if any(header.kind == "marks" for header in news):
            return  # what was deleted may be somebody's past by now: next time
        left = {bytes.fromhex(header.key) for header in unused}
        self._spare(left, news, self._is_lost)
        old = [header for header in unused if bytes.fromhex(header.key) in left]
        if old:
            self._shelf.replace(old, [])
            self._codec.forget()

    def deleted(self, number: int, headers: Sequence[Header]) -> None:
        """Note that what chunks say of a thread is about to go."""
        if not self._counts:
            return
        named: set[bytes] = set()
        for chunk in self._shelf.rows([h for h in headers if h.kind in {"entries", "writes"}]):
            for at in chunk.of(number):
                named.update(digests_in(chunk.body(at)))
        for columns in self._shelf.columns([h for h in headers if h.kind == "columns"]):
            for rows, digests in columns.digests():
                here = columns.threads[rows] == number
                named.update(np.array(digests, object)[here])
        for digest in named:
            found = self._shelf.find(["blobs"], key=digest.hex())
            self._freed += sum(header.length for header in found)

    @property
    def is_worth_it(self) -> bool:
        """Whether so much may be freed that it is worth looking at every chunk."""
        return self._freed > _PER_CHUNK * self._shelf.storage.chunks
