"""Whole small programs, each written once for LangGraph's and for vecgraph's names.

They hold what the generated graphs leave out. Here are the two libraries and the register;
the programs are in the modules named ``programs_...``.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict

import langgraph.channels
import langgraph.config
import langgraph.errors
import langgraph.graph.message
import langgraph.managed
import langgraph.runtime
import langgraph.types
from langgraph.graph import StateGraph as LangGraphStateGraph

import vecgraph.channels
import vecgraph.config
import vecgraph.errors
import vecgraph.graph.message
import vecgraph.managed
import vecgraph.runtime
import vecgraph.types
from tests.differential.door_two import DoorTwo
from vecgraph.graph import StateGraph

START, END = "__start__", "__end__"


def library(graph, types, channels, message, managed, config, errors, runtime):
    """Gather the names that the programs use."""
    return SimpleNamespace(
        StateGraph=graph,
        channels=channels,
        Send=types.Send,
        Command=types.Command,
        Overwrite=types.Overwrite,
        RetryPolicy=types.RetryPolicy,
        add_messages=message.add_messages,
        MessagesState=message.MessagesState,
        IsLastStep=managed.IsLastStep,
        RemainingSteps=managed.RemainingSteps,
        get_stream_writer=config.get_stream_writer,
        get_config=config.get_config,
        get_runtime=runtime.get_runtime,
        interrupt=types.interrupt,
        NodeError=errors.NodeError,
        InvalidUpdateError=errors.InvalidUpdateError,
    )


OURS = library(
    StateGraph,
    vecgraph.types,
    vecgraph.channels,
    vecgraph.graph.message,
    vecgraph.managed,
    vecgraph.config,
    vecgraph.errors,
    vecgraph.runtime,
)
THEIRS = library(
    LangGraphStateGraph,
    langgraph.types,
    langgraph.channels,
    langgraph.graph.message,
    langgraph.managed,
    langgraph.config,
    langgraph.errors,
    langgraph.runtime,
)
DOOR_TWO = SimpleNamespace(**{**vars(THEIRS), "StateGraph": DoorTwo})
"""LangGraph's names, with our engine behind them."""

DOORS = {"door one": OURS, "door two": DOOR_TWO}


@dataclasses.dataclass(frozen=True)
class Program:
    """A program, the inputs to run it on, and under what.

    `plain` says that the rows are dicts with the same keys, so that they make a table.
    """

    make: Callable[[Any], Any]
    rows: list[Any]
    config: dict[str, Any]
    context: Any
    plain: bool


PROGRAMS: dict[str, Program] = {}


def program(rows, limit=25, configurable=None, context=None, plain=True):
    """Register the function below as a program."""

    def register(make):
        config = {"recursion_limit": limit}
        if configurable is not None:
            config["configurable"] = configurable
        PROGRAMS[make.__name__] = Program(make, list(rows), config, context, plain)
        return make

    return register


def numbers(count=10, **more):
    """Return rows that differ in `n`."""
    return [{"n": n, **more} for n in range(count)]


class Counted(TypedDict):
    n: int
    log: Annotated[list, operator.add]


def state_of(**fields):
    """Return a TypedDict of annotations that only exist at run time."""
    return TypedDict("State", fields)
