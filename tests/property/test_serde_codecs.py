"""States through every codec and every compression: what comes out is what went in."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.serde_bytes import SAMPLES, damaged, limited
from tests.property.serde_states import check, sorted_states
from tests.property.serde_values import (
    CLASSES,
    difference,
    few_values,
    leaves,
)
from vecgraph.checkpoint.serde.codecs import Codec, codec
from vecgraph.checkpoint.serde.codecs.table import Table
from vecgraph.checkpoint.serde.codecs.typed import listed, typed
from vecgraph.constants import MISSING
from vecgraph.errors import CorruptDataError, UnserialisableError

COMPRESSIONS = ("none", "lz4", "zstd", "gzip")
MEGABYTE = 1_000_000


keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(
    ["n", "x", "$tuple", "$", "rows", "a:absent", "n\0"]
)
states_of_anything = st.lists(st.dictionaries(keys, few_values, max_size=3), max_size=2)


@pytest.mark.parametrize("name", ["json", "msgpack", "arrow"])
@given(states=states_of_anything)
def test_any_states_come_back(name, states):
    check(codec(name, allowed=CLASSES), states)


@given(states_of_anything)
def test_json_keeps_the_order_of_keys(states):
    made = codec("json", allowed=CLASSES)
    assert difference(states, made.decode(made.encode(states))) is None


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text("ab$"), plain, max_size=3), max_size=3))
def test_plain_json_is_what_the_general_way_writes(states):
    from vecgraph.checkpoint.serde.codecs import text

    fast = [text._line(state, 0, text._is_plain([state])) for state in states]
    assert fast == [text._line(state, 0, False) for state in states]


COLUMNS: dict[str, tuple[Any, Any]] = {
    "bool": (st.booleans(), pa.bool_()),
    "int": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "float": (st.floats(), pa.float64()),
    "str": (st.text(st.characters(exclude_categories=["Cs"])), pa.large_string()),
    "bytes": (st.binary(), pa.large_binary()),
    "list": (st.lists(st.none() | st.integers(-9, 9), max_size=3), pa.large_list(pa.int64())),
    "dict": (
        st.builds(lambda role, n: {"role": role, "n": n}, st.text("ab"), st.none() | st.floats()),
        pa.struct([("role", pa.large_string()), ("n", pa.float64())]),
    ),
    "messages": (
        st.lists(
            st.builds(lambda i, n: {"id": i, "n": n}, st.text("ab"), st.lists(st.booleans())),
            max_size=3,
        ),
        pa.large_list(pa.struct([("id", pa.large_string()), ("n", pa.large_list(pa.bool_()))])),
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
@given(data=st.data())
def test_a_column_of_one_type_is_an_arrow_column_of_that_type(name, data):
    cells, kind = COLUMNS[name]
    column = data.draw(st.lists(st.none() | cells, max_size=6))
    array = typed(column)
    assert array is not None
    array.validate(full=True)
    assert difference(column, listed(pa.chunked_array([array]))) is None
    whole = data.draw(cells)
    if name not in {"list", "dict", "messages"} or (name == "dict" and whole["n"] is not None):
        assert typed([whole]).type == kind
    made = codec("arrow")
    table = pa.ipc.open_stream(made.encode({"x": [*column, whole]})).read_all()
    assert table["x"].null_count == column.count(None)
    states = [{"x": value} for value in [*column, whole]]
    assert difference(states, made.decode(made.encode(states))) is None


@given(st.lists(leaves, max_size=4))
def test_a_typed_array_gives_its_values_exactly_or_there_is_none(column):
    array = typed(column)
    if array is not None:
        assert difference(column, listed(pa.chunked_array([array]))) is None


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.none() | st.integers()), max_size=5))
def test_a_table_keeps_absent_apart_from_none(states):
    table = Table.of(states)
    assert sorted_states(table.states()) == sorted_states(states)
    assert sorted_states(Table.of(table.columns).states()) == sorted_states(
        states if table.columns else []
    )
    for name in ("json", "msgpack", "arrow"):
        made = codec(name)
        back = made.decode_columns(made.encode(states))
        assert back.rows == len(states)
        for key, column in table.columns.items():
            assert [v is MISSING for v in back.columns[key]] == [v is MISSING for v in column]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("name", ["json", "msgpack", "arrow"])
def test_samples_come_back_under_every_compression(name, compression):
    made = codec(name, compression, allowed=CLASSES)
    states = [{"value": sample, "n": number} for number, sample in enumerate(SAMPLES[:-1])]
    check(made, states)
    check(made, [])
    check(made, [{}, {}])
    assert len(codec(name, "zstd").encode({"n": [1] * 9_999})) < 9_999


# Hostile bytes


CODECS = [
    codec(name, compression, allowed=CLASSES)
    for name in ("json", "msgpack", "arrow")
    for compression in COMPRESSIONS
]


def tables() -> list[tuple[Codec, bytes]]:
    few = [{"value": sample, "n": 1} for sample in SAMPLES[:-1]]
    ragged = [{"n": 1, "tags": ["a"]}, {"n": None, "name": "x"}, {}]
    many = [{"n": n, "x": n / 2} for n in range(50)]
    return [(made, made.encode(states)) for made in CODECS for states in (few, ragged, many)]


def read_damaged(seed: int, times: int) -> None:
    rng = random.Random(seed)
    cases = tables()
    for turn in range(times):
        made, data = rng.choice(cases)
        broken = damaged(data, rng)
        if turn % 10 == 0:
            limited(made.decode, broken, 20 * MEGABYTE)
            continue
        with contextlib.suppress(CorruptDataError):
            made.decode(broken)


@pytest.mark.parametrize("seed", range(2))
def test_damaged_bytes_are_states_or_one_error(seed):
    read_damaged(seed, 400)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 120))
def test_damaged_bytes_are_states_or_one_error_for_long(seed):
    read_damaged(seed, 20_000)


@given(st.binary(max_size=50))
def test_any_bytes_are_states_or_one_error(data):
    for made in CODECS:
        for read in (made.decode, made.decode_one):
            with contextlib.suppress(CorruptDataError):
                read(data)


@given(states_of_anything)
def test_what_cannot_be_stored_is_refused_with_its_path(states):
    states = [*states, {"a": [1, {"b": print}]}]
    for made in CODECS:
        with pytest.raises(UnserialisableError) as caught:
            made.encode(states)
        assert str(len(states) - 1) in caught.value.path
        assert caught.value.path.endswith("[1].b")
