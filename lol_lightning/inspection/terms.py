"""Terms to insert: what the LFs inspect, as words and phrases that can stand in a text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice, product
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.features.feature_space import Matrix
from lol_lightning.features.mapping import records_to_targets
from lol_lightning.lfs.record import InspectedFeature, LFRecord

__all__ = ["Term", "Vocabulary", "terms_of"]

MAX_WORDS = 64
"""Words of the corpus that stand for one stem or part of a word, the most frequent ones."""
MAX_PHRASES = 64
"""Examples of a rule that needs several words."""

_WORD_KINDS = ("token", "prefix", "suffix", "substring", "entry")


class Term(NamedTuple):
    """A word, phrase or example of a pattern that an LF inspects for a class."""

    lf: int
    cls: int
    text: str
    value: float
    """What it adds to the LF's vote for the class, in [-1, 1], as far as the record and the corpus tell."""
    column: str | None
    """Where the LF looks for it; ``None`` where nobody said."""


class Vocabulary:
    """The words of a text column, in which terms are looked up, and how often each brings an LF's vote.

    Args:
        bag: fitted on the training rows.
        features: theirs, (n, d).
        votes: int64 (n, m) on them.
        records: of the m LFs.
    """

    def __init__(
        self, bag: BagOfWords, features: Matrix, votes: Int[np.ndarray, "row lf"], records: Sequence[LFRecord]
    ) -> None:
        self.bag, self.frequency = bag, bag.observed_frequency.numpy()
        largest = max((feature.label for record in records for feature in record.features), default=0)
        num_classes = max(int(votes.max(initial=0)), largest, 1) + 1
        targets, _ = records_to_targets(records, bag, num_classes, votes=votes, features=features)
        places = zip(targets.lf.tolist(), targets.cls.tolist(), targets.feature.tolist(), strict=True)
        self._values = dict(zip(places, targets.value.tolist(), strict=True))

    def __repr__(self) -> str:
        return f"Vocabulary({len(self.frequency)} words, {len(self._values)} of them with an LF's vote)"

    def words(self, feature: InspectedFeature) -> list[str]:
        """Return the words in which a feature shows: of the corpus where it has some, else its own term.

        A phrase stays whole.
        """
        term = feature.term.strip()
        if len(term.split()) > 1:
            return [" ".join(term.split())]
        match = self.bag.map_feature(feature)
        if len(match.parts) != 1:
            return [term] if term else []
        frequent = sorted(match.entries, key=lambda entry: (-self.frequency[entry], entry))[:MAX_WORDS]
        words = [self.bag.feature_names[entry] for entry in frequent if self.frequency[entry] > 0]
        own = [term] if term.lower() in words or not words else []
        return list(dict.fromkeys([*own, *(word for word in words if word != term.lower())]))

    def value(self, lf: int, feature: InspectedFeature) -> float:
        """Return what a feature adds to the vote, measured on the training rows where they hold it."""
        values = [self._values.get((lf, feature.label, entry)) for entry in self.bag.map_feature(feature).entries]
        if not values or all(value is None for value in values):
            return feature.value if not values else 0.0
        return float(np.sign(feature.value)) * max(abs(value) for value in values if value is not None)


def terms_of(
    lf: int, record: LFRecord, vocabularies: dict[str, Vocabulary], default_column: str, seed: int = 0
) -> list[Term]:
    """Return the terms of one LF, each once.

    The features of a rule that needs several words become examples of it: one word of each group of alternatives, in
    the order of the groups. What takes a vote away, and what was measured, stands by itself.

    Args:
        lf: number of the LF.
        record: what it inspects; the findings in force count.
        vocabularies: of the text columns, by name.
        default_column: where a finding is looked up that names no column.
        seed: of the choice among the examples of a rule.
    """
    rules: dict[tuple[object, str], dict[int, list[InspectedFeature]]] = defaultdict(lambda: defaultdict(list))
    for number, feature in enumerate(record.in_force()):
        column = feature.column or default_column
        if feature.kind not in _WORD_KINDS or feature.value == 0 or column not in vocabularies:
            continue
        alone = feature.value < 0 or feature.source in ("probed", "surrogate")
        rule = number if alone else (feature.source, feature.label, feature.clause)
        rules[rule, column][feature.group].append(feature)
    terms: dict[tuple[int, str, str | None, bool], Term] = {}
    generator = np.random.default_rng([seed, lf])
    for (_, column), groups in rules.items():
        for term in _examples(lf, list(groups.values()), vocabularies[column], generator):
            terms.setdefault((term.cls, term.text.lower(), term.column, term.value > 0), term)
    return list(terms.values())


def _examples(
    lf: int, groups: list[list[InspectedFeature]], vocabulary: Vocabulary, generator: np.random.Generator
) -> list[Term]:
    alternatives = [[(word, feature) for feature in group for word in vocabulary.words(feature)] for group in groups]
    if not all(alternatives):
        return []
    first = groups[0][0]
    chosen: list[tuple[tuple[str, InspectedFeature], ...]]
    if len(alternatives) == 1:
        chosen = [(one,) for one in alternatives[0]]
    elif np.prod([len(words) for words in alternatives]) <= MAX_PHRASES:
        chosen = list(islice(product(*alternatives), MAX_PHRASES))
    else:
        chosen = [tuple(words[generator.integers(len(words))] for words in alternatives) for _ in range(MAX_PHRASES)]
    return [
        Term(
            lf,
            first.label,
            " ".join(dict.fromkeys(word for word, _ in example)),
            min((vocabulary.value(lf, feature) for _, feature in example), key=abs),
            first.column,
        )
        for example in chosen
    ]
