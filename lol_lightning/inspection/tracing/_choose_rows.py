"""Which rows a labeling function is traced on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

import numpy as np

__all__ = ["choose_rows"]


def choose_rows(num_rows: int, max_rows: int, votes: np.ndarray | None = None) -> Iterator[int]:
    """Choose rows to trace on, in an order of which every beginning is a good sample.

    Each class that votes, and abstaining, gets an equal part of the rows and comes in turn, abstaining last, so that
    a budget that ends early has met every class. The rows of each are spread evenly over the data.

    Example:
        >>> list(choose_rows(10, 5)), list(choose_rows(6, 4, np.array([-1, -1, -1, -1, -1, 1])))
        ([0, 6, 2, 8, 4], [5, 0, 2])
    """
    kinds = [np.arange(num_rows)]
    if votes is not None:
        kinds = [np.flatnonzero(votes == kind) for kind in sorted(np.unique(votes), key=lambda kind: (kind < 0, kind))]
    size = max(1, max_rows // max(1, len(kinds)))
    chosen = [_spread(rows[(np.arange(min(size, len(rows))) * len(rows)) // min(size, len(rows))]) for rows in kinds]
    in_turn = zip_longest(*(rows.tolist() for rows in chosen))
    return (row for turn in in_turn for row in turn if row is not None)


def _spread(rows: np.ndarray) -> np.ndarray:
    """Order rows so that any number of the first ones lies evenly among all: multiples of the golden ratio."""
    ranks = np.argsort(np.arange(len(rows)) * ((np.sqrt(5) - 1) / 2) % 1, kind="stable")
    order = np.empty(len(rows), dtype=np.int64)
    order[ranks] = np.arange(len(rows))
    return rows[order]
