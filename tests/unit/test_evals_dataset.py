"""Samples become columns; bad ones are refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from vecgraph.evals import Sample, SampleError
from vecgraph.evals.dataset import columns


def test_columns_repeat_epoch_after_epoch() -> None:
    made = columns([Sample("a", {"x": 1, "t": "u"}), Sample("b", {"x": 2, "t": "v"})], epochs=3)
    assert made["x"].tolist() == [1, 2, 1, 2, 1, 2]
    assert made["t"].tolist() == ["u", "v"] * 3


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False], "b"),
        ([1, 2], "i"),
        ([1.5, 2.0], "f"),
        ([1, 2.0], "O"),
        ([1, True], "O"),
        ([1, None], "O"),
        ([2**80, 1], "O"),
        (["a", "b"], "O"),
        ([[1], [2, 3]], "O"),
        ([np.zeros(2), np.ones(2)], "O"),
    ],
)
def test_columns_keep_every_value_as_it_is(values: list[object], kind: str) -> None:
    made = columns([Sample(str(at), {"x": value}) for at, value in enumerate(values)])["x"]
    assert made.dtype.kind == kind
    assert made.shape == (2,)
    for had, has in zip(values, made.tolist(), strict=True):
        assert type(has) is type(had)
        np.testing.assert_array_equal(has, had)


def test_an_id_used_twice_is_refused() -> None:
    with pytest.raises(SampleError, match="sample id 'a' is used twice, at 0 and 2"):
        columns([Sample("a", {}), Sample("b", {}), Sample("a", {})])


def test_other_input_keys_are_refused() -> None:
    with pytest.raises(SampleError, match=r"sample 'b' has the input keys \['y'\]"):
        columns([Sample("a", {"x": 1}), Sample("b", {"y": 1})])


def test_no_samples_are_refused() -> None:
    with pytest.raises(SampleError, match="no samples"):
        columns([])
