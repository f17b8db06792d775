"""What a labeling function asks while it runs: queries, and the trace that records and, on request, overrides them."""

from __future__ import annotations

import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Literal, NamedTuple

__all__ = [
    "BETWEEN_COLUMNS",
    "HOOK_FILES",
    "Form",
    "Length",
    "Origin",
    "Query",
    "QueryKind",
    "Trace",
    "active_trace",
    "is_foreign",
    "recording",
]

QueryKind = Literal["substring", "token", "prefix", "suffix", "pattern"]

HOOK_FILES = {__file__}
"""Files whose frames belong to the instruments; each module of them adds its own."""

# Code that hands a value on without looking into it: reading a row or copying it for a preprocessor.
_CARRIERS = ("snorkel", "pandas", "numpy", "pickle", "copy", "copyreg", "collections", "functools", "lol_lightning")

# What dataclasses, named tuples and attrs generate; the code of a prompt or a notebook is the user's.
_GENERATED = ("<string>", "<attrs generated")

_TYPE_CHECKS = ("jaxtyping/_decorator.py", "jaxtyping\\_decorator.py")

_threads = threading.local()


Form = Literal["text", "token", "start", "end", "piece"]
"""What part of a column's text an instrumented string is."""

BETWEEN_COLUMNS = "\x1f"
"""Stands between the names of the columns whose texts an LF joined, where one name is expected."""


class Origin(NamedTuple):
    """Where an instrumented string comes from.

    ``column`` may be several, see ``BETWEEN_COLUMNS``. ``capitals`` tells whether it was put into capitals, so that
    terms have to be lowered to be comparable.
    """

    column: str
    form: Form = "text"
    capitals: bool = False


class Query(NamedTuple):
    """One question about a text: is ``term`` in it, is a token equal to it, does the pattern match?

    ``flags`` are those of a pattern; ``column`` tells whose text it is about.
    """

    kind: QueryKind
    term: str
    column: str
    flags: int = 0


class Length(NamedTuple):
    """The length of a text, in "words" or "characters"."""

    unit: str
    column: str


@dataclass
class Trace:
    """Record of one run of a labeling function on one instrumented data point.

    Args:
        answers: answers to give in place of the true ones, which is how a query is tested for its effect on the vote.
        home: directory of the LF's own code, which counts as the user's even when it is installed.

    Attributes:
        queries: the queries in order, each with its answer.
        fixed: those of the queries whose answers cannot be overridden, as they went through a compiled pattern.
        lengths: lengths that the LF took.
        looked_up: terms that a hash look-up hit, as in ``token in {"a", "b"}``.
        columns: attributes, columns or keys that were read, and whether they are instrumented text.
        remarks: questions that name no term, such as ``isupper()``.
        escapes: code that was handed the text and asks where nobody sees it.
        writes: attributes that the LF set on the data point.
        hashed: whether a text was hashed, as sets, dicts and counters do.
        indexed: whether tokens were taken by position.
        tokenizers: patterns without a literal by which a text was cut into tokens, which is no question of it.
    """

    answers: Mapping[Query | Length, int] = field(default_factory=dict)
    home: str | None = None
    queries: dict[Query, bool] = field(default_factory=dict)
    fixed: set[Query] = field(default_factory=set)
    lengths: dict[Length, int] = field(default_factory=dict)
    looked_up: set[Query] = field(default_factory=set)
    columns: dict[str, bool] = field(default_factory=dict)
    remarks: dict[str, None] = field(default_factory=dict)
    escapes: dict[str, None] = field(default_factory=dict)
    writes: dict[str, None] = field(default_factory=dict)
    hashed: bool = False
    indexed: bool = False
    tokenizers: dict[str, None] = field(default_factory=dict)
    last_text: str | None = None

    def ask(self, query: Query, answer: bool) -> bool:
        """Record a query of the user's code and return its answer, the overriding one where there is one."""
        if not query.term:
            return answer
        library = self.asking_library()
        if library is not None:
            self.escape(library)
            return answer
        answer = bool(self.answers.get(query, answer))
        self.queries[query] = self.queries.get(query, False) or answer
        return answer

    def ask_length(self, length: Length, value: int) -> int:
        """Record that the LF takes a length and return it, or the overriding one."""
        if self.asking_library() is not None:
            return value
        self.lengths.setdefault(length, value)
        return self.answers.get(length, value)

    def observe(self, query: Query, answer: bool) -> None:
        """Record a query that is watched from outside, whose answer cannot be overridden."""
        self.fixed.add(query)
        self.queries[query] = self.queries.get(query, False) or answer

    def escape(self, name: str) -> None:
        """Record that ``name`` was handed the text."""
        if name.split(".")[0] not in _CARRIERS:
            self.escapes[name] = None

    def asking_library(self) -> str | None:
        """Name the library whose code asks, or return ``None`` where the user's own code does."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and _is_instrument(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is None or self.is_users(frame):
            return None
        return str(frame.f_globals.get("__name__", frame.f_code.co_filename))

    def is_users(self, frame: FrameType) -> bool:
        """Tell whether a frame runs code of the user, not of a library or of the instruments."""
        file = frame.f_code.co_filename
        if file.startswith(_GENERATED):  # Such code belongs to its module.
            module = sys.modules.get(str(frame.f_globals.get("__name__")))
            file = getattr(module, "__file__", None) or file
        return not _is_instrument(file) and not is_foreign(file, self.home)


def active_trace() -> Trace | None:
    """Return the trace that records in this thread, if any."""
    return getattr(_threads, "trace", None)


@contextmanager
def recording(trace: Trace | None) -> Iterator[None]:
    """Let ``trace`` record in this thread; ``None`` pauses recording."""
    outer = active_trace()
    _threads.trace = trace
    try:
        yield
    finally:
        _threads.trace = outer


@lru_cache(maxsize=4096)
def _is_instrument(file: str) -> bool:
    """Tell whether a file holds an instrument, or a check of its types where those are switched on."""
    return file in HOOK_FILES or file.startswith("<@beartype") or file.endswith(_TYPE_CHECKS)


@lru_cache(maxsize=4096)
def is_foreign(file: str, home: str | None = None) -> bool:
    """Tell whether a file belongs to the standard library, an installed package or this one, and not to ``home``."""
    if home is not None and _inside(file, home):
        return False
    installed = "site-packages" in file or "dist-packages" in file or file.startswith("<frozen")
    return installed or any(_inside(file, folder) for folder in _library_folders())


@lru_cache(maxsize=1)
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return paths["stdlib"], paths["platstdlib"], str(Path(__file__).parents[2])


def _inside(file: str, folder: str) -> bool:
    return file.startswith(folder.rstrip("/\\") + ("\\" if "\\" in folder else "/"))
