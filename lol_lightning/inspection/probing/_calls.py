"""Calls of one labeling function on changed texts: counted, cached, limited, and safe against its errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection.probing.points import TextPoints
from lol_lightning.lfs.apply import fast_apply

__all__ = ["NOT_CALLED", "UNKNOWN", "CountedCalls", "OnError", "as_vote", "vote_of"]

UNKNOWN = -2
"""Stands for the vote of an LF that raised or returned no class."""
NOT_CALLED = -3
"""Stands for the vote that the call budget did not allow."""

OnError = Literal["note", "raise"]


def as_vote(value: Any) -> int:
    """Read what an LF returned: a class, ``ABSTAIN`` (also for ``None`` and any negative), or ``UNKNOWN``.

    Example:
        >>> import numpy as np
        >>> as_vote(np.int64(1)), as_vote(None), as_vote("spam")
        (1, -1, -2)
    """
    if value is None:
        return ABSTAIN
    try:
        vote = int(value)
    except (TypeError, ValueError):
        return UNKNOWN
    return max(vote, ABSTAIN) if vote == value else UNKNOWN


class CountedCalls:
    """One LF on data points whose text is changed.

    Equal calls are made once. Two calls are equal if the texts are, and, unless the LF is known to read nothing else,
    the data point is the same.

    Args:
        lf: the labeling function; one with known ``rules`` is applied to whole batches at once.
        points: the corpus.
        max_calls: how many calls may be made; ``None`` sets no limit.
        on_error: ``"note"`` counts an LF that raises as ``UNKNOWN``; ``"raise"`` raises.
    """

    def __init__(
        self, lf: LabelingFunction, points: TextPoints, max_calls: int | None = None, on_error: OnError = "note"
    ) -> None:
        self.lf, self.points, self.max_calls, self.on_error = lf, points, max_calls, on_error
        self.calls = self.asked = 0
        self.remarks: Counter[str] = Counter()
        """What went wrong, and how often."""
        self._votes: dict[Any, int] = {}
        self._by_rules = bool(getattr(lf, "rules", None)) and not lf._pre and lf.column == points.column
        self._only_text = points.only_text or self._by_rules

    def __call__(self, tests: Sequence[tuple[int, str]]) -> list[int]:
        """Return the votes on the data points ``row`` with their text replaced by ``text``.

        Args:
            tests: pairs ``(row, text)``.

        Returns:
            A class, ``ABSTAIN``, ``UNKNOWN`` or, past the budget, ``NOT_CALLED`` for each pair.
        """
        self.asked += len(tests)
        keys = [text if self._only_text else (row, text) for row, text in tests]
        new = {key: test for key, test in zip(keys, tests, strict=True) if key not in self._votes}
        allowed = len(new) if self.max_calls is None else max(0, self.max_calls - self.calls)
        batch = dict(list(new.items())[:allowed])
        self._votes.update(zip(batch, self.fresh(list(batch.values())), strict=True))
        return [self._votes.get(key, NOT_CALLED) for key in keys]

    def fresh(self, tests: Sequence[tuple[int, str]]) -> list[int]:
        """Call the LF whatever is cached or allowed, and count the calls."""
        self.calls += len(tests)
        if self._by_rules and tests:
            frame = pd.DataFrame({self.points.column: [text for _, text in tests]})
            return fast_apply([self.lf], frame)[:, 0].tolist()
        return [self._vote(row, text) for row, text in tests]

    @property
    def notes(self) -> list[str]:
        """One line for each thing that went wrong."""
        return [f"{remark} ({count} of {self.calls} calls)" for remark, count in self.remarks.items()]

    def _vote(self, row: int, text: str) -> int:
        return vote_of(self.lf, self.points.with_text(row, text), f"row {row}", self.remarks, self.on_error)


def vote_of(lf: LabelingFunction, point: Any, where: str, remarks: Counter[str], on_error: OnError) -> int:
    """Call an LF on one data point; what is odd about its answer is counted in ``remarks``.

    Raises:
        LabelingFunctionError: if the LF raises and ``on_error`` is ``"raise"``.
    """
    try:
        value = lf(point)
    except Exception as error:
        if on_error == "raise":
            raise LabelingFunctionError(
                f"labeling function {lf.name!r} raised {type(error).__name__}: {error} on a changed copy of {where}. "
                'Make it abstain on such input, or probe with on_error="note".'
            ) from error
        remarks[f"raised {type(error).__name__} on a changed data point, the vote is unknown"] += 1
        return UNKNOWN
    if value is None:
        remarks["returned None, counted as abstaining"] += 1
    elif (vote := as_vote(value)) == UNKNOWN:
        remarks[f"returned {value!r:.40}, which is no class, the vote is unknown"] += 1
        return vote
    return as_vote(value)
