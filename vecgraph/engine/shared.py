"""What all runs of one call share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.config import RunnableConfig
    from vecgraph.engine.scope import TaskScope
    from vecgraph.runtime import RunControl
    from vecgraph.typing import Rows

__all__ = ["Shared"]

_BITS = 20
_WORD = (1 << (63 - _BITS)) - 1


class Shared:
    """What all runs of one call share.

    Attributes
    ----------
    config : RunnableConfig
        Complete.
    context, store : object
    seed : int
        Seed of the batch; `Runtime.rng` depends on it.
    write : callable or None
        Gets the row and the value that a node writes to the ``custom`` stream.
    saver : object
        Keeps checkpoints; None: nobody does.
    durability : {'sync', 'async', 'exit'}
    parents : dict of str to str
        Checkpoints that the tasks around the graph run on, by their namespace.
    coordinates : dict of str to object
        Of its checkpoints, beside the thread.
    parent : TaskScope or None
        The task that runs the graph.
    sink : Sink or None
        Where graphs in tasks show their chunks.
    replay : Replay or None
        What a run that goes back in time tells the graphs in it.
    before, after : frozenset of str, or '*'
        Nodes with breakpoints.
    control : RunControl or None
    cache : object
        Keeps what nodes wrote; None: nobody does.
    timeout : float or None
        Seconds that a superstep may take.
    mail : Mail or None
        Where tasks push messages to.
    surroundings : Surroundings or None
        What other libraries find around them while a task runs.
    debug : bool
        Nodes must not change their inputs in place.
    rows : int64 ndarray, or None
        In a subgraph: the enclosing batch's number of each of its runs.
    steps, tasks : int, or int64 ndarray
        In a subgraph: the enclosing task's `TaskScope.words`, for all its runs or for each.
    path : str
        Names of the enclosing graphs' nodes; keeps a subgraph's random numbers apart.
    start : str
        Of a subgraph that keeps nothing in a graph that does: tells this run of it from others
        that the same task makes, whose questions have ids of their own.
    """

    def __init__(
        self,
        config: RunnableConfig,
        *,
        context: Any = None,
        store: Any = None,
        seed: int = 0,
        write: Callable[[int, Any], None] | None = None,
        path: str = "",
        rows: Rows | None = None,
        steps: Any = 0,
        tasks: Any = 0,
    ) -> None:
        self.config = config
        self.context = context
        self.store = store
        self.seed = seed
        self.write = write
        self.path = path
        self.rows = rows
        self.steps = steps
        self.tasks = tasks
        self.start = ""
        self.saver: Any = None
        self.durability = "async"
        self._ns: str | Callable[[], str] = ""
        self.parents: dict[str, str] = {}
        self.coordinates: dict[str, Any] = {}
        self.parent: TaskScope | None = None
        self.sink: Any = None
        self.replay: Any = None
        self.before: frozenset[str] | str = frozenset()
        self.after: frozenset[str] | str = frozenset()
        self.control: RunControl | None = None
        self.cache: Any = None
        self.timeout: float | None = None
        self.debug = False
        self.mail: Any = None
        self.surroundings: Any = None

    @property
    def ns(self) -> str:
        """Namespace of the graph: empty, or that of the task that runs it."""
        if not isinstance(self._ns, str):
            self._ns = self._ns()
        return self._ns

    def put_in(self, ns: str | Callable[[], str]) -> None:
        """Set the namespace, or what makes it when it is first asked for."""
        self._ns = ns

    @property
    def limit(self) -> int:
        """The recursion limit."""
        return int(self.config["recursion_limit"])

    @staticmethod
    def word(above: Any, local: Any, value: Any) -> Any:
        """Return `value` with the enclosing task's word above it, in the 63 bits of a counter."""
        base = above if isinstance(above, int) else above[local]
        return ((base & _WORD) << _BITS) + value
