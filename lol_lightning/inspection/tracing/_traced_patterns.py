"""Compiled patterns and matches that take part in a trace, as the functions of ``re`` do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lol_lightning.inspection.tracing._queries import HOOK_FILES, Form
from lol_lightning.inspection.tracing._traced_text import TracedStr

__all__ = ["TracedMatch", "TracedPattern", "plain_pattern"]

HOOK_FILES.add(__file__)


class TracedPattern:
    """Stands for a compiled pattern while a trace records: its methods go through the hooked functions of ``re``."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pattern, name)

    def __eq__(self, other: object) -> bool:
        return bool(self._pattern == plain_pattern(other))

    def __hash__(self) -> int:
        return hash(self._pattern)

    def __repr__(self) -> str:
        return repr(self._pattern)

    def __reduce__(self) -> tuple[Any, ...]:
        return re.compile, (self._pattern.pattern, self._pattern.flags)


def plain_pattern(value: Any) -> Any:
    """Return the pattern that a ``TracedPattern`` stands for, and anything else as it is."""
    return value._pattern if isinstance(value, TracedPattern) else value


class TracedMatch:
    """A match whose groups are instrumented texts; everything else is the match's own.

    Args:
        match: the match.
        text: the text in which it was found.
        form: what part of the text its groups are.
    """

    def __init__(self, match: re.Match[str], text: TracedStr, form: Form) -> None:
        self._match, self._text, self._form = match, text, form

    def __getattr__(self, name: str) -> Any:
        return getattr(self._match, name)

    def __getitem__(self, group: Any) -> Any:
        return self._carried(self._match[group])

    def group(self, *groups: Any) -> Any:
        """Return one group or several, as ``re.Match.group`` does."""
        found = self._match.group(*groups)
        return tuple(map(self._carried, found)) if isinstance(found, tuple) else self._carried(found)

    def groups(self, default: Any = None) -> tuple[Any, ...]:
        """Return all groups."""
        return tuple(map(self._carried, self._match.groups(default)))

    def groupdict(self, default: Any = None) -> dict[str, Any]:
        """Return all groups that have a name."""
        return {name: self._carried(value) for name, value in self._match.groupdict(default).items()}

    def _carried(self, value: Any) -> Any:
        return self._text.like(value, self._form) if isinstance(value, str) else value


def _method(name: str, num_args: int) -> Callable[..., Any]:
    """Hook a method through the function of ``re``, which takes no positions in the text."""

    def call(self: TracedPattern, *args: Any, **kwargs: Any) -> Any:
        if len(args) + len(kwargs) <= num_args:
            return getattr(re, name)(self._pattern, *args, **kwargs)
        return getattr(self._pattern, name)(*args, **kwargs)

    return call


for _name, _num_args in (
    *(("search", 1), ("match", 1), ("fullmatch", 1), ("findall", 1), ("finditer", 1)),
    *(("split", 2), ("sub", 3), ("subn", 3)),
):
    setattr(TracedPattern, _name, _method(_name, _num_args))
