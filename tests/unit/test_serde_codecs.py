"""Codecs as other programs meet them: text, files, frames, a .proto; and what is refused."""

from __future__ import annotations

import builtins
import dataclasses
import gzip
import importlib.metadata
import io
import json
import math
import tracemalloc
from datetime import UTC, datetime
from typing import Annotated, Any, TypedDict

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.property.serde_values import Color, Point, Strict, difference
from vecgraph import registry
from vecgraph.checkpoint.serde import Record
from vecgraph.checkpoint.serde.codecs import Codec, Table, codec
from vecgraph.checkpoint.serde.codecs.compress import compress, expand
from vecgraph.constants import MISSING
from vecgraph.errors import CorruptDataError, UnserialisableError

FORMATS = ("json", "msgpack", "arrow")
STATES = [
    {"n": 1, "x": 0.5, "name": "a", "tags": ["u", "v"]},
    {"n": 2, "x": -0.0, "name": None, "tags": []},
]


# JSON


def test_json_is_plain_where_values_are():
    assert codec("json").encode(STATES).decode() == (
        '{"n":1,"x":0.5,"name":"a","tags":["u","v"]}\n{"n":2,"x":-0.0,"name":null,"tags":[]}\n'
    )
    assert codec("json").encode_one({"é": 10**30}).decode() == '{"é":' + "1" + "0" * 30 + "}\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, '{"$float":"nan"}'),
        (-math.inf, '{"$float":"-inf"}'),
        (-math.nan, '{"$float":"fff8000000000000"}'),
        ((1, "a"), '{"$tuple":[1,"a"]}'),
        (b"\x00\xff", '{"$bytes":"AP8="}'),
        ({1: 2}, '{"$dict":[1,2]}'),
        ({"$x": 2}, '{"$dict":["$x",2]}'),
        (datetime(2026, 1, 31, 10, tzinfo=UTC), '{"$datetime":"2026-01-31T10:00:00 Z"}'),
        (Color.RED, '{"$enum tests.property.serde_values:Color":["RED",1]}'),
        (Point(1, [2]), '{"$dataclass tests.property.serde_values:Point":{"x":1,"y":[2]}}'),
        ([2**50_000], None),
        ("\ud800", '{"$text":["7aCA"]}'),
    ],
)
def test_json_marks_what_it_has_no_word_for(value, text):
    made = codec("json", allowed=[Color, Point])
    line = made.encode_one({"v": value}).decode()
    if text is not None:
        assert line == f'{{"v":{text}}}\n'
    assert difference({"v": value}, made.decode_one(line.encode())) is None


def test_pandas_reads_json_lines():
    frame = pd.read_json(io.BytesIO(codec("json").encode(STATES)), lines=True)
    assert frame["n"].tolist() == [1, 2]
    assert frame["tags"].tolist() == [["u", "v"], []]


@pytest.mark.parametrize(
    "data",
    [
        b'{"n":1}',
        b"[1]\n",
        b"1\n",
        b'{"n":NaN}\n',
        b'{"n":1,"n":2}\n',
        b'{"n":{"$what":1}}\n',
        b'{"n":{"$tuple":1}}\n',
        b'{"n":{"$tuple":[],"a":1}}\n',
        b'{"n":{"$float":"1.5"}}\n',
        b'{"n":{"$bytes":"?"}}\n',
        b'{"n":{"$array":["AA=="]}}\n',
        b'{"n":' + b"9" * 10_000 + b"}\n",
        b'{"n":' + b"[" * 100_000 + b"}\n",
        b'{"n":' + b'{"a":' * 100_000 + b"}\n",
        b"\xff\n",
        b"\n",
    ],
    ids=lambda data: repr(data[:30]),
)
def test_damaged_json_is_one_error(data):
    with pytest.raises(CorruptDataError, match="Cannot read JSON: "):
        codec("json").decode(data)


def test_a_dangerous_name_in_json_is_only_a_name():
    line = b'{"v":{"$dataclass os:system":{"command":"echo"}}}\n'
    back = codec("json").decode_one(line)["v"]
    assert type(back) is Record
    assert back == {"command": "echo"}


# Arrow


def test_arrow_columns_are_typed_where_they_can_be_and_packed_where_not():
    states = [{**state, "set": {1}, "odd": state["n"] or "x"} for state in STATES]
    states.append({"n": None})
    table = pa.ipc.open_stream(codec("arrow").encode(states)).read_all()
    assert table["n"].to_pylist() == [1, 2, None]
    assert table["tags"].to_pylist() == [["u", "v"], [], None]
    assert table.schema.field("set").metadata == {b"vecgraph": b"packed"}
    assert table.schema.field("x").metadata is None
    assert table["x:absent"].to_pylist() == [False, False, True]
    assert table.schema.field("x:absent").metadata == {b"vecgraph": b"absent:x"}
    assert difference(states, codec("arrow").decode(codec("arrow").encode(states))) is None


