"""`stream_events(version="v3")` in both libraries: events, projections, handles of subgraphs."""

from __future__ import annotations

import asyncio
import json
import logging
import operator
import re
import warnings
from types import SimpleNamespace
from typing import Annotated, TypedDict

import langgraph.config
import langgraph.errors
import langgraph.graph
import langgraph.stream
import langgraph.types
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

import vecgraph.config
import vecgraph.errors
import vecgraph.graph
import vecgraph.stream
import vecgraph.types
from tests.differential.door_two import DoorTwo
from tests.differential.threads import START, NodePlan, Plan, build, is_race, plans

logging.getLogger("langgraph").setLevel(logging.ERROR)
pytestmark = pytest.mark.usefixtures("quiet")


def library(graph, types, errors, stream, config):
    return SimpleNamespace(
        StateGraph=graph.StateGraph,
        Command=types.Command,
        Send=types.Send,
        RetryPolicy=types.RetryPolicy,
        interrupt=types.interrupt,
        NodeError=errors.NodeError,
        stream=stream,
        get_stream_writer=config.get_stream_writer,
    )


THEIRS = library(langgraph.graph, langgraph.types, langgraph.errors, langgraph.stream,
                 langgraph.config)  # fmt: skip
OURS = library(vecgraph.graph, vecgraph.types, vecgraph.errors, vecgraph.stream, vecgraph.config)
DOORS = {"door one": OURS, "door two": SimpleNamespace(**{**vars(THEIRS), "StateGraph": DoorTwo})}

OPTIONAL = ["Updates", "Custom", "Checkpoints", "Debug", "Tasks"]


def chosen(lib, names):
    return [getattr(lib.stream, f"{name}Transformer") for name in names]


class Plain:
    """Makes text of what is seen, without ids and times."""

    IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}")
    TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+]*")

    def __init__(self):
        self.known = {}

    def of(self, value):
        text = self.TIMES.sub("TIME", json.dumps(value, default=repr, sort_keys=True))
        return self.IDS.sub(lambda found: self.number(found.group()), text)

    def number(self, ident):
        return f"<{self.known.setdefault(ident, len(self.known))}>"


def event(each):
    params = {k: v for k, v in each["params"].items() if k != "timestamp"}
    return each["type"], each["method"], each.get("seq"), params


def drained(steps):
    """What an iterator gives, and how it ends."""
    found = []
    try:
        found.extend(steps)
    except Exception as error:  # noqa: BLE001
        found.append((type(error).__name__, str(error)))
    return found


def read(run, way, names):
    """Read a run in one of several ways."""
    if way == "events":
        return drained(event(each) for each in run)
    if way == "apart":
        return drained(run.interleave("values", "lifecycle", *map(str.lower, names)))
    if way == "handles":
        return [drained(handle(each) for each in run.subgraphs), ended(run)]
    return ended(run)


def handle(each):
    inside = drained(handle(inner) for inner in each.subgraphs)
    before = each.path, each.graph_name, each.trigger_call_id
    return [before, inside, ended(each), each.status, each.error]


def ended(run):
    """How a run has ended, asked three times."""
    asks = (lambda: run.output, lambda: run.interrupted, lambda: run.interrupts)
    return [drained(ask() for _ in "1") for ask in asks]


WAYS = ["events", "apart", "handles", "end"]


def streamed(lib, plan, names, way):
    calls, saver, plain = [], InMemorySaver(), Plain()
    app = build(lib, plan, saver, calls)
    config = {"configurable": {"thread_id": "t"}, "recursion_limit": 12}
    found = []
    for value in ({"n": 0, "log": []}, lib.Command(resume="x"), None):
        try:
            run = app.stream_events(
                value, config, version="v3", transformers=chosen(lib, names),
                durability=plan.durability,
            )  # fmt: skip
            seen = read(run, way, names)
        except Exception as error:  # noqa: BLE001
            seen = type(error).__name__, str(error)
        found.append(plain.of(seen))
    return found


