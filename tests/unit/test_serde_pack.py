"""What the packer refuses and how it says so, what becomes a record, what no bytes can do."""

from __future__ import annotations

import array
import collections
import dataclasses
import enum
import functools
import gc
import logging
import os
import struct
import subprocess
import sys
import threading
import zoneinfo
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar

import msgpack
import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
import pytest

from tests.property.serde_bytes import SAMPLES, bombs, limited
from tests.property.serde_values import (
    CLASSES,
    Bag,
    Color,
    Flags,
    Frozen,
    Level,
    Mode,
    Model,
    Pair,
    Point,
    Strict,
    Text,
    difference,
)
from vecgraph.checkpoint.serde import (
    MAX_DEPTH,
    Packer,
    Record,
    StoredError,
    _known,
    _zones,
    classes_in,
)
from vecgraph.checkpoint.serde import _codes as codes
from vecgraph.errors import CorruptDataError, UnserialisableError
from vecgraph.graph.message import RemoveMessage
from vecgraph.types import Command, Interrupt, Overwrite, PregelTask, Send

T = TypeVar("T")
# Classes that are made twice, as a program makes them before and after a change.
namedtuple = collections.namedtuple  # noqa: PYI024
ROOT = Path(__file__).parents[2]
PACKER = Packer(CLASSES)
MEGABYTE = 1_000_000


def refused(value: Any, packer: Packer = PACKER) -> UnserialisableError:
    with pytest.raises(UnserialisableError) as caught:
        packer.pack(value)
    return caught.value


def around(value: Any, packer: Packer = PACKER) -> Any:
    return packer.unpack(packer.pack(value))


@pytest.fixture(autouse=True)
def _warn_again(monkeypatch):
    monkeypatch.setattr(_known, "_warned", set())


class Zone(tzinfo):
    pass


class Aged(list):
    pass


class Slotless:
    pass


@dataclasses.dataclass
class Mine(dict):
    x: int = 0


def keyless() -> zoneinfo.ZoneInfo:
    folder = next(folder for folder in zoneinfo.TZPATH if Path(folder, "UTC").is_file())
    with Path(folder, "UTC").open("rb") as file:
        return zoneinfo.ZoneInfo.from_file(file)


ODD_VALUES = {
    "function": (print, "builtin_function_or_method"),
    "lambda": (lambda: 0, "function"),
    "class": (Point, "type"),
    "module": (os, "module"),
    "object": (object(), "object"),
    "instance": (Slotless(), "tests.unit.test_serde_pack.Slotless"),
    "generator": ((i for i in ()), "generator"),
    "memoryview": (memoryview(b"x"), "memoryview"),
    "array": (array.array("i", [1]), "array.array"),
    "ext": (msgpack.ExtType(codes.TUPLE, b""), "msgpack.ext.ExtType"),
    "struct_time": (os.stat_result(range(10)), "os.stat_result"),
    "zone": (datetime(2026, 1, 1, tzinfo=Zone()), "a time zone of type"),
    "keyless zone": (datetime(2026, 1, 1, tzinfo=keyless()), "a time zone with the key None"),
    "frame": (pd.DataFrame({"a": [1]}), "pandas.DataFrame"),
    "timestamp": (pd.Timestamp(0), "pandas.Timestamp"),
    "masked": (np.ma.masked_array([1]), "numpy.ma.MaskedArray"),
    "recarray": (np.rec.array([(1,)]), "numpy.rec.recarray"),
    "record": (np.rec.array([(1,)])[0], "an array of records"),
    "objects in fields": (np.zeros(1, [("a", object)]), "an array of dtype"),
    "metadata": (np.zeros(1, np.dtype("i4", metadata={"a": 1})), "an array of dtype"),
    "factory": (collections.defaultdict(lambda: 0), "a defaultdict whose factory"),
    "dict and dataclass": (Mine(), "Mine, which extends dict"),
}


