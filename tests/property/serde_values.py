"""Every kind of value that can be stored, as Hypothesis strategies, and what `same` means."""

from __future__ import annotations

import collections
import dataclasses
import enum
import ipaddress
import math
import pathlib
import re
import struct
import uuid
import zoneinfo
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pydantic
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vecgraph.checkpoint.serde.pack import StoredError
from vecgraph.types import Command, Interrupt, Overwrite, Send, TimeoutPolicy

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Etc/GMT+5"]


class Color(enum.Enum):
    RED = 1
    BLUE = "b"
    MIX = (1, 2.5)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.StrEnum):
    FAST = "fast"
    SLOW = "slow"


class Flags(enum.Flag):
    A = 1
    B = 2
    C = 4


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    a: Any
    b: Any


@dataclasses.dataclass
class Odd:
    """A class whose own code must not run: it would change what was stored."""

    x: Any
    hidden: Any = dataclasses.field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        self.hidden = ("post", self.x)


class Pair(NamedTuple):
    left: Any
    right: Any


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    name: str = "x"
    value: Any = None
    _secret: Any = pydantic.PrivateAttr(default=None)


class Strict(pydantic.BaseModel):
    n: int
    tags: list[str] = []


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Bag(dict):
    pass


CLASSES = (Color, Level, Mode, Flags, Point, Frozen, Odd, Pair, Model, Strict, Text, Number, Bag)


def same(a: Any, b: Any) -> bool:
    """The same value of the same type at every depth, floats by their bits, zones by their key."""
    return difference(a, b) is None


def difference(a: Any, b: Any, path: str = "value") -> str | None:
    """Where two values differ first; None where they are the same."""
    if type(a) is not type(b):
        return f"{path}: {type(a)} is not {type(b)}"
    compare = next((compare for kinds, compare in COMPARE if isinstance(a, kinds)), None)
    if compare is None:
        return None if a == b else f"{path}: {a!r} is not {b!r}"
    return compare(a, b, path)


def _float(a: float, b: float, path: str) -> str | None:
    return None if struct.pack("<d", a) == struct.pack("<d", b) else f"{path}: bits of {a!r}, {b!r}"


def _complex(a: complex, b: complex, path: str) -> str | None:
    return _float(a.real, b.real, path) or _float(a.imag, b.imag, path)


def _enum(a: Any, b: Any, path: str) -> str | None:
    return None if a is b else f"{path}: {a!r} is not {b!r}"


def _decimal(a: Decimal, b: Decimal, path: str) -> str | None:
    return None if a.as_tuple() == b.as_tuple() else f"{path}: {a} is not {b}"


def _clock(a: Any, b: Any, path: str) -> str | None:
    naive = a.replace(tzinfo=None) == b.replace(tzinfo=None) and a.fold == b.fold
    return (None if naive else f"{path}: {a!r}, {b!r}") or difference(a.tzinfo, b.tzinfo, path)


def _zone(a: Any, b: Any, path: str) -> str | None:
    if isinstance(a, zoneinfo.ZoneInfo):
        return None if a is b else f"{path}: {a!r} is not {b!r}"
    return None if repr(a) == repr(b) and (a is UTC) == (b is UTC) else path


def _uuid(a: uuid.UUID, b: uuid.UUID, path: str) -> str | None:
    return None if (a, a.is_safe) == (b, b.is_safe) else path


def _array(a: Any, b: Any, path: str) -> str | None:
    if a.dtype != b.dtype or a.dtype.type is not b.dtype.type or a.shape != b.shape:
        return f"{path}: {a.dtype}{a.shape} is not {b.dtype}{b.shape}"
    if a.dtype.isalignedstruct != b.dtype.isalignedstruct or not b.flags.writeable:
        return f"{path}: flags"
    if a.flags.f_contiguous and a.flags.f_contiguous != b.flags.f_contiguous:
        return f"{path}: order"
    if a.dtype.kind in "OT":
        return _items(a.ravel().tolist(), b.ravel().tolist(), path)
    return None if _bits(a) == _bits(b) else f"{path}: {a!r} is not {b!r}"


def _bits(a: Any) -> Any:
    """The bytes of an array's fields; what lies between them has no meaning."""
    if a.dtype.names is not None:
        return [_bits(a[name]) for name in a.dtype.names]
    if a.dtype.char in "gG" and np.finfo(a.dtype).nmant == 63:
        parts = np.ascontiguousarray(a).reshape(-1).view("V16")
        big = a.dtype.str[0] == ">"
        return [part.tobytes()[-10:] if big else part.tobytes()[:10] for part in parts]
    return a.tobytes()