async def acollected(run, way, names):
    """What `read` finds, on an event loop."""
    found = []

    async def collect(steps, made=lambda each: each):
        try:
            async for each in steps:
                found.append(made(each))
        except Exception as error:  # noqa: BLE001
            found.append((type(error).__name__, str(error)))

    if way == "events":
        await collect(run, event)
    elif way == "apart":
        channels = [run.values, run.lifecycle, *(getattr(run, name.lower()) for name in names)]
        await asyncio.gather(*(collect(channel) for channel in channels))
        found = sorted(Plain().of(each) for each in found)
    else:
        for ask in (run.output, run.interrupted, run.interrupts):
            try:
                found.append(await ask())
            except Exception as error:  # noqa: BLE001
                found.append((type(error).__name__, str(error)))
    return found


async def astreamed(lib, plan, names, way):
    app, plain = build(lib, plan, InMemorySaver(), []), Plain()
    config = {"configurable": {"thread_id": "t"}, "recursion_limit": 12}
    found = []
    for value in ({"n": 0, "log": []}, lib.Command(resume="x"), None):
        try:
            run = await app.astream_events(value, config, version="v3",
                                           transformers=chosen(lib, names))  # fmt: skip
            seen = await acollected(run, way, names)
        except Exception as error:  # noqa: BLE001
            seen = type(error).__name__, str(error)
        found.append(plain.of(seen))
    return found


NESTED = Plan(
    (NodePlan("a"), NodePlan("b", child="child"), NodePlan("c", child="called")),
    ((START, "a"), ("a", "b"), ("b", "c")),
    child_asks=1,
)


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    plan=plans(),
    names=st.lists(st.sampled_from(OPTIONAL), unique=True),
    way=st.sampled_from(WAYS),
    use_async=st.booleans(),
)
@example(plan=NESTED, names=OPTIONAL, way="events", use_async=False)
@example(plan=NESTED, names=OPTIONAL, way="handles", use_async=False)
@example(plan=NESTED, names=["Updates"], way="apart", use_async=True)
def test_runs_are_shown_as_in_langgraph(plan, names, way, use_async, door) -> None:
    assume(not is_race(plan, use_async=use_async))
    # Side by side it depends on threads what is shown first, and what of two failures.
    assume(not plan.joins and not any(node.goto and not node.handled for node in plan.nodes))

    def seen(lib):
        if use_async:
            return asyncio.run(astreamed(lib, plan, names, way))
        return streamed(lib, plan, names, way)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):  # LangGraph's threads race now and then
            wanted, found = seen(THEIRS), seen(DOORS[door])
            if found == wanted:
                break
    for one, other in zip(wanted, found, strict=True):
        assert json.loads(other) == json.loads(one)


# --- transformers of users, in both libraries


class State(TypedDict):
    n: Annotated[int, operator.add]
    messages: list


def small(lib, *nodes, **options):
    graph = lib.StateGraph(State)
    before = "__start__"
    for name, fn in nodes:
        graph.add_node(name, fn)
        graph.add_edge(before, name)
        before = name
    return graph.compile(**options)


def up(state):
    return {"n": 1}


def fails(state):
    raise ValueError("no")


def counting(lib, *, native=False, name="counts", early=False, drops=False, fails_at=None):
    """A transformer that counts updates, in a stream with a name and in one without."""

    class Counting(lib.stream.StreamTransformer):
        _native = native
        before_builtins = early
        required_stream_modes = ("updates",)

        def __init__(self, scope=()):
            super().__init__(scope)
            self.count = 0
            self.seen = []

        def init(self):
            self.named = lib.stream.StreamChannel(name)
            self.local = lib.stream.StreamChannel()
            return {"counts": self.named, "local": self.local, "seen": self.seen}

        def process(self, event):
            if event["method"] == "updates":
                self.count += 1
                if self.count == fails_at:
                    raise KeyError(self.count)
                self.named.push(self.count)
                self.local.push(-self.count)
            return not drops

        def finalize(self):
            self.seen.append("over")

        def fail(self, err):
            self.seen.append(repr(err))

    return Counting