@pytest.mark.parametrize("name", ODD_VALUES)
def test_what_would_not_come_back_is_refused_with_the_path_to_it(name):
    value, reason = ODD_VALUES[name]
    error = refused({"messages": [1, {"tool": (value,)}]})
    assert error.path == "messages[1].tool[0]"
    assert str(error).startswith("Cannot store messages[1].tool[0]: ")
    assert reason in error.reason
    assert "\nHint: " in str(error)
    assert refused(value).path == ""


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a b": [object()]}, "['a b'][0]"),
        ({1: {None: object()}}, "[1][None]"),
        ({(1, 2): object()}, "[a key of type tuple]"),
        ({10**5000: object()}, "[a key of type int]"),
        ({"k" * 100: object()}, "[a key of type str]"),
        ({object(): 1}, "{a key}"),
        ({"a": {(1, object()): 1}}, "a{a key}[1]"),
        (Point(1, Point(object())), "y.x"),
        (Model(value=[object()]), "value[0]"),
        (Model(more=object()), "more"),
        (Pair(1, object()), "right"),
        (Send("n", {"a": object()}), "arg.a"),
        (collections.deque([object()]), "[0]"),
        (np.fromiter([1, object()], object, 2), "[1]"),
        (Aged([object()]), "[0]"),
    ],
)
def test_a_path_names_every_step(value, path):
    assert refused(value, Packer()).path == path


def test_a_long_path_is_cut_and_counted():
    deep = object()
    for _ in range(40):
        deep = {"a": deep}
    assert refused(deep).path == ".".join("a" * 12) + "... (40 levels)"


def test_a_value_that_contains_itself_is_refused():
    loop: list[Any] = []
    loop.append({"again": (loop,)})
    assert refused(loop).reason == "it contains itself"
    one: dict[str, Any] = {}
    one["self"] = one
    assert refused(one).reason == "it contains itself"
    point = Point(1)
    point.y = point
    assert refused(point).reason == "it contains itself"


NESTS = {
    "list": lambda inner: [inner],
    "dict": lambda inner: {"a": inner},
    "tuple": lambda inner: (inner,),
    "dataclass": Point,
    "deque": lambda inner: collections.deque([inner]),
    "frozenset": lambda inner: frozenset([inner]) if inner is not None else frozenset(),
}


@pytest.mark.parametrize("name", NESTS)
def test_nesting_is_bounded_and_what_is_within_the_bound_comes_back(name):
    value = None
    for _ in range(MAX_DEPTH):
        value = NESTS[name](value)
    packed = PACKER.pack(value)
    again = PACKER.pack(PACKER.unpack(packed))
    assert again == packed
    error = refused(NESTS[name](value))
    assert error.reason == f"it is nested more than {MAX_DEPTH} levels deep"


def test_the_bound_is_the_same_where_values_are_plain_and_long():
    deep: Any = ["x" * 300]
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]
    assert around(deep) == deep
    assert "nested" in refused([deep]).reason


def test_running_out_of_stack_is_refused_and_not_a_recursion_error():
    value: Any = None
    for _ in range(MAX_DEPTH):
        value = (value,)

    def down(levels: int) -> UnserialisableError:
        return refused(value) if levels == 0 else down(levels - 1)

    limit = sys.getrecursionlimit()
    here = len(__import__("inspect").stack())
    assert "stack" in down(limit - here - 150).reason


def test_values_of_a_msgpack_extension_are_refused_or_exact():
    stamp = msgpack.Timestamp(5, 999_999_999)
    assert around([stamp, b"\xc7"]) == [stamp, b"\xc7"]
    assert "ExtType" in refused([b"x", msgpack.ExtType(5, b"x")]).reason


def test_a_type_that_only_looks_plain_is_not_taken_for_it():
    assert type(around([bytearray(b"a"), b"a"])[0]) is bytearray
    assert type(around((1,))) is tuple
    assert type(around([True, 1, 1.0])[0]) is bool
    assert around(Level.HIGH) is Level.HIGH
    assert around(Mode.FAST) is Mode.FAST
    assert around({Mode.FAST: 1}) == {Mode.FAST: 1}
    assert list(map(type, around({Mode.FAST: 1, Text("t"): 2}))) == [Mode, Text]
    assert type(around(np.float64(1.0))) is np.float64


def test_a_shared_part_comes_back_as_equal_copies():
    shared = [1]
    first, second = around([shared, shared])
    assert first == second == shared
    assert first is not second


