"""Whole graphs of numbers as one compiled loop per run, by Numba; an extra that is never needed."""
