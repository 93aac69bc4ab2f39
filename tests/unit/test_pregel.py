"""`NodeBuilder` and `Pregel`: LangGraph's tables and LangGraph's errors."""

from __future__ import annotations

import pytest

from vecgraph import channels as our_channels
from vecgraph.errors import InvalidUpdateError
from vecgraph.managed import IsLastStepManager
from vecgraph.nodes.writer import EntryWriter, WriteEntry
from vecgraph.pregel.builder import NodeBuilder
from vecgraph.pregel.lower import check, lower
from vecgraph.types import CachePolicy, RetryPolicy


def build(make_nodes, channel_names=("a", "b"), inputs="a", outputs="b", streams=None, **given):
    """Validate ours; return the program."""
    rules = {name: our_channels.EphemeralValue(int) for name in channel_names}
    program = lower(make_nodes(NodeBuilder), {**rules, **given}, inputs, outputs, streams)
    check(program)
    return program


def build_theirs(make_nodes, channel_names=("a", "b"), inputs="a", outputs="b", streams=None):
    pregel = pytest.importorskip("langgraph.pregel", reason="LangGraph is the reference")
    from langgraph.channels import EphemeralValue

    return pregel.Pregel(
        nodes=make_nodes(pregel.NodeBuilder),
        channels={name: EphemeralValue(int) for name in channel_names},
        input_channels=inputs,
        output_channels=outputs,
        stream_channels=streams,
    )


def one(builder):
    return {"n": builder().subscribe_only("a").do(lambda a: a + 1).write_to("b")}


def several(builder):
    first = builder().subscribe_to("a").subscribe_to("b", read=False).read_from("c").write_to("b")
    return {"first": first, "second": builder().subscribe_only("b").write_to("c", a=1)}


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (one, {}),
        (one, {"inputs": ["a"], "outputs": ["b", "a"], "streams": ["b"]}),
        (several, {"channel_names": ("a", "b", "c")}),
    ],
)
def test_tables_are_langgraphs(make, given):
    mine, theirs = build(make, **given), build_theirs(make, **given)
    assert list(mine.channels) == list(theirs.channels)
    assert list(mine.nodes) == list(theirs.nodes)
    for name, node in theirs.nodes.items():
        lowered = mine.nodes[name]
        assert list(lowered.triggers) == node.triggers
        reads = lowered.reads if isinstance(lowered.reads, str) else list(lowered.reads)
        assert reads == node.channels
        entries = [entry.channel for entry in lowered.writer.entries]
        assert entries == [entry.channel for writer in node.writers for entry in writer.writes]
    assert mine.triggered == {k: tuple(v) for k, v in theirs.trigger_to_nodes.items()}
    streams = theirs.stream_channels_asis
    assert mine.streams == (streams if isinstance(streams, str) else tuple(streams))


ERRORS = [
    (one, {"channel_names": ("b",)}),
    (one, {"channel_names": ("a",)}),
    (one, {"inputs": "b"}),
    (one, {"inputs": ["b"]}),
    (one, {"inputs": ["x"]}),
    (one, {"outputs": "x"}),
    (one, {"outputs": ["b", "x"]}),
    (one, {"streams": ["x"]}),
    (one, {"channel_names": ("a", "b", "__input__")}),
    (several, {}),
    (lambda builder: {"__error__": builder().subscribe_only("a")}, {}),
    (lambda builder: {"n": builder().subscribe_to("a").read_from("x")}, {}),
    (lambda builder: {"n": builder().subscribe_to("x", read=False)}, {}),
    (lambda builder: {"n": builder().subscribe_to("a").subscribe_only("b")}, {}),
    (lambda builder: {"n": builder().subscribe_only("a").subscribe_to("b")}, {}),
    (lambda builder: {"n": builder().subscribe_only("a").read_from("b")}, {}),
    (lambda builder: {"n": builder().subscribe_only("a").set_timeout(0)}, {}),
]


@pytest.mark.parametrize(("make", "given"), ERRORS)
def test_errors_are_langgraphs(make, given):
    raised = []
    for call in (build, build_theirs):
        with pytest.raises((ValueError, TypeError, AssertionError)) as caught:
            call(make, **given)
        raised.append((caught.type, str(caught.value)))
    assert raised[0] == raised[1]


def test_the_channel_of_sends_is_reserved():
    with pytest.raises(ValueError, match="Channel '__pregel_tasks' is reserved"):
        build(one, channel_names=("a", "b", "__pregel_tasks"))
    with pytest.raises(InvalidUpdateError, match="reserved channel TASKS"):
        NodeBuilder().write_to("__pregel_tasks")


def test_writes_are_the_result_a_constant_or_a_function_of_the_result():
    entry = WriteEntry("d", skip_none=True)
    node = NodeBuilder().subscribe_only("a").write_to("b", entry, c=7, e=lambda x: x * 2).build()
    writer = EntryWriter(tuple(node.writes))
    assert writer([1]) == [("b", [1]), ("d", [1]), ("c", 7), ("e", [1, 1])]


def test_none_may_be_left_out():
    assert EntryWriter((WriteEntry("b"), WriteEntry("c", skip_none=True)))(None) == [("b", None)]


def test_what_is_no_node():
    with pytest.raises(TypeError, match="Invalid node type <class 'int'>"):
        build(lambda builder: {"n": 3})


def test_steps_of_a_node_run_one_after_the_other():
    def add(value, config):
        return value + config

    def double(value, *, runtime):
        return value * runtime

    action = NodeBuilder().subscribe_only("a").do(add).do(double).build().bound
    assert action.tier == "rowwise"
    assert dict(action.inject) == {"config": "config", "runtime": "runtime"}
    assert action.fn(1, config=2, runtime=10) == 30


async def test_a_coroutine_among_the_steps_makes_the_node_asynchronous():
    async def add(value):
        return value + 1

    action = NodeBuilder().subscribe_only("a").do(add).do(lambda x: x * 2).build().bound
    assert (action.tier, action.fn) == ("async", None)
    assert await action.afn(1) == 4


def test_a_vector_function_is_a_node_of_its_own():
    builder = NodeBuilder().subscribe_only("a").do(lambda batch: batch, batched=True)
    assert builder.build().bound.tier == "vector"
    with pytest.raises(ValueError, match="cannot be one of several steps"):
        builder.do(lambda x: x)


def test_a_node_without_a_function_passes_its_input_on():
    program = build(lambda builder: {"n": builder().subscribe_only("a").write_to("b")})
    assert program.nodes["n"].action.fn(5) == 5


def test_policies_of_the_graph_are_for_nodes_without_their_own():
    own, shared, cache = RetryPolicy(max_attempts=1), RetryPolicy(), CachePolicy(ttl=1)
    nodes = {
        "own": NodeBuilder().subscribe_only("a").add_retry_policies(own).add_cache_policy(cache),
        "none": NodeBuilder().subscribe_only("a").meta("tag", key=1),
    }
    rules = {"a": our_channels.EphemeralValue(int)}
    program = lower(nodes, rules, "a", "a", None, retry_policy=[shared])
    assert program.nodes["own"].retry_policy == (own,)
    assert program.nodes["none"].retry_policy == (shared,)
    assert program.nodes["own"].cache_policy is cache
    assert program.nodes["none"].metadata == {"key": 1}


def test_managed_values_can_be_read():
    def nodes(builder):
        return {"n": builder().subscribe_to("a").read_from("last").write_to("b")}

    program = build(nodes, last=IsLastStepManager)
    assert dict(program.managed) == {"last": IsLastStepManager}
    assert program.nodes["n"].reads == ("a", "last")
