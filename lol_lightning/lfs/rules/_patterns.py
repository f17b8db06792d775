"""What a literal or a regular expression inspects: its words, their alternatives and how they are bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from lol_lightning.lfs.record import InspectedFeature, Kind
from lol_lightning.lfs.rules._regex_tree import MARKERS, Node, Piece, edge, parse_pattern
from lol_lightning.lfs.words import CONTENT

__all__ = ["literal_features", "regex_features"]

_MAX_CLAUSES = 64
_WORDS = re.compile(f"{CONTENT}(.*{CONTENT})?", re.DOTALL)


@dataclass(frozen=True)
class _Term:
    text: str
    kind: Kind


@dataclass(frozen=True)
class _Group:
    terms: tuple[_Term, ...]
    value: float = 1.0


_Clause = tuple[_Group, ...]


def literal_features(words: Iterable[str], label: int, clause: int = 0) -> tuple[InspectedFeature, ...]:
    """Return literals that are looked for anywhere in a text as alternatives of one clause.

    White space or punctuation around a word bounds it: `` agoni`` asks for the beginning of a token.

    Example:
        >>> [(f.term, f.kind) for f in literal_features(["http", " war ", " agoni", "prime minister", "$"], label=1)]
        [('http', 'substring'), ('war', 'token'), ('agoni', 'prefix'), ('prime minister', 'substring'),
         ('$', 'substring')]
    """
    terms = dict.fromkeys(_bounded(word, False, False) or _Term(word, "substring") for word in words)
    return tuple(InspectedFeature(term.text, label, term.kind, clause=clause) for term in terms)


def regex_features(pattern: str, flags: int = 0, label: int = 0, clause: int = 0) -> tuple[InspectedFeature, ...]:
    r"""Return the literals that a regular expression looks for.

    Literals that are all needed are groups of one clause, alternatives between them members of one group, and
    alternatives that themselves consist of several literals clauses of their own, numbered from ``clause`` on.
    Optional parts are left out; what a negative look-around forbids has the value -1. With ``re.IGNORECASE`` the
    terms are lowered.

    Args:
        pattern: the regular expression.
        flags: flags of ``re``.
        label: the class that a match votes for.
        clause: number of the first clause.

    Example:
        >>> features = regex_features(r"( |^)(won|win)[^\w]* (\w+ )?(prize!|prize)[^\w]*( |$)", label=1)
        >>> [(f.term, f.kind, f.group) for f in features]
        [('win', 'token', 0), ('won', 'token', 0), ('prize', 'token', 1)]
        >>> [(f.term, f.kind, f.value) for f in regex_features("good(?! grief)", re.I, label=1)]
        [('good', 'substring', 1.0), ('grief', 'prefix', -1.0)]
    """
    clauses = dict.fromkeys(_clauses(parse_pattern(pattern, flags), False, False))
    if len(clauses) > 1 and all(len(groups) == 1 and groups[0].value > 0 for groups in clauses):
        clauses = {(_union(clauses),): None}
    features = [
        InspectedFeature(term.text, label, term.kind, group.value, clause=clause + number, group=index)
        for number, groups in enumerate(clauses)
        for index, group in enumerate(groups)
        for term in group.terms
    ]
    return tuple(dict.fromkeys(features))


def _clauses(row: list[Piece], left: bool, right: bool) -> list[_Clause]:
    """Return the clauses of a row of pieces; ``left`` and ``right`` tell whether its surroundings bound it there."""
    clauses: list[_Clause] = [()]
    for i, piece in enumerate(row):
        before, after = edge(row[:i], "end"), edge(row[i + 1 :], "start")
        bounds = before == "bound" or (before == "maybe" and left), after == "bound" or (after == "maybe" and right)
        options = _strings_clauses(piece, *bounds) if isinstance(piece, frozenset) else _node_clauses(piece, *bounds)
        if len(clauses) * len(options) > _MAX_CLAUSES:
            options = [(_union(options),)]
        clauses = list(dict.fromkeys(_merge(a, b) for a, b in product(clauses, options)))
    return clauses


def _strings_clauses(strings: frozenset[str], left: bool, right: bool) -> list[_Clause]:
    terms = [_bounded(string, left, right) for string in sorted(strings)]
    if None in terms:
        return [()]
    group = _alternatives(term for term in terms if term is not None)
    return [(group,)]


def _node_clauses(node: Node, left: bool, right: bool) -> list[_Clause]:
    if node.op == "ASSERT_NOT":
        forbidden = [group for clause in _clauses(node.branches[0], left, right) for group in clause]
        return [tuple(_Group(group.terms, -group.value) for group in forbidden)]
    if not node.required:
        return [()]
    options = [clause for branch in node.branches for clause in _clauses(branch, left, right)]
    if () in options:
        return [()]
    if all(len(clause) == 1 and clause[0].value > 0 for clause in options) or len(options) > _MAX_CLAUSES:
        return [(_union(options),)]
    return options


def _merge(first: _Clause, second: _Clause) -> _Clause:
    return first + tuple(group for group in second if group not in first)


def _union(clauses: Iterable[_Clause]) -> _Group:
    return _alternatives(term for clause in clauses for group in clause if group.value > 0 for term in group.terms)


def _alternatives(terms: Iterable[_Term]) -> _Group:
    """Make one group, without the terms that hold another one: ``please call`` next to ``call`` adds nothing."""
    distinct = list(dict.fromkeys(terms))
    searches = {term: _search(term) for term in distinct}
    implied = {t for t in distinct for other in distinct if other != t and searches[other].search(t.text)}
    return _Group(tuple(term for term in distinct if term not in implied))


def _search(term: _Term) -> re.Pattern[str]:
    left = r"(?<!\S)" if term.kind in ("token", "prefix") else ""
    right = r"(?!\S)" if term.kind in ("token", "suffix") else ""
    return re.compile(left + re.escape(term.text) + right)


def _bounded(string: str, left: bool, right: bool) -> _Term | None:
    """Cut a string down to its words and say how they are bounded; ``None`` where nothing can be inspected."""
    core = string.strip(MARKERS + " \t\r\n\f\v")
    words = _WORDS.search(core)
    if words is None:
        return _Term(core, "substring") if core else None
    text = words.group()
    start = string.index(text)
    bounds = left if start == 0 else True, right if start + len(text) == len(string) else True
    kinds: dict[tuple[bool, bool], Kind] = {
        (True, True): "token",
        (True, False): "prefix",
        (False, True): "suffix",
        (False, False): "substring",
    }
    return _Term("".join(char for char in text if char not in MARKERS), kinds[bounds])
