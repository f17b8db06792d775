"""Operations that no instrumented string can hook, hooked in the source: f-strings, joins, compiled patterns.

The interpreter and C methods build plain strings and matches from instrumented ones. The function is compiled anew from
its source with these operations replaced by calls of helpers. That is done only where the source compiles to the very
code that the function has; everywhere else these operations are traced less well, never wrongly.
"""

from __future__ import annotations

import ast
import copy
import dis
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from types import CellType, CodeType, FunctionType
from typing import Any

from lol_lightning.inspection.tracing._queries import HOOK_FILES
from lol_lightning.inspection.tracing._traced_text import TracedStr

__all__ = ["hook_source"]

HOOK_FILES.add(__file__)


def hook_source(function: Any) -> Any:
    """Return a function like this one whose f-strings, joins and compiled patterns take part in a trace.

    Returns:
        The function itself where it holds no such operation, or where its source cannot be had.
    """
    if not isinstance(function, FunctionType) or not _needs_hooks(function.__code__):
        return function
    for node in _nodes_at(function):
        imports = _imports(function)
        if _compiled(node, function, imports) == _bare(function.__code__):
            code = _compile(_Hooks().visit(node), function, _HELPERS, imports)
            return function if code is None else _rebuilt(function, code)
    return function


def _needs_hooks(code: CodeType) -> bool:
    here = not _TELLING_NAMES.isdisjoint(code.co_names) or dis.opmap["BUILD_STRING"] in code.co_code[::2]
    return here or any(map(_needs_hooks, _codes(code)))


def _nodes_at(function: FunctionType) -> Iterator[ast.FunctionDef | ast.Lambda]:
    """Yield copies of the functions and lambdas of the source that begin where the function does."""
    for node in ast.walk(_tree(function)):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            lines = [node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]
            if min(lines) == function.__code__.co_firstlineno:
                yield copy.deepcopy(node)


def _imports(function: FunctionType) -> list[ast.stmt]:
    """Return what the module imports: the compiler calls the functions of an imported module in another way."""
    return [node for node in ast.walk(_tree(function)) if isinstance(node, ast.Import | ast.ImportFrom) and node.names]


def _tree(function: FunctionType) -> ast.Module:
    try:
        return _parsed("".join(inspect.findsource(function)[0]))
    except (OSError, TypeError, SyntaxError):
        return ast.Module([], [])


@lru_cache(maxsize=8)
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


class _Hooks(ast.NodeTransformer):
    """Replaces f-strings and calls of methods that have a helper by calls of the helpers."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        parts: list[ast.expr] = [
            part if isinstance(part, ast.Constant) else ast.JoinedStr([part]) for part in node.values
        ]
        return ast.Call(ast.Name("__traced_fstring", ast.Load()), parts, [])

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        node.value = self.visit(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and f"__traced_{node.func.attr}" in _HELPERS:
            helper = ast.Name(f"__traced_{node.func.attr}", ast.Load())
            return ast.Call(helper, [node.func.value, *node.args], node.keywords)
        return node


def _fstring(*parts: str) -> str:
    return _carried("".join(parts), parts)


def _join(separator: Any, *args: Any, **kwargs: Any) -> Any:
    if not isinstance(separator, str) or len(args) != 1 or kwargs:
        return separator.join(*args, **kwargs)
    parts = list(args[0])
    return _carried(str.join(separator, parts), [*parts, separator])


def _format(template: Any, *args: Any, **kwargs: Any) -> Any:
    result = template.format(*args, **kwargs)
    return _carried(result, [*args, *kwargs.values()]) if isinstance(template, str) else result


def _matching(name: str, num_args: int) -> Callable[..., Any]:
    """Hook a method of compiled patterns through the function of ``re``; that one takes no positions in the text."""

    def call(pattern: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(pattern, re.Pattern) and len(args) + len(kwargs) <= num_args:
            return getattr(re, name)(pattern, *args, **kwargs)
        return getattr(pattern, name)(*args, **kwargs)

    return call


_HELPERS: dict[str, Callable[..., Any]] = {
    "__traced_fstring": _fstring,
    "__traced_join": _join,
    "__traced_format": _format,
    **{f"__traced_{name}": _matching(name, 1) for name in ("search", "match", "fullmatch", "findall", "finditer")},
    **{f"__traced_{name}": _matching(name, 3) for name in ("sub", "subn")},
    "__traced_split": _matching("split", 2),
}
# Names whose use makes it worth while to read the source; ``split`` is mostly that of a string.
_TELLING_NAMES = {name.removeprefix("__traced_") for name in _HELPERS} - {"split"} | {"compile"}


def _carried(result: str, parts: Any) -> str:
    source = next((part for part in parts if isinstance(part, TracedStr)), None)
    return result if source is None else source.like(result, "text")


def _compile(
    node: Any, function: FunctionType, helpers: dict[str, Any], imports: Sequence[ast.stmt]
) -> CodeType | None:
    """Compile a function's node inside of one whose parameters are its closure and the helpers."""
    module = ast.parse(f"def outer({', '.join([*function.__code__.co_freevars, *helpers])}): pass")
    if isinstance(node, ast.FunctionDef):
        node.decorator_list = []
    module.body[0].body = [ast.Expr(node) if isinstance(node, ast.Lambda) else node]  # type: ignore[attr-defined]
    module.body += imports
    ast.fix_missing_locations(module)
    try:
        code = compile(module, function.__code__.co_filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    inner = next(_codes(code))
    return next((each for each in _codes(inner) if each.co_name == function.__code__.co_name), None)


def _codes(code: CodeType) -> Iterator[CodeType]:
    return (constant for constant in code.co_consts if isinstance(constant, CodeType))


def _compiled(node: Any, function: FunctionType, imports: Sequence[ast.stmt]) -> Any:
    code = _compile(node, function, {}, imports)
    return None if code is None else _bare(code)


def _bare(code: CodeType) -> tuple[Any, ...]:
    """Return what a code object does, without where it stands."""
    constants = tuple(_bare(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts)
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars


def _rebuilt(function: FunctionType, code: CodeType) -> FunctionType:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells.update({name: CellType(helper) for name, helper in _HELPERS.items()})
    closure = tuple(cells[name] for name in code.co_freevars)
    rebuilt = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, closure)
    rebuilt.__kwdefaults__ = function.__kwdefaults__
    rebuilt.__dict__.update(function.__dict__)
    return rebuilt
