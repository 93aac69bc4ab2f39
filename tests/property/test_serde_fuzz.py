"""Readers of stored bytes meet anything: a value or CorruptDataError, nothing else, and soon."""

from __future__ import annotations

import logging
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.serde_bytes import SAMPLES, damaged, limited
from tests.property.serde_values import CLASSES, difference
from vecgraph.checkpoint.serde import Packer
from vecgraph.errors import CorruptDataError

PACKER = Packer(CLASSES)
PACKED = [PACKER.pack(sample) for sample in SAMPLES]
SECONDS = 5.0
MEGABYTE = 1_000_000


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def read_damaged(seed: int, times: int) -> None:
    rng = random.Random(seed)
    for turn in range(times):
        data = damaged(rng.choice(PACKED), rng)
        start = time.process_time()
        # Tracing allocations is slow; every tenth is enough to see one that grows out of nothing.
        result = limited(PACKER.unpack, data, MEGABYTE) if turn % 10 == 0 else attempt(data)
        assert time.process_time() - start < SECONDS, data
        if not isinstance(result, CorruptDataError):
            # What was read is a value like any other.
            PACKER.pack(result)


def attempt(data: bytes) -> object:
    try:
        return PACKER.unpack(data)
    except CorruptDataError as error:
        return error


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_are_a_value_or_one_error(seed):
    read_damaged(seed, 500)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 140))
def test_damaged_bytes_are_a_value_or_one_error_for_long(seed):
    read_damaged(seed, 25_000)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_one_error(data):
    result = limited(PACKER.unpack, data, MEGABYTE)
    if not isinstance(result, CorruptDataError):
        assert difference(result, PACKER.unpack(PACKER.pack(result))) is None


@pytest.mark.parametrize("number", range(len(SAMPLES)))
def test_no_beginning_of_a_packed_value_is_a_value(number):
    """A file that was cut off is noticed, wherever the cut is."""
    data = PACKED[number]
    for length in range(len(data)):
        with pytest.raises(CorruptDataError):
            PACKER.unpack(data[:length])
