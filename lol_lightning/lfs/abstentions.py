"""Abstentions that are written as a class: the votes show it, and nothing else would."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from lol_lightning.functional.votes import ABSTAIN

__all__ = ["class_of_abstentions", "warn_of_abstentions_as_class"]

_MIN_ROWS = 10
"""With fewer rows, a class is on all of them by chance."""
_EVERYWHERE, _DEFAULT, _NEARLY_ALWAYS = 0.95, 0.5, 0.9
_MAX_NAMES = 8


def class_of_abstentions(votes: Int[np.ndarray, "row lf"]) -> tuple[int, list[int]] | None:
    """Find a class that is what LFs vote where they have nothing to say.

    Such a class is on nearly every row, and each LF that votes for it does so on at least half of the rows, and
    otherwise has one other value, which differs from LF to LF. Where all LFs speak for one other class, they must vote
    for class 0 on nine rows of ten, and none may ever abstain.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.

    Returns:
        The class and the LFs that vote for it, ``None`` where there is none.

    Example:
        >>> spam, song = [1, 0, 0, 0, 0, 0] * 4, [0, 2, 0, 0, 0, 0] * 4
        >>> class_of_abstentions(np.array([spam, song]).T)
        (0, [0, 1])
        >>> class_of_abstentions(np.array([spam, song]).T - 1) is None
        True
    """
    if len(votes) < _MIN_ROWS:
        return None
    for cls in np.unique(votes[votes != ABSTAIN]).tolist():
        here = votes == cls
        rates = here.mean(0)
        lfs = np.flatnonzero(rates)
        if here.any(1).mean() < _EVERYWHERE or rates[lfs].min() < _DEFAULT:
            continue
        others = [set(np.unique(votes[:, i]).tolist()) - {cls} for i in lfs]
        if any(len(values) > 1 for values in others):
            continue
        distinct = set().union(*others)
        if cls != 0:  # An LF that says 1 or abstains is an ordinary one; 0 and -1 are the old signs of a class.
            distinct -= {ABSTAIN}
        one_class = cls == 0 and len(distinct) == 1 and not (votes == ABSTAIN).any()
        if len(distinct) > 1 or (one_class and rates[lfs].min() >= _NEARLY_ALWAYS):
            return cls, lfs.tolist()
    return None


def warn_of_abstentions_as_class(votes: Int[np.ndarray, "row lf"], lf_names: Sequence[str]) -> None:
    """Warn, in one line, where a class looks like an abstention; see ``class_of_abstentions``."""
    found = class_of_abstentions(votes)
    if found is None:
        return
    cls, lfs = found
    names = ", ".join(repr(lf_names[i]) for i in lfs[:_MAX_NAMES]) + ", ..." * (len(lfs) > _MAX_NAMES)
    rows = (votes == cls).any(1).mean()
    warnings.warn(
        f"class {cls} is voted for on {rows:.0%} of the rows, and is what {names} vote where they say nothing else. If "
        f"it means an abstention, let them return {ABSTAIN} instead, and number the classes from 0 on.",
        stacklevel=3,
    )