def test_an_array_comes_back_writable_and_alone():
    value = np.arange(10)[::2]
    value.flags.writeable = False
    back = around(value)
    back[0] = 9
    assert back.tolist() == [9, 2, 4, 6, 8]
    assert back.base is None or back.base.base is None


LAYOUTS = {
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "fortran objects": np.asfortranarray(np.array([[1, "a", None], [2.5, (1,), [2]]], object)),
    "fortran strings": np.asfortranarray(
        np.array([["a", "b"], ["c", "d"]], np.dtypes.StringDType())
    ),
    "strided": np.arange(12)[::2].reshape(2, 3).T[::-1],
    "aligned": np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "offsets": np.zeros(2, {"names": ["a"], "formats": ["i4"], "offsets": [4], "itemsize": 12}),
    "titles": np.zeros(2, [(("title", "a"), "i4")]),
    "big endian": np.arange(3, dtype=">u4"),
    "empty": np.zeros((0, 3), "M8[ns]"),
    "no bytes": np.zeros(3, "V0"),
    "no dimensions": np.array(5),
    "of arrays": np.fromiter([np.arange(2), np.array(1)], object, 2),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_array_keeps_its_layout(name):
    value = LAYOUTS[name]
    back = around(value)
    assert difference(value, back) is None
    assert repr(value.dtype) == repr(back.dtype)


def test_bytes_between_fields_are_not_stored():
    dtype = np.dtype([("a", "i1"), ("b", "i8")], align=True)
    first, second = np.empty(4, dtype), np.empty(4, dtype)
    first.view("u1")[...], second.view("u1")[...] = 1, 2
    first["a"], first["b"] = second["a"], second["b"] = 7, 8
    assert PACKER.pack(first) == PACKER.pack(second)


# Classes


def test_an_instance_of_a_class_that_is_not_allowed_is_a_record(caplog):
    packed = PACKER.pack({"p": Point(1, (2,)), "q": Point(3)})
    with caplog.at_level(logging.WARNING, "vecgraph.checkpoint.serde"):
        back = Packer().unpack(packed)
        Packer().unpack(packed)
    assert type(back["p"]) is Record
    assert back["p"].type_name == "tests.property.serde_values:Point"
    assert back["p"] == {"x": 1, "y": (2,)}
    (warning,) = caplog.records
    assert warning.message == (
        "tests.property.serde_values:Point comes back as a Record, a dict of its fields: the class "
        "is not in the allow-list. Hint: pass the class to allowed=."
    )


@pytest.mark.parametrize(
    "value",
    [
        Point(1, Frozen(2, 3)),
        Model(value=1, more=2),
        Strict(n=1),
        Color.MIX,
        Flags.A | Flags.B,
        Pair(1, 2),
        {Frozen(1, 2): Pair(3, 4)},
        {Frozen(1, 2), Frozen(1, 3)},
    ],
    ids=repr,
)
def test_a_record_is_stored_as_what_it_was(value):
    packed = PACKER.pack(value)
    record = Packer().unpack(packed)
    again = Packer().pack(record)
    assert difference(value, PACKER.unpack(again)) is None


def test_what_a_record_shows():
    bare = Packer()
    assert bare.unpack(PACKER.pack(Color.RED)) == {"name": "RED", "value": 1}
    assert bare.unpack(PACKER.pack(Pair(1, 2))) == {"left": 1, "right": 2}
    assert bare.unpack(PACKER.pack(Model(more=2))) == {"name": "x", "value": None, "more": 2}


def test_a_changed_record_is_stored_as_changed():
    record = Packer().unpack(PACKER.pack(Model(value=1, more=2)))
    record["value"] = 5
    back = around(record)
    assert (back.value, back.more) == (5, 2)


def test_subclasses_of_builtins_come_back_plain_where_they_are_not_allowed(caplog):
    with caplog.at_level(logging.WARNING, "vecgraph.checkpoint.serde"):
        back = Packer().unpack(PACKER.pack([Text("a"), Bag(b=1)]))
    assert list(map(type, back)) == [str, dict]
    assert len(caplog.records) == 2
    assert "comes back as a plain str" in caplog.records[0].message


def test_records_of_two_instances_that_differ_only_by_identity_are_not_merged():
    @dataclasses.dataclass(eq=False)
    class Thing:
        x: int

    packed = PACKER.pack({Thing(1), Thing(1)})
    assert len(Packer([Thing]).unpack(packed)) == 2
    with pytest.raises(CorruptDataError, match="of 2 keys only 1 differ"):
        Packer().unpack(packed)


def test_only_classes_can_be_allowed():
    with pytest.raises(TypeError, match="Only classes can be allowed"):
        Packer([os.system])


def test_a_record_copies_compares_and_hashes():
    import copy
    import pickle

    record = Record("m:A", {"x": 1})
    for twin in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record))):
        assert type(twin) is Record
        assert (twin, twin.type_name, twin.code) == (record, "m:A", codes.FIELDS)
    assert record != Record("m:B", {"x": 1})
    assert record == {"x": 1}
    assert record != {"x": 2}
    assert hash(record) == hash(Record("m:A", {"x": 1}))
    assert repr(record) == "Record('m:A', {'x': 1})"