OPTIONS = st.fixed_dictionaries(
    {
        "native": st.booleans(),
        "name": st.sampled_from([None, "counts"]),
        "early": st.booleans(),
        "drops": st.booleans(),
        "fails_at": st.sampled_from([None, None, 2]),
    }
)


@settings(max_examples=80, deadline=None)
@given(
    options=OPTIONS,
    nodes=st.lists(st.sampled_from([up, up, fails]), min_size=1, max_size=3),
    compiled=st.booleans(),
    way=st.sampled_from(["events", "interleave", "tee", "attributes", "abort", "with"]),
)
def test_transformers_of_users(options, nodes, compiled, way) -> None:
    def seen(lib):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind = counting(lib, **options)
            given = {"transformers": [kind]}
            named = [(f"{at}", fn) for at, fn in enumerate(nodes)]
            app = small(lib, *named, **given if compiled else {})
            run = app.stream_events({"n": 0}, version="v3", **{} if compiled else given)
            found = drained(walked(run, way))
            return [*found, run.extensions["seen"], sorted(run.extensions)]

    assert Plain().of(seen(OURS)) == Plain().of(seen(THEIRS))


def walked(run, way):
    if way == "events":
        yield from (event(each) for each in run)
    elif way == "interleave":
        yield from run.interleave("counts", "values", "local")
    elif way == "tee":
        one, other = run.extensions["counts"].tee()
        yield next(one, None)
        yield from other
        yield list(one)
    elif way == "attributes":
        for name in ("counts", "custom", "values"):
            try:
                yield name, list(getattr(run, name))
            except AttributeError as error:
                yield str(error)
        yield run.output
    elif way == "abort":
        first = next(iter(run.values))
        run.abort()
        yield first
        yield run.output
    else:
        with run:
            yield next(iter(run.extensions["local"]), None)
        yield run.interrupted


MISUSES = {
    "no version": lambda lib, app: app.stream_events({"n": 0}, version="v3", stream_mode="values"),
    "subgraphs": lambda lib, app: app.stream_events({"n": 0}, version="v3", subgraphs=True),
    "instance": lambda lib, app: app.stream_events(
        {"n": 0}, version="v3", transformers=[counting(lib)()]
    ),
    "no factory": lambda lib, app: app.stream_events({"n": 0}, version="v3", transformers=[3]),
    "twice": lambda lib, app: app.stream_events(
        {"n": 0}, version="v3", transformers=[counting(lib), counting(lib)]
    ),
    "read twice": lambda lib, app: [
        iter(run.values) for run in [app.stream_events({"n": 0}, version="v3")] * 2
    ],
    "read asynchronously": lambda lib, app: aiter(
        app.stream_events({"n": 0}, version="v3").values
    ),
    "unbound": lambda lib, app: iter(lib.stream.StreamChannel()),
    "tee of none": lambda lib, app: app.stream_events({"n": 0}, version="v3").values.tee(0),
    "maxlen": lambda lib, app: lib.stream.StreamChannel(maxlen=0),
    "no projections": lambda lib, app: app.stream_events(
        {"n": 0}, version="v3", transformers=[no_dict(lib)]
    ),
    "needs a loop": lambda lib, app: app.stream_events(
        {"n": 0}, version="v3", transformers=[loop_only(lib)]
    ),
    "interleaves nothing": lambda lib, app: list(
        app.stream_events({"n": 0}, version="v3").interleave("nothing")
    ),
    "interleaves no stream": lambda lib, app: list(
        app.stream_events(
            {"n": 0}, version="v3", transformers=[counting(lib)]
        ).interleave("seen")
    ),
    "interleaves what is read": lambda lib, app: [
        (iter(run.values), list(run.interleave("values")))
        for run in [app.stream_events({"n": 0}, version="v3")]
    ],
    "no process": lambda lib, app: list(
        app.stream_events({"n": 0}, version="v3", transformers=[lazy(lib)]).values
    ),
}  # fmt: skip


