"""Demands on differences: what inserting an inspected term adds to a class probability (Eq. 3, read discretely)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lol_lightning.functional.gradients import GradientUnit
from lol_lightning.functional.losses import HINGES, Hinge

__all__ = ["added_by_term", "insertion_margins", "insertion_penalty", "rise_within_reach"]

_NODES = (0.5 - 15**0.5 / 10, 0.5, 0.5 + 15**0.5 / 10)
_WEIGHTS = (5 / 18, 8 / 18, 5 / 18)
"""Gauss-Legendre quadrature on [0, 1]; three points integrate polynomials up to degree 5 exactly."""


def added_by_term(
    with_term: Float[Tensor, "insertion cls"],
    without_term: Float[Tensor, "insertion cls"],
    cls: Int[Tensor, " insertion"],
    unit: GradientUnit = "probability",
    hold_factor: bool = True,
) -> Float[Tensor, " insertion"]:
    r"""What a term adds to the probability of the class that an LF votes for when it is there.

    .. math:: \Delta_k = h_k(x \text{ with the term}) - h_k(x \text{ without it})

    Its mean over rows is the derivative of the smoothed model: :math:`\tilde h` is multilinear in :math:`\phi`
    (Sec. 4.2), so that :math:`\partial \tilde h_k / \partial \phi_j = E[h_k(z_j = 1) - h_k(z_j = 0)]`. The input
    gradient is its limit for small weights.

    With ``hold_factor`` the value is the same, and the gradient that of

    .. math:: \sum_l \bar J_{kl} \, (a_l^{\text{with}} - a_l^{\text{without}}), \qquad
              \bar J = \int_0^1 J\big(a^{\text{without}} + s\, (a^{\text{with}} - a^{\text{without}})\big)\, ds

    with the mean :math:`\bar J` of the softmax Jacobian held constant, and logits :math:`a`. A demand can then be met
    by a larger difference of the logits only, never by moving both probabilities to where the same difference of logits
    weighs more; the gradient of an output bias is exactly zero.

    Args:
        with_term: logits float (I, K) of rows with the term.
        without_term: logits float (I, K) of the same rows without it.
        cls: int64 (I,), class k of each insertion.
        unit: "probability", or "log-odds" for :math:`\log h_k / (1 - h_k)`.
        hold_factor: hold the Jacobian constant in the backward pass.

    Returns:
        float (I,), in ``unit``; probabilities differ by [-1, 1].

    Example:
        >>> added_by_term(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2), torch.tensor([1]))
        tensor([0.3808])
    """
    # Log-odds of half-precision logits lose all digits where a class is certain.
    dtype = torch.promote_types(with_term.dtype, torch.float32)
    with_term, without_term = with_term.to(dtype), without_term.to(dtype)
    value = _LEVELS[unit](with_term, cls) - _LEVELS[unit](without_term, cls)
    if not hold_factor:
        return value
    difference = with_term - without_term
    start, step = without_term.detach(), difference.detach()
    slopes = (w * _SLOPES[unit](start + node * step, cls) for node, w in zip(_NODES, _WEIGHTS, strict=True))
    held = (sum(slopes, torch.zeros_like(start)) * difference).sum(-1)
    return value.detach() + held - held.detach()


def rise_within_reach(
    probabilities: Float[Tensor, " insertion"], c: float, sign: Float[Tensor, " insertion"]
) -> Float[Tensor, " insertion"]:
    r"""How far a probability is to rise, or fall: by c, or by two thirds of the way that is left where that is less.

    .. math:: \min\big(c, \tfrac{2}{3} (1 - h)\big) \text{ to rise}, \qquad \min\big(c, \tfrac{2}{3} h\big)
              \text{ to fall}

    Args:
        probabilities: float (I,), of the class without the term (to rise), without a graph.
        c: in (0, inf).
        sign: float (I,), 1 to rise and -1 to fall.

    Returns:
        float (I,) in [0, c].

    Example:
        >>> rise_within_reach(torch.tensor([0.1, 0.7, 0.3]), c=0.5, sign=torch.tensor([1.0, 1.0, -1.0]))
        tensor([0.5000, 0.2000, 0.2000])
    """
    room = torch.where(sign > 0, 1 - probabilities, probabilities)
    return (2 * room / 3).clamp(min=0, max=c)


def insertion_margins(
    added: Float[Tensor, " insertion"], value: Float[Tensor, " insertion"], c: float | Float[Tensor, " insertion"]
) -> Float[Tensor, " insertion"]:
    r"""By how much each insertion misses its demand, :math:`c|v| - \mathrm{sign}(v)\, \Delta_k`; at most 0 where met.

    Args:
        added: float (I,), see ``added_by_term``.
        value: float (I,), what the term adds to the smoothed LF, in [-1, 1].
        c: the fraction of it that the model must add, a number or float (I,).
    """
    return c * value.abs() - value.sign() * added


def insertion_penalty(
    margins: Float[Tensor, " insertion"],
    lf: Int[Tensor, " insertion"],
    weight: Float[Tensor, " insertion"],
    num_lfs: int,
    hinge: Hinge = "square",
) -> Float[Tensor, " lf"]:
    r"""Gradient penalty of each LF (Eq. 3) on differences: the mean of the squared hinges over its insertions.

    .. math:: p_i = E_{(j, x) \in i} \big[\, c|v_j| - \mathrm{sign}(v_j)\, \Delta_k(x, j) \,\big]_+^2

    The mean stands outside the square, so that a sample of insertions with inverse-probability weights is unbiased.
    By Jensen's inequality it is at least the penalty of the mean difference over the rows, which is Eq. 3's reading:
    each row is to react by c, not their mean alone.

    Args:
        margins: float (I,), see ``insertion_margins``.
        lf: int64 (I,), the LF of each insertion.
        weight: float (I,), not negative: how many insertions of its LF each stands for, divided by their number, over
            the chance that it was drawn.
        num_lfs: m.
        hinge: shape of the hinge, a key of ``HINGES``.

    Returns:
        float (m,), not negative; 0 for LFs without insertions.

    Example:
        >>> insertion_penalty(torch.tensor([0.2, -0.1, 0.4]), torch.tensor([0, 0, 1]), torch.tensor([0.5, 0.5, 1.0]), 2)
        tensor([0.0200, 0.1600])
    """
    misses = HINGES[hinge](margins) * weight.to(margins.dtype)
    return misses.new_zeros(num_lfs).index_add(0, lf, misses)


def _probability(logits: Tensor, cls: Tensor) -> Tensor:
    return _at(logits.softmax(-1), cls)


def _log_odds(logits: Tensor, cls: Tensor) -> Tensor:
    return _at(logits, cls) - _others(logits, cls).logsumexp(-1)


def _probability_slope(logits: Tensor, cls: Tensor) -> Tensor:
    """Return the row k of diag(h) - h h^T for each insertion, (I, K)."""
    h = logits.softmax(-1)
    return _at(h, cls).unsqueeze(-1) * (_one_hot(h, cls) - h)


def _log_odds_slope(logits: Tensor, cls: Tensor) -> Tensor:
    return _one_hot(logits, cls) - _others(logits, cls).softmax(-1)


_LEVELS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"probability": _probability, "log-odds": _log_odds}
_SLOPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "probability": _probability_slope,
    "log-odds": _log_odds_slope,
}


def _at(values: Tensor, cls: Tensor) -> Tensor:
    return values.gather(-1, cls.unsqueeze(-1)).squeeze(-1)


def _others(logits: Tensor, cls: Tensor) -> Tensor:
    return logits.masked_fill(_one_hot(logits, cls).bool(), float("-inf"))


def _one_hot(like: Tensor, cls: Tensor) -> Tensor:
    return torch.zeros_like(like).scatter(-1, cls.unsqueeze(-1), 1.0)
