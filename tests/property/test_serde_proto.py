"""States through Protocol Buffers, and the .proto that says how, read by protoc itself."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.serde_bytes import damaged, limited
from tests.property.serde_states import check
from tests.property.serde_values import (
    CLASSES,
    Color,
    Flags,
    Level,
    Mode,
    Model,
    Strict,
    few_values,
    leaves,
    maybe_zones,
    texts,
)
from vecgraph.checkpoint.serde.codecs import codec, text_proto
from vecgraph.errors import CorruptDataError

pytest.importorskip("google.protobuf")


class Inner(TypedDict, total=False):
    role: str
    parts: list[str]


@dataclasses.dataclass
class Node:
    value: int
    label: str | None = None
    next: Node | None = None
    inner: dict[str, Inner] = dataclasses.field(default_factory=dict)


class State(TypedDict, total=False):
    n: Annotated[int, max]
    x: float
    flag: bool
    name: str | None
    data: bytes
    tags: list[str]
    numbers: list[float] | None
    log: list
    messages: list[Inner]
    by_name: dict[str, int]
    nodes: dict[str, Node]
    anything: Any
    several: int | str
    items: tuple[int, ...]
    when: datetime
    day: date
    clock: time
    price: Decimal
    key: UUID
    color: Color
    mode: Mode
    level: Level
    flags: Flags
    node: Node
    model: Model
    strict: Strict
    word: Literal["a", "b"]
    optional_items: list[int | None]


utf8 = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
inners = st.fixed_dictionaries({}, optional={"role": utf8 | st.none(), "parts": st.lists(utf8)})
nodes = st.recursive(
    st.builds(Node, st.integers(), st.none() | utf8),
    lambda inner: (
        st.builds(Node, st.integers(), st.none() | utf8, inner)
        | st.builds(Node, st.integers(), inner=st.dictionaries(utf8, inners, max_size=2))
    ),
    max_leaves=3,
)
FITTING: dict[str, Any] = {
    "n": st.integers(),
    "x": st.floats(),
    "flag": st.booleans(),
    "name": st.none() | texts,
    "data": st.binary(),
    "tags": st.lists(texts, max_size=3),
    "numbers": st.none() | st.lists(st.floats(), max_size=3),
    "log": st.lists(leaves, max_size=2),
    "messages": st.lists(inners, max_size=3),
    "by_name": st.dictionaries(texts, st.integers(), max_size=3),
    "nodes": st.dictionaries(utf8, nodes, max_size=2),
    "anything": leaves,
    "several": st.integers() | texts,
    "items": st.lists(st.integers()).map(tuple),
    "when": st.datetimes(timezones=maybe_zones),
    "day": st.dates(),
    "clock": st.times(timezones=maybe_zones),
    "price": st.decimals(),
    "key": st.uuids(),
    "color": st.sampled_from(Color),
    "mode": st.sampled_from(Mode),
    "level": st.sampled_from(Level),
    "flags": st.sampled_from([Flags.A, Flags.A | Flags.B, Flags(0)]),
    "node": nodes,
    "model": st.builds(Model) | st.builds(Model, value=leaves) | st.builds(Model, more=leaves),
    "strict": st.builds(Strict, n=st.integers()) | st.builds(Strict, n=st.just(1), tags=st.just(["x"])),
    "word": st.sampled_from(["a", "b", "other"]),
    "optional_items": st.lists(st.none() | st.integers()),
}  # fmt: skip
assert FITTING.keys() == State.__annotations__.keys()


def _some_keys(draw: Any) -> list[str]:
    return draw(st.lists(st.sampled_from(list(FITTING)), unique=True, max_size=6))


@st.composite
def proto_states(draw: Any) -> dict[str, Any]:
    """States of the schema: mostly values of their annotation, some of any other kind, more keys."""
    state = {key: draw(FITTING[key]) for key in _some_keys(draw)}
    for key in _some_keys(draw)[:2]:
        state[key] = draw(few_values)
    for key in draw(st.lists(utf8, max_size=1)):
        state[key] = draw(leaves)
    return state


@given(st.lists(proto_states(), max_size=3))
def test_any_states_come_back_from_protocol_buffers(states):
    check(codec("protobuf", schema=State, allowed=CLASSES), states)


@pytest.mark.parametrize("key", FITTING)
@given(data=st.data())
def test_each_annotation_keeps_its_values(key, data):
    made = codec("protobuf", schema=State, allowed=CLASSES)
    check(made, [{key: data.draw(FITTING[key])}, {key: None}, {}])


items = [int, float, bool, str, bytes, Any, datetime, Decimal, UUID, Color, Node, Inner, Strict]
odd_items = [object, tuple[int, ...], set[str], int | str, Literal["a"], list, dict, Flags]
one = st.sampled_from([*items, *odd_items, int | None])
annotations = st.one_of(
    one,
    one.map(lambda item: list[item]),
    one.map(lambda item: dict[str, item]),
    st.sampled_from(["NotThere", list[int] | None, Annotated[list[str], max], dict[int, str]]),
)
WORDS = [
    "message",
    "package",
    "option",
    "import",
    "syntax",
    "enum",
    "repeated",
    "optional",
    "map",
    "oneof",
    "reserved",
    "extend",
    "rpc",
    "stream",
    "true",
    "inf",
    "nan",
    "int64",
    "string",
    "class",
    "from",
    "None",
    "DESCRIPTOR",
    "SerializeToString",
    "HasField",
    "rows",
    "a_b",
    "aB",
    "a__b",
    "_a",
    "vecgraph_none",
    "VecgraphNone",
    "value",
    "key",
    "edition",
]
names = st.sampled_from(WORDS) | st.text(max_size=4).filter(lambda name: name != "__slots__")


@given(st.dictionaries(names, annotations, min_size=1, max_size=8), st.sampled_from(WORDS[:9]))
def test_any_schema_gives_a_proto_that_protoc_reads_as_we_do(tmp_path_factory, fields, name):
    """protoc makes of the text the descriptor that our bytes were written with."""
    protoc = pytest.importorskip("grpc_tools.protoc")
    from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

    if any("\ud800" <= letter <= "\udfff" for key in fields for letter in key):
        return
    schema = TypedDict(name, fields)  # type: ignore[operator]
    made: Any = codec("protobuf", schema=schema, allowed=CLASSES)
    folder = tmp_path_factory.mktemp("proto")
    path = made.write_schema(folder)
    out = folder / "out"
    assert protoc.main(["", f"-I{folder}", f"--descriptor_set_out={out}", str(path)]) == 0, (
        path.read_text()
    )
    (theirs,) = FileDescriptorSet.FromString(out.read_bytes()).file
    ours = FileDescriptorProto()
    text_proto.descriptor(made._wire.shapes, ours)
    for message in theirs.message_type:
        for field in message.field:
            field.ClearField("json_name")
    assert sorted(map(str, ours.message_type)) == sorted(map(str, theirs.message_type))


EXAMPLES = [
    {"n": 1, "tags": ["a"], "node": Node(1, "x", Node(2)), "log": [(1,)]},
    {"n": None, "messages": [{"role": "u", "parts": ["x"]}], "by_name": {"a": 1}, "more": {1}},
    {"when": datetime(2026, 1, 1), "model": Model(value=[1]), "strict": Strict(n=1), "n": "odd"},
    {},
]


def read_damaged(seed: int, times: int) -> None:
    made, rng = codec("protobuf", schema=State, allowed=CLASSES), random.Random(seed)
    whole, parts = made.encode(EXAMPLES), [made.encode_one(state) for state in EXAMPLES]
    for turn in range(times):
        data, read = rng.choice([(whole, made.decode), (rng.choice(parts), made.decode_one)])
        broken = damaged(data, rng)
        if turn % 10 == 0:
            limited(read, broken, 1_000_000)
            continue
        with contextlib.suppress(CorruptDataError):
            read(broken)


@pytest.mark.parametrize("seed", range(2))
def test_damaged_bytes_are_states_or_one_error(seed):
    read_damaged(seed, 400)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 110))
def test_damaged_bytes_are_states_or_one_error_for_long(seed):
    read_damaged(seed, 50_000)


@given(st.binary(max_size=50))
def test_any_bytes_are_states_or_one_error(data):
    made = codec("protobuf", schema=State)
    for read in (made.decode, made.decode_one):
        with contextlib.suppress(CorruptDataError):
            read(data)
