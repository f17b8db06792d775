"""The terms of Losses over Labels: vote loss (Eq. 1, 2) and gradient penalty (Eq. 3). ``LoLLoss`` adds them up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from lol_lightning.exceptions import TargetsError, VotesError
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.votes import LF_FACTORS, Factors, soft_votes

__all__ = [
    "HINGES",
    "Hinge",
    "Reduction",
    "class_share_loss",
    "gradient_penalty",
    "hinge_margins",
    "increase_within_reach",
    "soft_vote_loss",
    "vote_loss",
    "weighted_penalty",
]

Hinge = Literal["square", "linear", "exponential"]
Reduction = Literal["sum", "mean"]

HINGES: dict[str, Callable[[Tensor], Tensor]] = {
    "square": lambda margin: margin.relu().square(),
    "linear": lambda margin: margin.relu(),
    "exponential": lambda margin: margin.relu().expm1(),
}
"""Shapes of the hinge in Eq. 3, each 0 where the demand is met; the paper's main text has the square."""


def soft_vote_loss(logits: Float[Tensor, "batch cls"], targets: Float[Tensor, "batch cls"]) -> Float[Tensor, ""]:
    """Cross-entropy against soft votes, divided by B; rows of zeros in ``targets`` carry no loss but keep a graph."""
    return -(targets * logits.log_softmax(-1)).sum() / max(len(logits), 1)


def vote_loss(
    logits: Float[Tensor, "batch cls"],
    votes: Shaped[Tensor, "batch lf *cls"],
    lf_weights: Float[Tensor, " lf"] | None = None,
    class_weights: Float[Tensor, " cls"] | None = None,
) -> Float[Tensor, ""]:
    r"""Mean cross-entropy to every vote (Eq. 1 and 2), the whole loss of "LoL-simple".

    .. math:: \frac{1}{B} \sum_x \frac{1}{m(x)} \sum_i w_i\, u_{\lambda_i(x)}
              \mathbb{1}\{\lambda_i(x) \text{ votes}\} \, \mathrm{CE}(h(x), \lambda_i(x))

    By Proposition 1 this is one cross-entropy to the soft votes, and it is computed so.

    Args:
        logits: float (B, K).
        votes: int64 (B, m) with class ids or ``ABSTAIN``, or probabilities float (B, m, K).
        lf_weights: float (m,), weight of each LF; ``None`` stands for uniform weights of 1.
        class_weights: float (K,), weight u of the votes for each class; the paper has ``None``, which stands for 1.

    Returns:
        float (), in nats; 0 with a graph where every LF abstains on every row.

    Raises:
        VotesError: if there is not one weight for each LF, or for each class.

    Example:
        >>> vote_loss(torch.zeros(2, 2), torch.tensor([[1, 0], [-1, -1]]))
        tensor(0.3466)
    """
    targets = soft_votes(votes, logits.shape[-1], lf_weights).to(logits.dtype)
    if class_weights is None:
        return soft_vote_loss(logits, targets)
    if class_weights.shape != logits.shape[1:]:
        raise VotesError(f"{len(class_weights)} class_weights met {logits.shape[1]} classes; give one for each.")
    return soft_vote_loss(logits, targets * class_weights.to(targets))


def class_share_loss(
    logits: Float[Tensor, "batch cls"], shares: Float[Tensor, " cls"], mean_prediction: Float[Tensor, " cls"]
) -> Float[Tensor, ""]:
    r"""How far the model's mean prediction is from the class shares (expectation regularization, Mann and McCallum).

    .. math:: \mathrm{KL}(\pi \,\|\, \bar h) = \sum_k \pi_k \log \frac{\pi_k}{\bar h_k}, \qquad
              \nabla_\theta = -\sum_k \frac{\pi_k}{\bar h_k} \, \nabla_\theta \frac{1}{B} \sum_x h_k(x)

    The value is that at the mean prediction :math:`\bar h` over many batches; the gradient goes through the predictions
    on this batch. It is linear in them, so that the gradients of batches, and of ranks, add up to that of all rows.

    Args:
        logits: float (B, K).
        shares: float (K,), not negative, sums to 1: the share of each class among all rows.
        mean_prediction: float (K,), positive, sums to 1, without a graph.

    Returns:
        float (), in nats, at least 0.

    Example:
        >>> shares, mean = torch.tensor([0.75, 0.25]), torch.tensor([0.5, 0.5])
        >>> class_share_loss(torch.zeros(2, 2), shares, mean)
        tensor(0.1308)

    Notes:
        Not part of the paper. G. S. Mann and A. McCallum, "Simple, robust, scalable semi-supervised learning via
        expectation regularization", ICML 2007, take the mean over all rows in every step.
    """
    mean_prediction = mean_prediction.clamp(min=torch.finfo(mean_prediction.dtype).tiny)
    divergence = (torch.xlogy(shares, shares) - shares * mean_prediction.log()).sum()
    of_batch = logits.to(shares.dtype).softmax(-1).mean(0)
    linear = -torch.dot(shares / mean_prediction, of_batch)
    return divergence + linear - linear.detach()


