"""The threads of a storage: their ids and namespaces, and the numbers that stand for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from vecgraph.checkpoint.arrays import coded, from_numpy, from_texts
from vecgraph.checkpoint.chunks import damaged, pack_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vecgraph.checkpoint.arrays import Array
    from vecgraph.checkpoint.marks import Marks
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.storage import Chunk, Header
    from vecgraph.typing import Values

__all__ = ["ThreadName", "Threads", "printable"]

_compute: Any = pyarrow.compute
_FEW = 64
_MOST_NUMBERS = 1 << 16
_COUNTED = re.compile(r"(?:0|[1-9][0-9]*)$", re.ASCII)


@dataclass(frozen=True, slots=True)
class ThreadName:
    """Threads that are numbered alike.

    Attributes
    ----------
    number : int
        Of the first.
    thread_id : str
        With a `count`, what stands before the counter.
    ns : str
    count : int or None
        How many there are; None: one thread with just this id.
    first : int
        Where the counter begins.
    """

    number: int
    thread_id: str
    ns: str
    count: int | None = None
    first: int = 0

    @property
    def last(self) -> int:
        """Number of the last."""
        return self.number + (self.count or 1) - 1

    def name(self, number: int) -> str:
        """Return the id of one of the threads."""
        if self.count is None:
            return self.thread_id
        return f"{self.thread_id}{self.first + number - self.number}"


class Threads:
    """Looks up threads, and registers new ones.

    Parameters
    ----------
    shelf : Shelf
    marks : Marks
    """

    def __init__(self, shelf: Shelf, marks: Marks) -> None:
        self._shelf = shelf
        self._marks = marks
        self._numbers: dict[tuple[str, str], int] = {}
        self._alone: dict[str, list[ThreadName]] = {}
        self._listed: dict[str, list[ThreadName]] = {}
        self._ranges: list[ThreadName] = []
        self._names: dict[int, ThreadName] = {}
        self._upto = -1
        self._is_read = False

    def forget(self) -> None:
        """Read everything again when it is next needed."""
        self._numbers, self._names = {}, {}
        self._alone, self._listed, self._ranges = {}, {}, []
        self._upto = -1
        self._is_read = False

    def number(self, thread_id: str, ns: str) -> int | None:
        """Return a thread's number, None if there is no such thread."""
        known = self._numbers.get((thread_id, ns))
        if known is not None and self._shelf.storage.exclusive and not self._marks.is_gone(known):
            return known
        known = self.namespaces(thread_id).get(ns)
        if known is not None:
            if len(self._numbers) >= _MOST_NUMBERS:
                self._numbers.clear()
            self._numbers[thread_id, ns] = known
        return known

    def namespaces(self, thread_id: str) -> dict[str, int]:
        """Return the number of each namespace of a thread, in the order of registration."""
        if not self._shelf.storage.exclusive:
            self._marks.refresh()
        found = [(name.number, name.ns) for name in self._of(thread_id)]
        found += self._counted(thread_id)
        living = [(number, ns) for number, ns in found if not self._marks.is_gone(number)]
        return {ns: number for number, ns in sorted(living)}

    def _of(self, thread_id: str) -> list[ThreadName]:
        exclusive = self._shelf.storage.exclusive
        if not exclusive or thread_id not in self._alone:
            headers = self._shelf.find(["threads"], key=_key(thread_id))
            found = [name for names in self._read(headers) for name in names]
            self._alone[thread_id] = [name for name in found if name.thread_id == thread_id]
        if not exclusive or not self._is_read:
            self._refresh()
        return self._alone[thread_id] + self._listed.get(thread_id, [])

    def _counted(self, thread_id: str) -> Iterator[tuple[int, str]]:
        digits = _COUNTED.search(thread_id)
        # "a10" may be the tenth of "a" or the first of "a1" that begins at 0.
        for begin in range(digits.start() if digits else len(thread_id), len(thread_id)):
            prefix, text = thread_id[:begin], thread_id[begin:]
            if text != str(int(text)):
                continue
            for name in self._ranges:
                at = int(text) - name.first
                if name.thread_id == prefix and 0 <= at < (name.count or 0):
                    yield name.number + at, name.ns

    def numbers(self, ids: Sequence[str], ns: str) -> dict[str, int]:
        """Return the numbers of those of many threads that there are."""
        if len(ids) < _FEW or self._shelf.storage.exclusive:
            found = ((name, self.number(name, ns)) for name in dict.fromkeys(ids))
            return {name: number for name, number in found if number is not None}
        # A question a thread would be slow where the storage is a server.
        wanted = set(ids)
        return {name: number for number, name, n in self.living() if n == ns and name in wanted}

    def range_of(self, prefix: str, count: int, first: int, ns: str) -> int | None:
        """Return the first number of the threads ``prefix + str(i)`` if one range has them all."""
        self.namespaces(prefix)  # reads the ranges
        for name in self._ranges:
            begin = name.number + first - name.first
            is_within = name.number <= begin and begin + count - 1 <= name.last
            if (name.thread_id, name.ns) == (prefix, ns) and is_within:
                alive = not self._marks.which_gone(np.arange(begin, begin + count)).any()
                return begin if alive else None
        return None

    def counted(self, prefix: str, count: int, first: int, ns: str) -> dict[str, int]:
        """Return the numbers of those of the threads ``prefix + str(i)`` that there are."""
        self.namespaces(prefix)  # reads the ranges
        one_by_one = [name for names in self._listed.values() for name in names]
        headers = [header for header in self._shelf.find(["threads"]) if header.key]
        if len(headers) > count or self._overlap(prefix):
            return self.numbers([f"{prefix}{i}" for i in range(first, first + count)], ns)
        one_by_one += [name for names in self._read(headers) for name in names]
        found = [name.thread_id for name in one_by_one if name.thread_id.startswith(prefix)]
        wanted = {f"{prefix}{i}" for i in range(first, first + count)} if found else set()
        return self.numbers([name for name in found if name in wanted], ns)

    def _overlap(self, prefix: str) -> bool:
        """Return whether counted threads may have ids with this prefix."""
        return any(
            name.thread_id.startswith(prefix) or prefix.startswith(name.thread_id)
            for name in self._ranges
        )

    def _refresh(self) -> None:
        """Read the chunks of many threads that were added."""
        headers = self._shelf.find(["threads"], key="", after=self._upto)
        for header, names in zip(headers, self._read(headers), strict=True):
            for name in names:
                self._take(name)
            self._upto = header.number
        self._is_read = True

    def _take(self, name: ThreadName) -> None:
        if name.count is None:
            self._listed.setdefault(name.thread_id, []).append(name)
        else:
            self._ranges.append(name)

    def _read(self, headers: Sequence[Header]) -> Iterator[list[ThreadName]]:
        for chunk in self._shelf.rows(headers):
            place = self._shelf.place
            yield [_name(chunk.header, thread, said, place) for thread, _, said in chunk]

    def name(self, number: int) -> tuple[str, str]:
        """Return the id and namespace of a thread.

        Raises
        ------
        KeyError
            There is no such thread.
        """
        known = self._names.get(number)
        if known is None:
            headers = self._shelf.find(["threads"], number, number)
            found = (name for names in self._read(headers) for name in names)
            known = next((name for name in found if name.number <= number <= name.last), None)
            if known is None:
                raise KeyError(number)
            self._names[number] = known
        return known.name(number), known.ns

    def texts(self, numbers: Values) -> tuple[Array, Array]:
        """Return the ids and namespaces of many threads, as texts; numbers are sorted."""
        known = self.all()
        begin = np.searchsorted(numbers, [name.number for name in known])
        end = np.searchsorted(numbers, [name.last for name in known], "right")
        pieces, alone = [], list[str]()
        for name, first, last in zip(known, begin.tolist(), end.tolist(), strict=True):
            if name.count is None:
                alone += [printable(name.thread_id)] * (last - first)
            elif last > first:
                pieces += [from_texts(alone), _counted_texts(name, numbers[first:last])]
                alone = []
        of = np.repeat(np.arange(len(known)), end - begin)
        spaces = coded(of, [printable(name.ns) for name in known]) if len(of) else from_texts([])
        return pa.concat_arrays([*pieces, from_texts(alone)]), spaces

    def all(self) -> list[ThreadName]:
        """Return all threads that were ever registered, deleted ones included."""
        headers = self._shelf.find(["threads"])
        names = [name for found in self._read(headers) for name in found]
        return sorted(names, key=lambda name: name.number)

    def living(self) -> Iterator[tuple[int, str, str]]:
        """Return (number, id, namespace) of each thread that was not deleted."""
        self._marks.refresh()
        for name in self.all():
            for number in range(name.number, name.last + 1):
                if not self._marks.is_gone(number):
                    yield number, name.name(number), name.ns

    def created(self, thread_id: str, ns: str, ts: int) -> tuple[int, Chunk]:
        """Return the number of a new thread, and the chunk that makes it known."""
        number = self._shelf.reserve(1)
        name = ThreadName(number, thread_id, ns)
        chunk = self._shelf.rows_chunk("threads", [(number, -1, _body(name))], ts, _key(thread_id))
        self._alone.setdefault(thread_id, []).append(name)
        self._names[number] = name
        return number, chunk

    def registered(self, names: Sequence[ThreadName], ts: int) -> Chunk:
        """Return the chunk that makes many threads known; they have their numbers."""
        rows = [(name.number, -1, _body(name)) for name in names]
        for name in names:
            self._take(name)
        return self._shelf.rows_chunk("threads", rows, ts, hi=max(name.last for name in names))


def _counted_texts(name: ThreadName, numbers: Values) -> Array:
    """Return the ids of threads that are numbered alike."""
    digits = from_numpy(numbers - name.number + name.first).cast(pa.large_string())
    prefix, nothing = (pa.scalar(text, digits.type) for text in (printable(name.thread_id), ""))
    joined: Array = _compute.binary_join_element_wise(prefix, digits, nothing)
    return joined


def printable(text: str) -> str:
    """Return a text that Arrow can hold: lone surrogates are shown as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _key(thread_id: str) -> str:
    """Return what a storage finds a thread by: text without surprises, whatever the id."""
    return blake2b(thread_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _body(name: ThreadName) -> bytes:
    return pack_body([name.thread_id, name.ns, name.count, name.first])


def _name(header: Header, number: int, said: Any, place: str) -> ThreadName:
    match said:
        case [str(thread_id), str(ns), int() | None as count, int(first)]:
            return ThreadName(number, thread_id, ns, count, first)
    raise damaged(header, "a row names no thread", place)
