"""What a labeling function that is called outside of an applier returned, read as a vote."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection._budget import Budget
from lol_lightning.lfs.limits import CallTimeoutError

__all__ = ["NOT_CALLED", "UNKNOWN", "OnError", "as_vote", "vote_of"]

UNKNOWN = -2
"""Stands for the vote of an LF that raised or returned no class."""
NOT_CALLED = -3
"""Stands for the vote that the budget did not allow."""

OnError = Literal["note", "raise", "abstain"]
"""``"note"``: an error makes the vote unknown; ``"raise"`` raises; ``"abstain"``: the LF abstains where it fails."""


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
    except (TypeError, ValueError, OverflowError):
        return UNKNOWN
    return max(vote, ABSTAIN) if vote == value else UNKNOWN


def vote_of(
    lf: LabelingFunction, point: Any, where: str, remarks: Counter[str], on_error: OnError, budget: Budget
) -> int:
    """Call an LF on one data point within a budget; what is odd about its answer is counted in ``remarks``.

    Raises:
        LabelingFunctionError: if the LF raises and ``on_error`` is ``"raise"``.
    """
    try:
        value = budget.call(lf, point)
    except CallTimeoutError as error:
        remarks[f"not called any more: {error}"] += 1
        return UNKNOWN
    except Exception as error:
        if on_error == "raise":
            raise LabelingFunctionError(
                f"labeling function {lf.name!r} raised {type(error).__name__}: {error} on a changed copy of {where}. "
                'Make it abstain on such input, or probe with on_error="note".'
            ) from error
        if on_error == "abstain":
            remarks[f"raised {type(error).__name__} on a changed data point, counted as abstaining"] += 1
            return ABSTAIN
        remarks[f"raised {type(error).__name__} on a changed data point, the vote is unknown"] += 1
        return UNKNOWN
    if value is None:
        remarks["returned None, counted as abstaining"] += 1
    elif (vote := as_vote(value)) == UNKNOWN:
        remarks[f"returned {value!r:.40}, which is no class, the vote is unknown"] += 1
        return vote
    return as_vote(value)
