"""Checkpoints: what a run was at each superstep, kept where a saver keeps it."""
