"""What a labeling function's code can reach: compiled patterns, sets of words, and state that it may change."""

from __future__ import annotations

import dis
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from snorkel.labeling import LabelingFunction

from lol_lightning.inspection.tracing._places import Place
from lol_lightning.inspection.tracing._queries import is_foreign

__all__ = ["Reachable", "code_home", "may_read_place", "reach"]

_MAX_ITEMS = 10_000


@dataclass
class Reachable:
    """Values within reach of a labeling function.

    Attributes:
        patterns: compiled patterns.
        word_sets: the words of each set and of each dict's keys.
        state: mutable values by name, whose change would be a side effect.
        global_writes: names of globals and closure variables that the code assigns to.
        functions: the Python functions that were followed.
        places: where compiled patterns and functions with a cache stand.
        containers: the dicts, sets and lists, by name.
        tables: the dicts whose keys are no texts, by name.
    """

    patterns: list[re.Pattern[str]] = field(default_factory=list)
    word_sets: list[frozenset[str]] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    global_writes: list[str] = field(default_factory=list)
    functions: list[FunctionType] = field(default_factory=list)
    places: list[tuple[Place, Any]] = field(default_factory=list)
    containers: list[tuple[str, Any]] = field(default_factory=list)
    tables: list[tuple[str, dict[Any, Any]]] = field(default_factory=list)

    def snapshot(self) -> dict[str, Any]:
        """Return what tells whether the state has changed, by name."""
        return {name: _fingerprint(value) for name, value in self.state.items()}


def reach(lf: LabelingFunction) -> Reachable:
    """Search the globals, closures, defaults, resources, preprocessors and helpers of a labeling function.

    Example:
        >>> from snorkel.labeling import LabelingFunction
        >>> link = re.compile("http")
        >>> reach(LabelingFunction("link", lambda x: 1 if link.search(x.text) else -1)).patterns
        [re.compile('http')]
    """
    search = _Search(code_home(lf._f))
    search.visit("function", lf._f)
    for name, value in lf._resources.items():
        search.visit(name, value, place=Place(lf._resources, name, "item"))
    for preprocessor in lf._pre:
        search.visit("preprocessor", preprocessor)
    return search.result


_PLACE = {
    "T",
    "at",
    "axes",
    "iat",
    "iloc",
    "index",
    "items",
    "keys",
    "loc",
    "name",
    "reset_index",
    "to_dict",
    "to_frame",
}
"""Names of what tells a row's place in the index, or leads to it."""


def may_read_place(lf: LabelingFunction) -> bool:
    """Tell whether an LF may ask for a row's place in the index, as one that looks its vote up by an id does.

    Example:
        >>> from snorkel.labeling import LabelingFunction
        >>> may_read_place(LabelingFunction("a", lambda x: {7: 1}.get(x.name, -1)))
        True
        >>> may_read_place(LabelingFunction("b", lambda x: 1 if "a" in x.text else -1))
        False
    """
    functions = reach(lf).functions
    codes = [code for function in functions for code in _nested(function.__code__)]
    names = {name for code in codes for name in (*code.co_names, *filter(_is_text, code.co_consts))}
    return not functions or type(lf).__call__ is not LabelingFunction.__call__ or not _PLACE.isdisjoint(names)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def code_home(function: Any) -> str | None:
    """Return the folder of a callable's top-level package or module file, ``None`` where there is none."""
    function = getattr(function, "__func__", getattr(function, "func", function))
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    if code is None:
        return None
    file = code.co_filename.replace("\\", "/")
    package = str(getattr(function, "__module__", "") or "").split(".")[0]
    folder, _, inside = file.rpartition(f"/{package}/")
    return f"{folder}/{package}" if inside and folder else None