@pytest.mark.parametrize(
    "values",
    [
        [2**63, 1],
        [-(2**63) - 1],
        ["\ud800", "a"],
        [{"a": 1}, {"a": 1, "b": 2}],
        [{"a": 1, "b": 2}, {"a": 1}],
        [{"a": 1, "b": 2}, {"b": 2, "a": 1}],
        [{1: 2}],
        [{}],
        [{"\ud800": 1}],
        [1, True],
        [1, 1.0],
        ["a", b"a"],
        [[1], [1.0]],
        [[1], ["a"]],
        [(1,)],
        [np.int64(1)],
        [datetime(2026, 1, 1)],
    ],
    ids=repr,
)
def test_a_column_that_no_arrow_type_keeps_is_packed(values):
    made = codec("arrow")
    states = [{"x": value} for value in values]
    data = made.encode(states)
    assert pa.ipc.open_stream(data).schema.field("x").metadata == {b"vecgraph": b"packed"}
    assert difference(states, made.decode(data)) is None


def test_pandas_and_polars_read_arrow_without_us():
    data = codec("arrow").encode(STATES)
    frame = pa.ipc.open_stream(data).read_pandas()
    assert frame["name"].tolist()[0] == "a"
    polars = pytest.importorskip("polars")
    assert polars.read_ipc_stream(io.BytesIO(data))["n"].to_list() == [1, 2]


def test_an_arrow_stream_of_something_else_is_refused():
    sink = pa.BufferOutputStream()
    table = pa.table({"t": pa.array([datetime(2026, 1, 1)], pa.timestamp("ns"))})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    with pytest.raises(CorruptDataError, match="a column of type timestamp"):
        codec("arrow").decode(sink.getvalue().to_pybytes())


def test_nulls_without_bytes_are_no_way_to_many_rows():
    """A column of Arrow's null type has any length in no bytes."""
    sink = pa.BufferOutputStream()
    table = pa.table({"n": pa.nulls(1_000_000_000)})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    with pytest.raises(CorruptDataError, match="a column of type null"):
        codec("arrow").decode(sink.getvalue().to_pybytes())


# Tables


def test_states_come_as_dicts_as_columns_or_as_a_table():
    columns = {"n": np.array([1, 2]), "x": pa.array([0.5, None]), "s": ["a", MISSING]}
    states = [{"n": 1, "x": 0.5, "s": "a"}, {"n": 2, "x": None}]
    for name in FORMATS:
        made = codec(name)
        assert difference(states, made.decode(made.encode(columns))) is None
        table = pa.table({"n": [1, 2]})
        assert made.decode(made.encode(table)) == [{"n": 1}, {"n": 2}]
        back = made.decode_columns(made.encode(states))
        assert (back.rows, back.columns["s"]) == (2, ["a", MISSING])


def test_what_is_no_table_is_refused():
    with pytest.raises(TypeError, match="State 1 is a int, not a dict"):
        Table.of([{}, 5])
    with pytest.raises(TypeError, match="a key of type int"):
        Table.of([{1: 2}])
    with pytest.raises(TypeError, match="a key of type int"):
        codec("json").encode([{1: 2}])
    with pytest.raises(ValueError, match=r"different lengths: \[1, 2\]"):
        Table.of({"a": [1], "b": [1, 2]})


@pytest.mark.parametrize("name", FORMATS)
def test_many_states_without_keys_cost_bytes(name):
    made = codec(name)
    assert made.decode(made.encode([{}] * 1000)) == [{}] * 1000
    assert len(made.encode([{}] * 100_000)) > 10_000


def test_msgpack_tables_that_do_not_add_up_are_refused():
    from vecgraph.checkpoint.serde import Packer

    good = {"rows": 2, "columns": {"a": [1, None]}, "absent": {"a": [1]}}
    assert codec("msgpack").decode(Packer().pack(good)) == [{"a": 1}, {}]
    for change in (
        {"rows": 3},
        {"rows": -1},
        {"rows": True},
        {"rows": 2**60, "columns": {}, "absent": {}},
        {"columns": {"a": (1, 2)}},
        {"columns": [1]},
        {"absent": {"b": [1]}},
        {"absent": {"a": [2]}},
        {"absent": {"a": [True]}},
        {"absent": {"a": 1}},
        {"absent": 5},
        {"more": 1},
    ):
        with pytest.raises(CorruptDataError):
            codec("msgpack").decode(Packer().pack({**good, **change}))
    with pytest.raises(CorruptDataError):
        codec("msgpack").decode(Packer().pack([1]))


