"""Places that hold values which an LF's code reads: what tracing puts there meanwhile, and takes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lol_lightning.inspection.tracing._traced_text import TracedStr

__all__ = ["Place", "SavedState", "substituted"]


@dataclass(frozen=True, eq=False)
class Place:
    """A global, an attribute, a cell of a closure, or a member of a dict or list.

    Args:
        holder: what holds the value.
        key: its name or position; ``None`` for a cell.
        kind: "item", "attribute" or "cell".
    """

    holder: Any
    key: Any
    kind: str

    def get(self) -> Any:
        """Return the value that stands there."""
        if self.kind == "item":
            return self.holder[self.key]
        return getattr(self.holder, "cell_contents" if self.kind == "cell" else self.key)

    def put(self, value: Any) -> None:
        """Put another value there."""
        if self.kind == "item":
            self.holder[self.key] = value
        else:
            setattr(self.holder, "cell_contents" if self.kind == "cell" else self.key, value)


@contextmanager
def substituted(substitutes: Sequence[tuple[Place, Any]]) -> Iterator[None]:
    """Let other values stand in their places; what the code itself puts there meanwhile stays.

    Example:
        >>> words = {"a": 1}
        >>> with substituted([(Place(words, "a", "item"), 2)]):
        ...     print(words)
        {'a': 2}
        >>> words
        {'a': 1}
    """
    before: list[tuple[Place, Any, Any]] = []
    try:
        for place, value in substitutes:
            own = place.get()
            place.put(value)
            before.append((place, own, value))
        yield
    finally:
        for place, own, value in reversed(before):
            if place.get() is value:
                place.put(own)


class SavedState:
    """The members of dicts and sets in which the user's code may keep results: a cache must learn nothing of a trace.

    What a run under overridden answers adds is taken out again, as later votes would rest on it. So is what any run
    adds under an instrumented text, as the next run would ask nothing. Counts and lists stay as the code leaves them.

    Args:
        containers: pairs of a name and a dict, set or list.

    Attributes:
        changed: names of those from which something was taken out.

    Example:
        >>> cache = {"a": 1}
        >>> saved = SavedState([("cache", cache)])
        >>> cache["b"] = 2
        >>> saved.restore(overridden=True)
        >>> cache, list(saved.changed)
        ({'a': 1}, ['cache'])
    """

    def __init__(self, containers: Sequence[tuple[str, Any]]) -> None:
        self.changed: dict[str, None] = {}
        self._saved = [
            (name, value, {id(member): member for member in value})
            for name, value in containers
            if isinstance(value, dict | set) and not isinstance(value, Counter)
        ]

    def restore(self, overridden: bool) -> None:
        """Take out what the last run has added.

        Args:
            overridden: whether it ran under overridden answers.
        """
        for name, value, known in self._saved:
            if len(value) == len(known):
                continue
            # By identity: under overridden answers a text may have been added that equals a known one.
            added = [member for member in value if id(member) not in known]
            known.update((id(member), member) for member in added if not (overridden or _holds_trace(member)))
            if any(id(member) not in known for member in added):
                self.changed[name] = None
                kept = [item for item in _items(value) if id(item[0]) in known]
                value.clear()
                value.update(dict(kept) if isinstance(value, dict) else [member for member, _ in kept])


def _items(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items()) if isinstance(value, dict) else [(member, None) for member in value]


def _holds_trace(value: Any) -> bool:
    return isinstance(value, TracedStr) or (isinstance(value, tuple) and any(map(_holds_trace, value)))
