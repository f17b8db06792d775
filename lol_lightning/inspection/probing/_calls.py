"""Calls of one labeling function on changed texts: counted, cached, limited, and safe against its errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import pandas as pd
from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.inspection._budget import Budget
from lol_lightning.inspection._votes import NOT_CALLED, UNKNOWN, OnError, vote_of
from lol_lightning.inspection.probing._points import TextPoints
from lol_lightning.inspection.tracing._reachable import may_read_place
from lol_lightning.lfs.apply import fast_apply
from lol_lightning.lfs.isolated import isolated_copy

__all__ = ["CountedCalls"]


class CountedCalls:
    """One LF on data points whose text is changed.

    Equal calls are made once. Two calls are equal if the texts are, and the data point is the same: an LF may read its
    other columns, or its place in the index. Only where the LF can read nothing else do texts count alone.

    Args:
        lf: the labeling function; one that has ``rules`` is applied to whole batches at once.
        points: the corpus.
        budget: how many calls may be made, and for how long; no limit by default.
        on_error: ``"note"`` counts an LF that raises as ``UNKNOWN``, ``"abstain"`` as abstaining; ``"raise"`` raises.
    """

    def __init__(
        self, lf: LabelingFunction, points: TextPoints, budget: Budget | None = None, on_error: OnError = "note"
    ) -> None:
        self.lf, self.points, self.on_error = isolated_copy(lf), points, on_error
        self.budget = Budget() if budget is None else budget
        self.requests = 0
        """How many votes were needed, equal ones counted each time."""
        self.remarks: Counter[str] = Counter()
        """What went wrong, and how often."""
        self._votes: dict[Any, int] = {}
        self._by_rules = bool(getattr(lf, "rules", None)) and not lf._pre and str(lf.column) == points.column
        only_column = points.only_column and not may_read_place(lf)
        self._only_text = points.only_text or self._by_rules or only_column

    @property
    def calls(self) -> int:
        """Number of calls so far."""
        return self.budget.calls

    def __call__(self, tests: Sequence[tuple[int, str]]) -> list[int]:
        """Return the votes on the data points ``row`` with their text replaced by ``text``.

        Args:
            tests: pairs ``(row, text)``.

        Returns:
            A class, ``ABSTAIN``, ``UNKNOWN`` or, past the budget, ``NOT_CALLED`` for each pair.
        """
        self.requests += len(tests)
        keys = [self._key(row, text) for row, text in tests]
        new = {key: test for key, test in zip(keys, tests, strict=True) if key not in self._votes}
        votes = zip(new, self.fresh(list(new.values())), strict=True)
        self._votes.update((key, vote) for key, vote in votes if vote != NOT_CALLED)
        return [self._votes.get(key, NOT_CALLED) for key in keys]

    def fresh(self, tests: Sequence[tuple[int, str]]) -> list[int]:
        """Call the LF on all pairs whatever is cached, as far as the budget allows, and count the calls."""
        if self._by_rules and tests:
            allowed = self._allowed(len(tests))
            self.budget.spend(allowed)
            frame = pd.DataFrame({self.lf.column: [text for _, text in tests[:allowed]]}, dtype=object)
            try:
                votes = fast_apply([self.lf], frame, max_call_seconds=self.budget.limit.seconds)[:, 0].tolist()
            except LabelingFunctionError as error:  # Rules fail only by taking too long, as texts are all they get.
                self.budget.stop()
                self.remarks[f"not called any more: {error!s:.200}"] += 1
                votes = [UNKNOWN] * allowed
            return votes + [NOT_CALLED] * (len(tests) - allowed)
        return [self._vote(row, text) for row, text in tests]

    @property
    def notes(self) -> list[str]:
        """One line for each thing that went wrong."""
        return [f"{remark} ({count} of {self.calls} calls)" for remark, count in self.remarks.items()]

    def _key(self, row: int, text: str) -> Any:
        """Return what makes a call equal to another; a long text, of which there may be thousands, by its digest."""
        short = text if len(text) < 256 else blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return short if self._only_text else (row, short)

    def _allowed(self, number: int) -> int:
        if not self.budget.allows():
            return 0
        return number if self.budget.calls_left is None else min(number, self.budget.calls_left)

    def _vote(self, row: int, text: str) -> int:
        if not self.budget.allows():
            return NOT_CALLED
        point = self.points.with_text(row, text)
        return vote_of(self.lf, point, f"row {row}", self.remarks, self.on_error, self.budget)