def _scalar(a: Any, b: Any, path: str) -> str | None:
    if isinstance(a, (np.str_, np.bytes_)):
        return None if a == b and len(a) == len(b) else path
    alike = a.dtype == b.dtype and _bits(a) == _bits(b)
    return None if alike else f"{path}: {a!r} is not {b!r}"


def _arrow(a: Any, b: Any, path: str) -> str | None:
    if isinstance(a, (pa.Table, pa.RecordBatch)):
        alike = a.schema.equals(b.schema, check_metadata=True)
        return None if alike and _cells(a) == _cells(b) else path
    return None if a.type == b.type and repr(a.to_pylist()) == repr(b.to_pylist()) else path


def _cells(table: Any) -> str:
    return repr(table.to_pydict())


def _mapping(a: Any, b: Any, path: str) -> str | None:
    extra = [
        difference(getattr(a, name, None), getattr(b, name, None), f"{path}.{name}")
        for name in ("default_factory", "__dict__", "type_name")
        if not isinstance(a, type)
    ]
    found = next(filter(None, extra), None)
    return found or _items(list(a.items()), list(b.items()), path)


def _items(a: Any, b: Any, path: str) -> str | None:
    if len(a) != len(b):
        return f"{path}: {len(a)} items, not {len(b)}"
    if getattr(a, "maxlen", None) != getattr(b, "maxlen", None):
        return f"{path}: maxlen"
    pairs = enumerate(zip(a, b, strict=True))
    return next((d for i, (x, y) in pairs if (d := difference(x, y, f"{path}[{i}]"))), None)


def _set(a: Any, b: Any, path: str) -> str | None:
    # Elements of one hash may be iterated in any order; NaN is equal to no other element.
    left, right = sorted(a, key=_order), sorted(b, key=_order)
    return _items(left, right, path)


def _order(item: Any) -> tuple[str, str]:
    return type(item).__name__, repr(sorted(item, key=_order) if type(item) is frozenset else item)


def _model(a: Any, b: Any, path: str) -> str | None:
    parts = ("__dict__", "__pydantic_extra__", "__pydantic_private__", "__pydantic_fields_set__")
    return next(
        (d for p in parts if (d := difference(getattr(a, p), getattr(b, p), f"{path}.{p}"))), None
    )


def _fields(a: Any, b: Any, path: str) -> str | None:
    names = [field.name for field in dataclasses.fields(a)]
    names += [name for name in getattr(a, "__dict__", {}) if name not in names]
    return next(
        (d for n in names if (d := difference(getattr(a, n), getattr(b, n), f"{path}.{n}"))), None
    )


def _send(a: Send, b: Send, path: str) -> str | None:
    return _items([a.node, a.arg, a.timeout], [b.node, b.arg, b.timeout], path)


def _stored_error(a: StoredError, b: StoredError, path: str) -> str | None:
    alike = (str(a), a.type_name, a.message) == (str(b), b.type_name, b.message)
    return None if alike else path


def _type(a: type, b: type, path: str) -> str | None:
    return None if a is b else path


COMPARE: list[tuple[Any, Any]] = [
    (type, _type),
    (enum.Enum, _enum),
    (StoredError, _stored_error),
    (np.generic, _scalar),
    (np.ndarray, _array),
    ((pa.Table, pa.RecordBatch, pa.Array, pa.ChunkedArray), _arrow),
    (pydantic.BaseModel, _model),
    (Send, _send),
    (float, _float),
    (complex, _complex),
    (Decimal, _decimal),
    ((datetime, time), _clock),
    (tzinfo, _zone),
    (uuid.UUID, _uuid),
    (dict, _mapping),
    ((set, frozenset), _set),
    ((list, tuple, collections.deque), _items),
]
# Last: a dataclass may also be one of the above.
COMPARE.append((tuple({Point, Frozen, Odd, Interrupt, Command, Overwrite, TimeoutPolicy}), _fields))

EDGES = [
    2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 2**200, -(10**30), 0, -1,
    0.0, -0.0, math.nan, -math.nan, math.inf, -math.inf, 5e-324, 2.0**53 + 2,
    struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf4\x7f")[0],
    "", "\ud800", "a\0b", "é", "\U0001f600", b"", b"\xc7\x00", bytearray(b""), bytearray(b"\xd4"),
]  # fmt: skip


