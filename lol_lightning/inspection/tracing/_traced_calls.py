"""Sight of calls that an instrumented string cannot hook itself: the functions of ``re`` and methods written in C."""

from __future__ import annotations

import inspect
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from types import FrameType
from typing import Any

from lol_lightning.inspection.tracing._queries import BETWEEN_COLUMNS, HOOK_FILES, Query, Trace, active_trace, recording
from lol_lightning.inspection.tracing._traced_patterns import TracedMatch, plain_pattern
from lol_lightning.inspection.tracing._traced_text import TracedStr

__all__ = ["watch_calls"]

HOOK_FILES.add(__file__)

_Matches = type(re.finditer("", ""))
_MATCHING = ("search", "match", "fullmatch", "findall", "finditer", "split", "sub", "subn")

# What each function returns where the trace answers that the pattern is not in the text.
_WITHOUT_MATCH: dict[str, Callable[[TracedStr], Any]] = {
    **dict.fromkeys(("search", "match", "fullmatch"), lambda text: None),
    "findall": lambda text: [],
    "finditer": lambda text: iter(()),
    "split": lambda text: text.tokens([text]),
    "sub": lambda text: text,
    "subn": lambda text: (text, 0),
}
# And where it answers that it is, without there being one.
_WITH_MATCH: dict[str, Callable[[TracedStr], Any]] = {
    **dict.fromkeys(("search", "match", "fullmatch"), lambda text: re.compile("").match(text)),
    "findall": lambda text: text.tokens([text]),
    "finditer": lambda text: re.compile("").finditer(text, len(text), len(text)),
}


@contextmanager
def watch_calls(trace: Trace, compiled: bool = True) -> Iterator[None]:
    """Record in ``trace`` the patterns that this thread's user code matches and the C methods that it calls.

    The functions of ``re`` are replaced by ones that behave the same in every thread and record in the threads that
    trace; compiled patterns are seen through the profiling hook of this thread. Both are put back.

    Args:
        trace: records the calls.
        compiled: whether to look for compiled patterns, which takes as long again as the rest.
    """
    outer = sys.getprofile()
    _patches.acquire()
    if compiled:
        sys.setprofile(lambda frame, event, arg: _see_c_call(trace, frame, arg) if event == "c_call" else None)
    try:
        yield
    finally:
        sys.setprofile(outer)
        _patches.release()


def _see_c_call(trace: Trace, frame: FrameType, function: Any) -> None:
    owner: Any = getattr(function, "__self__", None)
    if isinstance(owner, TracedStr):
        if trace.is_users(frame):
            _see_bare_method(trace, owner, function.__name__)
    elif type(owner).__name__ == "Pattern" and function.__name__ in _MATCHING and isinstance(owner.pattern, str):
        _see_compiled(trace, frame, owner, function.__name__)


def _see_bare_method(trace: Trace, text: TracedStr, name: str) -> None:
    if name.startswith("is"):
        trace.remarks[f"asks {name}() of {text.origin.column.replace(BETWEEN_COLUMNS, ' + ')!r}"] = None
    else:
        trace.escape(f"str.{name}")


def _see_compiled(trace: Trace, frame: FrameType, pattern: Any, method: str) -> None:
    text: Any = trace.last_text
    asking: FrameType | None = frame
    if frame.f_globals.get("__name__") in ("re", "regex", "regex.regex", "regex._main"):
        text, asking = frame.f_locals.get("string"), frame.f_back
    if not isinstance(text, TracedStr) or asking is None or not trace.is_users(asking):
        return
    if _cuts(trace, method, pattern):
        return
    with recording(None):
        plain = str.__str__(text)
        matches = getattr(pattern, method if method in ("match", "fullmatch") else "search")(plain) is not None
        trace.observe(Query("pattern", pattern.pattern, text.origin.column, pattern.flags), matches)


@lru_cache(maxsize=64)
def _hooked(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    names = list(inspect.signature(original).parameters)
    text_at, flags_at = names.index("string"), names.index("flags") if "flags" in names else -1

    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if args:
            args = (plain_pattern(args[0]), *args[1:])
        elif "pattern" in kwargs:
            kwargs["pattern"] = plain_pattern(kwargs["pattern"])
        result = original(*args, **kwargs)
        trace = active_trace()
        text = args[text_at] if len(args) > text_at else kwargs["string"]
        pattern = args[0] if args else kwargs["pattern"]
        if (
            trace is None
            or not isinstance(text, TracedStr)
            or not isinstance(getattr(pattern, "pattern", pattern), str)
        ):
            return result
        if trace.asking_library() is not None:
            return result
        flags = args[flags_at] if len(args) > flags_at >= 0 else kwargs.get("flags", 0)
        return _answer(trace, name, text, re.compile(pattern, flags), result)

    return call


def _cuts(trace: Trace, name: str, pattern: re.Pattern[str]) -> bool:
    """Tell whether a pattern only cuts a text into tokens, and note it."""
    if name not in ("findall", "finditer", "split") or _has_literal(pattern):
        return False
    trace.tokenizers[pattern.pattern] = None
    return True


@lru_cache(maxsize=1024)
def _has_literal(pattern: re.Pattern[str]) -> bool:
    from lol_lightning.lfs.rules._patterns import regex_features

    return bool(regex_features(pattern.pattern, pattern.flags, label=0))


def _answer(trace: Trace, name: str, text: TracedStr, pattern: re.Pattern[str], result: Any) -> Any:
    if _cuts(trace, name, pattern):
        return _carry(text, result)
    finds = name in ("search", "match", "fullmatch", "findall")
    matches = bool(result) if finds else pattern.search(str.__str__(text)) is not None
    answer = trace.ask(Query("pattern", pattern.pattern, text.origin.column, pattern.flags), matches)
    if not answer:
        return _WITHOUT_MATCH[name](text)
    if not matches and name in _WITH_MATCH:
        result = _WITH_MATCH[name](text)
    return _carry(text, result)


def _carry(text: TracedStr, result: Any) -> Any:
    if isinstance(result, str):
        return text.like(result)
    if isinstance(result, re.Match):
        return TracedMatch(result, text, "piece")
    if type(result) is _Matches:
        return (TracedMatch(match, text, "token") for match in result)
    if type(result) is list and result and type(result[0]) is tuple:  # findall with several groups
        return [tuple(text.like(part, "token") for part in parts) for parts in result]
    if type(result) is list and all(isinstance(item, str) for item in result):
        return text.tokens(result)
    if type(result) is tuple and len(result) == 2:
        return text.like(result[0]), result[1]
    return result


class _RePatches:
    """The hooked functions of ``re``, in place as long as any thread traces."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._originals: dict[str, Callable[..., Any]] = {}

    def acquire(self) -> None:
        with self._lock:
            if not self._users:
                self._originals = {name: getattr(re, name) for name in _MATCHING}
                for name, original in self._originals.items():
                    setattr(re, name, _hooked(name, original))
            self._users += 1

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                for name, original in self._originals.items():
                    setattr(re, name, original)


_patches = _RePatches()