def made(name: str, bases: tuple[type, ...] = (), **annotations: Any) -> Any:
    """A dataclass of this name in this module: what a program has after a change."""
    fields = {key: value for key, value in annotations.items() if key != "defaults"}
    space = {"__annotations__": fields, "__module__": __name__, **annotations.get("defaults", {})}
    return dataclasses.dataclass(type(name, bases, space))


def test_a_class_that_has_changed_gives_its_defaults_or_a_record(caplog):
    old = made("Evolving", a=int)
    packed = PACKER.pack(old(1))
    grown = made("Evolving", a=int, b=int, defaults={"b": 5})
    assert vars(Packer([grown]).unpack(packed)) == {"a": 1, "b": 5}
    listed = made(
        "Evolving", a=int, b=list, defaults={"b": dataclasses.field(default_factory=list)}
    )
    assert vars(Packer([listed]).unpack(packed)) == {"a": 1, "b": []}
    strict = made("Evolving", a=int, b=int)
    with caplog.at_level(logging.WARNING, "vecgraph.checkpoint.serde"):
        assert type(Packer([strict]).unpack(packed)) is Record
    assert "the class has changed since it was stored (its field 'b' was not stored)" in caplog.text
    # An attribute that is no field any more stays an attribute.
    assert vars(Packer([made("Evolving")]).unpack(packed)) == {"a": 1}


def test_a_class_of_slots_that_lost_one_gives_a_record():
    space = {"__annotations__": {"a": int}, "__module__": __name__}
    old = dataclasses.dataclass(slots=True)(type("Slotted", (), dict(space)))
    space["__annotations__"] = {"b": int}
    new = dataclasses.dataclass(slots=True)(type("Slotted", (), {**space, "b": 3}))
    assert Packer([new]).unpack(PACKER.pack(old(1))) == {"a": 1}


def test_a_model_that_has_changed_gives_its_defaults_or_a_record():
    def model(**fields: Any) -> Any:
        made = pydantic.create_model("Changing", **fields)
        made.__module__, made.__qualname__ = __name__, "Changing"
        return made

    packed = PACKER.pack(model(a=(int, ...))(a=1))
    grown = Packer(
        [model(a=(int, ...), b=(list, []), c=(int, pydantic.Field(default_factory=int)))]
    )
    back = grown.unpack(packed)
    assert (back.a, back.b, back.c, back.model_fields_set) == (1, [], 0, {"a"})
    assert type(Packer([model(a=(int, ...), b=(int, ...))]).unpack(packed)) is Record
    assert type(Packer([model(b=(int, 0))]).unpack(packed)) is Record


def test_an_enum_that_has_changed_gives_a_record():
    def members(**values: Any) -> Any:
        return enum.Enum("Kind", values, module=__name__)

    packed = PACKER.pack(members(A=1).A)
    same = members(A=1, B=2)
    assert Packer([same]).unpack(packed) is same.A
    for changed in (members(A=2), members(B=1)):
        assert Packer([changed]).unpack(packed) == {"name": "A", "value": 1}


def test_an_enum_is_found_by_name_where_its_value_cannot_be_stored():
    class Action(enum.Enum):
        RUN = (print, 1)

    assert Packer([Action]).unpack(PACKER.pack(Action.RUN)) is Action.RUN
    assert Packer().unpack(PACKER.pack(Action.RUN)) == {"name": "RUN"}


