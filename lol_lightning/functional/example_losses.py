"""The gradient penalty of labelers that have a gradient of their own at every example (Eq. 3, Sec. 5.6)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from lol_lightning.example_targets import ExampleTargets
from lol_lightning.functional.gradients import GradientUnit, in_unit
from lol_lightning.functional.losses import PENALTIES, Penalty
from lol_lightning.functional.votes import row_shares, voted_classes

__all__ = ["example_margins", "example_penalty", "shared_example_penalty", "voted_gradient"]


def voted_gradient(
    gradients: Float[Tensor, "batch cls feature"],
    probs: Float[Tensor, "batch cls"],
    votes: Shaped[Tensor, "batch lf *cls"],
    targets: ExampleTargets,
    unit: GradientUnit = "probability",
) -> Float[Tensor, "batch lf top"]:
    r"""The model's gradient on the features that each labeler names, of what that labeler votes for.

    .. math:: \frac{\partial h_{S_i(x)}(x)}{\partial x_j}, \qquad h_S = \sum_{k \in S} h_k

    :math:`S_i(x)` is the class that labeler i votes at x, or all classes that share the first place of its vote.

    Args:
        gradients: float (B, K, d), the gradient of each class's probability at each row itself.
        probs: float (B, K), those probabilities.
        votes: int64 (B, m) with class ids or ``ABSTAIN``, or probabilities float (B, m, K).
        targets: k features for each row and labeler.
        unit: "probability", or "log-odds" of the set of classes, as in ``model_input_gradient``.

    Returns:
        float (B, m, k), in ``unit`` per unit of the input; arbitrary where the labeler abstains.
    """
    index = targets.index.long()
    if votes.ndim == 2:
        cls = votes.clamp(min=0)
        flat = (cls.unsqueeze(-1) * gradients.shape[2] + index).flatten(1)
        reached = gradients.flatten(1).gather(1, flat).view(index.shape)
        chosen = probs.gather(1, cls)
    else:
        sets = voted_classes(votes, probs.shape[1]).to(gradients.dtype)
        flat = index.flatten(1).unsqueeze(1).expand(-1, gradients.shape[1], -1)
        each = gradients.gather(2, flat).view(*gradients.shape[:2], *index.shape[1:])
        reached = torch.einsum("bkmt,bmk->bmt", each, sets)
        chosen = torch.einsum("bk,bmk->bm", probs, sets)
    return in_unit(reached, chosen, unit, "none")


def example_margins(
    reached: Float[Tensor, "batch lf top"], targets: ExampleTargets, c: float | Tensor
) -> Float[Tensor, "batch lf top"]:
    r"""By how much the model's gradient misses each demand.

    .. math:: c|v| - \mathrm{sign}(v)\, \frac{\partial h_{S_i(x)}(x)}{\partial x_j}

    Args:
        reached: float (B, m, k), from ``voted_gradient``.
        targets: the demands v.
        c: the share of the labeler's gradient that the model must reach.

    Returns:
        float (B, m, k); at most 0 where the demand is met, and where there is none.
    """
    demands = targets.demands(reached.dtype)
    return c * demands.abs() - demands.sign() * reached


def example_penalty(
    reached: Float[Tensor, "batch lf top"], targets: ExampleTargets, c: float | Tensor, penalty: Penalty = "square"
) -> Float[Tensor, "batch lf"]:
    r"""Gradient penalty of each labeler at each example (Eq. 3 on the k largest entries).

    .. math:: p_i(x) = \sum_{(j, v)} \big[\, c|v| - \mathrm{sign}(v)\, \partial h_{S_i(x)}(x) / \partial x_j \,\big]_+^2

    Args:
        reached: float (B, m, k), from ``voted_gradient``; it must carry a graph.
        targets: the demands v; entries of 0 demand nothing.
        c: the share of the labeler's gradient that the model must reach.
        penalty: shape of the hinge, a key of ``PENALTIES``.

    Returns:
        float (B, m), non-negative.

    Example:
        >>> targets = ExampleTargets(torch.tensor([[[0, 3]]]), torch.tensor([[[1.0, -1.0]]]), num_features=4)
        >>> example_penalty(torch.tensor([[[0.1, -0.9]]]), targets, c=0.3)
        tensor([[0.0400]])
    """
    return PENALTIES[penalty](example_margins(reached, targets, c)).sum(-1)


def shared_example_penalty(
    reached: Float[Tensor, "batch lf top"],
    votes: Shaped[Tensor, "batch lf *cls"],
    targets: ExampleTargets,
    c: float | Tensor,
    penalty: Penalty = "square",
    lf_weights: Float[Tensor, " lf"] | None = None,
) -> Float[Tensor, ""]:
    r"""Gradient penalty as it counts in Eq. 4, without :math:`\alpha`.

    .. math:: \frac{1}{B} \sum_x \frac{1}{m(x)} \sum_i w_i q_i \mathbb{1}\{\lambda_i(x) \text{ votes}\} \, p_i(x)

    Args:
        reached: float (B, m, k), from ``voted_gradient``; it must carry a graph.
        votes: int64 (B, m) with class ids or ``ABSTAIN``, or probabilities float (B, m, K).
        targets: the demands, and the weights :math:`q_i` of the labelers' penalties.
        c: the share of the labeler's gradient that the model must reach.
        penalty: shape of the hinge, a key of ``PENALTIES``.
        lf_weights: float (m,), weight :math:`w_i` of each LF; ``None`` stands for uniform weights of 1.

    Returns:
        float (), non-negative.

    Example:
        >>> targets = ExampleTargets(torch.zeros(2, 1, 1, dtype=torch.long), torch.ones(2, 1, 1), num_features=1)
        >>> shared_example_penalty(torch.zeros(2, 1, 1), torch.tensor([[1], [-1]]), targets, c=0.5)
        tensor(0.1250)

    Notes:
        The weight :math:`q_i` is not in the paper: the gradient of a labeler that is wrong harms more than its vote.
    """
    shares = row_shares(votes, lf_weights).to(reached.dtype)
    if targets.penalty_weights is not None:
        shares = shares * targets.penalty_weights.to(shares)
    return (shares * example_penalty(reached, targets, c, penalty)).sum() / max(len(reached), 1)
