"""Columns of words: lists, tuples, sets and arrays of texts, and counts by word."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["text_of", "tokens_of"]

_COLLECTIONS = (list, tuple, set, frozenset, dict, np.ndarray)


def tokens_of(value: Any) -> list[str] | None:
    """Return the words of a collection of texts, ``None`` for any other value; those of a set are sorted.

    Example:
        >>> tokens_of(("cheap", "pills")), tokens_of({"pills": 2}), tokens_of([1, 2]), tokens_of("cheap")
        (['cheap', 'pills'], ['pills'], None, None)
    """
    if type(value) not in _COLLECTIONS or (isinstance(value, np.ndarray) and value.ndim != 1):
        return None
    if isinstance(value, dict) and any(isinstance(part, str | list | dict) for part in value.values()):
        return None  # A record of fields rather than a count of words.
    tokens = list(value)
    if not all(isinstance(token, str) for token in tokens):
        return None
    return sorted(tokens) if isinstance(value, set | frozenset) else list(map(str, tokens))


def text_of(value: Any) -> str | None:
    """Return a text as it is, words joined by blanks, and ``None`` for any other value.

    Example:
        >>> text_of("cheap pills"), text_of(["cheap", "pills"]), text_of(None)
        ('cheap pills', 'cheap pills', None)
    """
    if isinstance(value, str):
        return value
    tokens = tokens_of(value)
    return None if tokens is None else " ".join(tokens)