def test_a_named_tuple_that_has_changed_gives_a_record():
    old = namedtuple("Old", "a b", module=__name__)
    new = namedtuple("Old", "a", module=__name__)
    assert Packer([new]).unpack(PACKER.pack(old(1, 2))) == {"a": 1, "b": 2}


def test_a_class_that_is_another_kind_now_gives_a_record():
    old = made("Turned", a=int)
    new = namedtuple("Turned", "a", module=__name__)
    assert type(Packer([new]).unpack(PACKER.pack(old(1)))) is Record


class Loud:
    """Every hook that a class can have; none may be called to store or to make an instance."""

    def __init__(self, *args: Any) -> None:
        raise AssertionError

    def __new__(cls, *args: Any) -> Any:
        raise AssertionError

    def __setattr__(self, name: str, value: Any) -> None:
        raise AssertionError

    def __getstate__(self) -> Any:
        raise AssertionError

    def __setstate__(self, state: Any) -> None:
        raise AssertionError

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise AssertionError

    def __post_init__(self) -> None:
        raise AssertionError

    def __iter__(self) -> Any:
        raise AssertionError

    def __len__(self) -> int:
        raise AssertionError

    def __repr__(self) -> str:
        raise AssertionError

    def __bool__(self) -> bool:
        raise AssertionError


@dataclasses.dataclass(init=False, repr=False, eq=False)
class LoudData(Loud):
    a: Any


class LoudText(Loud, str):
    __slots__ = ()


class LoudList(Loud, list):
    pass


class LoudModel(pydantic.BaseModel):
    a: int

    @pydantic.field_validator("a")
    @classmethod
    def check(cls, value: int) -> int:
        raise AssertionError

    def model_post_init(self, context: Any) -> None:
        raise AssertionError

    def model_dump(self, **_: Any) -> Any:
        raise AssertionError


def test_no_code_of_a_class_runs():
    data = object.__new__(LoudData)
    data.__dict__["a"] = (1,)
    text, items = str.__new__(LoudText, "abc"), list.__new__(LoudList)
    list.append(items, 1)
    made_model = LoudModel.__new__(LoudModel)
    for name, value in {
        "__dict__": {"a": "unvalidated"},
        "__pydantic_fields_set__": {"a"},
        "__pydantic_extra__": None,
        "__pydantic_private__": None,
    }.items():
        object.__setattr__(made_model, name, value)
    packer = Packer([LoudData, LoudText, LoudList, LoudModel])
    for value in (data, text, items, made_model):
        assert type(around(value, packer)) is type(value)
    assert around(data, packer).__dict__ == {"a": (1,)}
    assert str.__eq__(around(text, packer), "abc")
    assert list.__eq__(around(items, packer), [1])
    assert around(made_model, packer).__dict__ == {"a": "unvalidated"}


def test_attributes_that_are_no_state_are_left_out():
    @dataclasses.dataclass
    class Cached(Generic[T]):
        x: int

        @functools.cached_property
        def slow(self) -> Any:
            return print

    value = Cached[int](1)
    assert value.slow is print
    assert "slow" in vars(value)
    assert "__orig_class__" in vars(value)
    assert vars(around(value, Packer([Cached]))) == {"x": 1}


class Root(pydantic.RootModel[list[int]]):
    pass


class Holder(pydantic.BaseModel, Generic[T]):
    item: T


@pydantic.dataclasses.dataclass
class Checked:
    n: int
    tags: list[str] = pydantic.Field(default_factory=list)


@pytest.mark.parametrize(
    "value", [Root([1, 2]), Holder[int](item=1), Holder[str](item="x"), Checked(1, ["a"])], ids=repr
)
def test_every_kind_of_pydantic_class_comes_back(value):
    back = around(value, Packer([type(value)]))
    assert type(back) is type(value)
    assert back == value
    assert type(around(value, Packer())) is Record


def test_slots_of_every_base_are_state():
    class Base:
        __slots__ = ("__private", "a")

        def hide(self, value: Any) -> None:
            self.__private = value

        def shown(self) -> Any:
            return self.__private

    @dataclasses.dataclass(slots=True)
    class Child(Base):
        b: int

    value = Child(1)
    value.a, _ = 2, value.hide(3)
    back = around(value, Packer([Child]))
    assert (back.a, back.b, back.shown()) == (2, 1, 3)


