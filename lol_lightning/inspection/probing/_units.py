"""The units of a text that probing takes away: tokens, n-grams or the entries of a feature space."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.lfs.words import WORD

__all__ = ["Span", "TextUnits", "remove_spans"]

Span = tuple[int, int]

TOKEN_PATTERN = WORD
"""Words as scikit-learn cuts them, those of one letter included: ``u`` and ``2`` decide votes on short messages."""


@dataclass(frozen=True)
class TextUnits:
    """Cut a text into named units and say where each occurs.

    Args:
        token_pattern: regular expression whose matches are the raw tokens of the original text; its only group, if it
            has one, is the token.
        entries: names of the units that one raw token gives rise to; by default the token in lower case.
        ngram_range: lengths of the n-grams that are units too, as in scikit-learn.
        vocabulary: keep only units of these names; ``None`` keeps all.

    Raises:
        ConfigurationError: if the n-gram range is not ``1 <= low <= high`` or the pattern has more than one group.

    Example:
        >>> TextUnits()("Check THIS, check it")
        {'check': ((0, 5), (12, 17)), 'this': ((6, 10),), 'it': ((18, 20),)}
    """

    token_pattern: str = TOKEN_PATTERN
    entries: Callable[[str], Iterable[str]] | None = None
    ngram_range: tuple[int, int] = (1, 1)
    vocabulary: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.ngram_range[0] <= self.ngram_range[1]:
            raise ConfigurationError(f"ngram_range = {self.ngram_range}; it must be (low, high) with 1 <= low <= high.")
        try:
            groups = re.compile(self.token_pattern).groups
        except (re.error, TypeError) as error:
            raise ConfigurationError(f"token_pattern = {self.token_pattern!r} is no pattern: {error}.") from error
        if groups > 1:
            raise ConfigurationError(f"token_pattern {self.token_pattern!r} has {groups} groups; it may have one.")

    @classmethod
    def of_feature_space(cls, feature_space: Any) -> TextUnits:
        """Units that are the entries of a bag of words, cut by its vectorizer's own analyzer.

        Each raw token of the text goes through the analyzer by itself, so lower case, accents, stop words, stemmers
        and n-grams of characters all count; n-grams of words are joined from the tokens that the analyzer keeps.

        Args:
            feature_space: a fitted ``BagOfWords``, or a fitted scikit-learn vectorizer.

        Raises:
            ConfigurationError: if it has no vectorizer with an analyzer and a vocabulary.
        """
        vectorizer = getattr(feature_space, "vectorizer_", feature_space)
        vocabulary = getattr(vectorizer, "vocabulary_", None)
        if not hasattr(vectorizer, "build_analyzer") or vocabulary is None:
            raise ConfigurationError(
                f"cannot cut a text into the entries of {feature_space!r}: a fitted BagOfWords or scikit-learn "
                "vectorizer is needed. Fit it first, or leave feature_space out to probe plain tokens."
            )
        of_words = vectorizer.analyzer == "word"
        pattern = vectorizer.token_pattern if of_words and vectorizer.tokenizer is None else TOKEN_PATTERN
        single = vectorizer.build_analyzer()
        if of_words:
            single = type(vectorizer)(**(vectorizer.get_params() | {"ngram_range": (1, 1)})).build_analyzer()
        return cls(
            pattern or TOKEN_PATTERN,
            _cached(single),
            vectorizer.ngram_range if of_words else (1, 1),
            frozenset(vocabulary),
        )

    def __call__(self, text: str) -> dict[str, tuple[Span, ...]]:
        """Return the spans ``(start, end)`` of each distinct unit, in the order in which they first occur."""
        names = self.entries or _lowered
        group = re.compile(self.token_pattern).groups
        tokens = [(name, m.span(group)) for m in re.finditer(self.token_pattern, text) for name in names(m[group])]
        units: dict[str, list[Span]] = {}
        low, high = self.ngram_range
        for length in range(low, high + 1):
            for start in range(len(tokens) - length + 1):
                window = tokens[start : start + length]
                name = " ".join(name for name, _ in window) if length > 1 else window[0][0]
                if self.vocabulary is None or name in self.vocabulary:
                    units.setdefault(name, []).extend(span for _, span in window)
        return {name: tuple(spans) for name, spans in units.items()}


def remove_spans(text: str, spans: Iterable[Span]) -> str:
    """Cut spans out of a text and leave all else, white space and punctuation included, as it is.

    Example:
        >>> remove_spans("see http://a.b now", [(4, 8)])
        'see ://a.b now'
    """
    kept, position = [], 0
    for start, end in sorted(spans):
        kept.append(text[position:start])
        position = max(position, end)
    kept.append(text[position:])
    return "".join(kept)


def spans_of(units: dict[str, tuple[Span, ...]], names: Iterable[str]) -> Iterable[Span]:
    """All spans of the named units."""
    return chain.from_iterable(units[name] for name in names)


def _lowered(token: str) -> tuple[str, ...]:
    return (token.lower(),)


def _cached(analyzer: Callable[[str], Iterable[str]]) -> Callable[[str], tuple[str, ...]]:
    cache: dict[str, tuple[str, ...]] = {}

    def entries(token: str) -> tuple[str, ...]:
        if token not in cache:
            cache[token] = tuple(analyzer(token))
        return cache[token]

    return entries
