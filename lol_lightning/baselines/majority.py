"""Majority vote: the class with most votes, ties broken at random."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

__all__ = ["majority_probabilities", "majority_vote", "vote_counts"]


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


def majority_probabilities(votes: Int[np.ndarray, "row lf"], num_classes: int) -> Float[np.ndarray, "row cls"]:
    """Share each row among the classes with most votes, as Snorkel's ``MajorityLabelVoter.predict_proba`` does.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        num_classes: K.

    Returns:
        float64 (n, K), rows sum to 1; uniform where every LF abstains.

    Example:
        >>> majority_probabilities(np.array([[1, 1, 0], [1, 0, -1]]), num_classes=2)
        array([[0. , 1. ],
               [0.5, 0.5]])
    """
    counts = vote_counts(votes, num_classes)
    winners = counts == counts.max(1, keepdims=True)
    return winners / winners.sum(1, keepdims=True)


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
    probabilities = majority_probabilities(votes, num_classes)
    lots = np.random.default_rng(seed).random(probabilities.shape)
    chosen = np.where(probabilities > 0, lots, -1).argmax(1)
    return np.eye(num_classes, dtype=np.float32)[chosen]