def test_a_model_with_slots_of_its_own_and_a_named_tuple_with_attributes_are_refused():
    class Slotted(pydantic.BaseModel):
        __slots__ = ("extra_slot",)
        a: int = 0

    assert "slots" in refused(Slotted()).reason

    class Wider(Pair):
        pass

    wide = Wider(1, 2)
    assert around(wide, Packer([Wider])) == wide
    wide.more = 3
    assert "attributes" in refused(wide).reason


def test_values_of_the_library_need_no_allow_list():
    values = [
        Send("n", (1,), timeout=3.0),
        Command(graph=Command.PARENT, update={"a": {1}}, goto=[Send("m", None)]),
        Interrupt("q", "id"),
        Overwrite((1,)),
        RemoveMessage("5"),
        PregelTask("id", "n", ("a", 1)),
    ]
    for value in values:
        back = around(value, Packer())
        assert type(back) is type(value)
        assert back == value


def test_an_exception_is_kept_as_text_only():
    back = around({"e": ValueError("no", 3)}, Packer())["e"]
    assert type(back) is StoredError
    assert back == "ValueError('no', 3)"
    assert (back.type_name, back.message) == ("builtins.ValueError", "('no', 3)")
    assert difference(back, around(back)) is None

    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert around(Rude("x")) == "Rude(...)"


def test_langchain_messages_come_back_as_messages():
    messages = pytest.importorskip("langchain_core.messages")
    documents = pytest.importorskip("langchain_core.documents")
    call = {"name": "f", "args": {"x": (1,)}, "id": "1", "type": "tool_call"}
    values = [
        messages.HumanMessage("hi", id="1"),
        messages.AIMessage("", tool_calls=[call], usage_metadata=None),
        messages.AIMessageChunk("part", extra_field={1, 2}),
        messages.ToolMessage("done", tool_call_id="1", artifact=np.arange(3)),
        messages.SystemMessage([{"type": "text", "text": "be nice"}]),
        messages.RemoveMessage(id="1"),
        documents.Document("text", metadata={"n": 1}),
        messages.AIMessage("abc").text,
    ]
    for value in values:
        assert difference(value, around(value, Packer())) is None


def test_types_of_langgraph_come_back_as_they_were():
    theirs = pytest.importorskip("langgraph.types")
    values = [
        theirs.Interrupt("q", "id"),
        theirs.Command(update={"a": 1}, goto=["n"]),
        theirs.Overwrite([1]),
        theirs.TimeoutPolicy(run_timeout=1.0),
    ]
    for value in values:
        back = around(value, Packer())
        assert type(back) is type(value)
        assert back == value
    send = around(theirs.Send("n", {"a": (1,)}), Packer())
    assert type(send) is theirs.Send
    assert (send.node, send.arg) == ("n", {"a": (1,)})


def test_an_item_of_langgraphs_store_comes_back():
    base = pytest.importorskip("langgraph.store.base")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    item = base.Item(value={"a": (1,)}, key="k", namespace=("n",), created_at=now, updated_at=now)
    back = around(item, Packer())
    assert type(back) is base.Item
    assert back == item


def test_types_of_langgraph_come_back_as_ours_where_langgraph_is_not_imported(monkeypatch):
    theirs = pytest.importorskip("langgraph.types")
    packed = PACKER.pack([theirs.Interrupt("q", "id"), theirs.Send("n", 1), theirs.Overwrite(2)])
    monkeypatch.delitem(sys.modules, "langgraph.types")
    assert Packer().unpack(packed) == [Interrupt("q", "id"), Send("n", 1), Overwrite(2)]


class Leaf(enum.Enum):
    A = 1


@dataclasses.dataclass
class Box(Generic[T]):
    item: T
    more: Box[T] | None = None


class InnerState(TypedDict):
    pair: Pair


class OuterState(TypedDict, total=False):
    boxes: Annotated[list[Box[Leaf]], max]
    inner: dict[str, InnerState] | None
    model: Model
    kind: Literal[Color.RED, "x"]
    text: Text
    plain: int


