"""Demands on differences: what inserting an inspected term adds to a class probability (Eq. 3, read discretely)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lol_lightning.functional.gradients import GradientUnit
from lol_lightning.functional.losses import HINGES, Hinge

__all__ = [
    "TermMeans",
    "added_by_term",
    "insertion_margins",
    "insertion_penalty",
    "means_of_terms",
    "rise_within_reach",
]

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


class TermMeans(NamedTuple):
    """Means over the insertions of each term; G terms, of which those beyond the last group have the weight 0."""

    added: Float[Tensor, " term"]
    """float (G,), what the term adds to the model's probability."""
    demanded: Float[Tensor, " term"]
    """float (G,), what it is to add, with the sign of its value."""
    lf: Int[Tensor, " term"]
    """int64 (G,), the LF that inspects it."""
    weight: Float[Tensor, " term"]
    """float (G,), at least 0."""


def means_of_terms(
    added: Float[Tensor, " insertion"],
    demanded: Float[Tensor, " insertion"],
    lf: Int[Tensor, " insertion"],
    weight: Float[Tensor, " insertion"],
    group: Int[Tensor, " insertion"] | None,
) -> TermMeans:
    """Take the mean over the rows into which a term was inserted, as the smoothed model is a mean over random rows.

    Args:
        added: float (I,), see ``added_by_term``.
        demanded: float (I,), not negative where the term is to add.
        lf: int64 (I,), the LF of each insertion, the same within a group.
        weight: float (I,), not negative; the weights of a term's insertions add up to that of the term.
        group: int64 (I,) in [0, I), equal for insertions of one term; ``None`` makes each a group of its own.

    Example:
        >>> means_of_terms(torch.tensor([0.1, 0.3]), torch.tensor([0.2, 0.4]), torch.tensor([1, 1]),
        ...     torch.tensor([0.5, 0.5]), torch.tensor([0, 0])).added
        tensor([0.2000, 0.0000])
    """
    weight = weight.to(added.dtype)
    if group is None:
        return TermMeans(added, demanded, lf, weight)
    zeros = torch.zeros_like(added)
    total = zeros.index_add(0, group, weight)
    scale = 1 / total.where(total > 0, 1.0)
    mean_added, mean_demanded = (zeros.index_add(0, group, weight * part) * scale for part in (added, demanded))
    return TermMeans(mean_added, mean_demanded, torch.zeros_like(lf).scatter(0, group, lf), total)


def insertion_margins(terms: TermMeans) -> Float[Tensor, " term"]:
    r"""By how much each term misses its demand, float (G,); at most 0 where it is met or nothing is demanded.

    .. math:: |D_j| - \mathrm{sign}(D_j)\, \bar\Delta_j
    """
    return terms.demanded.abs() - terms.demanded.sign() * terms.added


def insertion_penalty(terms: TermMeans, num_lfs: int, hinge: Hinge = "square") -> Float[Tensor, " lf"]:
    r"""Gradient penalty of each LF (Eq. 3) on differences: hinges of what its terms add in the mean over rows.

    .. math:: p_i = \sum_{j \in i} w_j \Big[\, c|v_j| - \mathrm{sign}(v_j) \, E_x\big[ h_k(x \text{ with } j) -
              h_k(x \text{ without } j) \big] \,\Big]_+^2

    The mean over rows stands inside the square, as in Eq. 3. A demand on each row by itself,
    :math:`E_x [\ldots]_+^2`, is at least as large (Jensen) and asks a word to outweigh whatever else stands in a
    row; it was worth less in trials (``docs/notes.md``). A sample of terms with inverse-probability weights is
    unbiased; the mean over R sampled rows of a term makes each square larger by its variance over R.

    Args:
        terms: see ``means_of_terms``.
        num_lfs: m.
        hinge: shape of the hinge, a key of ``HINGES``.

    Returns:
        float (m,), not negative; 0 for LFs without insertions.

    Example:
        >>> added, demanded = torch.tensor([0.1, 0.5]), torch.tensor([0.3, 0.3])
        >>> terms = TermMeans(added, demanded, torch.tensor([0, 0]), torch.tensor([0.5, 0.5]))
        >>> insertion_penalty(terms, num_lfs=2)
        tensor([0.0200, 0.0000])
    """
    misses = HINGES[hinge](insertion_margins(terms)) * terms.weight
    return misses.new_zeros(num_lfs).index_add(0, terms.lf, misses)


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
