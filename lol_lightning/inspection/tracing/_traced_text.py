"""Instrumented text: a ``str`` and a list of tokens that behave as usual and record the queries of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, SupportsIndex

from lol_lightning.inspection.tracing._queries import HOOK_FILES, Form, Length, Origin, Query, QueryKind, active_trace
from lol_lightning.inspection.tracing._traced_origin import CarriedStr

__all__ = ["TracedStr", "TracedTokens", "instrument_value", "is_traced"]

HOOK_FILES.add(__file__)

# A count for where a trace answers that something is there that is not.
_MANY = 1000

# What equality with a part says about the text.
_KIND_OF_FORM: dict[Form, QueryKind] = {
    "text": "token",
    "token": "token",
    "start": "prefix",
    "end": "suffix",
    "piece": "substring",
}


class TracedStr(CarriedStr):
    """A string that records the queries of it, and of the strings and tokens that are made of it.

    Outside of ``recording`` it is a string like any other.
    """

    __slots__ = ()

    def tokens(self, values: Iterable[str], form: Form = "token") -> TracedTokens:
        """Return ``values`` as instrumented tokens of this text."""
        return TracedTokens(_make_tokens(values, self.origin._replace(form=form)), self.origin.column)

    def query(self, kind: QueryKind, term: Any) -> Query | None:
        """Return the query for a term, unless it is a part of the data itself."""
        if not isinstance(term, str) or isinstance(term, TracedStr):
            return None
        if kind == "token" and len(term.split()) > 1:
            kind = "substring"
        return Query(kind, term.lower() if self.origin.capitals else term, self.origin.column)

    def ask(self, kind: QueryKind, term: Any, answer: bool) -> bool:
        """Record a query in the running trace and return the answer that the trace decides on."""
        trace, query = active_trace(), self.query(kind, term)
        if trace is None or query is None:
            return answer
        trace.last_text = self
        return trace.ask(query, answer)

    def __contains__(self, term: Any) -> bool:
        return self.ask("substring", term, str.__contains__(self, term))

    def __eq__(self, other: object) -> bool:
        equal = str.__eq__(self, other)
        if equal is NotImplemented:
            return equal
        trace, query = active_trace(), self.query(_KIND_OF_FORM[self.origin.form], other)
        if trace is not None and query is not None and trace.hashed and equal:
            trace.looked_up.add(query)
        return self.ask(_KIND_OF_FORM[self.origin.form], other, equal)

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __hash__(self) -> int:
        trace = active_trace()
        if trace is not None and trace.asking_library() is None:
            trace.hashed = True
        return str.__hash__(self)

    def startswith(self, prefix: str | tuple[str, ...], *span: Any) -> bool:
        return self._affix("prefix", str.startswith, prefix, span)

    def endswith(self, suffix: str | tuple[str, ...], *span: Any) -> bool:
        return self._affix("suffix", str.endswith, suffix, span)

    def _affix(self, kind: QueryKind, method: Callable[..., bool], affix: Any, span: tuple[Any, ...]) -> bool:
        if not isinstance(affix, tuple):
            return self.ask(kind, affix, method(self, affix, *span))
        return any([self.ask(kind, term, method(self, term, *span)) for term in affix])

    def find(self, term: str, *span: Any) -> int:
        return self._position(str.find(self, term, *span), term)

    def rfind(self, term: str, *span: Any) -> int:
        return self._position(str.rfind(self, term, *span), term)

    def index(self, term: str, *span: Any) -> int:
        return _found(self.find(term, *span))

    def rindex(self, term: str, *span: Any) -> int:
        return _found(self.rfind(term, *span))

    def _position(self, position: int, term: str) -> int:
        return max(position, 0) if self.ask("substring", term, position >= 0) else -1

    def count(self, term: str, *span: Any) -> int:
        count = str.count(self, term, *span)
        return _overridden_count(count, self.ask("substring", term, count > 0))

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return self._cut(str.split(self, sep, maxsplit), sep)

    def rsplit(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return self._cut(str.rsplit(self, sep, maxsplit), sep)

    def splitlines(self, keepends: bool = False) -> list[str]:
        return self.tokens(str.splitlines(self, keepends), "text")

    def partition(self, sep: str) -> tuple[str, str, str]:
        return self._part(str.partition(self, sep), sep, (self, "", ""))

    def rpartition(self, sep: str) -> tuple[str, str, str]:
        return self._part(str.rpartition(self, sep), sep, ("", "", self))

    def _cut(self, parts: list[str], sep: str | None) -> list[str]:
        if sep is None or not any(map(str.isalnum, sep)):
            return self.tokens(parts)
        return self.tokens(parts if self.ask("substring", sep, len(parts) > 1) else [self], "piece")

    def _part(self, parts: tuple[str, ...], sep: str, whole: tuple[str, ...]) -> tuple[str, str, str]:
        if any(map(str.isalnum, sep)) and not self.ask("substring", sep, str.__contains__(self, sep)):
            parts = whole
        head, middle, tail = (self.like(part, "piece") for part in parts)
        return head, middle, tail

    def __len__(self) -> int:
        return _length(self, str.__len__(self), "characters")


class TracedTokens(list[str]):
    """A list of tokens of one column that records which tokens are looked for and whether they are counted."""

    def __init__(self, values: Iterable[str], column: str) -> None:
        super().__init__(values)
        self.column = column
        self._plain_tokens: list[str] | None = None

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return TracedTokens, (list(list.__iter__(self)), self.column)

    def _ask(self, term: object, answer: bool) -> bool:
        first = next(list.__iter__(self), None)
        origin = first.origin if isinstance(first, TracedStr) else Origin(self.column, "token")
        return TracedStr("", origin).ask("token", term, answer)

    def _plain(self) -> list[str]:
        if self._plain_tokens is None:
            self._plain_tokens = list(map(str.__str__, list.__iter__(self)))
        return self._plain_tokens

    def __contains__(self, term: object) -> bool:
        return self._ask(term, term in self._plain())

    def count(self, term: str) -> int:
        count = self._plain().count(term)
        return _overridden_count(count, self._ask(term, count > 0))

    def index(self, term: str, *span: Any) -> int:
        tokens = self._plain()
        if not self._ask(term, term in tokens):
            raise ValueError(f"{term!r} is not in list")
        return tokens.index(term, *span) if term in tokens else 0

    def __len__(self) -> int:
        return _length(self, list.__len__(self), "words")

    def __iter__(self) -> Iterator[str]:
        for token in list.__iter__(self):
            trace = active_trace()
            if trace is not None:
                trace.last_text = token
            yield token

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return TracedTokens(list.__getitem__(self, key), self.column)
        trace = active_trace()
        if trace is not None:
            trace.indexed = True
        return list.__getitem__(self, key)


def instrument_value(value: Any, column: str) -> Any:
    """Return a text or a collection of texts in its instrumented form, and anything else as it is.

    Of tuples and sets the members are instrumented; of dicts the texts among the values, or else the keys.

    Example:
        >>> type(instrument_value("a text", "text")).__name__, instrument_value(3, "length")
        ('TracedStr', 3)
    """
    if type(value) is str:
        return TracedStr(value, Origin(column))
    if type(value) is list and value and all(type(item) is str for item in value):
        return TracedTokens(_make_tokens(value, Origin(column, "token")), column)
    if type(value) is dict and any(type(part) is str for part in value.values()):
        return {key: instrument_value(part, column) if type(part) is str else part for key, part in value.items()}
    if type(value) in (tuple, set, frozenset, dict) and value and all(type(item) is str for item in value):
        tokens = _make_tokens(value, Origin(column, "token"))
        return dict(zip(tokens, value.values(), strict=True)) if type(value) is dict else type(value)(tokens)
    return value


def is_traced(value: Any) -> bool:
    """Tell whether a value is an instrumented text, or a collection of such."""
    if isinstance(value, (tuple, set, frozenset, dict)):
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        return any(isinstance(part, TracedStr) for part in parts)
    return isinstance(value, (TracedStr, TracedTokens))


def _make_tokens(values: Iterable[str], origin: Origin) -> list[str]:
    """Build many instrumented strings at once, with the profiling hook of ``watch_calls`` out of the way."""
    hook = sys.getprofile()
    sys.setprofile(None)
    tokens: list[str] = []
    for value in values:
        token = str.__new__(TracedStr, value)
        token.origin = origin
        tokens.append(token)
    sys.setprofile(hook)
    return tokens


def _found(position: int) -> int:
    if position < 0:
        raise ValueError("substring not found")
    return position


def _overridden_count(count: int, answer: bool) -> int:
    return (count or _MANY) if answer else 0


def _length(value: TracedStr | TracedTokens, length: int, unit: str) -> int:
    column = value.origin.column if isinstance(value, TracedStr) else value.column
    trace = active_trace()
    return length if trace is None else trace.ask_length(Length(unit, column), length)


def _changing(name: str) -> Callable[..., Any]:
    method = getattr(list, name)

    def change(self: TracedTokens, *args: Any, **kwargs: Any) -> Any:
        self._plain_tokens = None
        return method(self, *args, **kwargs)

    return change


for _name in (
    *("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"),
    *("__setitem__", "__delitem__", "__iadd__", "__imul__"),
):
    setattr(TracedTokens, _name, _changing(_name))
