"""Workflows and tasks: threads, limits, names, errors, and tasks of graphs' nodes."""

from __future__ import annotations

import asyncio
import operator
import threading
import time
from typing import Annotated, TypedDict

import pytest
from langgraph.cache.memory import InMemoryCache

from vecgraph.errors import NodeTimeoutError
from vecgraph.func import entrypoint, task
from vecgraph.graph import StateGraph
from vecgraph.runtime import get_runtime
from vecgraph.types import CachePolicy, RetryPolicy, TimeoutPolicy


@task
def double(x):
    return 2 * x


@task
async def adouble(x):
    await asyncio.sleep(0)
    return 2 * x


def test_a_task_outside_a_run_is_refused() -> None:
    with pytest.raises(RuntimeError, match="outside of a runnable context"):
        double(1)


def test_a_coroutine_task_in_a_synchronous_workflow_is_refused() -> None:
    @entrypoint()
    def flow(x):
        return adouble(x).result()

    with pytest.raises(RuntimeError, match="In an sync context async tasks cannot be called"):
        flow.invoke(1)


def test_a_workflow_must_take_an_input_and_be_no_generator() -> None:
    with pytest.raises(ValueError, match="at least one parameter"):
        entrypoint()(lambda: 1)

    def generator(x):
        yield x

    with pytest.raises(NotImplementedError, match="Generators"):
        entrypoint()(generator)


def test_a_final_needs_two_types() -> None:
    def flow(x):
        return entrypoint.final(value=x, save=str(x))

    flow.__annotations__["return"] = entrypoint.final[int, str]
    assert entrypoint()(flow).invoke(1) == 1


def test_time_limits_are_for_coroutines() -> None:
    with pytest.raises(ValueError, match="Task 'slow' is sync"):

        @task(timeout=1)
        def slow(x):
            return x


async def test_a_task_that_takes_too_long_fails_and_may_be_tried_again() -> None:
    calls = []

    @task(timeout=0.05, retry_policy=RetryPolicy(initial_interval=0, jitter=False))
    async def slow(x):
        calls.append(x)
        await asyncio.sleep(30 if len(calls) == 1 else 0)
        return x

    @task(timeout=TimeoutPolicy(idle_timeout=0.05))
    async def idle(x):
        await asyncio.sleep(30)

    @entrypoint()
    async def flow(x):
        first = await slow(x)
        with pytest.raises(NodeTimeoutError, match="idle"):
            await idle(x)
        return first

    assert await flow.ainvoke(3) == 3
    assert calls == [3, 3]


def test_tasks_run_side_by_side_in_threads() -> None:
    met = threading.Barrier(3, timeout=20)

    @task
    def meet(x):
        met.wait()
        return x

    @entrypoint()
    def flow(n):
        return [future.result() for future in [meet(i) for i in range(n)]]

    assert flow.invoke(3) == [0, 1, 2]


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("use_async", [False, True])
def test_no_more_tasks_run_at_once_than_allowed_and_nested_ones_do_not_wait(
    limit, use_async
) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def work(x):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1
        return x

    leaf = task(work)

    @task
    def nest(x):
        return sum(future.result() for future in [leaf(i) for i in range(x)])

    @entrypoint()
    def flow(x):
        futures = [nest(i) for i in range(x)]
        return [future.result() for future in futures]

    config = {"max_concurrency": limit}
    if use_async:
        assert asyncio.run(flow.ainvoke(5, config)) == [0, 0, 1, 3, 6]
    else:
        assert flow.invoke(5, config) == [0, 0, 1, 3, 6]
    assert most <= limit


@pytest.mark.parametrize("limit", [1, 3])
async def test_coroutine_tasks_obey_the_limit_at_each_depth(limit) -> None:
    running = most = 0

    @task
    async def leaf(x):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return x

    @task
    async def nest(x):
        return sum(await asyncio.gather(*[leaf(i) for i in range(x)]))

    @entrypoint()
    async def flow(x):
        return await asyncio.gather(*[nest(i) for i in range(x)])

    found = await flow.abatch([5, 4], {"max_concurrency": limit})
    assert found == [[0, 0, 1, 3, 6], [0, 0, 1, 3]]
    assert most <= limit


async def test_a_synchronous_workflow_on_a_loop_may_call_coroutine_tasks() -> None:
    @entrypoint()
    def flow(x):
        return [double(x).result(), adouble(x).result()]

    assert await flow.ainvoke(4) == [8, 8]
    assert [chunk async for chunk in flow.astream(4)] == [
        {"double": 8},
        {"adouble": 8},
        {"flow": [8, 8]},
    ]


async def test_a_coroutine_workflow_may_call_synchronous_tasks_which_do_not_hold_up_the_loop() -> (
    None
):
    met = threading.Barrier(2, timeout=20)

    @task
    def meet(x):
        met.wait()
        return x

    @entrypoint()
    async def flow(x):
        return await asyncio.gather(meet(1), meet(2))

    assert await flow.ainvoke(0) == [1, 2]


