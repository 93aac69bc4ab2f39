"""Checkpoints in SQL databases: one storage, and what each database says differently as data."""

from __future__ import annotations
