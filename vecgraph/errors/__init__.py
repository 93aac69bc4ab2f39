"""Every error that vecgraph raises, under LangGraph's names where LangGraph has it.

::

    Exception
    +-- GraphBubbleUp                not a failure: control flow that leaves a node
    |   +-- GraphInterrupt
    |   +-- GraphDrained
    |   +-- ParentCommand
    +-- InvalidUpdateError           a write that breaks a rule
    |   +-- VectorNodeError          a vector node's return of the wrong shape (also a BatchError)
    +-- EmptyInputError              nothing to start from
    +-- EmptyChannelError            a read of a channel never written
    +-- TaskNotFound
    +-- NodeCancelledError
    +-- NodeTimeoutError
    +-- UnknownInterruptError
    +-- BatchError                   vecgraph's own
    |   +-- BatchInputError (also ValueError)  columns that cannot be a batch
    |   +-- WorkerError (also RuntimeError)  other processes cannot run it, or one has ended
    |   +-- TracingError (also ValueError)     a function without a column form
    +-- DamagedCheckpointError       a part of a store is missing or broken
    +-- CheckpointError              what only checkpoints can get wrong
    |   +-- CheckpointFormatError (also ValueError)    no checkpoints, or of an unknown version
    |   +-- CheckpointLockedError (also BlockingIOError)
    |   +-- CheckpointWriteError (also OSError)
    |   +-- CheckpointClosedError (also RuntimeError)
    |   +-- CheckpointConnectionError (also ConnectionError)
    |   +-- CheckpointBudgetError (also MemoryError)
    +-- TypeError
    |   +-- UnserialisableError      a value that would not come back exactly
    +-- ValueError
    |   +-- CorruptDataError         bytes that are not what was stored
    +-- NotImplementedError
    |   +-- UnsupportedError         a feature of LangGraph's that is not there yet
    +-- RuntimeError
    |   +-- InPlaceChangeError       a node changed its input in place (``compile(debug=True)``)
    +-- RecursionError
        +-- GraphRecursionError      more supersteps than the limit

What LangGraph raises too has its type and its text to the letter: help of our own is a
note. Class methods build each error from facts and keep them as attributes.
"""

from __future__ import annotations

from vecgraph.errors._batch import BatchError as BatchError
from vecgraph.errors._batch import BatchInputError as BatchInputError
from vecgraph.errors._batch import InPlaceChangeError as InPlaceChangeError
from vecgraph.errors._batch import TracingError as TracingError
from vecgraph.errors._batch import UnsupportedError as UnsupportedError
from vecgraph.errors._batch import VectorNodeError as VectorNodeError
from vecgraph.errors._batch import WorkerError as WorkerError
from vecgraph.errors._checkpoint import CorruptDataError as CorruptDataError
from vecgraph.errors._checkpoint import DamagedCheckpointError as DamagedCheckpointError
from vecgraph.errors._checkpoint import UnserialisableError as UnserialisableError
from vecgraph.errors._langgraph import EmptyChannelError as EmptyChannelError
from vecgraph.errors._langgraph import EmptyInputError as EmptyInputError
from vecgraph.errors._langgraph import ErrorCode as ErrorCode
from vecgraph.errors._langgraph import GraphBubbleUp as GraphBubbleUp
from vecgraph.errors._langgraph import GraphDrained as GraphDrained
from vecgraph.errors._langgraph import GraphInterrupt as GraphInterrupt
from vecgraph.errors._langgraph import GraphRecursionError as GraphRecursionError
from vecgraph.errors._langgraph import InvalidUpdateError as InvalidUpdateError
from vecgraph.errors._langgraph import NodeCancelledError as NodeCancelledError
from vecgraph.errors._langgraph import NodeError as NodeError
from vecgraph.errors._langgraph import NodeTimeoutError as NodeTimeoutError
from vecgraph.errors._langgraph import ParentCommand as ParentCommand
from vecgraph.errors._langgraph import TaskNotFound as TaskNotFound
from vecgraph.errors._langgraph import UnknownInterruptError as UnknownInterruptError
from vecgraph.errors._langgraph import create_error_message as create_error_message
from vecgraph.errors._langgraph import first_few as first_few
from vecgraph.errors._langgraph import is_invalid_resume as is_invalid_resume
from vecgraph.errors._langgraph import mark_invalid_resume as mark_invalid_resume
from vecgraph.errors._storage import CheckpointBudgetError as CheckpointBudgetError
from vecgraph.errors._storage import CheckpointClosedError as CheckpointClosedError
from vecgraph.errors._storage import CheckpointConnectionError as CheckpointConnectionError
from vecgraph.errors._storage import CheckpointError as CheckpointError
from vecgraph.errors._storage import CheckpointFormatError as CheckpointFormatError
from vecgraph.errors._storage import CheckpointLockedError as CheckpointLockedError
from vecgraph.errors._storage import CheckpointWriteError as CheckpointWriteError

__all__ = [
    "BatchError",
    "BatchInputError",
    "CheckpointBudgetError",
    "CheckpointClosedError",
    "CheckpointConnectionError",
    "CheckpointError",
    "CheckpointFormatError",
    "CheckpointLockedError",
    "CheckpointWriteError",
    "CorruptDataError",
    "DamagedCheckpointError",
    "EmptyChannelError",
    "EmptyInputError",
    "ErrorCode",
    "GraphBubbleUp",
    "GraphDrained",
    "GraphInterrupt",
    "GraphRecursionError",
    "InPlaceChangeError",
    "InvalidUpdateError",
    "NodeCancelledError",
    "NodeError",
    "NodeTimeoutError",
    "ParentCommand",
    "TaskNotFound",
    "TracingError",
    "UnknownInterruptError",
    "UnserialisableError",
    "UnsupportedError",
    "VectorNodeError",
    "WorkerError",
    "create_error_message",
    "first_few",
    "is_invalid_resume",
    "mark_invalid_resume",
]
