"""What it means that states came back from a codec."""

from __future__ import annotations

from typing import Any

from tests.property.serde_values import difference
from vecgraph.checkpoint.serde.codecs import Codec


def sorted_states(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Only JSON keeps the order of keys of each state."""
    return [{key: state[key] for key in sorted(state)} for state in states]


def check(made: Codec, states: list[dict[str, Any]]) -> None:
    back = made.decode(made.encode(states))
    assert difference(sorted_states(states), sorted_states(back)) is None
    for state in states[:2]:
        one = made.decode_one(made.encode_one(state))
        assert difference(sorted_states([state]), sorted_states([one])) is None
