"""Majority vote: the class with most votes, ties broken at random; where class shares are known, of weighted votes."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from lol_lightning.exceptions import NotFittedError
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.lfs.matrix import validate_votes
from lol_lightning.losses.weights.class_balance import balancing_weights, class_balance_of

__all__ = ["MajorityVote", "break_ties", "majority_probabilities", "majority_vote", "vote_counts"]


def vote_counts(votes: Int[np.ndarray, "row lf"], num_classes: int) -> Int[np.ndarray, "row cls"]:
    """Count the votes for each class.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        num_classes: K.

    Returns:
        int64 (n, K), in [0, m].

    Example:
        >>> vote_counts(np.array([[1, 1, -1], [-1, -1, -1]]), num_classes=2)
        array([[0, 2],
               [0, 0]])
    """
    return np.stack([np.count_nonzero(votes == cls, axis=1) for cls in range(num_classes)], axis=1)


def majority_probabilities(
    votes: Int[np.ndarray, "row lf"], num_classes: int, class_weights: Float[np.ndarray, " cls"] | None = None
) -> Float[np.ndarray, "row cls"]:
    """Share each row among the classes with most votes, as Snorkel's ``MajorityLabelVoter.predict_proba`` does.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        num_classes: K.
        class_weights: float (K,), how much a vote for each class counts; 1 by default.

    Returns:
        float64 (n, K), rows sum to 1; uniform where every LF abstains.

    Example:
        >>> majority_probabilities(np.array([[1, 1, 0], [1, 0, -1]]), num_classes=2)
        array([[0. , 1. ],
               [0.5, 0.5]])
    """
    counts = vote_counts(votes, num_classes)
    support = counts if class_weights is None else counts * class_weights
    winners = support == support.max(1, keepdims=True)
    return winners / winners.sum(1, keepdims=True)


def break_ties(probabilities: Float[np.ndarray, "row cls"], seed: int = 0) -> Float[np.ndarray, "row cls"]:
    """Give each row to its most probable class, at random where several are.

    Args:
        probabilities: float (n, K).
        seed: of the ties. Equal seeds break them equally, and the global random states are left as they were.

    Returns:
        float32 (n, K), each row 1 for one class and 0 for the others.

    Example:
        >>> break_ties(np.array([[0.2, 0.8], [0.9, 0.1]]))
        array([[0., 1.],
               [1., 0.]], dtype=float32)
    """
    lots = np.random.default_rng(seed).random(probabilities.shape)
    first = probabilities == probabilities.max(1, keepdims=True)
    return np.eye(probabilities.shape[1], dtype=np.float32)[np.where(first, lots, -1).argmax(1)]


def majority_vote(votes: Int[np.ndarray, "row lf"], num_classes: int, seed: int = 0) -> Float[np.ndarray, "row cls"]:
    """Give each row to the class with most votes; a tie goes to one of its classes at random.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        num_classes: K.
        seed: of the ties. Equal seeds break them equally, and the global random states are left as they were.

    Returns:
        float32 (n, K), each row 1 for one class and 0 for the others. Where every LF abstains all classes tie.

    Notes:
        Up to the ties these are the labels of Snorkel's ``MajorityLabelVoter``, which loops over rows and votes.
        Snorkel breaks ties by a hash of the row's number, the same in every run, or by the global generator; neither
        takes a seed, so the ties here are drawn, uniformly, from a generator of their own.

    Example:
        >>> majority_vote(np.array([[1, 1, 0], [0, -1, -1]]), num_classes=2)
        array([[0., 1.],
               [1., 0.]], dtype=float32)
    """
    return break_ties(majority_probabilities(votes, num_classes), seed)


class MajorityVote:
    """Majority vote as a label model, which may know the shares of the classes.

    Args:
        num_classes: K, at least 2.
        class_balance: share of each class, K positive numbers. A vote for a class then counts by ``balancing_weights``,
            so that among all votes the classes have these shares: LFs that vote for a class more often than it occurs
            are often wrong there. By default all votes count alike.

    Attributes:
        class_weights_: float64 (K,), how much a vote for each class counts, or ``None`` where all count alike.

    Raises:
        ConfigurationError: if there is not one positive share for each class.

    Example:
        >>> votes = np.array([[1, 1, 0], [1, 0, -1], [1, 1, -1], [1, -1, -1]])
        >>> MajorityVote(2).fit(votes).predict_proba(votes)[1]
        array([0.5, 0.5])
        >>> MajorityVote(2, class_balance=[0.5, 0.5]).fit(votes).predict_proba(votes)[1]
        array([1., 0.])
    """

    class_weights_: Float[np.ndarray, " cls"] | None

    __repr__ = short_repr

    def __init__(self, num_classes: int, class_balance: Any | None = None) -> None:
        self.num_classes = num_classes
        self.class_balance = None if class_balance is None else class_balance_of(class_balance, None, num_classes)

    def fit(self, votes: Any) -> MajorityVote:
        """Weight the classes.

        Args:
            votes: int (n, m) with class ids or ``ABSTAIN``; any m from 1 on.

        Returns:
            The model itself.

        Raises:
            VotesError: if a vote is neither a class nor ``ABSTAIN``.
        """
        votes = validate_votes(votes, self.num_classes)
        self.class_weights_ = None
        if self.class_balance is not None:
            counts = vote_counts(votes, self.num_classes)
            soft_votes = counts / np.maximum(counts.sum(1, keepdims=True), 1)
            self.class_weights_ = balancing_weights(soft_votes, self.class_balance)
        self._num_lfs = votes.shape[1]
        return self

    def predict_proba(self, votes: Any) -> Float[np.ndarray, "row cls"]:
        """Share each row among the classes with most votes, see ``majority_probabilities``.

        Raises:
            NotFittedError: before ``fit``.
            VotesError: if a vote is neither a class nor ``ABSTAIN``, or m is another one than in ``fit``.
        """
        if not hasattr(self, "_num_lfs"):
            raise NotFittedError("the classes have no weights yet; call fit first.")
        votes = validate_votes(votes, self.num_classes, fitted_lfs=self._num_lfs)
        return majority_probabilities(votes, self.num_classes, self.class_weights_)