def no_dict(lib):
    return type("NoDict", (lib.stream.StreamTransformer,), {"init": lambda self: []})


def lazy(lib):
    return type("Lazy", (lib.stream.StreamTransformer,), {"init": lambda self: {}})


def loop_only(lib):
    async def aprocess(self, event):
        return True

    body = {"init": lambda self: {}, "aprocess": aprocess}
    return type("LoopOnly", (lib.stream.StreamTransformer,), body)


@pytest.mark.parametrize("misuse", MISUSES)
def test_misuse_is_refused_as_there(misuse) -> None:
    def refusal(lib):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                MISUSES[misuse](lib, small(lib, ("a", up)))
            except Exception as error:  # noqa: BLE001
                return type(error).__name__, str(error)
        return None

    ours = refusal(OURS)
    assert ours is not None
    assert ours == refusal(THEIRS)


def scoring(lib, on_error):
    class Scoring(lib.stream.StreamTransformer):
        requires_async = True
        required_stream_modes = ("updates",)

        def init(self):
            self.scores = lib.stream.StreamChannel()
            return {"scores": self.scores}

        def process(self, event):
            if event["method"] == "updates":
                self.schedule(self.score(event["params"]["data"]), on_error=on_error)
            return True

        async def score(self, update):
            await asyncio.sleep(0)
            if "1" in update:
                raise ValueError("no score")
            self.scores.push(sorted(update))

    return Scoring


async def scored(lib, on_error):
    app, kind = small(lib, ("0", up), ("1", up), ("2", up)), scoring(lib, on_error)
    run = await app.astream_events({"n": 0}, version="v3", transformers=[kind])
    found = []
    try:
        found += [score async for score in run.extensions["scores"]]
        found.append(await run.output())
    except Exception as error:  # noqa: BLE001
        found.append(repr(error))
    return found


@pytest.mark.parametrize("on_error", ["log", "raise"])
async def test_scheduled_work_ends_before_the_run_and_fails_it_if_asked(on_error) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert await scored(OURS, on_error) == await scored(THEIRS, on_error)


async def test_readers_side_by_side_and_an_end_before_the_end() -> None:
    async def seen(lib):
        app = small(lib, ("0", up), ("1", up), ("2", up))
        run = await app.astream_events({"n": 0}, version="v3")
        one, other = run.values.atee()

        async def listed(steps):
            return [value async for value in steps]

        both = await asyncio.gather(listed(one), listed(other), run.output())
        async with await app.astream_events({"n": 0}, version="v3") as run:
            first = await anext(aiter(run.values))
        return both, first, await run.output()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert await seen(OURS) == await seen(THEIRS)


async def test_a_run_is_cancelled_in_the_middle_of_a_node() -> None:
    async def seen(lib):
        stopped = []

        async def waits(state):
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                stopped.append("cancelled")
                raise

        app = small(lib, ("a", up), ("b", waits))
        run = await app.astream_events({"n": 0}, version="v3")

        async def read():
            return [value async for value in run.values]

        reader = asyncio.create_task(read())
        await asyncio.sleep(0.2)
        await run.abort()
        return await reader, stopped

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert await seen(OURS) == await seen(THEIRS)


@pytest.mark.parametrize("door", DOORS)
def test_a_run_inside_a_node_is_read_there(door) -> None:
    def seen(lib):
        child = small(lib, ("in", up))

        def reads(state):
            runs = [child.stream_events({"n": n, "messages": []}, version="v3") for n in (5, 7)]
            return {"messages": [[list(run.values), run.output] for run in runs]}

        app = small(lib, ("a", reads), ("b", child))
        run = app.stream_events({"n": 0, "messages": []}, version="v3")
        return [event(each) for each in run]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Plain().of(seen(DOORS[door])) == Plain().of(seen(THEIRS))


