"""Regular expressions as a row of pieces: finite sets of literal strings and the gaps between them.

Both readers of a pattern stand on this: ``patterns`` (what does it inspect?) and ``literals`` (what must a text hold?).
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

__all__ = ["BOUNDARY", "END", "MARKERS", "START", "Node", "Piece", "edge", "parse_pattern", "pieces"]

_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

START, END, BOUNDARY = "\U0010ffff", "\U0010fffe", "\U0010fffd"
"""Marks in a literal string where the text starts, where it ends, and where a word or line does; of no width."""
MARKERS = START + END + BOUNDARY

# Plain integers: the operators of re.RegexFlag are slow, and a pattern is parsed node by node.
_IGNORECASE, _MULTILINE = int(re.IGNORECASE), int(re.MULTILINE)
_MAX_STRINGS = 64
_MAX_CLASS = 16
_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}

Side = Literal["start", "end"]
Edge = Literal["bound", "maybe", "open"]
"""What the character at one side can be: never of a word; the same or nothing at all; anything."""


@dataclass(frozen=True)
class Node:
    """One node of a parsed pattern, with the flags that hold there."""

    op: str
    args: Any
    flags: int
    prefix: frozenset[str] = frozenset({""})
    """Strings that stand before every alternative of a branch; the parser moves a common prefix out of them."""

    @property
    def branches(self) -> list[list[Piece]]:
        """The alternatives of a branch, or the one body of an assertion or repetition."""
        if self.op == "BRANCH":
            return [pieces(_flatten(branch, self.flags), self.prefix) for branch in self.args[1]]
        return [pieces(_flatten(self.args[-1], self.flags))]

    @property
    def required(self) -> bool:
        """Whether every match goes through a body of this node."""
        return self.op in ("BRANCH", "ASSERT") or (self.op in _REPEATS and self.args[0] > 0)


Piece = frozenset[str] | Node
"""The strings that may stand here, or a node that is no finite set of strings."""


def parse_pattern(pattern: str, flags: int = 0) -> list[Piece]:
    """Parse a regular expression into pieces.

    Example:
        >>> [sorted(p) if isinstance(p, frozenset) else p.op for p in parse_pattern("colou?r.*(red|blue)")]
        [['color', 'colour'], 'MAX_REPEAT', ['blue', 'red']]
    """
    tree = _parser.parse(pattern, flags)
    return pieces(_flatten(tree, tree.state.flags))


def pieces(nodes: Iterable[Node], run: frozenset[str] = frozenset({""})) -> list[Piece]:
    """Join neighbouring nodes that stand for finitely many strings; ``run`` stands before the first one."""
    row: list[Piece] = []
    for node in nodes:
        strings, rest = _strings(node)
        if strings is not None:
            if len(run) * len(strings) > _MAX_STRINGS:
                row.append(run)
                run = frozenset({""})
            run = frozenset(a + b for a, b in product(run, strings))
        if rest is not None:
            row += [replace(rest, prefix=run)] if rest.op == "BRANCH" else [run, rest]
            run = frozenset({""})
    return [piece for piece in [*row, run] if piece != frozenset({""})]


def edge(row: Sequence[Piece], side: Side) -> Edge:
    """Tell what character a row of pieces shows at one side."""
    for piece in row if side == "start" else reversed(row):
        seam = _strings_edge(piece, side) if isinstance(piece, frozenset) else _node_edge(piece, side)
        if seam != "maybe":
            return seam
    return "maybe"


def _flatten(tree: Iterable[tuple[Any, Any]], flags: int) -> Iterable[Node]:
    for op, args in tree:
        if str(op) == "SUBPATTERN":
            yield from _flatten(args[3], (flags | args[1]) & ~args[2])
        elif str(op) == "ATOMIC_GROUP":
            yield from _flatten(args, flags)
        else:
            yield Node(str(op), args, flags)


def _strings(node: Node) -> tuple[frozenset[str] | None, Node | None]:
    """Return the strings that a node begins with, where they are few, and what of the node is left after them."""
    if node.op == "LITERAL" and chr(node.args) not in MARKERS:
        return frozenset({_fold(node.args, node.flags)}), None
    if node.op == "IN":
        members = _class_members(node)
        return (members, None) if members else (None, node)
    if node.op == "AT":
        return frozenset({_mark(str(node.args), node.flags)}), None
    if node.op == "BRANCH":
        branches = [_only_strings(branch) for branch in node.branches]
        if all(branch is not None for branch in branches):
            union = frozenset().union(*(branch for branch in branches if branch is not None))
            return (union, None) if len(union) <= _MAX_STRINGS else (None, node)
    if node.op in _REPEATS:
        low, high, body = node.args
        strings = _only_strings(node.branches[0])
        if strings is not None and (low, high) in ((0, 1), (1, 1)):
            return strings | ({""} if low == 0 else set()), None
        if strings is not None and low > 0:
            return strings, Node(node.op, (0, high, body), node.flags)
    return None, node


def _only_strings(row: list[Piece]) -> frozenset[str] | None:
    if not row:
        return frozenset({""})
    return row[0] if len(row) == 1 and isinstance(row[0], frozenset) else None


def _class_members(node: Node) -> frozenset[str] | None:
    codes: set[int] = set()
    for op, args in node.args:
        if str(op) == "LITERAL":
            codes.add(args)
        elif str(op) == "RANGE" and args[1] - args[0] < _MAX_CLASS:
            codes.update(range(args[0], args[1] + 1))
        else:
            return None
    if len(codes) > _MAX_CLASS or any(chr(code) in MARKERS for code in codes):
        return None
    return frozenset(_fold(code, node.flags) for code in codes)


def _fold(code: int, flags: int) -> str:
    return chr(code).lower() if flags & _IGNORECASE else chr(code)


def _mark(position: str, flags: int) -> str:
    if position == "AT_NON_BOUNDARY":
        return ""
    if position == "AT_BEGINNING_STRING" or (position == "AT_BEGINNING" and not flags & _MULTILINE):
        return START
    if position == "AT_END_STRING" or (position == "AT_END" and not flags & _MULTILINE):
        return END
    return BOUNDARY


def _strings_edge(strings: frozenset[str], side: Side) -> Edge:
    outer = {string[:1] if side == "start" else string[-1:] for string in strings}
    if any(_is_word(char) for char in outer):
        return "open"
    return "maybe" if "" in outer else "bound"


def _node_edge(node: Node, side: Side) -> Edge:
    if node.op == "IN":
        return "bound" if _is_nonword_class(node.args) else "open"
    if node.op in _REPEATS:
        seam = edge(node.branches[0], side)
        return "maybe" if node.args[0] == 0 and seam == "bound" else seam
    if node.op == "BRANCH":
        found_all = {edge(branch, side) for branch in node.branches}
        return next(kind for kind in ("open", "maybe", "bound") if kind in found_all)
    if node.op in ("ASSERT", "ASSERT_NOT"):
        # A look-ahead speaks of what follows, so of the side that a literal before it sees; a look-behind the reverse.
        if (node.args[0] > 0) != (side == "start"):
            return "maybe"
        if node.op == "ASSERT":
            return "bound" if edge(node.branches[0], side) == "bound" else "maybe"
        return "bound" if [_is_word_class(piece) for piece in node.branches[0]] == [True] else "maybe"
    return "open"


def _is_word(char: str) -> bool:
    return char != "" and (char.isalnum() or char == "_")


def _categories(members: Iterable[tuple[Any, Any]]) -> set[str]:
    return {str(args) if str(op) == "CATEGORY" else str(op) for op, args in members}


def _is_word_class(piece: Piece) -> bool:
    return isinstance(piece, Node) and piece.op == "IN" and _categories(piece.args) == {"CATEGORY_WORD"}


def _is_nonword_class(members: list[tuple[Any, Any]]) -> bool:
    if "NEGATE" in _categories(members):
        return "CATEGORY_WORD" in _categories(members)
    return all(
        str(args) in ("CATEGORY_SPACE", "CATEGORY_NOT_WORD")
        or (str(op) == "LITERAL" and not _is_word(chr(args)))
        or (str(op) == "RANGE" and args[1] < 256 and not any(_is_word(chr(c)) for c in range(args[0], args[1] + 1)))
        for op, args in members
    )
