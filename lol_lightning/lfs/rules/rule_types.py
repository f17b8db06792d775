"""Rules on texts, each with the class that it votes for, and the function that votes by the first one that hits."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.adapter import check_label
from lol_lightning.lfs.points import field_names, read_field
from lol_lightning.lfs.record import InspectedFeature
from lol_lightning.lfs.rules._corpus import Rows, TextBlock
from lol_lightning.lfs.rules._literals import required_literals
from lol_lightning.lfs.rules._patterns import literal_features, regex_features
from lol_lightning.lfs.token_lists import text_of

__all__ = [
    "MaxWordsRule",
    "RegexRule",
    "Rule",
    "RuleFunction",
    "SubstringRule",
    "TokenRule",
    "check_words",
    "parse_rule",
    "read_text",
]

_FLAGS = {"a": re.A, "i": re.I, "m": re.M, "s": re.S, "x": re.X}


@dataclass(frozen=True)
class Rule(ABC):
    """One condition on a text and the class that it votes for."""

    label: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", check_label(self.label))

    @abstractmethod
    def matches(self, text: str) -> bool:
        """Tell whether the rule hits ``text``."""

    def hits(self, block: TextBlock, rows: Rows) -> Rows:
        """Return those of ``rows`` of a block of texts that the rule hits, as ``matches`` would find them."""
        return rows[np.array([self.matches(block.texts[row]) for row in rows.tolist()], dtype=bool)]

    @abstractmethod
    def features(self, clause: int = 0) -> tuple[InspectedFeature, ...]:
        """Return what the rule inspects, as features of ``clause``."""


@dataclass(frozen=True)
class _WordsRule(Rule):
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "words", check_words(self.words))


@dataclass(frozen=True)
class SubstringRule(_WordsRule):
    """Hits when any of the words is in ``text.lower()``.

    Example:
        >>> SubstringRule(1, ["http"]).matches("see HTTPS://x.org")
        True
    """

    __repr__ = short_repr

    def matches(self, text: str) -> bool:  # noqa: D102
        lowered = text.lower()
        return any(word in lowered for word in self.words)

    def hits(self, block: TextBlock, rows: Rows) -> Rows:  # noqa: D102
        return rows[block.lowered_for(self.words).holding(_encode(self.words))[rows]]

    def features(self, clause: int = 0) -> tuple[InspectedFeature, ...]:  # noqa: D102
        return literal_features(self.words, self.label, clause)


@dataclass(frozen=True)
class TokenRule(_WordsRule):
    """Hits when any of the words is in ``text.lower().split(" ")``.

    Example:
        >>> TokenRule(0, ["bad"]).matches("not badly done"), TokenRule(0, ["bad"]).matches("so bad")
        (False, True)
    """

    __repr__ = short_repr

    def matches(self, text: str) -> bool:  # noqa: D102
        tokens = text.lower().split(" ")
        return any(word in tokens for word in self.words)

    def hits(self, block: TextBlock, rows: Rows) -> Rows:  # noqa: D102
        words = [word for word in self.words if " " not in word]
        return rows[block.lowered_for(words).holding(_encode(words), as_token=True)[rows]]

    def features(self, clause: int = 0) -> tuple[InspectedFeature, ...]:  # noqa: D102
        return tuple(InspectedFeature(word, self.label, kind="token", clause=clause) for word in self.words)


@dataclass(frozen=True)
class RegexRule(Rule):
    """Hits when ``re.search(pattern, text, flags)`` finds something; the text is not lowered.

    Flags are those of ``re`` or their letters.

    Example:
        >>> RegexRule(1, "check.*out", "i").matches("Check this out")
        True
    """

    pattern: str
    flags: int | str = 0
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "flags", _check_flags(self.flags))
        try:
            object.__setattr__(self, "compiled", re.compile(self.pattern, _check_flags(self.flags)))
        except (re.error, TypeError) as error:
            raise LabelingFunctionError(f"{self.pattern!r} is no regular expression: {error}.") from error

    def matches(self, text: str) -> bool:  # noqa: D102
        return self.compiled.search(text) is not None

    def hits(self, block: TextBlock, rows: Rows) -> Rows:  # noqa: D102
        for literals in required_literals(self.pattern, int(self.flags)):
            rows = rows[block.folded.holding(literals)[rows]]
        return super().hits(block, rows)

    def features(self, clause: int = 0) -> tuple[InspectedFeature, ...]:  # noqa: D102
        return regex_features(self.pattern, int(self.flags), self.label, clause)


@dataclass(frozen=True)
class MaxWordsRule(Rule):
    """Hits when ``len(text.split())`` is at most ``max_words``.

    Example:
        >>> MaxWordsRule(0, 2).matches(" nice song "), MaxWordsRule(0, 2).matches("a nice song")
        (True, False)
    """

    max_words: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.max_words, int) or self.max_words < 0:
            raise LabelingFunctionError(f"max_words must be a number of words from 0 on, got {self.max_words!r}.")

    def matches(self, text: str) -> bool:  # noqa: D102
        # At most max_words + 1 pieces are cut, so that a long text costs no more than a short one.
        return len(text.split(None, self.max_words)) <= self.max_words

    def hits(self, block: TextBlock, rows: Rows) -> Rows:  # noqa: D102
        limit = self.max_words
        short = [len(block.texts[row].split(None, limit)) <= limit for row in rows.tolist()]
        return rows[np.array(short, dtype=bool)]

    def features(self, clause: int = 0) -> tuple[InspectedFeature, ...]:  # noqa: D102
        return (InspectedFeature("words", self.label, kind="length", value=-1.0, clause=clause),)


@dataclass(frozen=True)
class RuleFunction:
    """The function of an LF that consists of rules: the first one that hits votes.

    Args:
        rules: the rules, in order.
        column: the attribute, column or key of a data point that holds the text.

    Example:
        >>> from types import SimpleNamespace
        >>> vote = RuleFunction((SubstringRule(1, ["please"]), MaxWordsRule(0, 3)))
        >>> [vote(SimpleNamespace(text=text)) for text in ("Please, call me", "love it", "a song that I like")]
        [1, 0, -1]
    """

    rules: tuple[Rule, ...]
    column: str = "text"

    __repr__ = short_repr

    def __call__(self, x: Any) -> int:
        """Vote on a data point."""
        text = read_text(x, self.column)
        return next((rule.label for rule in self.rules if rule.matches(text)), ABSTAIN)


def parse_rule(rule: Mapping[str, Any]) -> Rule:
    """Build a rule from a dict as an ``lfs.json`` holds it.

    Example:
        >>> parse_rule({"label": 1, "regex": "check.*out", "flags": "i"})
        RegexRule(label=1, pattern='check.*out', flags=2)
    """
    if not isinstance(rule, Mapping):
        raise LabelingFunctionError(
            f"rule {rule!r:.80} is no rule; write one as a dict, such as {{'label': 1, 'substring': ['free']}}."
        )
    match dict(rule):
        case {"label": label, "substring": words, **rest} if not rest:
            return SubstringRule(label, words)
        case {"label": label, "token": words, **rest} if not rest:
            return TokenRule(label, words)
        case {"label": label, "regex": pattern, **rest} if rest.keys() <= {"flags"}:
            return RegexRule(label, pattern, rest.get("flags", 0))
        case {"label": label, "max_words": words, **rest} if not rest:
            return MaxWordsRule(label, words)
        case _:
            raise LabelingFunctionError(
                f"rule {dict(rule)!r} needs a label and exactly one of substring, token, regex (with flags), max_words."
            )


def read_text(x: Any, column: str) -> str:
    """Return the text of a data point, which may be a row of a DataFrame, a mapping or any object.

    Words of a list, tuple, set or array are joined by blanks.
    """
    try:
        value = read_field(x, column)
    except (AttributeError, LookupError) as error:
        names = list(map(str, field_names(x)))
        raise LabelingFunctionError(
            f"a data point of type {type(x).__name__} has no {column!r}, only {names}; name the text's attribute with "
            "text_column=."
        ) from error
    text = value if isinstance(value, str) else text_of(value)
    if text is None:
        raise LabelingFunctionError(
            f"{column!r} of a data point is {value!r:.80}, not a text; drop such rows or fill them, as with fillna('')."
        )
    return text


def check_words(words: str | Iterable[str]) -> tuple[str, ...]:
    """Return distinct words, or say which is none."""
    words = (words,) if isinstance(words, str) else tuple(dict.fromkeys(words))
    if not all(isinstance(word, str) and word for word in words):
        raise LabelingFunctionError(f"words must be non-empty texts, got {words!r}.")
    return words


def _encode(words: Iterable[str]) -> list[bytes]:
    return [word.encode("utf-8", "surrogatepass") for word in words]


def _check_flags(flags: int | str) -> int:
    if not isinstance(flags, str):
        return int(flags)
    if unknown := set(flags.lower()) - _FLAGS.keys():
        raise LabelingFunctionError(f"flags {flags!r} hold {sorted(unknown)}; the letters are {''.join(_FLAGS)}.")
    return sum(int(_FLAGS[letter]) for letter in set(flags.lower()))