# --- messages


def speaking(messages):
    model = GenericFakeChatModel(messages=iter(messages))

    def speak(state):
        return {"messages": [model.invoke([HumanMessage("say")])]}

    def whole(state):
        return {"messages": [AIMessage("whole", id="w"), ToolMessage("no", tool_call_id="t")]}

    return [("speak", speak), ("whole", whole)]


CALL = {"name": "look", "args": {"at": 1}, "id": "c"}
SAID = [
    AIMessage("hello you there", id="1"),
    AIMessage("and", id="3", tool_calls=[CALL]),
]


def of_message(stream):
    return [
        stream.node, list(stream.text), str(stream.text), str(stream.reasoning),
        stream.tool_calls.get(), stream.output.content, stream.output.tool_calls, stream.done,
    ]  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("message", SAID, ids=lambda message: message.id)
def test_messages_of_langchains_models_are_streams(message, door) -> None:
    def seen(lib):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            app = small(lib, *speaking([message.model_copy()]))
            run = app.stream_events({"n": 0}, version="v3")
            found = [of_message(stream) for stream in run.messages]
            run = small(lib, *speaking([message.model_copy()])).stream_events(
                {"n": 0}, version="v3"
            )
            told = [each["params"]["data"][0] for each in run if each["method"] == "messages"]
            return found, [each for each in told if isinstance(each, dict)]

    assert Plain().of(seen(DOORS[door])) == Plain().of(seen(THEIRS))


@pytest.mark.parametrize("message", SAID, ids=lambda message: message.id)
async def test_messages_of_langchains_models_are_awaited(message) -> None:
    async def seen(lib):
        app = small(lib, *speaking([message.model_copy()]))
        run = await app.astream_events({"n": 0}, version="v3")
        found = []
        async for stream in run.messages:
            pieces = [piece async for piece in stream.text]
            found.append([stream.node, pieces, await stream.text, (await stream).content])
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Plain().of(await seen(OURS)) == Plain().of(await seen(THEIRS))


DICTS = {
    "text": ({"role": "assistant", "content": "hi", "id": "1"}, AIMessage("hi", id="1")),
    "user": ({"role": "user", "content": "yo", "id": "2"}, HumanMessage("yo", id="2")),
    "call": (
        {"role": "assistant", "content": "", "id": "3", "tool_calls": [
            {"id": "c", "type": "function",
             "function": {"name": "look", "arguments": '{"at": 1}'}}]},
        AIMessage("", id="3", tool_calls=[CALL]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DICTS)
def test_messages_that_are_dicts_are_streams_of_the_same_events(name) -> None:
    mine, theirs = DICTS[name]

    def stream_of(lib, message):
        app = small(lib, ("say", lambda state: {"messages": [message]}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(app.stream_events({"n": 0}, version="v3").messages)

    tool = {"role": "tool", "content": "x", "tool_call_id": "c"}
    assert stream_of(OURS, tool) == []
    (ours,), (reference,) = stream_of(OURS, mine), stream_of(THEIRS, theirs)
    assert list(ours) == list(reference)
    assert (ours.node, ours.message_id) == (reference.node, reference.message_id)
    assert list(ours.text) == list(reference.text)
    assert ours.tool_calls.get() == reference.tool_calls.get()
    assert ours.output is mine


async def test_messages_that_are_dicts_are_awaited() -> None:
    message, _ = DICTS["text"]
    app = small(OURS, ("say", lambda state: {"messages": [message]}))
    run = await app.astream_events({"n": 0}, version="v3")
    async for stream in run.messages:
        assert [piece async for piece in stream.text] == ["hi"]
        assert await stream.text == "hi"
        assert await stream == await stream.output == message
        events = [each["event"] async for each in stream]
        assert events[0] == "message-start"
