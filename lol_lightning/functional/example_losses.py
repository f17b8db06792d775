"""The gradient penalty of labelers that have a gradient of their own at every example (Eq. 3, Sec. 5.6)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.functional.gradients import GradientUnit, other_logits
from lol_lightning.functional.losses import HINGES, Hinge, Reduction
from lol_lightning.functional.votes import ROW_FACTORS, Factors, voted_classes

__all__ = ["example_margins", "example_penalty", "voted_gradient", "weighted_example_penalty"]


def voted_gradient(
    gradients: Float[Tensor, "batch cls feature"],
    logits: Float[Tensor, "batch cls"],
    votes: Shaped[Tensor, "batch lf *cls"],
    targets: ExampleTargets,
    unit: GradientUnit = "probability",
    hold_factor: bool = False,
) -> Float[Tensor, "batch lf top"]:
    r"""The model's gradient on the features that each labeler names, of what that labeler votes for.

    .. math:: \frac{\partial h_{S_i(x)}(x)}{\partial x_j}, \qquad h_S = \sum_{k \in S} h_k

    :math:`S_i(x)` is the class that labeler i votes at x, or all classes that share the first place of its vote.

    Args:
        gradients: float (B, K, d), the gradient of each class at each row itself, in ``unit``.
        logits: float (B, K), at the same rows.
        votes: int64 (B, m) with class ids or ``ABSTAIN``, or probabilities float (B, m, K).
        targets: k features for each row and labeler.
        unit: "probability", or "log-odds" for the gradient of :math:`\log h_S / (1 - h_S)`.
        hold_factor: hold what each class counts in the log-odds of several constant in the backward pass; give it the
            ``gradients`` of ``model_input_gradient`` with the same.

    Returns:
        float (B, m, k), in ``unit`` per unit of the input; arbitrary where the labeler abstains.
    """
    index = targets.index.long()
    if votes.ndim == 2:
        flat = (votes.clamp(min=0).unsqueeze(-1) * gradients.shape[2] + index).flatten(1)
        return gradients.flatten(1).gather(1, flat).view(index.shape)
    sets = voted_classes(votes, logits.shape[1])
    parts = sets.to(gradients.dtype)
    if unit == "log-odds":
        parts = parts * _parts_of_log_odds(logits.detach() if hold_factor else logits, sets)
    flat = index.flatten(1).unsqueeze(1).expand(-1, gradients.shape[1], -1)
    each = gradients.gather(2, flat).view(*gradients.shape[:2], *index.shape[1:])
    return torch.einsum("bkmt,bmk->bmt", each, parts)


def _parts_of_log_odds(
    logits: Float[Tensor, "batch cls"], sets: Bool[Tensor, "batch lf cls"]
) -> Float[Tensor, "batch lf cls"]:
    """What the gradient of each class's log-odds counts in that of a set: h_k (1 - h_k) / (h_S (1 - h_S))."""
    log_h = logits.log_softmax(-1)
    blocks = logits.expand(logits.shape[1], *logits.shape)
    log_rest = (other_logits(blocks).logsumexp(-1) - blocks.logsumexp(-1)).T
    spread = log_h.unsqueeze(1).expand(sets.shape)
    inside = spread.masked_fill(~sets, -torch.inf).logsumexp(-1)
    outside = spread.masked_fill(sets, -torch.inf).logsumexp(-1)
    # A set without a class makes no demand; its part is any number.
    of_set = (inside + outside).nan_to_num(neginf=0.0)
    return ((log_h + log_rest).unsqueeze(1) - of_set.unsqueeze(-1)).exp()


def example_margins(
    reached: Float[Tensor, "batch lf top"], targets: ExampleTargets, c: float | Tensor
) -> Float[Tensor, "batch lf top"]:
    r"""By how much the model's gradient misses each demand.

    .. math:: c|v| - \mathrm{sign}(v)\, \frac{\partial h_{S_i(x)}(x)}{\partial x_j}

    Args:
        reached: float (B, m, k), from ``voted_gradient``.
        targets: the demands v.
        c: the fraction of the labeler's gradient that the model must reach.

    Returns:
        float (B, m, k); at most 0 where the demand is met, and where there is none.
    """
    demands = targets.demands(reached.dtype)
    return c * demands.abs() - demands.sign() * reached


def example_penalty(
    reached: Float[Tensor, "batch lf top"],
    targets: ExampleTargets,
    c: float | Tensor,
    hinge: Hinge = "square",
    reduction: Reduction = "sum",
) -> Float[Tensor, "batch lf"]:
    r"""Gradient penalty of each labeler at each example (Eq. 3 on the k largest entries).

    .. math:: p_i(x) = \sum_{(j, v)} \big[\, c|v| - \mathrm{sign}(v)\, \partial h_{S_i(x)}(x) / \partial x_j \,\big]_+^2

    Args:
        reached: float (B, m, k), from ``voted_gradient``; it must carry a graph.
        targets: the demands v; entries of 0 demand nothing.
        c: the fraction of the labeler's gradient that the model must reach.
        hinge: shape of the hinge, a key of ``HINGES``.
        reduction: "sum" over the labeler's k entries as in Eq. 3, or their "mean", of margins in units of
            ``targets.typical_magnitude``.

    Returns:
        float (B, m), non-negative.

    Example:
        >>> targets = ExampleTargets(torch.tensor([[[0, 3]]]), torch.tensor([[[1.0, -1.0]]]), num_features=4)
        >>> example_penalty(torch.tensor([[[0.1, -0.9]]]), targets, c=0.3)
        tensor([[0.0400]])
    """
    margins = example_margins(reached, targets, c)
    if reduction == "mean":
        return HINGES[hinge](margins / targets.typical_magnitude).mean(-1)
    return HINGES[hinge](margins).sum(-1)


def weighted_example_penalty(
    reached: Float[Tensor, "batch lf top"],
    votes: Shaped[Tensor, "batch lf *cls"],
    targets: ExampleTargets,
    c: float | Tensor,
    hinge: Hinge = "square",
    lf_weights: Float[Tensor, " lf"] | None = None,
    factors: Factors = "votes",
    reduction: Reduction = "sum",
) -> Float[Tensor, ""]:
    r"""Gradient penalty as it counts in Eq. 4, without :math:`\alpha`.

    .. math:: \frac{1}{B} \sum_x \frac{1}{m(x)} \sum_i w_i \mathbb{1}\{\lambda_i(x) \text{ votes}\} \, p_i(x)

    Args:
        reached: float (B, m, k), from ``voted_gradient``; it must carry a graph.
        votes: int64 (B, m) with class ids or ``ABSTAIN``, or probabilities float (B, m, K).
        targets: the demands.
        c: the fraction of the labeler's gradient that the model must reach.
        hinge: shape of the hinge, a key of ``HINGES``.
        lf_weights: float (m,), weight of each LF; ``None`` stands for uniform weights of 1.
        factors: "votes" as in Eq. 4, or "equal" to divide by m instead of m(x).
        reduction: as for ``example_penalty``.

    Returns:
        float (), non-negative.

    Example:
        >>> targets = ExampleTargets(torch.zeros(2, 1, 1, dtype=torch.long), torch.ones(2, 1, 1), num_features=1)
        >>> weighted_example_penalty(torch.zeros(2, 1, 1), torch.tensor([[1], [-1]]), targets, c=0.5)
        tensor(0.1250)
    """
    weights = ROW_FACTORS[factors](votes, lf_weights).to(reached.dtype)
    return (weights * example_penalty(reached, targets, c, hinge, reduction)).sum() / max(len(reached), 1)
