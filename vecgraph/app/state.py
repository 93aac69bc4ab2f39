"""The verbs for a thread's state: what it is, what it was, and changes from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.ambient import current_task
from vecgraph.app.one import OneRun
from vecgraph.app.options import usable
from vecgraph.app.past import snapshot
from vecgraph.app.updating import Write, updated
from vecgraph.config import ensure_config, merge_configs
from vecgraph.engine.attempt import aattempt, attempt
from vecgraph.engine.desk import AsyncDesk, Desk
from vecgraph.engine.gather import Gatherer
from vecgraph.engine.scope import TaskScope
from vecgraph.engine.thread import Ask
from vecgraph.frames import History, history
from vecgraph.types import StateUpdate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator, Sequence

    from vecgraph.app.base import Compiled
    from vecgraph.config import RunnableConfig
    from vecgraph.types import StateSnapshot

__all__ = ["StateApi"]


class StateApi(OneRun):
    """Reads and changes the states that a saver keeps."""

    def get_subgraphs(
        self, *, namespace: str | None = None, recurse: bool = False
    ) -> Iterator[tuple[str, Compiled]]:
        """Yield the graphs that nodes run, with their names.

        Parameters
        ----------
        namespace : str, optional
            Only the graph of this name, like ``parent|child``.
        recurse : bool
            Graphs in graphs too.
        """
        for name, child in self.engine.tables.subgraphs.items():
            if namespace is not None and namespace.split("|")[0] != name:
                continue
            if namespace in {None, name}:
                yield name, child
                if namespace is not None:
                    return
            if recurse:
                rest = None if namespace is None else namespace[len(name) + 1 :]
                for below, graph in child.get_subgraphs(namespace=rest, recurse=True):
                    yield f"{name}|{below}", graph

    async def aget_subgraphs(
        self, *, namespace: str | None = None, recurse: bool = False
    ) -> AsyncIterator[tuple[str, Compiled]]:
        """Yield the graphs that nodes run; see `get_subgraphs`."""
        for found in self.get_subgraphs(namespace=namespace, recurse=recurse):
            yield found

    def get_state(self, config: RunnableConfig, *, subgraphs: bool = False) -> StateSnapshot:
        """Return the state of a thread, at its latest checkpoint or at the one that is named.

        Parameters
        ----------
        subgraphs : bool
            Show the states of the graphs that pending tasks run, too.

        Raises
        ------
        ValueError
            There is no saver.
        """
        saver = self._state_saver()
        found: StateSnapshot = _done(self._got(config, saver, subgraphs=subgraphs), saver)
        return found

    async def aget_state(self, config: RunnableConfig, *, subgraphs: bool = False) -> StateSnapshot:
        """Return the state of a thread; see `get_state`."""
        saver = self._state_saver()
        found: StateSnapshot = await _adone(self._got(config, saver, subgraphs=subgraphs), saver)
        return found

    def _got(
        self, config: Any, saver: Any, *, subgraphs: bool
    ) -> Generator[Ask | Write, Any, StateSnapshot]:
        app, config = self._addressed(config)
        place = config["configurable"]
        place["thread_id"] = str(place["thread_id"])
        saved = yield Ask("get_tuple", (config,))
        live = "checkpoint_id" not in place
        found = yield from snapshot(app, saver, config, saved, recurse=subgraphs, live=live)
        return found

    def get_state_history(
        self,
        config: RunnableConfig,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[StateSnapshot]:
        """Yield the states of a thread, the newest first.

        Parameters
        ----------
        filter : dict, optional
            Only checkpoints whose metadata has these values.
        before : RunnableConfig, optional
            Only checkpoints older than this one.
        limit : int, optional
            At most so many.
        """
        saver = self._state_saver()
        yield from _done(self._listed(config, saver, filter, before, limit), saver)

    async def aget_state_history(
        self,
        config: RunnableConfig,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[StateSnapshot]:
        """Yield the states of a thread, the newest first; see `get_state_history`."""
        saver = self._state_saver()
        for found in await _adone(self._listed(config, saver, filter, before, limit), saver):
            yield found

    def _listed(
        self, config: Any, saver: Any, wanted: Any, before: Any, limit: Any
    ) -> Generator[Ask | Write, Any, list[StateSnapshot]]:
        app, config = self._addressed(config)
        place = config["configurable"]
        place["thread_id"] = str(place["thread_id"])
        place.setdefault("checkpoint_ns", "")
        options = {"before": before, "limit": limit, "filter": wanted}
        saves = yield Ask("list", (config, options))
        found = []
        for saved in saves:
            shown = yield from snapshot(app, saver, saved.config, saved)
            found.append(shown)
        return found

    def update_state(
        self,
        config: RunnableConfig,
        values: Any,
        as_node: str | None = None,
        task_id: str | None = None,
    ) -> RunnableConfig:
        """Change a thread's state as if a node had returned `values`.

        Parameters
        ----------
        as_node : str, optional
            The node; else the one that ran last. `END` with no values drops what is due,
            ``__input__`` writes an input, ``__copy__`` copies the checkpoint.
        task_id : str, optional
            Id of the task that it stands for.

        Returns
        -------
        RunnableConfig
            Coordinates of the new checkpoint.

        Raises
        ------
        InvalidUpdateError
            The node does not exist, or it cannot be told which is meant.
        """
        return self.bulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    async def aupdate_state(
        self,
        config: RunnableConfig,
        values: Any,
        as_node: str | None = None,
        task_id: str | None = None,
    ) -> RunnableConfig:
        """Change a thread's state as if a node had returned `values`; see `update_state`."""
        return await self.abulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    def bulk_update_state(
        self, config: RunnableConfig, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> RunnableConfig:
        """Change a thread's state superstep by superstep; each has one or several updates."""
        saver = self._state_saver()
        found: RunnableConfig = _done(self._changed(config, saver, supersteps), saver)
        return found

    async def abulk_update_state(
        self, config: RunnableConfig, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> RunnableConfig:
        """Change a thread's state superstep by superstep; see `bulk_update_state`."""
        saver = self._state_saver()
        found: RunnableConfig = await _adone(self._changed(config, saver, supersteps), saver)
        return found

    def _changed(
        self, config: Any, saver: Any, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> Generator[Ask | Write, Any, Any]:
        app, config = self._addressed(config, for_update=True)
        place = {**config["configurable"], "thread_id": str(config["configurable"]["thread_id"])}
        config = ensure_config(app.config, {**config, "configurable": place})
        found = yield from updated(app, saver, config, supersteps)
        return found

    def history(self, threads: Sequence[str] | None = None, *, ns: str | None = None) -> History:
        """Return the checkpoints of the app's saver, as tables and to branch from.

        Parameters
        ----------
        threads : sequence of str, optional
            Ids; None: all.
        ns : str, optional
            Namespace: empty for the graph itself, others for its subgraphs; None: all.

        Raises
        ------
        TypeError
            The app has no saver of vecgraph.
        """
        return history(self, threads, ns=ns)

    def _state_saver(self) -> Any:
        if self.checkpointer is False:
            raise ValueError("No checkpointer set")
        scope = current_task.get()
        if isinstance(scope, TaskScope):
            saver = scope.shared.saver
        elif self.checkpointer is True:
            raise RuntimeError("checkpointer=True cannot be used for root graphs.")
        else:
            saver = usable(self.checkpointer)
        if saver is None:
            raise ValueError("No checkpointer set")
        return saver

    def _addressed(self, config: Any, *, for_update: bool = False) -> tuple[Compiled, Any]:
        """Return the graph that a config's namespace means, and the config with its coordinates."""
        ns = config["configurable"].get("checkpoint_ns", "")
        if ns:
            name = "|".join(part.split(":")[0] for part in ns.split("|") if not part.isdigit())
            for _, child in self.get_subgraphs(namespace=name, recurse=True):
                return child, child.own_place(merge_configs(child.config, config))
            if for_update:
                raise ValueError(f"Subgraph {name} not found")
        return self, self.own_place(merge_configs(self.config, config))


def _done(steps: Generator[Ask | Write, Any, Any], saver: Any) -> Any:
    """Do what is asked for, in this thread; return what comes of it."""
    desk, answer = Desk(saver), None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as ended:
            return ended.value
        if isinstance(step, Ask):
            answer = desk.answer(step)
        else:
            token = current_task.set(step.scope)
            try:
                attempt(step.past.tables, step.past.run, step.task, step.scope)
            finally:
                current_task.reset(token)
            answer = None


async def _adone(steps: Generator[Ask | Write, Any, Any], saver: Any) -> Any:
    """Do what is asked for, on the event loop; return what comes of it."""
    desk, answer = AsyncDesk(saver), None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as ended:
            return ended.value
        if isinstance(step, Ask):
            answer = await desk.answer(step)
        else:
            past, answer = step.past, None
            gatherer = Gatherer(past.tables, past.shared)
            token = current_task.set(step.scope)
            try:
                await aattempt(past.tables, past.run, step.task, step.scope, gatherer)
            finally:
                current_task.reset(token)
                gatherer.close()