async def test_when_a_workflow_fails_its_tasks_are_cancelled() -> None:
    ended = []

    @task
    async def long(x):
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append(x)
            raise

    @entrypoint()
    async def flow(x):
        long(x)
        await asyncio.sleep(0.01)
        raise KeyError(x)

    with pytest.raises(KeyError):
        await flow.ainvoke("x")
    assert ended == ["x"]


async def test_when_a_run_is_cancelled_its_tasks_are() -> None:
    ended = []
    begun = asyncio.Event()

    @task
    async def long(x):
        begun.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append(x)
            raise

    @entrypoint()
    async def flow(x):
        return await long(x)

    run = asyncio.ensure_future(flow.ainvoke("x"))
    await begun.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert ended == ["x"]


def test_names_methods_partials_and_callable_objects() -> None:
    class Adder:
        def __init__(self, n):
            self.n = n

        def add(self, x):
            return x + self.n

        def __call__(self, x):
            return x + self.n

    add = task(name="plus")(Adder(1).add)
    callable_object = task(Adder(2))
    named = task(name="twice")(double.func)

    @entrypoint()
    def flow(x):
        return add(callable_object(named(x).result()).result()).result()

    assert list(flow.stream(1)) == [{"twice": 2}, {"Adder": 4}, {"plus": 5}, {"flow": 5}]
    assert named.__name__ == "twice"
    assert double.func.__name__ == "double"


def test_a_cache_is_cleared_task_by_task() -> None:
    calls = []

    @task(cache_policy=CachePolicy())
    def costly(x):
        calls.append(x)
        return x

    cache = InMemoryCache()

    @entrypoint(cache=cache)
    def flow(x):
        return costly(x).result()

    assert [flow.invoke(1), flow.invoke(1)] == [1, 1]
    assert calls == [1]
    costly.clear_cache(cache)
    flow.invoke(1)
    assert calls == [1, 1]
    asyncio.run(costly.aclear_cache(cache))
    flow.invoke(1)
    assert calls == [1, 1, 1]


class Summed(TypedDict):
    n: int
    found: Annotated[list, operator.add]


def hidden(x):
    """Call a task in a way that nobody sees from outside."""
    return globals()["double"](x).result()


@pytest.mark.parametrize("call", [lambda x: double(x).result(), hidden], ids=["seen", "hidden"])
@pytest.mark.parametrize("use_async", [False, True])
def test_nodes_of_graphs_call_tasks_one_run_or_many(call, use_async) -> None:
    graph = StateGraph(Summed)
    graph.add_node("a", lambda state: {"found": [call(state["n"])]})
    graph.add_edge("__start__", "a")
    app = graph.compile()
    inputs = [{"n": n, "found": []} for n in range(70)]
    wanted = [{"n": n, "found": [2 * n]} for n in range(70)]
    if use_async:
        assert asyncio.run(app.abatch(inputs)) == wanted
        assert asyncio.run(app.ainvoke(inputs[3])) == wanted[3]
    else:
        assert app.batch(inputs) == wanted
        assert app.invoke(inputs[3]) == wanted[3]


def test_random_numbers_of_calls_differ_and_are_the_same_again() -> None:
    @task
    def draw(_):
        return get_runtime().rng.random()

    @entrypoint()
    def flow(n):
        return [draw(i).result() for i in range(n)]

    first = flow.invoke(20, seed=1)
    assert len(set(first)) == 20
    assert flow.invoke(20, seed=1) == first
    assert flow.batch([20, 20], seed=1)[0] == first


def test_a_closed_stream_lets_its_threads_go() -> None:
    gate = threading.Event()

    @task
    def slow(x):
        gate.wait(20)
        return x

    @entrypoint()
    def flow(x):
        futures = [slow(i) for i in range(x)]
        double(1).result()
        gate.set()
        return [future.result() for future in futures]

    stream = flow.stream(3)
    assert next(stream) == {"double": 2}
    stream.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("vecgraph-stream")]


@pytest.mark.parametrize("use_async", [False, True])
def test_workflows_of_a_batch_run_side_by_side_each_as_if_it_were_alone(use_async) -> None:
    met = threading.Barrier(3, timeout=20)

    @entrypoint()
    def flow(x):
        met.wait()
        if x == 1:
            raise KeyError(x)
        return double(x).result() + get_runtime().rng.random()

    def batch(inputs):
        config = {"max_concurrency": 3}
        if use_async:
            return asyncio.run(flow.abatch(inputs, config, return_exceptions=True, seed=5))
        return flow.batch(inputs, config, return_exceptions=True, seed=5)

    first = batch([0, 1, 2])
    assert isinstance(first[1], KeyError)
    assert [int(first[0]), int(first[2])] == [0, 4]
    assert repr(batch([0, 1, 2])) == repr(first)
    assert batch([0, 0, 0])[0] == first[0] != batch([0, 0, 0])[1]