class HalfKnown(OuterState, total=False):
    unknown: NotThere  # noqa: F821


@pytest.mark.parametrize("schema", [OuterState, HalfKnown, Annotated[list[OuterState], 1]])
def test_classes_in_finds_what_annotations_name(schema):
    assert set(classes_in(schema)) == {Box, Leaf, Pair, Model, Color, Text}
    value = {"boxes": [Box(Leaf.A)], "kind": Color.RED}
    assert around(value, Packer(classes_in(schema))) == value


def test_classes_in_of_what_has_none():
    assert classes_in(int, list[int], None, "x", dict[str, Any]) == ()


# Hostile bytes


@pytest.mark.parametrize(
    "name", ["os:system", "builtins:eval", "subprocess:Popen", "vecgraph.types:__import__", "", ":"]
)
@pytest.mark.parametrize("code", sorted(codes.NAMED))
def test_a_dangerous_name_is_only_a_name(name, code):
    body: Any = {"args": ["echo"], "shell": True}
    contents = {codes.ENUM: ["A", 1], codes.DERIVED: ["str", "x", None]}
    mark = msgpack.ExtType(code, name.encode())
    packed = msgpack.packb({mark: contents.get(code, body)})
    if not name:
        with pytest.raises(CorruptDataError):
            PACKER.unpack(packed)
        return
    back = PACKER.unpack(packed)
    assert type(back) in {Record, str}


@pytest.mark.parametrize("code", sorted(codes.NAMED - {codes.DERIVED}))
@pytest.mark.parametrize("name", ["base:get_msg_title_repr", "ai:Any", "ai:json", "nowhere:X"])
def test_a_known_module_gives_classes_of_its_own_only(name, code):
    pytest.importorskip("langchain_core.messages")
    mark = msgpack.ExtType(code, f"langchain_core.messages.{name}".encode())
    content = ["A", 1] if code == codes.ENUM else {"a": 1}
    assert type(PACKER.unpack(msgpack.packb({mark: content}))) is Record


