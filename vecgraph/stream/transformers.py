"""The transformers that project one stream mode each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from vecgraph.stream.events import StreamTransformer
from vecgraph.stream.lifecycle import LifecyclePayload, LifecycleTransformer, SubgraphStatus
from vecgraph.stream.messages import MessagesTransformer
from vecgraph.stream.stream_channel import StreamChannel
from vecgraph.stream.subgraphs import SubgraphTransformer

if TYPE_CHECKING:
    from vecgraph.stream.events import ProtocolEvent

__all__ = [
    "CheckpointsTransformer",
    "CustomTransformer",
    "DebugTransformer",
    "LifecyclePayload",
    "LifecycleTransformer",
    "MessagesTransformer",
    "SubgraphStatus",
    "SubgraphTransformer",
    "TasksTransformer",
    "UpdatesTransformer",
    "ValuesTransformer",
]


class _OfMode(StreamTransformer):
    """What a graph shows in one stream mode, without what graphs in it show."""

    _native = True
    mode: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.required_stream_modes:
            cls.required_stream_modes = (cls.mode,)

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        super().__init__(scope)
        self._log: StreamChannel[Any] = StreamChannel()

    def init(self) -> dict[str, Any]:
        """Return the stream, under the name of the mode."""
        return {self.mode: self._log}

    def process(self, event: ProtocolEvent) -> bool:
        """Put in what the event says."""
        params = event["params"]
        if event["method"] == self.mode and params["namespace"] == list(self.scope):
            self._log.push(params["data"])
        return True


class ValuesTransformer(_OfMode):
    """``run.values``: the state after each superstep."""

    mode = "values"

    @property
    def error(self) -> BaseException | None:
        """What the run has failed with."""
        return self._log.error


class UpdatesTransformer(_OfMode):
    """``run.updates``: what each node has written, by its name."""

    mode = "updates"


class CustomTransformer(_OfMode):
    """``run.custom``: what nodes write to their stream writers."""

    mode = "custom"


class CheckpointsTransformer(_OfMode):
    """``run.checkpoints``: each checkpoint, if there is a saver."""

    mode = "checkpoints"


class DebugTransformer(_OfMode):
    """``run.debug``: checkpoints and tasks, with step and time."""

    mode = "debug"


class TasksTransformer(_OfMode):
    """``run.tasks``: tasks that begin and end."""

    mode = "tasks"
