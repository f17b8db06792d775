"""Whether labeling functions vote together as often as a model of independent ones says."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from lol_lightning.functional.votes import ABSTAIN

__all__ = ["overlap_misfit", "vote_indicators"]


def vote_indicators(votes: Int[np.ndarray, "row lf"], num_classes: int) -> sp.csr_array:
    """One column for each (LF, class), 1 where that LF casts that vote; abstentions are not stored.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        num_classes: K.

    Returns:
        float64 (n, m K), sparse; column ``i * K + k`` belongs to LF i and class k.

    Example:
        >>> vote_indicators(np.array([[1, -1], [0, 1]]), num_classes=2).toarray()
        array([[0., 1., 0., 0.],
               [1., 0., 0., 1.]])
    """
    rows, lfs = (votes != ABSTAIN).nonzero()
    columns = lfs * num_classes + votes[rows, lfs]
    shape = (votes.shape[0], votes.shape[1] * num_classes)
    return sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


def overlap_misfit(
    votes: Int[np.ndarray, "row lf"],
    conditionals: Float[np.ndarray, "lf outcome cls"],
    class_balance: Float[np.ndarray, " cls"],
) -> float:
    r"""How far the LFs' overlaps are from those of independent LFs, in units of chance.

    With O the number of rows on which LFs i and i' cast the votes j and j', and E the expected number,

    .. math:: \frac{\sum (O - E)^2}{\sum E (1 - E / n)}, \qquad
        E = n \sum_k b_k P(\lambda_i = j \mid k) P(\lambda_{i'} = j' \mid k),

    over all pairs of LFs and of votes. It is about 1 where the conditionals are true and the LFs independent given the
    class, less where the conditionals were fitted to the same votes, and grows with n where LFs depend on each other.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        conditionals: float (m, K + 1, K), see ``lol_lightning.label_model.conditionals``.
        class_balance: float (K,), sums to 1.

    Returns:
        Not negative; infinity where no two LFs can meet, so that there is nothing to compare.

    Example:
        >>> table = np.tile([[[0.0, 0.0], [0.8, 0.2], [0.2, 0.8]]], (2, 1, 1))
        >>> twins = np.repeat([[0, 0], [1, 1]], 50, axis=0)
        >>> round(overlap_misfit(twins, table, np.array([0.5, 0.5])), 2)
        14.27
    """
    num_rows, num_classes = len(votes), len(class_balance)
    indicators = vote_indicators(votes, num_classes)
    observed = (indicators.T @ indicators).tocoo()
    # Sums over all pairs come from those of the factors of E, so that no (m K, m K) array is needed.
    by_vote = conditionals[:, 1:].reshape(-1, num_classes)
    weighted = num_rows * class_balance * by_vote
    own = num_rows * np.einsum("ijk,ilk,k->ijl", conditionals[:, 1:], conditionals[:, 1:], class_balance)
    expected = weighted.sum(0) @ by_vote.sum(0) - own.sum()
    squares = np.sum((weighted.T @ weighted) * (by_vote.T @ by_vote)) - np.sum(own**2)
    first, second = observed.coords
    others = first // num_classes != second // num_classes
    first, second, counts = first[others], second[others], observed.data[others]
    products = np.einsum("ck,ck,c->", weighted[first], by_vote[second], counts)
    variance = expected - squares / num_rows
    return float((np.sum(counts**2) - 2 * products + squares) / variance) if variance > 0 else float("inf")
