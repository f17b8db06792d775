"""Shares of the classes, and the weights that give votes these shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lol_lightning.data.options import in_order_of_classes
from lol_lightning.exceptions import ConfigurationError, DataError

__all__ = ["balancing_weights", "checked_shares", "checked_weights", "class_balance_of", "shrunken_shares"]

PSEUDO_ROWS = 3
"""a of ``balancing_weights``."""


def class_balance_of(class_balance: Any, labels: Any, num_classes: int) -> Float[ndarray, " cls"]:
    """Return class shares: ``class_balance``, else those among the labels, else equal ones; float64 (K,), sums to 1.

    Raises:
        ConfigurationError: if a share is missing, not finite or not positive.
        DataError: if a label is not in [0, K), or a class has none.

    Example:
        >>> class_balance_of(None, [0, 0, 1, 0], num_classes=2)
        array([0.75, 0.25])
    """
    if class_balance is not None:
        ordered = in_order_of_classes(class_balance, num_classes)
        try:
            shares = np.asarray(ordered, dtype=float)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"class_balance = {class_balance!r:.80}; it must be {num_classes} positive numbers, one for each class."
            ) from error
        if shares.ndim == 1 and len(shares) != num_classes:
            raise ConfigurationError(
                f"class_balance has {len(shares)} entries. Does not match LabelModel cardinality {num_classes}. "
                f"It must be {num_classes} positive numbers, one for each class."
            )
        if shares.ndim == 1 and (shares == 0).any():
            raise ConfigurationError(
                f"Class balance prior is 0 for class(es) {np.flatnonzero(shares == 0).tolist()}; class_balance must be "
                f"{num_classes} positive numbers, one for each class."
            )
        if shares.shape != (num_classes,) or not (np.isfinite(shares) & (shares > 0)).all():
            raise ConfigurationError(
                f"class_balance = {class_balance!r}; it must be {num_classes} positive numbers, one for each class."
            )
        return shares / shares.sum()
    if labels is None:
        return np.full(num_classes, 1 / num_classes)
    labels = np.asarray(labels)
    if labels.ndim > 1 and labels.size != len(labels):
        raise DataError(f"Y_dev has the shape {labels.shape}; give one class id for each row, (n,).")
    labels = labels.ravel()
    if labels.dtype.kind not in "iufbO" or any(isinstance(label, str) for label in labels.tolist()):
        raise DataError(
            f"Y_dev has {labels.tolist()[0]!r:.60} in row 0; labels must be 0 .. {num_classes - 1}, not names."
        )
    outside = ~np.isin(labels, np.arange(num_classes))
    if outside.any():
        row = int(outside.argmax())
        raise DataError(f"Y_dev has {labels.tolist()[row]!r} in row {row}; labels must be 0 .. {num_classes - 1}.")
    counts = np.bincount(labels.astype(np.int64), minlength=num_classes)
    if not counts.all():
        raise DataError(
            f"Y_dev has {np.count_nonzero(counts)} class(es). Does not match LabelModel cardinality {num_classes}. It "
            f"has no row of class {int(counts.argmin())}, so its share would be 0. Give class_balance instead."
        )
    return counts / counts.sum()


def balancing_weights(
    soft_votes: Float[ndarray, "row cls"], class_balance: Sequence[float] | ndarray, num_labeled: int | None = None
) -> Float[ndarray, " cls"]:
    r"""Weights of the votes for each class under which the classes have the shares that they should have.

    LFs that vote for one class far more often than it occurs teach a model to predict it too often, however right
    they are. With q the shares of the classes among the votes and p the shares wanted,

    .. math:: u_k \propto \frac{N p_k + a}{N q_k + a}, \qquad \sum_k q_k u_k = 1,

    where N is the number of rows that the less certain of both was counted on, and a = 3 pseudo-rows of each class
    keep a class that was hardly seen from a weight out of all proportion.

    Args:
        soft_votes: float (n, K), as ``functional.votes.soft_votes`` gives them; rows of zeros have no votes.
        class_balance: the K shares wanted, not negative.
        num_labeled: number of labeled rows that they were counted on, ``None`` for shares that are certain.

    Returns:
        float (K,), positive.

    Raises:
        ConfigurationError: if there is not one share for each class, or one is negative or not finite, or all are 0.

    Example:
        >>> balancing_weights(np.repeat([[1.0, 0.0], [0.0, 1.0]], [300, 100], axis=0), [0.5, 0.5]).round(2)
        array([0.67, 1.98])
    """
    wanted = checked_weights(class_balance, "class_balance")
    if wanted.shape != soft_votes.shape[1:] or not wanted.any():
        raise ConfigurationError(
            f"class_balance = {wanted.tolist()}; give one share for each of {soft_votes.shape[1]} classes, not all 0."
        )
    num_rows = np.count_nonzero(soft_votes.any(1))
    counted = num_rows if num_labeled is None else min(num_rows, num_labeled)
    voted = soft_votes.sum(0) / max(soft_votes.sum(), np.finfo(float).tiny)
    weights = (counted * wanted / wanted.sum() + PSEUDO_ROWS) / (counted * voted + PSEUDO_ROWS)
    return weights / max(weights @ voted, np.finfo(float).tiny) if num_rows else np.ones_like(weights)


def shrunken_shares(
    soft_votes: Float[ndarray, "row cls"], shares: Float[ndarray, " cls"], num_labels: int | None
) -> Float[ndarray, " cls"]:
    r"""Class shares that few labels tell, pulled towards those among the votes.

    .. math:: \hat\pi_k = \frac{N p_k + a K q_k}{N + a K}

    with p the shares among N labels, q those among the votes, and a = 3 pseudo-rows for each of K classes. A class that
    the labels happen to miss thus keeps a share.

    Args:
        soft_votes: float (n, K), as ``functional.votes.soft_votes`` gives them; rows of zeros have no votes.
        shares: float (K,), not negative, sums to 1.
        num_labels: N; ``None`` for shares that are certain, which are returned as they are.

    Returns:
        float (K,), not negative, sums to 1.

    Example:
        >>> shrunken_shares(np.repeat([[1.0, 0.0], [0.0, 1.0]], [5, 5], axis=0), np.array([1.0, 0.0]), 6)
        array([0.75, 0.25])
    """
    total = soft_votes.sum()
    if num_labels is None or not total:
        return shares
    pseudo_rows = PSEUDO_ROWS * len(shares)
    return (num_labels * shares + pseudo_rows * soft_votes.sum(0) / total) / (num_labels + pseudo_rows)


def checked_shares(shares: Sequence[float] | ndarray, name: str = "class_shares") -> Float[ndarray, " cls"]:
    """Return shares scaled to the sum 1; they must be finite, not negative and not all 0.

    Raises:
        ConfigurationError: if they are not.
    """
    checked = checked_weights(shares, name)
    if checked.ndim != 1 or not checked.sum() > 0:
        raise ConfigurationError(f"{name} = {checked.tolist()}; give one share for each class, not all 0.")
    return checked / checked.sum()


def checked_weights(weighting: Sequence[float] | ndarray, name: str = "lf_weights") -> Float[ndarray, " weight"]:
    """Return weights as an array; they must be finite and not negative, and those of votes not all 0.

    Raises:
        ConfigurationError: if they are not.
    """
    try:
        weights = np.asarray(weighting, dtype=float)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{name} = {weighting!r:.80}; give a list of numbers.") from error
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ConfigurationError(f"{name} = {weights.tolist()} must be finite and not negative.")
    if name in ("lf_weights", "class_weights") and weights.size and not weights.any():
        raise ConfigurationError(f"{name} = {weights.tolist()}: with weights of 0 nothing is trained.")
    return weights
