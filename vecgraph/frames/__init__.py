"""Checkpoints as data frames: of pandas, of polars, or Arrow tables.

Four tables: of runs, of their supersteps, of their states, and of their messages. Each is read
from a saver of vecgraph, from an app that has one, or from the result of a batch; only the
columns that are asked for are decoded.
"""

from __future__ import annotations

from vecgraph.frames.branching import Branches
from vecgraph.frames.history import (
    History,
    checkpoints_df,
    history,
    messages_df,
    runs_df,
    steps_df,
)

__all__ = ["Branches", "History", "checkpoints_df", "history", "messages_df", "runs_df", "steps_df"]
