"""Which entries of a fitted vocabulary does a search for a term touch?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from lol_lightning.functional.short_repr import short_repr
from lol_lightning.lfs.record import InspectedFeature
from lol_lightning.lfs.words import CONTENT, canonical

__all__ = ["FOREIGN", "MAPPED", "MAPPED_SHORT", "OUT", "SPLIT", "FeatureMatch", "VocabularyIndex"]

MAPPED = "mapped"
MAPPED_SHORT = "mapped, also inside longer words"
SPLIT = "split into content words"
OUT = "out of vocabulary"
FOREIGN = "not a feature of this space"

_SEPARATOR = "\x00"
_SHORT = 3
_CONTENT = re.compile(CONTENT)


class FeatureMatch(NamedTuple):
    """Where a feature space holds an inspected feature.

    ``parts`` are what must come together, one part for most features, one for each word of a phrase that was split;
    the entries (feature indices) of a part are alternatives. ``remark`` says in words what happened.
    """

    parts: tuple[tuple[int, ...], ...]
    remark: str

    @property
    def entries(self) -> tuple[int, ...]:
        """All feature indices, each once, in ascending order."""
        return tuple(sorted({entry for part in self.parts for entry in part}))


class VocabularyIndex:
    """Searches the entries of a fitted scikit-learn text vectorizer in the words of its own analyzer.

    All entries stand in one string, so that a search is one pass over it however large the vocabulary is. A term is
    normalised and tokenised as a document would be. The ends of a substring are open: the first piece of
    ``down-regulat`` may end a token, the last may begin one, and a piece in the middle is a token of its own; a blank
    or a mark at its end closes it (`` agoni`` begins a token). Forms that look alike are one: ``é`` composed or not, an
    emoji with a variation selector or without.

    Args:
        vectorizer: a fitted ``CountVectorizer`` or ``TfidfVectorizer``.
        names: its entries, in the order of their indices.

    Example:
        >>> from sklearn.feature_extraction.text import CountVectorizer
        >>> vectorizer = CountVectorizer().fit(["mutated genes and mutants"])
        >>> index = VocabularyIndex(vectorizer, vectorizer.get_feature_names_out().tolist())
        >>> index.match(InspectedFeature("mutat", label=0))
        FeatureMatch(parts=((3,),), remark='mapped')
    """

    __repr__ = short_repr

    def __init__(self, vectorizer: Any, names: Sequence[str]) -> None:
        alike = [canonical(name) for name in names]
        self._text = _SEPARATOR + "".join(name + _SEPARATOR for name in alike)
        self._starts = np.cumsum([1, *(len(name) + 1 for name in alike)])
        self._borders = [_SEPARATOR, " "] if " " in self._text else [_SEPARATOR]
        self._matches: dict[tuple[str, bool, bool], tuple[int, ...]] = {}
        self._words = vectorizer.analyzer == "word"
        self._analyze = vectorizer.build_analyzer()
        self._preprocess = vectorizer.build_preprocessor()
        self._tokenize = vectorizer.build_tokenizer()
        self._stop_words = vectorizer.get_stop_words() or frozenset()
        self._position = {name: i for i, name in enumerate(names)}
        self._alike: dict[str, list[int]] = defaultdict(list)
        for i, name in enumerate(alike):
            self._alike[name].append(i)

    def tokens(self, term: str) -> list[str]:
        """Return the entries that the analyzer makes of a text, whether the vocabulary has them or not."""
        return self._analyze(term)

    def match(self, feature: InspectedFeature) -> FeatureMatch:
        """Return the entries in which a feature of a text shows."""
        if feature.kind in ("length", "column"):
            return FeatureMatch((), FOREIGN)
        if feature.kind == "entry":
            entry = self._position.get(feature.term)
            return FeatureMatch((), OUT) if entry is None else FeatureMatch(((entry,),), MAPPED)
        if not self._words:
            return self._match_other(feature.term)
        text = canonical(self._preprocess(feature.term))
        tokens = self._tokenize(text)
        if not tokens:
            return FeatureMatch((), f"{OUT}: the analyzer finds no token in it")
        pieces = [token for token in tokens if _CONTENT.search(token)] or tokens
        open_left = feature.kind in ("substring", "suffix") and text.startswith(pieces[0])
        open_right = feature.kind in ("substring", "prefix") and text.endswith(pieces[-1])
        if entries := self._find(" ".join(pieces), open_left, open_right):
            short = len(pieces) == 1 and len(pieces[0]) < _SHORT and (open_left or open_right)
            return FeatureMatch((entries,), MAPPED_SHORT if short and len(entries) > 1 else MAPPED)
        if len(pieces) > 1:
            return self._match_words(pieces, set(text.split()), open_left, open_right)
        return FeatureMatch((), f"{OUT}: a stop word of the vectorizer" if pieces[0] in self._stop_words else OUT)

    def _match_words(self, pieces: list[str], words: set[str], open_left: bool, open_right: bool) -> FeatureMatch:
        last = len(pieces) - 1
        # A stop word within a compound ("down-regulated") says as much as the rest of it.
        idle = ENGLISH_STOP_WORDS & words
        content = [i for i, piece in enumerate(pieces) if piece not in idle] or range(len(pieces))
        parts = []
        for i in content:
            # The open end of a phrase may cut a word, but one or two letters would touch half of the vocabulary.
            long = len(pieces[i]) >= _SHORT
            parts.append(self._find(pieces[i], long and open_left and i == 0, long and open_right and i == last))
        matched = tuple(part for part in parts if part)
        if not matched:
            return FeatureMatch((), OUT)
        return FeatureMatch(matched, SPLIT if len(matched) == len(parts) else f"{SPLIT}, some {OUT}")

    def _match_other(self, term: str) -> FeatureMatch:
        if entries := self._find(canonical(self._preprocess(term)), True, True):
            return FeatureMatch((entries,), MAPPED)
        parts = tuple((self._position[name],) for name in self._analyze(term) if name in self._position)
        return FeatureMatch(parts, "split into entries of the analyzer" if parts else OUT)

    def _find(self, term: str, open_left: bool, open_right: bool) -> tuple[int, ...]:
        if not open_left and not open_right and len(self._borders) == 1:  # A look-up, as lists of words may be long.
            return tuple(self._alike.get(term, ()))
        key = (term, open_left, open_right)
        if key not in self._matches:
            edges = product([""] if open_left else self._borders, [""] if open_right else self._borders)
            hits = [hit for left, right in edges for hit in self._search(left, term, right)]
            self._matches[key] = tuple(np.unique(np.searchsorted(self._starts, hits, side="right") - 1).tolist())
        return self._matches[key]

    def _search(self, left: str, term: str, right: str) -> Iterator[int]:
        bounded = left + term + right
        hit = self._text.find(bounded)
        while hit >= 0:
            yield hit + len(left)
            hit = self._text.find(bounded, hit + 1)
