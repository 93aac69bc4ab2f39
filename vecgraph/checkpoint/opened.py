"""Checkpoints in column form as any program reads them: no runs, whole names, all channels.

Chunks of one kind come together in files of one schema: a channel that a chunk says nothing of is
unchanged in all its rows.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vecgraph.checkpoint.arrays import from_numpy, from_texts, plain
from vecgraph.checkpoint.cells import FIXED, channels_of, written
from vecgraph.checkpoint.typed import VALUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vecgraph.checkpoint.columnform import ColumnChunk
    from vecgraph.checkpoint.threads import ThreadName
    from vecgraph.typing import Values

__all__ = ["Form", "Names", "clean", "forms_of"]

_compute: Any = pc
_ORDER = ("thread_id", "ns", "thread", "seq", "parent", "parent_thread", "step", "ts", "source")
_ALWAYS = ("thread_id", "ns", "thread")
_SAME = ("parent", "parent_thread", "full", "versions")


class Form:
    """The schema of a file, as far as the chunks for it are known.

    Parameters
    ----------
    metadata : dict or None
        Of the schema; the same for all of them.
    """

    def __init__(self, metadata: Any) -> None:
        self.metadata = metadata
        self._fields: dict[str, Any] = {}
        self._parts: dict[str, dict[str, str]] = {}

    def takes(self, schema: pa.Schema) -> bool:
        """Take a chunk's schema in, if it fits."""
        fields = {field.name: _opened(field) for field in schema if field.name != "first"}
        known = self._fields
        if schema.metadata != self.metadata or any(
            name in known and not known[name].equals(field, check_metadata=True)
            for name, field in fields.items()
        ):
            return False
        if known and any((name in known) != (name in fields) for name in _SAME):
            return False
        known.update(fields)
        for name in _ALWAYS:
            kind = pa.int64() if name == "thread" else pa.large_string()
            known[name] = pa.field(name, kind)
        for channel, parts in channels_of(schema).items():
            found = self._parts.setdefault(channel, {})
            found.update({part: schema.names[at] for part, (at, _) in parts.items()})
            self._with_marker(channel, found)
        return True

    def _with_marker(self, channel: str, found: dict[str, str]) -> None:
        """Give a channel a marker: chunks that say nothing of it need one."""
        if "marker" not in found:
            name = found["marker"] = f"{written(channel)}:marker"
            said = json.dumps({"channel": channel, "part": "marker"})
            self._fields[name] = pa.field(name, pa.uint8(), metadata={"vecgraph": said})

    @property
    def schema(self) -> pa.Schema:
        """The schema of the file."""
        names = [name for name in _ORDER if name in self._fields]
        names += [name for name in self._fields if name in FIXED and name not in _ORDER]
        names += [name for name in self._fields if name not in FIXED]
        return pa.schema([self._fields[name] for name in names], self.metadata)

    def batch(self, chunk: ColumnChunk, names: Names) -> pa.RecordBatch:
        """Return a chunk in this form."""
        n, schema = len(chunk), self.schema
        have = {name: i for i, name in enumerate(chunk.schema.names)}
        said = channels_of(chunk.schema)
        arrays = {name: plain(array) for name, array in zip(have, chunk.whole(), strict=True)}
        arrays["thread"] = from_numpy(np.ascontiguousarray(chunk.threads, np.int64), pa.int64())
        arrays["thread_id"], arrays["ns"] = names.of(chunk.threads)
        for channel, parts in self._parts.items():
            if channel in said and "marker" not in said[channel]:
                arrays[parts["marker"]] = from_numpy(np.full(n, VALUE, np.uint8))
        return pa.RecordBatch.from_arrays(
            [arrays.get(field.name, _nothing(field, n)) for field in schema], schema=schema
        )


def _nothing(field: Any, n: int) -> Any:
    """Return a column that says nothing: markers and lengths are 0, values null."""
    part = json.loads(field.metadata[b"vecgraph"])["part"] if field.metadata else ""
    if part in {"marker", "base"}:
        return from_numpy(np.zeros(n, np.uint8 if part == "marker" else np.int64))
    return pa.nulls(n, field.type)


def _opened(field: Any) -> Any:
    """Return a field without runs."""
    if pa.types.is_run_end_encoded(field.type):
        return pa.field(field.name, field.type.value_type, metadata=field.metadata)
    return field


def forms_of(schemas: Iterable[pa.Schema]) -> list[Form]:
    """Return, for each schema, the form that it belongs to; most of them the same."""
    forms: list[Form] = []
    found = []
    for schema in schemas:
        form = next((form for form in forms if form.takes(schema)), None)
        if form is None:
            form = Form(schema.metadata)
            forms.append(form)
            form.takes(schema)
        found.append(form)
    return found


class Names:
    """The ids and namespaces of threads, as columns.

    Parameters
    ----------
    known : sequence of ThreadName
    """

    def __init__(self, known: Sequence[ThreadName]) -> None:
        ranges = [name for name in known if name.count is not None]
        self._ranges = sorted(ranges, key=lambda name: name.number)
        self._begins = [name.number for name in self._ranges]
        self._single = {name.number: name for name in known if name.count is None}

    def of(self, threads: Values) -> tuple[Any, Any]:
        """Return the ids and namespaces of threads, large_string; empty where unknown."""
        n = len(threads)
        name = self._range(int(threads.min())) if n else None
        if name is not None and int(threads.max()) <= name.last:
            return _counted(name, threads), _repeated(name.ns, n)
        ids = [self._name(number) for number in threads.tolist()]
        return _texts([text for text, _ in ids]), _texts([ns for _, ns in ids])

    def _range(self, number: int) -> ThreadName | None:
        """Return the range that a thread is in."""
        at = bisect_right(self._begins, number) - 1
        return self._ranges[at] if at >= 0 and number <= self._ranges[at].last else None

    def _name(self, number: int) -> tuple[str, str]:
        name = self._single.get(number) or self._range(number)
        return ("", "") if name is None else (name.name(number), name.ns)


def _counted(name: ThreadName, threads: Values) -> Any:
    numbers = from_numpy(threads - name.number + name.first, pa.int64())
    texts = _compute.cast(numbers, pa.large_string())
    prefix = pa.scalar(clean(name.thread_id), pa.large_string())
    return _compute.binary_join_element_wise(prefix, texts, pa.scalar("", pa.large_string()))


def _repeated(text: str, n: int) -> Any:
    return pa.repeat(pa.scalar(clean(text), pa.large_string()), n)


def _texts(texts: Sequence[str]) -> Any:
    return from_texts([clean(text) for text in texts])


def clean(text: str) -> str:
    """Return text that UTF-8 has: of a lone surrogate its number is written."""
    return text.encode("utf-8", "backslashreplace").decode()
