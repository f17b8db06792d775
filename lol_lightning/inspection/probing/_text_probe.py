"""The probe of one labeling function on a corpus of texts, with its bookkeeping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from snorkel.labeling import LabelingFunction

from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection._budget import ENDED, Budget
from lol_lightning.inspection._votes import NOT_CALLED, UNKNOWN
from lol_lightning.inspection.probing._calls import CountedCalls
from lol_lightning.inspection.probing._points import TextPoints
from lol_lightning.inspection.probing._probe_settings import ProbeSettings
from lol_lightning.inspection.probing._removal import Document, critical_units, every_unit, suspects_first
from lol_lightning.inspection.probing._tally import VoteTally, Z
from lol_lightning.inspection.probing._units import TextUnits
from lol_lightning.lfs.record import InspectedFeature, Kind, LFRecord

__all__ = ["Probe", "probe_lf"]

NOISY_SUPPORT = 10
"""Least number of documents for a finding about an LF that is not deterministic."""

FIRST_CHUNK, LARGEST_CHUNK = 16, 512
MAX_CHARS = 2**22
"""Characters of the texts that are cut into units at a time."""
AUDITED = 16
SUSPECT_RATE = 0.1
"""Testing a unit by itself pays from about ``1 / (2 log2(units))`` on."""
REPEATED_CALLS = 32
INSERTIONS = 50


@dataclass(frozen=True)
class Probe:
    """What probing one LF gave, and what it took.

    Args:
        record: the findings, ``source="probed"``.
        calls: number of calls of the LF, equal ones counted once.
        documents: number of documents on which the LF votes that were probed.
        strategy: ``"every"`` or ``"halving"``, the one that was used in the end.
    """

    record: LFRecord
    calls: int
    documents: int
    strategy: str


def probe_lf(
    lf: LabelingFunction,
    points: TextPoints,
    units: TextUnits,
    kind: Kind = "token",
    settings: ProbeSettings | None = None,
    votes: Int[np.ndarray, " row"] | None = None,
) -> Probe:
    """Probe one labeling function; the work behind ``probe_lfs``, with the number of calls.

    Args:
        lf: the labeling function.
        points: the corpus.
        units: cuts a text into what is removed.
        kind: kind of the findings.
        settings: how to probe.
        votes: int64 (n,), the LF's votes if you have them; they are checked on a sample.
    """
    probe = _TextProbe(lf, points, units, settings or ProbeSettings(), votes)
    with probe.budget.limit:
        return probe.run(kind)


class _TextProbe:
    def __init__(
        self,
        lf: LabelingFunction,
        points: TextPoints,
        units: TextUnits,
        settings: ProbeSettings,
        votes: Int[np.ndarray, " row"] | None,
    ) -> None:
        self.lf, self.points, self.units, self.settings, self.votes = lf, points, units, settings, votes
        self.budget = Budget(settings.max_calls, settings.max_seconds, settings.max_call_seconds)
        self.calls = CountedCalls(lf, points, self.budget, settings.on_error)
        self.tally, self.inserted = VoteTally(), VoteTally()
        self.strategy = settings.strategy
        self.noisy = False
        self.guess = 1.0
        self.abstaining: list[int] = []
        self.num_probed = self.num_explained = self.since_new = 0
        self.notes: list[str] = []
        self.first: list[tuple[Document, dict[str, int]]] = []
        """The first documents with what every unit does in them, on which halving is tried out."""

    def run(self, kind: Kind) -> Probe:
        order = np.random.default_rng(self.settings.seed).permutation(len(self.points)).tolist()
        self._check_repeated_calls(order)
        if self.votes is not None:
            self.abstaining = [row for row in order if self.votes[row] == ABSTAIN]
            order = [row for row in order if self.votes[row] != ABSTAIN]
        self._plan(order)
        done, size = 0, FIRST_CHUNK
        while done < len(order) and not self._settled():
            rows = self._bounded(order[done : done + self._affordable(size, done)])
            if not rows or not self._probe(rows):
                break
            done += len(rows)
            if not self._is_learning():
                size = min(4 * size, LARGEST_CHUNK)
        self._insert()
        strategy = "every" if self.strategy == "every" else "halving"
        return Probe(self._record(kind, len(order) - done), self.calls.calls, self.num_probed, strategy)

    def _check_repeated_calls(self, order: list[int]) -> None:
        """Call the LF twice on a few rows: is it deterministic, and are ``votes`` its own?"""
        if getattr(self.lf, "rules", None):
            return
        # At most a quarter of the budget.
        number = min(REPEATED_CALLS, len(order) if self.budget.calls_left is None else self.budget.calls_left // 8)
        rows = order[:number]
        if self.votes is not None:
            voting = [row for row in order if self.votes[row] != ABSTAIN]
            rows = voting[: (number + 1) // 2] + rows[: number // 2]
        tests = [(row, self.points.texts[row]) for row in rows]
        first, second = self.calls(tests), self.calls.fresh(tests)
        changed = sum(a != b for a, b in zip(first, second, strict=True) if NOT_CALLED not in (a, b))
        if changed:
            self.noisy, self.strategy, self.votes = True, "every", None
            self.notes.append(f"not deterministic: {changed} of {len(rows)} votes changed in a second call")
        elif self.votes is not None:
            wrong = sum(v not in (NOT_CALLED, self.votes[r]) for r, v in zip(rows, first, strict=True))
            if wrong:
                self.votes = None
                self.notes.append(f"the votes passed are not this LF's: {wrong} of {len(rows)} differ, probed its own")

    def _plan(self, order: list[int]) -> None:
        """Guess what a document costs; where the budget does not allow learning, halve from the start."""
        sizes = [len(self.units(self.points.texts[row])) for row in order[:FIRST_CHUNK]]
        num_units = sum(sizes) / max(1, len(sizes))
        limit = self.budget.calls_left
        if self.strategy == "auto" and limit is not None and 4 * AUDITED * num_units > limit:
            self.strategy = "halving"
        self.guess = 1 + (4 * math.log2(1 + num_units) if self.strategy == "halving" else num_units)

    def _affordable(self, size: int, done: int) -> int:
        """Return how many rows the budget is likely to suffice for, at most ``size``."""
        if not self.budget.allows():
            return 0
        if self.budget.calls_left is not None:
            per_row = max(1.0, self.calls.calls / done) if done else self.guess
            size = min(size, int(self.budget.calls_left / per_row))
        if self.budget.seconds_left is not None and done:
            size = min(size, int(self.budget.seconds_left * done / max(self.budget.seconds, 1e-9)))
        return max(1, size)

    def _bounded(self, rows: list[int]) -> list[int]:
        """Return the first of the rows, as many as are cut into units at a time: those of long texts take memory."""
        num_chars = np.cumsum([len(self.points.texts[row]) for row in rows])
        return rows[: max(1, int(np.searchsorted(num_chars, MAX_CHARS)))]

    def _settled(self) -> bool:
        precision = self.settings.precision
        if precision <= 0 or self.since_new < math.ceil(Z**2 * (1 - precision) / precision):
            return False
        supported = {u for u, flips in self.tally.flips.items() if flips.total() >= self.settings.min_support}
        return supported <= self.tally.certain(precision)

    def _probe(self, rows: list[int]) -> bool:
        """Probe the rows on which the LF votes; return whether the budget sufficed."""
        documents, called = self._documents(rows)
        learning = self._is_learning()
        if learning or self.strategy == "every":
            after = critical_units(self.calls, documents, [every_unit(document) for document in documents])
        else:
            after = self._halve(documents, self.tally)
        answered = [(d, changed) for d, changed in zip(documents, after, strict=True) if changed is not None]
        for document, changed in answered:
            self._count(document, changed)
        if learning:
            self.first += answered
            if not self._is_learning():
                self._audit()
        return called and len(answered) == len(documents)

    def _is_learning(self) -> bool:
        return self.strategy == "auto" and len(self.first) < AUDITED

    def _halve(self, documents: Sequence[Document], tally: VoteTally) -> list[dict[str, int] | None]:
        """Halve documents, suspects first; where that takes more calls than units, halving ends for good."""
        suspects = tally.suspects(SUSPECT_RATE)
        requests = self.calls.requests
        after = critical_units(self.calls, documents, [suspects_first(d, suspects) for d in documents])
        if self.strategy == "auto" and self.calls.requests - requests > sum(len(d.units) for d in documents):
            self.strategy = "every"
        return after

    def _audit(self) -> None:
        """Learn suspects from one half of the documents probed so far: does halving find all in the other half?"""
        middle = len(self.first) // 2
        halves = self.first[:middle], self.first[middle:]
        for taught, audited in (halves, halves[::-1]):
            tally = VoteTally()
            for document, changed in taught:
                tally.add(document.vote, changed)
            halved = self._halve([document for document, _ in audited], tally)
            if any(after not in (None, exact) for after, (_, exact) in zip(halved, audited, strict=True)):
                self.strategy = "every"

    def _documents(self, rows: list[int]) -> tuple[list[Document], bool]:
        """Return the documents on which the LF votes, and whether the budget sufficed to see."""
        texts = self.points.texts
        if self.votes is None:
            votes = (self.calls.fresh if self.noisy else self.calls)([(row, texts[row]) for row in rows])
        else:
            votes = self.votes[rows].tolist()
        certain = self.tally.certain(self.settings.precision)
        documents = []
        for row, vote in zip(rows, votes, strict=True):
            if vote == ABSTAIN:
                self.abstaining.append(row)
            elif vote not in (UNKNOWN, NOT_CALLED):
                units = self.units(texts[row])
                open_units = {u: spans for u, spans in units.items() if u not in certain}
                documents.append(Document(row, texts[row], open_units, vote))
        return documents, NOT_CALLED not in votes

    def _count(self, document: Document, after: dict[str, int]) -> None:
        before = document.vote
        if self.noisy:
            [before] = self.calls.fresh([(document.row, document.text)])
            if before == NOT_CALLED:
                return
        num_flipping = len(self.tally.flips)
        flipping = self.tally.add(before, after)
        self.num_probed += 1
        self.num_explained += bool(flipping)
        self.since_new = 0 if len(self.tally.flips) > num_flipping else self.since_new + 1

    def _insert(self) -> None:
        for number, unit in enumerate(self.settings.candidates):
            start = number * INSERTIONS % max(1, len(self.abstaining))
            rows = (self.abstaining[start:] + self.abstaining[:start])[:INSERTIONS]
            texts = [self.points.texts[row] for row in rows]
            tests = [
                (row, f"{text} {unit}" if place % 2 else f"{unit} {text}")
                for place, (row, text) in enumerate(zip(rows, texts, strict=True))
                if unit not in self.units(text)
            ]
            for vote in self.calls(tests):
                if vote not in (UNKNOWN, NOT_CALLED):
                    self.inserted.add(vote, {unit: ABSTAIN})

    def _record(self, kind: Kind, rows_left: int) -> LFRecord:
        column, least = self.points.column, self.settings.min_support
        features: list[InspectedFeature] = self.tally.features(least, kind, column)
        removed = {(f.term, f.label) for f in features}
        inserted = [f for f in self.inserted.features(least, kind, column) if (f.term, f.label) not in removed]
        if self.noisy:
            features, inserted = ([f for f in each if _beyond_chance(f)] for each in (features, inserted))
        notes = [*self.notes, *self.calls.notes]
        if rows_left:
            ended = "" if self._settled() else f"{ENDED}: "
            notes.append(
                f"{ended}probed {self.num_probed} votes with {self.calls.calls} calls, {rows_left} rows not looked at"
            )
        unexplained = self.num_probed - self.num_explained
        if unexplained and not self.settings.precision:
            notes.append(f"no single {kind} decides {unexplained} of {self.num_probed} probed votes")
        if inserted:
            notes.append(f"shown by insertion alone: {', '.join(f.term for f in inserted)}")
        return LFRecord(self.lf.name, (*features, *inserted), (), tuple(notes))


def _beyond_chance(feature: InspectedFeature) -> bool:
    """Tell whether votes that change by themselves cannot explain a finding."""
    return (feature.support or 0) >= NOISY_SUPPORT and abs(feature.value) > 3 * (feature.std_error or 0)