def test_unpacking_imports_nothing_and_opens_nothing(tmp_path):
    """In a fresh process, so that nothing has been imported by another test."""
    (tmp_path / "data").write_bytes(Packer().pack([Packer().pack(value) for value in SAMPLES]))
    program = f"""
import sys
from vecgraph.checkpoint.serde import Packer
packer = Packer()
samples = packer.unpack(open({str(tmp_path / "data")!r}, "rb").read())
import zoneinfo
def watch(event, args):
    allowed = event == "open" and str(args[0]).startswith(zoneinfo.TZPATH)
    if not allowed and event.split(".")[0] in ("import", "open", "exec", "compile", "subprocess",
                                               "os", "socket", "ctypes", "pickle", "marshal"):
        raise AssertionError((event, args))
before = set(sys.modules)
sys.addaudithook(watch)
for sample in samples:
    packer.unpack(sample)
assert set(sys.modules) == before, set(sys.modules) - before
print(len(samples))
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, str(len(SAMPLES))), done.stderr


def test_few_bytes_that_declare_much_take_little():
    """A value or CorruptDataError, in memory that goes with the bytes there are."""
    for name, data in bombs():
        result = limited(PACKER.unpack, data, 2 * MEGABYTE + 100 * len(data))
        if name.startswith(("length", "lists of")) or "100000 " in name or "3000000 " in name:
            assert isinstance(result, CorruptDataError), name
    gc.collect()


def test_keys_of_one_hash_are_refused_before_they_take_their_time():
    keys = [n * (2**61 - 1) for n in range(20_000)]
    flat = [msgpack.ExtType(codes.BIG_INT, key.to_bytes(16, "big")) for key in keys]
    for code, content in ((codes.SET, flat), (codes.DICT, [x for key in flat for x in (key, 0)])):
        packed = msgpack.packb({msgpack.ExtType(code, b""): content})
        with pytest.raises(CorruptDataError, match="20000 keys have 1 hashes"):
            PACKER.unpack(packed)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "incomplete"),
        (b"\x01\x01", "extra data"),
        (b"\xc1", "FormatError"),
        (b"\x81\xa1a", "incomplete"),
        (b"\x81\x90\x01", "unhashable"),
        (b"\xa1\xff", "utf-8"),
        (b"\x82\x01\x01\x01\x02", "of 2 keys only 1 differ"),
        (b"\xd4\x05\x00", "there is no extension type 5"),
        (b"\x91\xc7\x00\x40", "stands where one belongs"),
        (b"\x81\xc7\x00\x40\x01", "a int where a list belongs"),
        (b"\x81\xc7\x01\x40a\x90", "extension type 64 with the name 'a'"),
        (b"\x81\xc7\x00\x43\x91\x01", "zip"),
        (b"\xd4\x1e\x00", ""),
        (b"\xc7\x04\x1e\x02|Ox", "no dtype"),
        (b"\xc7\x05\x1e\x03|b1\x02", "neither true nor false"),
        (b"\xc7\x08\x1e\x03<U1\x00\x00\x00\x7f", "a character that is none"),
        (b"\xc7\x0e\x21\x03|u1C\x01" + struct.pack(">q", 2**40), "are not 1099511627776 elements"),
        (b"\xc7\x0e\x21\x03|u1C\x01" + struct.pack(">q", -1), "no array has the shape"),
        (b"\xc7\x0e\x21\x03|V0C\x01" + struct.pack(">q", 2**40), "without bytes"),
        (b"\xc7\x06\x17202601", "isoformat"),
        (b"\xc7\x0a\x17\x32026-01-01", ""),
        (b"\xc7\x06\x19=a/../", "no time zone"),
        (b"\xc7\x0a\x19=../passwd", "no time zone"),
        (b"\xc7\x08\x19=Nowhere", "this machine has no time zone"),
        (b"\xc7\x06\x1d\x00\x00\x00\x80sa", "no pattern has the flags 128"),
        (b"\xc7\x01\x22t", "Arrow"),
    ],
)
def test_damage_is_one_error_that_says_what_is_wrong(data, reason):
    with pytest.raises(CorruptDataError, match="Cannot read packed values: ") as caught:
        PACKER.unpack(data)
    assert reason in str(caught.value)


def test_a_compressed_arrow_stream_is_refused():
    """It declares how large it becomes, and pyarrow makes room for that."""
    sink = pa.BufferOutputStream()
    table = pa.table({"a": range(1000)})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write(table)
    packed = msgpack.packb(msgpack.ExtType(codes.ARROW, b"t" + sink.getvalue().to_pybytes()))
    with pytest.raises(CorruptDataError, match="a compressed Arrow stream"):
        PACKER.unpack(packed)


def test_an_arrow_extension_type_of_the_program_is_refused():
    class Wrapped(pa.ExtensionType):
        def __init__(self) -> None:
            super().__init__(pa.int64(), "tests.wrapped")

        def __arrow_ext_serialize__(self) -> bytes:
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, storage: Any, data: bytes) -> Any:
            raise AssertionError

    values = pa.ExtensionArray.from_storage(Wrapped(), pa.array([1]))
    assert "tests.wrapped" in refused(pa.table({"a": values})).reason


def test_what_is_no_bytes_is_the_callers_mistake():
    with pytest.raises(TypeError):
        PACKER.unpack("text")


def test_zones_of_a_system_without_a_database(monkeypatch):
    packed = PACKER.pack(datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")))
    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    monkeypatch.setattr(_zones, "_BUNDLED", frozenset())
    with pytest.raises(CorruptDataError, match="install the package tzdata"):
        PACKER.unpack(packed)
    pytest.importorskip("tzdata")
    monkeypatch.setattr(_zones, "_BUNDLED", _zones._load_bundled())
    assert PACKER.unpack(packed).tzinfo is zoneinfo.ZoneInfo("Europe/Berlin")


def test_one_packer_serves_many_threads():
    packer, wrong = Packer(CLASSES), []
    values = [SAMPLES[n % len(SAMPLES)] for n in range(60)]

    def work() -> None:
        for value in values:
            got = packer.unpack(packer.pack([value, "x" * 500]))
            if difference([value, "x" * 500], got) and not isinstance(value, (list, tuple)):
                wrong.append(value)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_utc_is_utc_and_a_named_zone_keeps_its_name():
    assert around(datetime(2026, 1, 1, tzinfo=UTC)).tzinfo is UTC