# Compression


def test_files_are_those_of_gzip_zstandard_and_lz4():
    plain = codec("json").encode(STATES)
    assert gzip.decompress(codec("json", "gzip").encode(STATES)) == plain
    assert codec("json", "zstd").encode(STATES)[:4] == b"\x28\xb5\x2f\xfd"
    assert codec("json", "lz4").encode(STATES)[:4] == b"\x04\x22\x4d\x18"
    assert codec("json", "zstd").suffix == ".jsonl.zst"
    assert codec("arrow").suffix == ".arrows"


@pytest.mark.parametrize("compression", ["gzip", "zstd", "lz4"])
def test_a_small_file_does_not_become_a_large_one(compression):
    bomb = compress(bytes(200_000_000), compression)
    tracemalloc.start()
    try:
        before = pa.total_allocated_bytes()
        with pytest.raises(CorruptDataError, match="more than max_bytes, which is 1000000"):
            expand(bomb, compression, 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
        assert pa.total_allocated_bytes() - before < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", ["gzip", "zstd", "lz4"])
def test_what_was_cut_off_is_noticed(compression):
    data = codec("json", compression).encode(STATES)
    for length in range(len(data)):
        with pytest.raises(CorruptDataError):
            codec("json", compression).decode(data[:length])


def test_more_than_can_be_read_is_not_written():
    made = codec("json", max_bytes=50)
    assert made.decode(made.encode([{"n": 1}])) == [{"n": 1}]
    with pytest.raises(ValueError, match="are more than max_bytes, which is 50"):
        made.encode(STATES)


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(registry.UnknownNameError, match=r"no codec 'jso'.*json"):
        codec("jso")
    with pytest.raises(ValueError, match=r"no compression 'zst'.*zstd"):
        codec("json", "zst")
    assert registry.names("codecs") == ["arrow", "json", "msgpack", "protobuf"]


def test_a_codec_may_come_from_an_entry_point(monkeypatch):
    class Lines(Codec):
        name, extension = "lines", ".txt"

        def _write(self, table: Table) -> bytes:
            return "\n".join(map(repr, table.columns["n"])).encode()

        def _read(self, data: bytes) -> Table:
            return Table.of({"n": list(map(int, data.split()))})

    class Entry(importlib.metadata.EntryPoint):
        def load(self) -> Any:
            return Lines

    found = [Entry("lines", "x:y", "vecgraph.codecs")]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)
    made = codec("lines", "zstd")
    assert made.decode(made.encode([{"n": 1}, {"n": 2}])) == [{"n": 1}, {"n": 2}]


# Protocol Buffers


class Item(TypedDict):
    role: str
    n: int


@dataclasses.dataclass
class Deep:
    n: int
    more: Deep | None = None


class Chat(TypedDict, total=False):
    n: Annotated[int, max]
    score: float
    name: str | None
    tags: list[str]
    items: list[Item]
    by_name: dict[str, int]
    when: datetime
    color: Color
    strict: Strict
    deep: Deep
    anything: set[int]


CHAT = {
    "n": 5,
    "score": 0.25,
    "name": None,
    "tags": ["a", "b"],
    "items": [{"role": "user", "n": 1}, {"role": "ai", "n": 2}],
    "by_name": {"b": 2, "a": 1},
    "when": datetime(2026, 1, 31, tzinfo=UTC),
    "color": Color.BLUE,
    "strict": Strict(n=3),
    "deep": Deep(1, Deep(2)),
    "anything": {7},
}


