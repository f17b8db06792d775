"""What labeling functions are taken to do before any vote is counted, and how much that is worth."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from lol_lightning.functional.votes import ABSTAIN

__all__ = ["FLOOR", "default_prior_rows", "floored", "prior_conditionals"]

FLOOR = 1e-6
"""The least conditional: a vote never seen in training is no proof against a class."""

_VOTES_PER_ROOT = 1.5


def prior_conditionals(
    votes: Int[np.ndarray, "row lf"],
    class_balance: Float[np.ndarray, " cls"],
    precision: float | Float[np.ndarray, " lf"] = 0.7,
    floor: float = FLOOR,
) -> Float[np.ndarray, "lf outcome cls"]:
    r"""Conditionals of LFs that vote about as often as these do, and whose votes speak for their class.

    With s the precision, b the class shares and j another class than k,

    .. math:: \frac{P(\lambda_i = j \mid Y = j)}{P(\lambda_i = j \mid Y = k)}
        = \frac{(K - 1)\, s}{1 - s} \max \Big( 1, \frac{b_k}{b_j} \Big)

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        class_balance: float (K,), positive, sums to 1.
        precision: probability that a vote is right under equal shares, one for all LFs or one each, in [0, 1].
        floor: least conditional, in [0, 1 / (K + 1)).

    Returns:
        float64 (m, K + 1, K), each (LF, class) sums to 1.

    Notes:
        Votes for a rare class are right with that precision (the maximum), and votes for a frequent one more often
        than its share. A precision of 0.7 for every vote, as earlier, makes a vote for a class of 0.87 speak against
        it: true shares then cost 8 points on sms. An LF that votes for one class on nearly every row keeps its ratio,
        and its rate gives way: it is taken to abstain on rows of other classes, so that unanimous votes count.

    Example:
        >>> prior_conditionals(np.array([[1], [0]]), np.array([0.5, 0.5]))[0].round(3)
        array([[0. , 0. ],
               [0.7, 0.3],
               [0.3, 0.7]])
    """
    num_lfs, num_classes = votes.shape[1], len(class_balance)
    rates = np.stack([(votes == cls).mean(axis=0) for cls in range(num_classes)], axis=1)[:, :, None]
    right = np.broadcast_to(precision, num_lfs)[:, None, None]
    wrong = (1 - right) / (num_classes - 1) * np.minimum(1, class_balance[:, None] / class_balance)
    believed = np.where(np.eye(num_classes, dtype=bool), right, wrong)
    table = rates * believed / (believed * class_balance).sum(2, keepdims=True)
    table /= np.maximum(table.sum(1, keepdims=True).max(2, keepdims=True), 1)
    return floored(np.concatenate([1 - table.sum(1, keepdims=True), table], axis=1), floor)


def default_prior_rows(votes: Int[np.ndarray, "row lf"]) -> Float[np.ndarray, " lf"]:
    r"""How many rows the prior of each LF counts as: as many as hold ``1.5 * sqrt(n)`` of its votes.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``; n counts the rows on which some LF votes.

    Returns:
        float64 (m,), positive where there is a vote.

    Notes:
        Plain EM (a prior of a row or two) is led astray by LFs that depend on each other, and by LFs that rarely vote,
        of which it learns next to nothing: of six real sets it loses 3 points on youtube and 25 on chemprot. A number
        of votes, and not of rows, holds rare LFs and lets those that vote everywhere be learnt. 1 to 3 times
        ``sqrt(n)`` differ by less than noise on samples of 100 rows to all of them, and so does a constant of 30 to
        50 votes; one of 20 loses 13 points on chemprot, all rows. The root lets the prior fade as rows come in.

    Example:
        >>> default_prior_rows(np.array([[0, 1], [0, -1], [1, -1], [1, -1]]))
        array([ 3., 12.])
    """
    covered = votes != ABSTAIN
    wanted = _VOTES_PER_ROOT * np.sqrt(np.count_nonzero(covered.any(1)))
    return wanted * len(votes) / np.maximum(covered.sum(0), 1)


def floored(table: Float[np.ndarray, "lf outcome cls"], floor: float) -> Float[np.ndarray, "lf outcome cls"]:
    """Raise entries to ``floor`` and take the difference from the others in proportion, so that sums stay 1."""
    if floor == 0:
        return table
    above = np.maximum(table - floor, 0)
    return floor + (1 - table.shape[1] * floor) * above / above.sum(1, keepdims=True)
