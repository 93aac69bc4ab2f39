"""Graphs that stress one thing each: fan-out, many channels, growing lists, waiting.

They come in the same forms as those of `graphs`; a form that a graph cannot have is left empty.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypedDict

import numpy as np

import vecgraph as vg
from benchmarks.graphs import CASES, Case, Columns, Row
from vecgraph.graph import END

FAN = 10
WIDE_STEPS = 10
TURNS = 6
AWAITS = 5

# fan-out: every run sends FAN tasks, whose results a reducer adds up


class FanOutState(TypedDict):
    """What is sent, the sum of what comes back, and a value made of both."""

    x: int
    total: Annotated[int, operator.add]
    y: int


def _split(state: Any) -> Any:
    return {"x": (state["x"] * 1103 + 12345) & 0xFFFF}


def _send_router(send: Any) -> Callable[[Row], list[Any]]:
    return lambda state: [send("work", {"x": state["x"] + i}) for i in range(FAN)]


def _split_and_send(batch: Any) -> Any:
    update = _split(batch)
    tasks = update["x"] + np.arange(FAN)[:, np.newaxis]
    return [update, vg.Sends(None, "work", {"x": tasks}, each=FAN)]


def _work(state: Any) -> Any:
    return {"total": (state["x"] * 7 + 3) & 0xFFFF}


def _join(state: Any) -> Any:
    return {"y": state["total"] ^ state["x"]}


def _fan_out_columns(n: int, seed: int = 0) -> Columns:
    return {"x": np.random.default_rng(seed).integers(0, 1 << 16, n)}


FAN_OUT = Case(
    schema=FanOutState,
    columns=_fan_out_columns,
    nodes={"split": _split, "work": _work, "join": _join},
    routers={},
    vector_nodes={"split": _split_and_send, "work": _work, "join": _join},
    vector_routers={},
    paths={"split": ["work"]},
    first="split",
    supersteps=lambda columns: 3 * columns["x"].size,
    edges=(("work", "join"), ("join", END)),
    sending={"split": _send_router},
)

# wide: 51 channels, all of them written at every step

WIDE = tuple(f"c{number:02}" for number in range(50))

WideState = TypedDict("WideState", {"n": int, **dict.fromkeys(WIDE, float)})  # type: ignore[misc]


def _wide_step(state: Any) -> Any:
    return {"n": state["n"] + 1, **{name: state[name] * 0.5 + 1.0 for name in WIDE}}


def _wide_columns(n: int, seed: int = 0, n_steps: int = WIDE_STEPS) -> Columns:
    values = np.random.default_rng(seed).standard_normal((len(WIDE), n))
    return {
        "n": np.full(n, WIDE_STEPS - n_steps, np.int64),
        **dict(zip(WIDE, values, strict=True)),
    }


MANY_CHANNELS = Case(
    schema=WideState,
    columns=_wide_columns,
    nodes={"step": _wide_step},
    routers={"step": lambda state: "step" if state["n"] < WIDE_STEPS else END},
    vector_nodes={"step": _wide_step},
    vector_routers={"step": lambda batch: (batch["n"] >= WIDE_STEPS).view(np.int8)},
    paths={"step": ["step", END]},
    first="step",
    supersteps=lambda columns: int((WIDE_STEPS - columns["n"]).sum()),
    recursion_limit=1_100,
)

# messages: a fake model that asks for a tool, TURNS times; the history grows at every step


class MessagesState(TypedDict):
    """The history and how many turns were and will be taken."""

    messages: Annotated[list[Any], operator.add]
    turn: int
    turns: int


def _agent(state: Row) -> Row:
    turn = state["turn"]
    call = {"id": f"call_{turn}", "name": "add", "args": {"a": turn, "b": 2 * turn}}
    message = {"role": "assistant", "content": "", "tool_calls": [call]}
    return {"messages": [message], "turn": turn + 1}


def _tools(state: Row) -> Row:
    call = state["messages"][-1]["tool_calls"][0]
    result = str(call["args"]["a"] + call["args"]["b"])
    return {"messages": [{"role": "tool", "tool_call_id": call["id"], "content": result}]}


def _message_rows(n: int, seed: int = 0, n_steps: int = 2 * TURNS - 1) -> list[Row]:
    # The last turn uses no tool, so an odd number of steps is exact.
    turns = (n_steps + 1) // 2
    return [
        {
            "messages": [{"role": "user", "content": f"question {seed + number}"}],
            "turn": 0,
            "turns": turns,
        }
        for number in range(n)
    ]


def _message_columns(n: int, seed: int = 0, n_steps: int = 2 * TURNS - 1) -> Columns:
    """Channels that are numbers: all that counting the steps needs, and no input of a run."""
    return {"turn": np.zeros(n, np.int64), "turns": np.full(n, (n_steps + 1) // 2)}


MESSAGES = Case(
    schema=MessagesState,
    columns=_message_columns,
    nodes={"agent": _agent, "tools": _tools},
    routers={"agent": lambda state: "tools" if state["turn"] < state["turns"] else END},
    vector_nodes={},
    vector_routers={},
    paths={"agent": ["tools", END]},
    first="agent",
    supersteps=lambda columns: int((2 * columns["turns"] - 1).sum()),
    edges=(("tools", "agent"),),
    recursion_limit=1_100,
    make_rows=_message_rows,
)

# waiting: coroutines that give way AWAITS times and compute nearly nothing


class WaitingState(TypedDict):
    """A counter and a number that changes at every step."""

    k: int
    x: int


async def _wait(state: Row) -> Row:
    await asyncio.sleep(0)
    return {"k": state["k"] + 1, "x": state["x"] ^ state["k"]}


def _waiting_columns(n: int, seed: int = 0) -> Columns:
    return {"k": np.zeros(n, np.int64), "x": np.arange(seed, seed + n)}


WAITING = Case(
    schema=WaitingState,
    columns=_waiting_columns,
    nodes={"wait": _wait},  # type: ignore[dict-item]
    routers={"wait": lambda state: "wait" if state["k"] < AWAITS else END},
    vector_nodes={},
    vector_routers={},
    paths={"wait": ["wait", END]},
    first="wait",
    supersteps=lambda columns: AWAITS * columns["k"].size,
)

ALL: Mapping[str, Case] = {
    **CASES,
    "fan_out": FAN_OUT,
    "wide": MANY_CHANNELS,
    "messages": MESSAGES,
    "async": WAITING,
}
"""Every graph by name."""

VECTOR = tuple(name for name, case in ALL.items() if case.vector_nodes)
"""Graphs that have a form for columns."""
