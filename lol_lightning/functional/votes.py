"""Votes of labeling functions as tensors: masks, soft votes (Prop. 1) and the factors of LFs (Eq. 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from lol_lightning.exceptions import VotesError

__all__ = [
    "ABSTAIN",
    "LF_FACTORS",
    "ROW_FACTORS",
    "Factors",
    "class_ids",
    "equal_factors",
    "equal_row_factors",
    "lf_factors",
    "row_factors",
    "soft_votes",
    "vote_mask",
    "vote_probabilities",
    "voted_classes",
    "votes_per_row",
]

ABSTAIN = -1
"""The vote of a labeling function that abstains, as in Snorkel."""


def vote_mask(votes: Shaped[Tensor, "batch lf *cls"]) -> Bool[Tensor, "batch lf"]:
    """Tell which labeling functions vote.

    Args:
        votes: int64 (B, m) with class ids in [0, K) or ``ABSTAIN``, or probabilities float (B, m, K);
            a row of K zeros abstains.

    Returns:
        bool (B, m), true where the LF votes.

    Example:
        >>> vote_mask(torch.tensor([[1, -1, 0]]))
        tensor([[ True, False,  True]])
    """
    return votes != ABSTAIN if votes.ndim == 2 else votes.sum(-1) > 0


def vote_probabilities(votes: Shaped[Tensor, "batch lf *cls"], num_classes: int) -> Float[Tensor, "batch lf cls"]:
    """Votes as one distribution over classes for each labeling function.

    Args:
        votes: int64 (B, m) with class ids or ``ABSTAIN``, or probabilities float (B, m, K), returned as they are.
        num_classes: K.

    Returns:
        float (B, m, K); abstentions are rows of zeros.

    Example:
        >>> vote_probabilities(torch.tensor([[1, -1]]), num_classes=2)
        tensor([[[0., 1.],
                 [0., 0.]]])
    """
    if votes.ndim == 3:
        return votes
    classes = torch.arange(num_classes, device=votes.device)
    return (votes.unsqueeze(-1) == classes).to(torch.get_default_dtype())


def voted_classes(votes: Shaped[Tensor, "batch lf *cls"], num_classes: int) -> Bool[Tensor, "batch lf cls"]:
    """Tell which classes each labeling function votes for, as a set.

    A vote of probabilities speaks for its most probable class, or for all that share the first place: an attribute
    that several classes have votes for all of them. A vote that is equal for all classes speaks for none.

    Args:
        votes: int64 (B, m) with class ids or ``ABSTAIN``, or probabilities float (B, m, K).
        num_classes: K.

    Returns:
        bool (B, m, K); abstentions are rows without a class.

    Example:
        >>> voted_classes(torch.tensor([[[0.4, 0.4, 0.2], [0.0, 0.0, 0.0]]]), num_classes=3)
        tensor([[[ True,  True, False],
                 [False, False, False]]])
    """
    if votes.ndim == 2:
        return votes.unsqueeze(-1) == torch.arange(num_classes, device=votes.device)
    first = (votes == votes.amax(-1, keepdim=True)) & (votes > 0)
    return first & ~first.all(-1, keepdim=True)


def class_ids(votes: Shaped[Tensor, "batch lf *cls"], num_classes: int) -> Int[Tensor, "batch lf"]:
    """Class ids of votes, for whoever reads nothing else; a vote that is for several classes at once abstains.

    Args:
        votes: int64 (B, m) with class ids or ``ABSTAIN``, returned as they are, or probabilities float (B, m, K).
        num_classes: K.

    Returns:
        int64 (B, m).

    Example:
        >>> class_ids(torch.tensor([[[0.4, 0.4, 0.2], [0.1, 0.9, 0.0]]]), num_classes=3)
        tensor([[-1,  1]])
    """
    if votes.ndim == 2:
        return votes.long()
    chosen = voted_classes(votes, num_classes)
    return torch.where(chosen.sum(-1) == 1, chosen.int().argmax(-1), ABSTAIN)


def is_covered(votes: Shaped[Tensor, "batch lf *cls"]) -> Bool[Tensor, " batch"]:
    """Tell of each row whether some labeling function votes on it, bool (B,).

    Example:
        >>> is_covered(torch.tensor([[1, -1], [-1, -1]]))
        tensor([ True, False])
    """
    return vote_mask(votes).any(1)


def votes_per_row(votes: Shaped[Tensor, "batch lf *cls"]) -> Int[Tensor, " batch"]:
    """m(x): how many labeling functions vote on each row, int64 (B,) in [0, m]."""
    return vote_mask(votes).sum(-1)


def soft_votes(
    votes: Shaped[Tensor, "batch lf *cls"],
    num_classes: int,
    lf_weights: Float[Tensor, " lf"] | None = None,
) -> Float[Tensor, "batch cls"]:
    r"""Weighted share of each class among the votes, the target of Proposition 1.

    .. math:: s_k(x) = \frac{1}{m(x)} \sum_i w_i \mathbb{1}\{\lambda_i(x) = k\}

    Args:
        votes: int64 (B, m) with class ids or ``ABSTAIN``, or probabilities float (B, m, K).
        num_classes: K.
        lf_weights: float (m,), weight of each LF; ``None`` stands for uniform weights of 1.

    Returns:
        float (B, K). Rows sum to 1 under uniform weights and to 0 where every LF abstains.

    Example:
        >>> soft_votes(torch.tensor([[1, 1, 0, -1], [-1, -1, -1, -1]]), num_classes=2)
        tensor([[0.3333, 0.6667],
                [0.0000, 0.0000]])
    """
    weights = _weights(votes, lf_weights)
    if votes.ndim == 3:
        totals = torch.einsum("bmk,m->bk", votes, weights.to(votes.dtype))
    else:
        # One extra column, the first, takes the abstentions, so that no (B, m, K) tensor is built.
        totals = weights.new_zeros(votes.shape[0], num_classes + 1)
        totals = totals.scatter_add(1, votes - ABSTAIN, weights.expand(votes.shape))
        if lf_weights is None:
            return totals[:, 1:] / (votes.shape[1] - totals[:, :1]).clamp(min=1)
        totals = totals[:, 1:]
    return totals / votes_per_row(votes).clamp(min=1).unsqueeze(-1)


def lf_factors(
    votes: Shaped[Tensor, "batch lf *cls"], lf_weights: Float[Tensor, " lf"] | None = None
) -> Float[Tensor, " lf"]:
    r"""How much each labeling function counts in the batch: the factor of its gradient penalty in Eq. 4.

    .. math:: f_i = \frac{1}{B} \sum_x \frac{w_i \mathbb{1}\{\lambda_i \text{ votes on } x\}}{m(x)}

    Args:
        votes: int64 (B, m) with class ids or ``ABSTAIN``, or probabilities float (B, m, K).
        lf_weights: float (m,), weight of each LF; ``None`` stands for uniform weights of 1.

    Returns:
        float (m,). Under uniform weights they sum to the share of rows on which some LF votes.

    Example:
        >>> lf_factors(torch.tensor([[1, 1], [-1, 0]]))
        tensor([0.2500, 0.7500])
    """
    return row_factors(votes, lf_weights).mean(0)


def row_factors(
    votes: Shaped[Tensor, "batch lf *cls"], lf_weights: Float[Tensor, " lf"] | None = None
) -> Float[Tensor, "batch lf"]:
    r"""How much each labeling function counts on each row in Eq. 4: :math:`w_i 1\{\lambda_i \text{ votes}\} / m(x)`.

    Args:
        votes: int64 (B, m) with class ids or ``ABSTAIN``, or probabilities float (B, m, K).
        lf_weights: float (m,), weight of each LF; ``None`` stands for uniform weights of 1.

    Returns:
        float (B, m). Under uniform weights rows sum to 1, and to 0 where every LF abstains.

    Example:
        >>> row_factors(torch.tensor([[1, 1], [-1, 0]]))
        tensor([[0.5000, 0.5000],
                [0.0000, 1.0000]])
    """
    weights = _weights(votes, lf_weights)
    mask = vote_mask(votes).to(weights.dtype)
    return weights * (mask / mask.sum(-1, keepdim=True).clamp(min=1))


def equal_factors(
    votes: Shaped[Tensor, "batch lf *cls"], lf_weights: Float[Tensor, " lf"] | None = None
) -> Float[Tensor, " lf"]:
    """Count every labeling function alike, :math:`w_i / m`, whether or not it votes in the batch.

    Args:
        votes: int64 (B, m) or float (B, m, K), read for their number of LFs only.
        lf_weights: float (m,), weight of each LF; ``None`` stands for uniform weights of 1.

    Returns:
        float (m,). Under uniform weights they sum to 1, as ``lf_factors`` do where some LF votes on every row.

    Example:
        >>> equal_factors(torch.tensor([[1, 1], [-1, 0]]))
        tensor([0.5000, 0.5000])
    """
    return _weights(votes, lf_weights) / votes.shape[1]


def equal_row_factors(
    votes: Shaped[Tensor, "batch lf *cls"], lf_weights: Float[Tensor, " lf"] | None = None
) -> Float[Tensor, "batch lf"]:
    """Count every vote alike, :math:`w_i / m`, however many labeling functions vote on a row; abstentions count 0.

    Example:
        >>> equal_row_factors(torch.tensor([[1, 1], [-1, 0]]))
        tensor([[0.5000, 0.5000],
                [0.0000, 0.5000]])
    """
    weights = equal_factors(votes, lf_weights)
    return weights * vote_mask(votes).to(weights.dtype)


Factors = Literal["votes", "equal"]

LF_FACTORS: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {"votes": lf_factors, "equal": equal_factors}
"""How much the gradient penalty of each labeling function counts: as its votes do (Eq. 4), or as any other's."""

ROW_FACTORS: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {"votes": row_factors, "equal": equal_row_factors}
"""The same for penalties of single rows, where a labeling function that abstains demands nothing."""


def _weights(votes: Tensor, lf_weights: Tensor | None) -> Tensor:
    dtype = votes.dtype if votes.is_floating_point() else torch.get_default_dtype()
    if lf_weights is None:
        return torch.ones(votes.shape[1], dtype=dtype, device=votes.device)
    if lf_weights.shape != (votes.shape[1],):
        raise VotesError(f"{len(lf_weights)} lf_weights met votes of {votes.shape[1]} LFs; give one for each.")
    return lf_weights.to(votes.device)
