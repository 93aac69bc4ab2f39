"""What is packed comes back: the same value, of the same type, at every depth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.serde_values import (
    CLASSES,
    EDGES,
    arrays,
    difference,
    keys,
    leaves,
    scalars,
    values,
)
from vecgraph.checkpoint.serde.pack import Packer

PACKER = Packer(CLASSES)


@given(values)
def test_any_value_comes_back_as_it_was(value):
    assert difference(value, PACKER.unpack(PACKER.pack(value))) is None


@given(leaves)
def test_any_leaf_comes_back_as_it_was(value):
    assert difference(value, PACKER.unpack(PACKER.pack(value))) is None


@given(keys, leaves)
def test_any_key_comes_back_as_it_was(key, value):
    assert difference({key: value}, PACKER.unpack(PACKER.pack({key: value}))) is None


@given(arrays | scalars)
def test_any_array_comes_back_with_its_dtype_its_bits_and_its_order(value):
    assert difference(value, PACKER.unpack(PACKER.pack(value))) is None


@pytest.mark.parametrize("value", EDGES, ids=repr)
def test_edges_come_back_alone_in_a_list_and_as_a_field(value):
    for whole in (value, [value], {"a": value}, (value,), {"a": [value] * 300}):
        assert difference(whole, PACKER.unpack(PACKER.pack(whole))) is None


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
        lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    )
)
def test_the_fast_way_gives_the_bytes_of_the_general_way(value):
    assert PACKER.pack(value) == PACKER._pack_lowered(value)