@st.composite
def named(draw: Any, strategy: Any) -> Any:
    """The same strategy under a short name: else reports write out all that is in it."""
    return draw(strategy())


texts = st.text(st.characters(categories=None, exclude_categories=()), max_size=5)
offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23))
zones = st.one_of(
    st.just(UTC),
    st.sampled_from(ZONES).map(zoneinfo.ZoneInfo),
    st.builds(timezone, offsets),
    st.builds(timezone, offsets, st.text(max_size=3)),
)
maybe_zones = st.none() | zones
paths = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
addresses = st.one_of(
    st.ip_addresses(),
    st.ip_addresses(v=4).map(ipaddress.IPv4Interface),
    st.ip_addresses(v=6).map(lambda a: ipaddress.IPv6Interface((a, 64))),
    st.ip_addresses(v=4).map(lambda a: ipaddress.IPv4Network((a, 20), strict=False)),
    st.ip_addresses(v=6).map(lambda a: ipaddress.IPv6Network((a, 48), strict=False)),
)
plain_keys = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), texts, st.binary(max_size=3)
)
_hashable_atoms = st.one_of(
    plain_keys,
    st.sampled_from([edge for edge in EDGES if not isinstance(edge, bytearray)]),
    st.complex_numbers(),
    st.decimals().filter(lambda d: not d.is_snan()),
    st.dates(),
    st.times(timezones=maybe_zones),
    st.datetimes(timezones=maybe_zones),
    st.datetimes(timezones=maybe_zones).map(lambda d: d.replace(fold=1)),
    st.timedeltas(),
    zones,
    st.uuids(),
    st.builds(lambda u: uuid.UUID(int=u.int, is_safe=uuid.SafeUUID.safe), st.uuids()),
    st.sampled_from([pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.Path]).flatmap(
        paths.map
    ),
    addresses,
    st.sampled_from([*Color, *Level, *Mode, *Flags, Flags.A | Flags.C, Flags(0)]),
    texts.map(Text),
    st.integers().map(Number),
    st.builds(StoredError, texts, texts, texts),
    st.builds(range, st.integers(), st.integers(), st.integers(1, 2**70)),
)
hashable_atoms = named(lambda: _hashable_atoms)
atoms = st.one_of(
    hashable_atoms,
    st.sampled_from(EDGES),
    st.binary(max_size=9).map(bytearray),
    st.just(Decimal("sNaN123")),
    st.sampled_from([re.compile("a+", re.IGNORECASE), re.compile(rb"\d", re.DOTALL)]),
)
simple_dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(),
    hnp.complex_number_dtypes(),
    hnp.datetime64_dtypes(),
    hnp.timedelta64_dtypes(),
    hnp.byte_string_dtypes(min_len=1),
    hnp.unicode_string_dtypes(min_len=1),
    st.sampled_from(
        [np.dtype(c) for c in ("q", "Q", "g", "G", ">g", ">G", ">q", "V3", "m8", "M8", "M8[25s]")]
    ),
)
dtypes = st.one_of(
    simple_dtypes,
    hnp.array_dtypes(simple_dtypes, max_size=3),
    hnp.nested_dtypes(simple_dtypes, max_leaves=4, max_itemsize=200),
    st.just(np.dtype([("a", "i1"), ("b", "f8", (2,))], align=True)),
    st.just(np.dtype({"names": ["x", "y"], "formats": ["i4", "i2"], "offsets": [8, 0], "itemsize": 20})),
)  # fmt: skip
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


@st.composite
def filled(draw: Any, dtype: Any, shape: Any) -> Any:
    """An array of any bits that its dtype has a meaning for, in either order."""
    count = math.prod(shape)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    flat = np.frombuffer(rng.bytes(count * dtype.itemsize), np.dtype((np.void, dtype.itemsize)))
    array = np.empty(count, dtype)
    if array.nbytes:
        array.view(flat.dtype)[...] = flat
    _make_valid(array)
    array = array.reshape(shape)
    return np.asfortranarray(array) if array.ndim > 1 and draw(st.booleans()) else array