def increase_within_reach(probabilities: Float[Tensor, "sample cls"], c: float | Tensor) -> Float[Tensor, " cls"]:
    r"""What slope is enough to raise a probability by c, in probability per unit: the demand that can be reached.

    A slope is the beginning of a curve. With the log-odds rising evenly, the slope that takes :math:`h` to
    :math:`h + c` is the mean over the samples of

    .. math:: h (1 - h) \Big( \mathrm{logit}\, (h + \min(c, 2 (1 - h) / 3)) - \mathrm{logit}\, h \Big) ,

    and never more than c. It is about c where h is undecided, and small where h is close to 0, as the curve becomes
    steep, or to 1, where there is no room for a rise by c.

    Args:
        probabilities: float (t, K) at the smoothing samples, without a graph.
        c: in (0, inf).

    Returns:
        float (K,) in (0, c].

    Example:
        >>> increase_within_reach(torch.tensor([[0.5, 0.5], [0.05, 0.95]]), c=0.3)
        tensor([0.2052, 0.1769])
    """
    # In half precision 1 - 1e-6 is 1, whose log-odds are infinite.
    h = probabilities.to(torch.promote_types(probabilities.dtype, torch.float32)).clamp(1e-6, 1 - 1e-6)
    raised = h + (2 * (1 - h) / 3).clamp(max=c)
    return (h * (1 - h) * (raised.logit() - h.logit())).clamp(max=c).mean(0)


def hinge_margins(
    gradients: Float[Tensor, "cls inspected"], targets: GradientTargets, c: float | Tensor
) -> Float[Tensor, " entry"]:
    r"""By how much the model's gradient misses each demand: :math:`c|v| - \mathrm{sign}(v)\,\nabla\tilde h_{k,j}`.

    Args:
        gradients: float (K, F), the smoothed model's gradient on ``targets.features``, column by column.
        targets: E entries.
        c: the fraction of the LF's gradient that the model must reach, in probability per ``feature_scale``: a number,
            or float (E,) for each entry.

    Returns:
        float (E,); at most 0 where the demand is met.

    Raises:
        TargetsError: if the gradients have another shape than (K, F).
    """
    expected = targets.num_classes, len(targets.features)
    if gradients.shape != expected:
        raise TargetsError(
            f"gradients of shape {tuple(gradients.shape)} met targets of {expected[0]} classes and {expected[1]} "
            "inspected features; give the mean over the samples, restricted to targets.features: "
            f"gradients[:, targets.features], {expected}."
        )
    return c * targets.magnitude - targets.sign * gradients.flatten().index_select(0, targets.slot)


def gradient_penalty(
    gradients: Float[Tensor, "cls inspected"],
    targets: GradientTargets,
    c: float | Tensor,
    hinge: Hinge = "square",
    reduction: Reduction = "sum",
) -> Float[Tensor, " lf"]:
    r"""Gradient penalty of each labeling function (Eq. 3).

    .. math:: p_i = \sum_{(k, j, v) \in i} \big[\, c|v| - \mathrm{sign}(v)\, \nabla \tilde h_{k,j} \,\big]_+^2

    Args:
        gradients: float (K, F), the smoothed model's gradient on ``targets.features``, column by column.
        targets: E entries; LFs without entries get the penalty 0.
        c: the fraction of the LF's gradient that the model must reach.
        hinge: shape of the hinge, a key of ``HINGES``.
        reduction: "sum" over the LF's entries as in Eq. 3, or their "mean".

    Returns:
        float (m,), non-negative.

    Example:
        >>> targets = GradientTargets.from_entries([(0, 1, 2, 1.0)], num_lfs=2, num_classes=2, num_features=4)
        >>> gradient_penalty(torch.tensor([[-0.1], [0.1]]), targets, c=0.3)
        tensor([0.0400, 0.0000])

    Notes:
        For v > 0 this is the paper's Eq. 3 read on the inspected entries; the sign extends it to gradients below 0.
        Entries where the LF's gradient is 0 make no demand.
    """
    misses = HINGES[hinge](hinge_margins(gradients, targets, c))
    totals = misses.new_zeros(targets.num_lfs).index_add(0, targets.lf, misses)
    return totals / targets.entries_per_lf if reduction == "mean" else totals


def weighted_penalty(
    gradients: Float[Tensor, "cls inspected"],
    votes: Shaped[Tensor, "batch lf *cls"],
    targets: GradientTargets,
    c: float | Tensor,
    hinge: Hinge = "square",
    lf_weights: Float[Tensor, " lf"] | None = None,
    factors: Factors = "votes",
    reduction: Reduction = "sum",
) -> Float[Tensor, ""]:
    r"""Gradient penalty as it counts in Eq. 4: :math:`\sum_i f_i \, p_i`, without :math:`\alpha`.

    Args:
        gradients: float (K, F), the smoothed model's gradient on ``targets.features``, column by column.
        votes: int64 (B, m) with class ids or ``ABSTAIN``, or probabilities float (B, m, K).
        targets: what the LFs demand.
        c: the fraction of the LF's gradient that the model must reach.
        hinge: shape of the hinge, a key of ``HINGES``.
        lf_weights: float (m,), weight of each LF; ``None`` stands for uniform weights of 1.
        factors: "votes" as in Eq. 4, or "equal" for :math:`w_i / m`, so that LFs which do not vote here count, too.
        reduction: as for ``gradient_penalty``.

    Returns:
        float (), non-negative.

    Example:
        >>> targets = GradientTargets.from_entries([(0, 1, 0, 1.0)], num_lfs=2, num_classes=2, num_features=1)
        >>> weighted_penalty(torch.zeros(2, 1), torch.tensor([[1, -1], [1, 0]]), targets, c=0.5)
        tensor(0.1875)
    """
    penalties = gradient_penalty(gradients, targets, c, hinge, reduction)
    return torch.dot(LF_FACTORS[factors](votes, lf_weights).to(penalties.dtype), penalties)
