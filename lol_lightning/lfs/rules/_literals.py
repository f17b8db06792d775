"""Literals that every match of a regular expression holds, and the folded bytes in which they are sought."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from lol_lightning.lfs.rules._regex_tree import BOUNDARY, END, MARKERS, START, Node, Piece, parse_pattern

__all__ = ["TEXT_EDGE", "UNFAITHFUL", "Literals", "fold", "required_literals"]

TEXT_EDGE = b"\xff"
"""The byte before and after every text; UTF-8 does not use it, so that no literal reaches from one text to the next."""

UNFAITHFUL = tuple(char.encode() for char in "\u0130\u0131\u017f\u212a")
"""The only characters beyond ASCII that match an ASCII letter under ``re.IGNORECASE``, or become one by ``lower()``."""
_FOLDED = (b"i", b"i", b"s", b"k")

Literals = frozenset[bytes]
"""Alternatives, one of which a text must hold."""

_MAX_ALTERNATIVES = 32


def fold(encoded: bytes) -> bytes:
    """Lower ASCII letters and replace the characters that ``re.IGNORECASE`` takes for one of them.

    A text without unfaithful characters holds an ASCII word in ``text.lower()`` exactly if its folded bytes hold it.

    Example:
        >>> fold("Ku\u017f\u017f K\u00d6LN".encode()).decode()
        'kuss kÖln'
    """
    encoded = encoded.lower()
    for char, letter in zip(UNFAITHFUL, _FOLDED, strict=True):
        encoded = encoded.replace(char, letter)
    return encoded


@lru_cache(maxsize=4096)
def required_literals(pattern: str, flags: int = 0) -> tuple[Literals, ...]:
    r"""Return sets of literals, each of which has a member in the folded bytes of every text that the pattern matches.

    What is returned is necessary, never sufficient: parts that may be absent, classes with many members and
    look-arounds are left out.

    Example:
        >>> [sorted(literals) for literals in required_literals(r"( |^)(won|win).*[Pp]rize")]
        [[b' win', b' won', b'\xffwin', b'\xffwon'], [b'prize']]
        >>> required_literals("(call)?")
        ()
    """
    if any(marker in pattern for marker in MARKERS):
        return ()
    # Beyond ASCII a letter has forms that fold() does not unite; only ASCII stretches are required then.
    ascii_only = _ignores_case(pattern, flags)
    return tuple(dict.fromkeys(_required(parse_pattern(pattern, flags), ascii_only)))


def _ignores_case(pattern: str, flags: int) -> bool:
    return bool(re.compile(pattern, flags).flags & re.IGNORECASE) or re.search(r"\(\?[a-z]*i", pattern) is not None


def _required(row: list[Piece], ascii_only: bool) -> list[Literals]:
    required = []
    for piece in row:
        if isinstance(piece, frozenset):
            required.append(_minimal(_encode(string, ascii_only) for string in piece))
        elif piece.op == "BRANCH":
            required.append(_one_of_each(piece, ascii_only))
        elif piece.required:
            required += _required(piece.branches[0], ascii_only)
    return [literals for literals in required if literals]


def _one_of_each(node: Node, ascii_only: bool) -> Literals:
    """Return the union of one requirement of every alternative, the longest; empty where an alternative has none."""
    options = [_required(branch, ascii_only) for branch in node.branches]
    if not all(options):
        return frozenset()
    return _minimal(literal for option in options for literal in max(option, key=lambda one: min(map(len, one))))


def _encode(string: str, ascii_only: bool) -> bytes:
    string = string.partition(END)[0].replace(BOUNDARY, "")
    start, string = string.startswith(START), string.lstrip(START)
    if ascii_only:
        stretches = re.split(r"[^\x00-\x7f]+", string)
        start = start and stretches[0] == string
        string = max(stretches, key=len)
    return (TEXT_EDGE if start else b"") + fold(string.encode("utf-8", "surrogatepass"))


def _minimal(literals: Iterable[bytes]) -> Literals:
    """Drop what another literal implies; empty, so without meaning, where that leaves nothing worth a search."""
    distinct = set(literals)
    minimal = {one for one in distinct if not any(other != one and other in one for other in distinct)}
    useless = {b"", b" ", TEXT_EDGE} & minimal or len(minimal) > _MAX_ALTERNATIVES
    return frozenset() if useless else frozenset(minimal)