def _make_valid(array: Any) -> None:
    for name in array.dtype.names or ():
        _make_valid(array[name])
    if array.dtype.kind == "b":
        array.view("u1")[...] &= 1
    if array.dtype.kind == "U" and array.size:
        letters = "".join(chr(65 + i % 50) for i in range(array.dtype.itemsize // 4))
        array[...] = letters


arrays = st.tuples(dtypes, shapes).flatmap(lambda pair: filled(*pair))
scalars = st.one_of(
    dtypes.filter(lambda d: d.subdtype is None)
    .flatmap(lambda dtype: filled(dtype, (1,)))
    .map(lambda array: array[0]),
    texts.map(np.str_),
    st.binary(max_size=3).map(np.bytes_),
)
string_arrays = st.one_of(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), max_size=4).map(
        lambda items: np.array(items, np.dtypes.StringDType())
    ),
    st.lists(st.none() | st.text("ab", max_size=2), max_size=4).map(
        lambda items: np.array(items, np.dtypes.StringDType(na_object=None))
    ),
)
arrow = st.one_of(
    st.lists(st.none() | st.integers(-5, 5), max_size=4).map(lambda x: pa.array(x, pa.int64())),
    st.lists(st.none() | st.text("ab", max_size=2), max_size=4).map(
        lambda x: pa.array(x, pa.string()).dictionary_encode()
    ),
    st.lists(st.lists(st.floats(0, 1), max_size=2), max_size=3).map(
        lambda x: pa.table({"a": pa.array(x, pa.list_(pa.float64()))}, metadata={"k": "v"})
    ),
    st.lists(st.booleans(), max_size=3).map(
        lambda x: pa.record_batch({"b": pa.array(x, pa.bool_())})
    ),
    st.lists(st.booleans(), max_size=3).map(
        lambda x: pa.chunked_array([x, x], type=pa.bool_()).combine_chunks()
    ),
    st.lists(st.binary(max_size=2), max_size=3).map(
        lambda x: pa.chunked_array([x], type=pa.binary())
    ),
)
_leaves = st.one_of(atoms, atoms, arrays, scalars, string_arrays, arrow)
leaves = named(lambda: _leaves)


def _hashable_containers(items: Any) -> Any:
    inner = named(lambda: items)
    return st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        st.builds(Pair, inner, inner),
        st.builds(Frozen, inner, inner),
        st.builds(TimeoutPolicy),
    )


_keys = st.recursive(hashable_atoms, _hashable_containers, max_leaves=4)
keys = named(lambda: _keys)


def _object_array(items: list[Any]) -> Any:
    return np.fromiter(items, np.dtype(object), len(items))


def _with_private(model: Model, secret: Any) -> Model:
    model._secret = secret
    return model


def _with_attribute(point: Any, value: Any) -> Any:
    point.added_later = value
    return point


def containers(items: Any) -> Any:
    """Everything that holds other values."""
    inner = named(lambda: items)
    small = st.lists(inner, max_size=3)
    by_key = st.dictionaries(keys, inner, max_size=3)
    by_name = st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    return st.one_of(
        small,
        small.map(tuple),
        by_key,
        by_name,
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
        st.builds(collections.deque, small, st.none() | st.integers(3, 9)),
        by_key.map(collections.OrderedDict),
        st.dictionaries(keys, st.integers(), max_size=3).map(collections.Counter),
        st.builds(collections.defaultdict, st.sampled_from([None, int, list, dict]), by_name),
        small.map(_object_array),
        st.builds(Point, inner, inner),
        st.builds(_with_attribute, st.builds(Point, inner), inner),
        st.builds(Frozen, inner, inner),
        st.builds(Odd, inner),
        st.builds(Pair, inner, inner),
        st.builds(Model),
        st.builds(Model, value=inner),
        st.builds(Model, name=st.text(max_size=2), more=inner),
        st.builds(_with_private, st.builds(Model), inner),
        st.builds(Strict, n=st.integers(-3, 3)),
        by_name.map(Bag),
        st.builds(_with_attribute, by_name.map(Bag), inner),
        st.builds(Send, st.text(max_size=3), inner),
        st.builds(lambda n, v: Send(n, v, timeout=2.5), st.text(max_size=3), inner),
        st.builds(Interrupt, inner, st.text(max_size=3)),
        st.builds(Command, update=inner, goto=st.just("n") | st.builds(Send, st.just("m"), inner)),
        st.builds(Overwrite, inner),
    )


values = st.recursive(leaves, containers, max_leaves=12)
"""Any value that can be stored."""

few_values = st.recursive(leaves, containers, max_leaves=4)
"""The same, smaller."""
