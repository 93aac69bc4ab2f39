"""Channels of the user's own class, written for LangGraph: in both libraries the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated, Any

import langgraph.channels
import langgraph.channels.base
import langgraph.errors
import langgraph.graph
import langgraph.pregel
import pytest
from langgraph._internal._typing import MISSING as THEIR_MISSING
from langgraph.checkpoint.memory import InMemorySaver

import vecgraph.channels
import vecgraph.channels.base
import vecgraph.errors
import vecgraph.graph
import vecgraph.pregel
from tests.differential.programs import state_of
from vecgraph.constants import MISSING
from vecgraph.testing.compare import difference

THEIRS = SimpleNamespace(
    BaseChannel=langgraph.channels.base.BaseChannel,
    EmptyChannelError=langgraph.errors.EmptyChannelError,
    EphemeralValue=langgraph.channels.EphemeralValue,
    StateGraph=langgraph.graph.StateGraph,
    NodeBuilder=langgraph.pregel.NodeBuilder,
    Pregel=langgraph.pregel.Pregel,
    MISSING=THEIR_MISSING,
)
OURS = SimpleNamespace(
    BaseChannel=vecgraph.channels.base.BaseChannel,
    EmptyChannelError=vecgraph.errors.EmptyChannelError,
    EphemeralValue=vecgraph.channels.EphemeralValue,
    StateGraph=vecgraph.graph.StateGraph,
    NodeBuilder=vecgraph.pregel.NodeBuilder,
    Pregel=vecgraph.pregel.Pregel,
    MISSING=MISSING,
)


def longest(lib):  # noqa: C901  a class of nine short methods
    """Return a channel that keeps the longest word and forgets it after two quiet supersteps."""

    class Longest(lib.BaseChannel):
        def __init__(self, typ, key=""):
            super().__init__(typ, key)
            self.word, self.quiet = None, 0

        @property
        def ValueType(self):
            return str

        @property
        def UpdateType(self):
            return str

        def checkpoint(self):
            return lib.MISSING if self.word is None else (self.word, self.quiet)

        def from_checkpoint(self, kept):
            channel = Longest(self.typ, self.key)
            if kept is not lib.MISSING:
                channel.word, channel.quiet = kept
            return channel

        def get(self):
            if self.word is None:
                raise lib.EmptyChannelError
            return self.word

        def update(self, values):
            if not values:
                self.quiet += 1
                if self.quiet > 1:
                    self.word = None
                return True
            self.word = max([*values, self.word or ""], key=len)
            self.quiet = 0
            return True

    return Longest


def graph(lib, *, as_class, saver):
    channel = longest(lib)
    word: Any = Annotated[str, channel if as_class else channel(str)]
    builder = lib.StateGraph(state_of(n=int, word=word, seen=str))

    def short(state):
        return {"word": "ab" * (state["n"] % 3)}

    def long(state):
        return {"word": "xyz"}

    def later(state):
        return {"seen": state.get("word", "nothing")}

    names = {"short": short, "long": long, "later": later, "last": later, "end": later}
    for name, fn in names.items():
        builder.add_node(name, fn)
    builder.add_edge("__start__", "short")
    builder.add_edge("__start__", "long")
    builder.add_edge(["short", "long"], "later")
    builder.add_edge("later", "last")
    builder.add_edge("last", "end")
    return builder.compile(checkpointer=saver)


@pytest.mark.parametrize("as_class", [False, True])
@pytest.mark.parametrize("saves", [False, True])
def test_a_channel_of_ones_own_in_a_state(as_class, saves) -> None:
    savers = [InMemorySaver() if saves else None for _ in range(2)]
    theirs = graph(THEIRS, as_class=as_class, saver=savers[0])
    ours = graph(OURS, as_class=as_class, saver=savers[1])
    for n in range(5):
        config = {"configurable": {"thread_id": str(n % 2)}}
        wanted = list(theirs.stream({"n": n}, config, stream_mode="values"))
        found = list(ours.stream({"n": n}, config, stream_mode="values"))
        assert difference(wanted, found) is None
    if not saves:
        inputs = [{"n": n} for n in range(70)]
        wanted = [theirs.invoke(value) for value in inputs]
        assert difference(wanted, ours.batch(inputs)) is None


def test_a_channel_of_ones_own_that_triggers_nodes() -> None:
    def app(lib):
        first = lib.NodeBuilder().subscribe_only("in").do(lambda x: x * 2).write_to("word")
        second = lib.NodeBuilder().subscribe_only("word").do(len).write_to("out")
        return lib.Pregel(
            nodes={"first": first, "second": second},
            channels={
                "in": lib.EphemeralValue(str),
                "word": longest(lib)(str),
                "out": lib.EphemeralValue(int),
            },
            input_channels="in",
            output_channels=["word", "out"],
        )

    for text in ("a", "abc", ""):
        wanted = list(app(THEIRS).stream(text))
        assert difference(wanted, list(app(OURS).stream(text))) is None
