"""The short way of a single run on an event loop: see `quick`, of which it is the other driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from vecgraph.ambient import current_task
from vecgraph.constants import START, TASKS
from vecgraph.engine.quick import Quick, can_be_quick, on_the_general_way
from vecgraph.engine.quick_node import Node, Router, Scope
from vecgraph.engine.run import TaskError
from vecgraph.errors import EmptyInputError, GraphRecursionError, NodeCancelledError

if TYPE_CHECKING:
    from vecgraph.engine.gather import Gatherer
    from vecgraph.engine.run import Run
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import NodeSpec

__all__ = ["LoopQuick", "can_be_quick_on_loop"]


class LoopQuick(Quick):
    """A program whose single runs may be short on an event loop."""

    tiers: ClassVar[frozenset[str]] = frozenset({"rowwise", "async"})

    @staticmethod
    def node(tables: Tables, spec: NodeSpec) -> LoopNode:
        """Return what runs a node."""
        return LoopNode(tables, spec)

    async def arun(self, run: Run, input: Any, shared: Shared, gatherer: Gatherer) -> bool:
        """Run to the end, or to where the run must go on the general way; see `Quick.run`.

        It goes on there where packets are sent, or several nodes are due at once.
        """
        if input is None:
            raise EmptyInputError.for_channels(START)
        scope = LoopScope(shared, self._tables, run, gatherer)
        run.step += 1
        token = current_task.set(scope)
        try:
            node, value = self._nodes[START], input
            while True:
                going = await self._one(run, scope, node, value)
                run.step += 1
                if TASKS in run.cells or len(going) > 1:
                    on_the_general_way(self._tables, run, going)
                    return False
                if going:
                    node = self._nodes[going[0]]
                    value = node.input(run)
                if run.step > run.stop:
                    raise GraphRecursionError.at(shared.limit)
                if not going:
                    break
        finally:
            current_task.reset(token)
        run.ended = "done"
        return True

    async def _one(self, run: Run, scope: LoopScope, node: LoopNode, value: Any) -> list[str]:
        """Run the only node that is due and apply what it wrote; return those that are due next."""
        error: TaskError | None = None
        pairs: Pairs = []
        try:
            pairs = await node.arun(run, scope, value)
        except TaskError as one:
            error = one
        if run.calls is not None:
            await scope.asettle(failed=error is not None)
        if error is not None:
            raise error
        if run.ended:
            return self._applied(run, scope, [(node, pairs)], None)
        return self._put(run, scope, node, pairs)


class LoopNode(Node):
    """A node with what is looked up at each of its runs, and its coroutine function."""

    __slots__ = ("_routers",)

    def __init__(self, tables: Tables, spec: NodeSpec) -> None:
        super().__init__(tables, spec)
        self._routers = [LoopRouter(tables, branch) for branch in spec.branches]

    async def arun(self, run: Run, scope: LoopScope, value: Any) -> Pairs:
        """Run the node and its routers; return what it wrote."""
        import asyncio

        scope.begin(self.spec)
        pairs: Pairs = []
        try:
            result = value if self.spec.action is None else await self._called(scope, value)
            pairs = self._written(scope, result)
            for router in self._routers:
                ways = await router.arun(run, scope, pairs, result)
                pairs += [*scope.taken(), *ways]
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise  # from outside: no failure of the node
            return self._failed(run, scope, pairs, NodeCancelledError(self.spec.name))
        except Exception as error:  # noqa: BLE001 - told apart below
            return self._failed(run, scope, pairs, error)
        return pairs

    async def _called(self, scope: LoopScope, value: Any) -> Any:
        extra = scope.arguments(self.inject) if self.inject else {}
        if self._afn is None:
            scope.blocking = True  # tasks that it calls run in threads: it holds the loop
            try:
                return self._fn(value, **extra)
            finally:
                scope.blocking = False
        return await scope.called(self._afn(value, **extra))


class LoopRouter(Router):
    """A router with what is looked up at each of its runs, and its coroutine function."""

    __slots__ = ()

    async def arun(self, run: Run, scope: LoopScope, pairs: Pairs, result: Any) -> Pairs:
        """Return the writes that send the run on."""
        if self._afn is None:
            scope.blocking = True
            try:
                return self.run(run, scope, pairs, result)
            finally:
                scope.blocking = False
        value = self.input(run, pairs, result)
        extra = scope.arguments(self.inject) if self.inject else {}
        return self.sent_by(await scope.called(self._afn(value, **extra)))


class LoopScope(Scope):
    """The scope of a task on the short way on an event loop."""

    __slots__ = ("_gatherer",)

    def __init__(self, shared: Shared, tables: Tables, run: Run, gatherer: Gatherer) -> None:
        super().__init__(shared, tables, run)
        self._gatherer = gatherer

    async def called(self, work: Any) -> Any:
        """Wait for a coroutine, in one of the slots that the config allows."""
        if self._gatherer.is_unlimited:
            return await work
        async with self._gatherer.slot():  # no task has called this one
            return await work

    def call(self, spec: NodeSpec, args: Any, kwargs: Any) -> Any:
        """Start a task of the functional API; return the future of its result."""
        if self.run.calls is None:
            from vecgraph.engine.loop_calls import LoopCalls  # asyncio only where it is used
            from vecgraph.engine.serve import Server

            server = Server(self.tables, self.run, self.shared, self._gatherer, None, None)
            self.run.calls = LoopCalls(server)
        return super().call(spec, args, kwargs)

    async def asettle(self, *, failed: bool) -> None:
        """Wait for the tasks that the node has called."""
        calls: Any = self.run.calls
        await calls.asettle(cancel=failed)
        calls.close()
        if calls.asks:
            self.run.ended = "interrupt"
        self.run.calls = None


def can_be_quick_on_loop(tables: Tables, run: Run, input: Any, shared: Shared) -> bool:
    """Return whether nothing that a call asks for needs the general way."""
    if tables.quick_on_loop is None or shared.surroundings is not None:
        return False
    return can_be_quick(tables, run, input, shared, tables.quick_on_loop)