class _Search:
    """A walk over values that visits each one once."""

    def __init__(self, home: str | None) -> None:
        self.home = home
        self.result = Reachable()
        self._seen: dict[int, Any] = {}

    def visit(self, name: str, value: Any, depth: int = 0, place: Place | None = None) -> None:
        if place is not None and (_is_pattern(value) or _is_cached(value)):
            self.result.places.append((place, value))
        if id(value) in self._seen or depth > 6 or isinstance(value, (str, bytes, int, float, type(None))):
            return
        self._seen[id(value)] = value
        if isinstance(value, re.Pattern):
            if isinstance(value.pattern, str):
                self.result.patterns.append(value)
        elif isinstance(value, (dict, set, frozenset, list, tuple)):
            self._visit_container(name, value, depth)
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                self.visit(name, part, depth + 1)
        elif isinstance(value, MethodType):
            self.visit(name, value.__func__, depth + 1)
            self.visit(name, value.__self__, depth + 1)
        elif _is_cached(value):
            self.visit(name, value.__wrapped__, depth + 1)
        elif isinstance(value, FunctionType):
            self._visit_function(value, depth)
        elif not isinstance(value, (type, ModuleType)):
            self._visit_object(name, value, depth)

    def _visit_container(self, name: str, value: Any, depth: int) -> None:
        if isinstance(value, (dict, set, frozenset)) and value and all(isinstance(item, str) for item in value):
            self.result.word_sets.append(frozenset(value))
        if isinstance(value, dict) and value and not isinstance(next(iter(value)), str):
            self.result.tables.append((name, value))
        if isinstance(value, (dict, set, list)) and len(value) <= _MAX_ITEMS:
            self.result.state[name] = value
            self.result.containers.append((name, value))
        items: Iterable[Any] = [*value, *value.values()] if isinstance(value, dict) else value
        places: dict[int, Place] = {}
        if isinstance(value, (dict, list)) and len(value) <= _MAX_ITEMS:
            keyed = value.items() if isinstance(value, dict) else enumerate(value)
            places = {id(item): Place(value, key, "item") for key, item in keyed}
        for item in list(items)[:_MAX_ITEMS]:
            self.visit(name, item, depth + 1, places.get(id(item)))

    def _visit_object(self, name: str, value: Any, depth: int) -> None:
        if is_foreign(getattr(getattr(type(value), "__init__", None), "__code__", _NO_CODE).co_filename, self.home):
            # A preprocessor's class is Snorkel's, its function and its helpers are the user's.
            for part in ("_f", "_pre"):
                self.visit(name, getattr(value, part, None), depth + 1)
            return
        state = getattr(value, "__dict__", {})
        if state:
            self.result.state[name] = value
        for attribute, part in list(state.items()):
            self.visit(f"{name}.{attribute}", part, depth + 1, Place(state, attribute, "item"))
        for attribute, part in list(vars(type(value)).items()):
            if isinstance(part, FunctionType) or _is_pattern(part) or _is_cached(part):
                self.visit(attribute, part, depth + 1, Place(type(value), attribute, "attribute"))

    def _visit_function(self, function: FunctionType, depth: int) -> None:
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self.visit(function.__name__, wrapped, depth + 1)
        if is_foreign(function.__code__.co_filename, self.home):
            return
        self.result.functions.append(function)
        named: dict[str, Any] = {}
        places: dict[str, Place] = {}
        for cell_name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            named[cell_name], places[cell_name] = _cell_value(cell), Place(cell, None, "cell")
        named.update(function.__kwdefaults__ or {})
        named["default"] = function.__defaults__
        for code in _nested(function.__code__):
            self.result.global_writes += _written_names(code, set(function.__code__.co_freevars))
            for constant in code.co_consts:
                self.visit(function.__name__, constant, depth + 1)
            for name in code.co_names:
                value = function.__globals__.get(name)
                if name in function.__globals__:
                    named[name], places[name] = value, Place(function.__globals__, name, "item")
                if isinstance(value, ModuleType) and not is_foreign(
                    getattr(value, "__file__", None) or "<frozen", self.home
                ):
                    inside = {f"{name}.{n}": n for n in code.co_names if hasattr(value, n)}
                    named.update({full: getattr(value, n) for full, n in inside.items()})
                    places.update({full: Place(value, n, "attribute") for full, n in inside.items()})
        for name, value in named.items():
            self.visit(name, value, depth + 1, places.get(name))


def _is_pattern(value: Any) -> bool:
    return isinstance(value, re.Pattern) and isinstance(value.pattern, str)


def _is_cached(value: Any) -> bool:
    """Tell whether a function keeps its results, as those of ``functools.lru_cache`` and of cachetools do."""
    return callable(getattr(value, "cache_clear", None)) and callable(getattr(value, "__wrapped__", None))


_NO_CODE = (lambda: None).__code__.replace(co_filename="")


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _written_names(code: CodeType, outer: set[str]) -> list[str]:
    return [
        str(step.argval)
        for step in dis.get_instructions(code)
        if step.opname == "STORE_GLOBAL" or (step.opname == "STORE_DEREF" and step.argval in outer)
    ]


def _cell_value(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _fingerprint(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: id(item) for name, item in value.items()}
    if isinstance(value, (list, set)):
        return [id(item) for item in value]
    return {name: id(item) for name, item in vars(value).items()}
