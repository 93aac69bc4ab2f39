"""Small workflows of the functional API, and what is done with their threads.

A `Flow` is a list of statements that an entrypoint executes; both libraries get the same one, as
functions or as coroutines. `history` plays the actions and returns what could be seen.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.differential.threads import Ids, shown

MODES = ["updates", "values", "custom", "tasks", "checkpoints"]


@dataclass(frozen=True)
class Flow:
    """What a workflow does: statements, in order, and how its calls fare."""

    steps: tuple[tuple[Any, ...], ...]
    fails: int = 0  # calls of "flaky" that fail, over the whole life of the app
    retries: bool = False
    flow_retries: bool = False
    saves: bool = False
    durability: str = "sync"
    concurrency: int | None = None
    extra: dict = field(default_factory=dict, hash=False, compare=False)

    @property
    def ordered(self):
        """Whether at most one task runs at a time, so that streams have one order."""
        return all(step[0] not in {"fan", "loose"} for step in self.steps)


TASKS = ("plain", "none", "asks", "nests", "flaky", "bad", "talks", "cached", "keyword")


@st.composite
def flows(draw):
    step = st.one_of(
        st.tuples(st.just("call"), st.sampled_from(TASKS), st.integers(0, 3)),
        st.tuples(st.just("call"), st.sampled_from(TASKS), st.integers(0, 3)),
        st.tuples(st.just("try"), st.sampled_from(["bad", "flaky"]), st.integers(0, 3)),
        st.tuples(st.just("ask"), st.integers(0, 3)),
        st.tuples(st.just("fan"), st.sampled_from(["plain", "nests", "talks", "none"]), st.just(3)),
        st.tuples(st.just("loose"), st.sampled_from(["plain", "none"]), st.integers(0, 3)),
        st.tuples(st.just("graph"), st.sampled_from([0, 0, 1])),
        st.tuples(st.just("say"), st.integers(0, 3)),
    )
    return Flow(
        tuple(draw(st.lists(step, min_size=1, max_size=5))),
        fails=draw(st.integers(0, 2)),
        retries=draw(st.booleans()),
        flow_retries=draw(st.integers(0, 4)) == 0,
        saves=draw(st.booleans()),
        durability=draw(st.sampled_from(["sync", "async", "exit"])),
        concurrency=draw(st.sampled_from([None, None, 1, 2])),
    )


ACTIONS = st.tuples(
    st.sampled_from(["start", "resume", "resume", "resume map", "go on", "update", "replay"]),
    st.integers(0, 3),
)


def tasks_of(lib, flow, calls):
    """Return the synchronous functions behind the tasks."""

    def note(name, x):
        calls.append((name, x))
        if name == "flaky" and calls.count(("failed", "flaky")) < flow.fails:
            calls.append(("failed", "flaky"))
            raise KeyError(x)

    def plain(x):
        note("plain", x)
        return {"n": x}

    def none(x):
        note("none", x)

    def flaky(x):
        note("flaky", x)
        return x

    def bad(x):
        note("bad", x)
        raise ValueError(f"bad {x}")

    return [plain, none, flaky, bad, *asking_tasks(lib, note)]


def asking_tasks(lib, note):
    """Return those that ask the run for something."""

    def asks(x):
        note("asks", x)
        first = lib.interrupt(f"asks {x}")
        return [first, lib.interrupt({"again": x})] if x == 2 else first

    def talks(x):
        note("talks", x)
        lib.get_stream_writer()({"said": x})
        return x + 0.5

    def keyword(x, *, config):
        note("keyword", x)
        return sorted(k for k in config["metadata"] if k != "thread_id")

    return [asks, talks, keyword]


def build(lib, flow, saver, calls, *, use_async):
    """Compile the flow with one of the libraries."""
    policy = lib.RetryPolicy(initial_interval=0, jitter=False, retry_on=KeyError, max_attempts=3)
    made = {}
    for fn in tasks_of(lib, flow, calls):
        options = {"retry_policy": policy} if flow.retries and fn.__name__ == "flaky" else {}
        made[fn.__name__] = lib.task(**options)(_coroutine(fn) if use_async else fn)

    def cached(x):
        calls.append(("cached", x))
        return [x]

    made["cached"] = lib.task(cache_policy=lib.CachePolicy(key_func=lambda x: f"key {x}"))(cached)
    child = child_of(lib, calls)
    made["nests"] = lib.task(_nests(made["plain"], use_async))
    options = {"retry_policy": policy} if flow.flow_retries else {}
    entry = lib.entrypoint(checkpointer=saver, cache=lib.cache(), **options)
    return entry(_arun(lib, flow, made, child) if use_async else _run(lib, flow, made, child))


def _coroutine(fn):
    if fn.__name__ == "keyword":

        async def keyword(x, *, config):
            return fn(x, config=config)

        return keyword

    async def call(x):
        await asyncio.sleep(0)
        return fn(x)

    call.__name__ = call.__qualname__ = fn.__name__
    return call


def _nests(plain, use_async):
    def nests(x):
        return [plain(x).result(), plain(x + 1).result()]

    async def anests(x):
        return [await plain(x), await plain(x + 1)]

    anests.__name__ = "nests"
    return anests if use_async else nests


def child_of(lib, calls):
    def inner(state):
        calls.append(("inner", state["n"]))
        answer = lib.interrupt("inner") if state["n"] else "none"
        return {"n": state["n"] + 1, "log": [answer]}

    graph = lib.StateGraph(lib.State)
    graph.add_node("inner", inner)
    graph.add_edge("__start__", "inner")
    return graph.compile()


def _returned(lib, flow, log, previous):
    value = [previous, *log]
    return lib.entrypoint.final(value=value, save=len(log)) if flow.saves else value


def _starts(lib, made, kind, rest):
    """Do what a statement does at once; return what it is worth, or the futures that it made."""
    if kind == "ask":
        return lib.interrupt(f"flow {rest[0]}")
    if kind == "say":
        return lib.get_stream_writer()(rest[0])
    if kind == "fan":
        return [made[rest[0]](i) for i in range(rest[1])]
    return made[rest[0]](rest[1])


def _run(lib, flow, made, child):
    def wait(kind, rest):
        if kind == "graph":
            return child.invoke({"n": rest[0], "log": []})
        begun = _starts(lib, made, kind, rest)
        if kind == "fan":
            return [future.result() for future in begun]
        return begun.result() if kind in {"call", "try"} else begun

    def flow_(start, *, previous):
        log = [start]
        for kind, *rest in flow.steps:
            try:
                found = wait(kind, rest)
            except (ValueError, KeyError) as error:
                if kind != "try":
                    raise
                found = repr(error)
            log.append(None if kind == "loose" else found)
        return _returned(lib, flow, log, previous)

    flow_.__name__ = "flow"
    return flow_


def _arun(lib, flow, made, child):
    async def wait(kind, rest):
        if kind == "graph":
            return await child.ainvoke({"n": rest[0], "log": []})
        begun = _starts(lib, made, kind, rest)
        if kind == "fan":
            return await asyncio.gather(*begun)
        return await begun if kind in {"call", "try"} else begun

    async def flow_(start, *, previous):
        log = [start]
        for kind, *rest in flow.steps:
            try:
                found = await wait(kind, rest)
            except (ValueError, KeyError) as error:
                if kind != "try":
                    raise
                found = repr(error)
            log.append(None if kind == "loose" else found)
        return _returned(lib, flow, log, previous)

    flow_.__name__ = "flow"
    return flow_


class Player:
    """Does things with one thread of a flow, and notes what comes of it."""

    def __init__(self, lib, flow, saver, *, use_async):
        self.lib, self.flow, self.use_async = lib, flow, use_async
        self.calls, self.ids = [], Ids()
        self.app = build(lib, flow, saver, self.calls, use_async=use_async)
        self.config = {"configurable": {"thread_id": "t"}}
        # LangGraph's tasks that wait for tasks wait for ever where few may run at once.
        if flow.concurrency is not None and lib.limits:
            self.config["max_concurrency"] = flow.concurrency

    def play(self, todo):
        """Do one thing; return the chunks and the error that came of it."""
        kind, at = todo
        if kind == "update":
            return self._update(["updated", at]), None  # LangGraph writes into a bare dict
        config = self.config
        if kind == "start":
            value = {"started": at}
        elif kind == "resume":
            value = self.lib.Command(resume=f"answer {at}")
        elif kind == "resume map":
            asked = [question.id for question in self.app.get_state(config).interrupts]
            value = self.lib.Command(resume={ident: [at] for ident in asked})
        else:
            value = None
            states = list(self.app.get_state_history(config))
            if kind == "replay" and states:
                config = {**states[at % len(states)].config}
        return self._stream(value, config)

    def _update(self, values):
        return shown(self.app.update_state(self.config, values), self.ids)

    def _stream(self, value, config):
        options = {"stream_mode": MODES, "durability": self.flow.durability}
        chunks, error = [], None

        async def collect():
            async for chunk in self.app.astream(value, config, **options):
                chunks.append(chunk)  # noqa: PERF401  what came before an error counts

        try:
            if self.use_async:
                asyncio.run(collect())
            else:
                for chunk in self.app.stream(value, config, **options):
                    chunks.append(chunk)  # noqa: PERF402
        except Exception as raised:  # noqa: BLE001  whatever it raises is its result
            error = (type(raised).__name__, self.ids.hide(str(raised)))
        return self._shown(chunks), error

    def _shown(self, chunks):
        if self.flow.ordered:
            return [_plain(shown(chunk, self.ids), self.ids) for chunk in chunks]
        found = [_plain(shown(chunk, Ids()), None) for chunk in chunks]
        return sorted(found, key=lambda chunk: json.dumps(chunk, default=str))


def _plain(value, ids):
    """Return a chunk without what differs from run to run."""
    if isinstance(value, dict):
        return {k: _plain_key(k, v, ids) for k, v in value.items()}
    if isinstance(value, list | tuple):
        if len(value) == 3 and value[0] == "interrupt":
            return list(value[:2])
        return [_plain(item, ids) for item in value]
    return value


def _plain_key(key, value, ids):
    if key == "id":
        return None if ids is None else ids.of(value)
    if key == "checkpoint_ns":
        return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", value)
    if key == "checkpoint_id" and ids is None:
        return None
    return _plain(value, ids)


def _met(checkpoint):
    """Return which nodes and tasks a checkpoint says have run, and on which channels."""
    return {node: sorted(seen) for node, seen in checkpoint["versions_seen"].items()}


def history(lib, flow, todos, saver, *, use_async=False):
    """Play all actions; return what each gave, and what the thread looked like after it."""
    player = Player(lib, flow, saver, use_async=use_async)
    seen = []
    for todo in todos:
        try:
            chunks, error = player.play(todo)
        except Exception as raised:  # noqa: BLE001
            chunks, error = [], (type(raised).__name__, player.ids.hide(str(raised)))
        states = [shown(s, player.ids) for s in player.app.get_state_history(player.config)]
        latest = shown(player.app.get_state(player.config), player.ids)
        saved = saver.get_tuple(player.config)
        met = None if saved is None else _met(saved.checkpoint)
        seen.append(
            {
                "did": todo,
                "chunks": chunks,
                "error": error,
                "latest": latest,
                "states": states,
                "met": met,
            }
        )
    return seen, player.calls
