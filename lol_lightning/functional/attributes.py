"""Binary attributes, many at once: a balanced loss, calibration, thresholds and accuracies."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = [
    "Calibration",
    "attribute_loss",
    "balance_weights",
    "balanced_accuracies",
    "best_thresholds",
    "calibrate",
    "centred_probabilities",
]

Calibration = Literal["platt", "temperature", "none"]

_NEWTON_STEPS = 30
_RIDGE = 1e-3


def balance_weights(
    targets: Float[Tensor, "row attribute"], positive_share: Float[Tensor, " attribute"]
) -> Float[Tensor, "row attribute"]:
    r"""Weights under which rows with and without an attribute count the same, 0 where it is unknown.

    .. math:: w = \frac{1}{2\pi} \text{ with the attribute}, \quad \frac{1}{2(1 - \pi)} \text{ without it}

    Args:
        targets: float (N, A), 1 with the attribute, 0 without, NaN where it is unknown.
        positive_share: float (A,), the share :math:`\pi` of rows that have it; 0.5 leaves all weights at 1.

    Returns:
        float (N, A), of mean 1 over rows whose share is ``positive_share``.

    Example:
        >>> balance_weights(torch.tensor([[1.0], [0.0], [torch.nan]]), torch.tensor([0.25]))
        tensor([[2.0000],
                [0.6667],
                [0.0000]])
    """
    share = positive_share.clamp(1e-6, 1 - 1e-6)
    weights = torch.where(targets > 0.5, 0.5 / share, 0.5 / (1 - share))
    return weights.where(~targets.isnan(), 0.0)


def attribute_loss(
    logits: Float[Tensor, "row attribute"],
    targets: Float[Tensor, "row attribute"],
    positive_share: Float[Tensor, " attribute"],
) -> Float[Tensor, ""]:
    """Mean balanced binary cross-entropy over the attributes that are known.

    Args:
        logits: float (N, A).
        targets: float (N, A), 1 with the attribute, 0 without, NaN where it is unknown.
        positive_share: float (A,), see ``balance_weights``.

    Returns:
        float (), in nats; 0 with a graph where nothing is known.

    Example:
        >>> attribute_loss(torch.zeros(2, 1), torch.tensor([[1.0], [torch.nan]]), torch.tensor([0.5]))
        tensor(0.6931)
    """
    known = ~targets.isnan()
    losses = F.binary_cross_entropy_with_logits(logits, targets.nan_to_num(), reduction="none")
    return (balance_weights(targets, positive_share) * losses).sum() / known.sum().clamp(min=1)


def calibrate(
    logits: Float[Tensor, "row attribute"],
    targets: Float[Tensor, "row attribute"],
    method: Calibration = "platt",
) -> tuple[Float[Tensor, " attribute"], Float[Tensor, " attribute"]]:
    r"""Scale and shift of each attribute's logit that fit held-out rows best, by Newton's method for all at once.

    .. math:: p = \sigma(a z + b), \qquad a \ge 0

    Rows with and without an attribute count the same, so that :math:`p` has no opinion on how frequent it is.

    Args:
        logits: float (N, A), z.
        targets: float (N, A), 1 with the attribute, 0 without, NaN where it is unknown.
        method: "platt" fits a and b, "temperature" a alone, "none" gives a = 1 and b = 0.

    Returns:
        a and b, float (A,) each. An attribute that all rows have, or none, keeps a = 1 and b = 0.

    Example:
        >>> z = torch.tensor([[-9.0], [9.0], [-9.0], [9.0]])
        >>> slope, _ = calibrate(z, torch.tensor([[0.0], [1.0], [1.0], [0.0]]))
        >>> slope
        tensor([0.])
    """
    positive_share = (targets == 1).sum(0) / (~targets.isnan()).sum(0).clamp(min=1)
    found = (positive_share > 0) & (positive_share < 1) & torch.tensor(method != "none", device=logits.device)
    z, y = logits.double(), targets.nan_to_num().double()
    weights = balance_weights(targets, positive_share).double()
    weights = weights / weights.sum(0).clamp(min=1)
    # Logits of unit size make one ridge right for all attributes.
    size = (weights * z.square()).sum(0).sqrt().clamp(min=1e-6)
    z = z / size
    a, b = torch.ones_like(size), torch.zeros_like(size)
    for _ in range(_NEWTON_STEPS):
        p = torch.sigmoid(a * z + b)
        error, curve = weights * (p - y), weights * p * (1 - p)
        slope_a, slope_b = (error * z).sum(0) + _RIDGE * a, error.sum(0)
        aa, ab, bb = (curve * z * z).sum(0) + _RIDGE, (curve * z).sum(0), curve.sum(0) + 1e-9
        if method == "temperature":
            slope_b, ab = torch.zeros_like(b), torch.zeros_like(b)
        determinant = aa * bb - ab * ab
        step_a = (bb * slope_a - ab * slope_b) / determinant
        step_b = (aa * slope_b - ab * slope_a) / determinant
        # A step is never longer than 2 logits: where a sure attribute's curvature vanishes, Newton's would be.
        shrink = 2 / torch.maximum(step_a.abs(), step_b.abs()).clamp(min=2)
        a, b = a - shrink * step_a, b - shrink * step_b
    a, b = (a / size).clamp(min=0), b
    one, zero = torch.ones_like(a), torch.zeros_like(b)
    return torch.where(found, a, one).to(logits.dtype), torch.where(found, b, zero).to(logits.dtype)


def best_thresholds(
    scores: Float[Tensor, "row attribute"], targets: Float[Tensor, "row attribute"]
) -> Float[Tensor, " attribute"]:
    """Thresholds of greatest balanced accuracy, one for each attribute.

    Args:
        scores: float (N, A), such as probabilities; a row is said to have the attribute at or above the threshold.
        targets: float (N, A), 1 with the attribute, 0 without, NaN where it is unknown.

    Returns:
        float (A,), halfway between two scores of known rows; NaN for an attribute that all rows have, or none.

    Example:
        >>> best_thresholds(torch.tensor([[0.1], [0.2], [0.6]]), torch.tensor([[0.0], [0.0], [1.0]]))
        tensor([0.4000])
    """
    # Rows whose attribute is unknown go behind all others, where no threshold is sought.
    ordered, order = scores.masked_fill(targets.isnan(), torch.inf).sort(0)
    y = targets.gather(0, order)
    positive, negative = (y == 1).double(), (y == 0).double()
    # Threshold t lies between the rows t and t + 1 of the order: above it are the positives that count.
    above = (positive.sum(0) - positive.cumsum(0)) / positive.sum(0)
    below = negative.cumsum(0) / negative.sum(0)
    balanced = (above + below)[:-1]
    # Equal scores cannot be told apart by any threshold.
    balanced = balanced.where((ordered[:-1] < ordered[1:]) & ordered[1:].isfinite(), -1.0).nan_to_num(-1.0)
    if not len(balanced):
        return torch.full_like(scores[0], torch.nan)
    best = balanced.argmax(0, keepdim=True)
    middle = (ordered.gather(0, best) + ordered.gather(0, best + 1))[0] / 2
    return middle.where(balanced.amax(0) >= 0, torch.nan)


def balanced_accuracies(
    predicted: Bool[Tensor, "row attribute"], targets: Float[Tensor, "row attribute"]
) -> Float[Tensor, " attribute"]:
    """Mean of the accuracies on rows with and without each attribute, float (A,) in [0, 1]; NaN where one is missing.

    Example:
        >>> balanced_accuracies(torch.tensor([[True], [True], [False]]), torch.tensor([[1.0], [0.0], [0.0]]))
        tensor([0.7500])
    """
    positive, negative = targets == 1, targets == 0
    found = (predicted & positive).sum(0) / positive.sum(0)
    left = (~predicted & negative).sum(0) / negative.sum(0)
    return (found + left) / 2


def centred_probabilities(
    probabilities: Float[Tensor, "row attribute"], thresholds: Float[Tensor, " attribute"]
) -> Float[Tensor, "row attribute"]:
    r"""Shift probabilities in log-odds so that each attribute's threshold becomes one half.

    .. math:: p' = \sigma(\mathrm{logit}(p) - \mathrm{logit}(\theta))

    Example:
        >>> centred_probabilities(torch.tensor([[0.3, 0.5]]), torch.tensor([0.3, 0.2]))
        tensor([[0.5000, 0.8000]])
    """
    return torch.sigmoid(torch.logit(probabilities, 1e-6) - torch.logit(thresholds, 1e-6))