def test_plain_protobuf_reads_the_bytes_with_the_proto_beside_them(tmp_path):
    """As a program in another language would: protoc, generated classes, nothing of ours."""
    pytest.importorskip("google.protobuf")
    protoc = pytest.importorskip("grpc_tools.protoc")
    from google.protobuf import descriptor_pool, message_factory
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    made: Any = codec("protobuf", schema=Chat)
    path = made.write_schema(tmp_path)
    assert path.name == "chat.proto"
    out = tmp_path / "out"
    assert protoc.main(["", f"-I{tmp_path}", f"--descriptor_set_out={out}", str(path)]) == 0
    pool = descriptor_pool.DescriptorPool()
    (file,) = FileDescriptorSet.FromString(out.read_bytes()).file
    pool.AddSerializedFile(file.SerializeToString())
    table_class: Any = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("vecgraph.ChatTable")
    )
    table = table_class.FromString(made.encode([CHAT, {"n": 6}]))
    first, second = table.rows
    assert (first.n, first.score, second.n) == (5, 0.25, 6)
    assert list(first.tags) == ["a", "b"]
    assert [(item.role, item.n) for item in first.items] == [("user", 1), ("ai", 2)]
    assert [(entry.key, entry.value) for entry in first.by_name] == [("b", 2), ("a", 1)]
    assert first.when == "2026-01-31T00:00:00 Z"
    assert first.color == "BLUE"
    assert (first.strict.n, first.deep.more.n) == (3, 2)
    assert list(first.vecgraph_none) == ["name"]
    assert (first.HasField("name"), second.HasField("score")) == (False, False)


def test_the_proto_says_what_is_messagepack():
    pytest.importorskip("google.protobuf")
    made: Any = codec("protobuf", schema=Chat)
    assert "  optional int64 n = 1;\n" in made.proto
    assert "  repeated string tags = 4;\n" in made.proto
    assert "  optional string when = 7;  // text of datetime\n" in made.proto
    assert "  optional string color = 8;  // name of the member of Color\n" in made.proto
    assert "  optional bytes anything = 11;  // MessagePack of set[int]\n" in made.proto


def test_a_state_comes_back_from_protobuf_and_so_does_what_fits_no_field():
    pytest.importorskip("google.protobuf")
    made = codec("protobuf", schema=Chat)
    assert difference(CHAT, made.decode_one(made.encode_one(CHAT))) is None
    odd = {"n": "text", "score": 2**70, "tags": None, "extra": (1,)}
    assert difference(odd, made.decode_one(made.encode_one(odd))) is None
    assert made.decode_one(made.encode_one({})) == {}
    assert made.decode_one(made.encode_one({"tags": []})) == {"tags": []}


def test_values_nested_beyond_what_protobuf_reads_are_packed():
    pytest.importorskip("google.protobuf")
    deep = Deep(0)
    for n in range(60):
        deep = Deep(n, deep)
    made = codec("protobuf", schema=Chat)
    assert made.decode_one(made.encode_one({"deep": deep})) == {"deep": deep}
    loop = Deep(1)
    loop.more = loop
    with pytest.raises(UnserialisableError, match="it contains itself"):
        made.encode_one({"deep": loop})


def test_fields_that_the_schema_lacks_are_not_passed_over():
    pytest.importorskip("google.protobuf")

    class Wider(TypedDict, total=False):
        n: int
        new: list[int]

    class Chat(TypedDict, total=False):
        n: int

    data = codec("protobuf", schema=Wider).encode_one({"n": 1, "new": [1, 2]})
    with pytest.raises(CorruptDataError, match="a field with the number 2"):
        codec("protobuf", schema=Chat).decode_one(data)


def test_bytes_that_contradict_themselves_are_refused():
    pytest.importorskip("google.protobuf")
    made: Any = codec("protobuf", schema=Chat)
    new = made._wire.shapes.state.make

    def refused(reason: str, **fields: Any) -> None:
        with pytest.raises(CorruptDataError, match=reason):
            made.decode_one(new(**fields).SerializeToString())

    refused("two values for 'n'", n=1, vecgraph_none=["n"])
    refused("two values for 'tags'", tags=["a"], vecgraph_absent=["tags"])
    refused("no field has the key 'zzz'", vecgraph_none=["zzz"])
    refused("two values for one key", vecgraph_other=[{"key": "a", "value": b"\x01"}] * 2)
    refused("two items of one key", by_name=[{"key": "a", "value": 1}] * 2)
    refused("KeyError", color="GREEN")
    refused("isoformat", when="yesterday")
    refused("without all of its fields", deep={"n": 1})
    refused("incomplete", vecgraph_other=[{"key": "a", "value": b""}])


def test_protobuf_needs_a_schema_with_fields():
    pytest.importorskip("google.protobuf")
    for schema in (None, int, dict):
        with pytest.raises(TypeError, match="need a schema with fields"):
            codec("protobuf", schema=schema)


def test_a_missing_extra_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("google"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'vecgraph\[protobuf\]'"):
        codec("protobuf", schema=Chat)


def test_json_of_a_state_is_json_to_everybody():
    assert json.loads(codec("json").encode_one(STATES[0])) == STATES[0]
