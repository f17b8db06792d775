"""Exact gradients of smoothed labeling functions, and samples of the smoothing distribution (Sec. 4.2).

A labeling function on 0/1 features, smoothed as ``E_{x ~ Ber(phi)}[one_hot(lf(x))]``, is multilinear in ``phi``, so its
derivative is the discrete difference ``E[lf(x with x_j = 1)] - E[lf(x with x_j = 0)]``.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lol_lightning.exceptions import TargetsError

__all__ = ["all_of_gradient", "any_of_gradient", "bernoulli_rows", "keyword_gradient", "weighted_gradient"]

MAX_WEIGHTED_FEATURES = 20


def keyword_gradient(phi: Float[Tensor, " word"]) -> Float[Tensor, " word"]:
    """Gradient of LFs that each ask for one keyword: 1 for its class, whatever ``phi``.

    Example:
        >>> keyword_gradient(torch.tensor([0.01, 0.5]))
        tensor([1., 1.])
    """
    return torch.ones_like(phi)


def any_of_gradient(phi: Float[Tensor, " word"]) -> Float[Tensor, " word"]:
    r"""Gradient of an LF that votes where any of the words is present: :math:`\prod_{l \neq j} (1 - \phi_l)`.

    Args:
        phi: float (W,) in [0, 1], the chance of each word.

    Returns:
        float (W,) in [0, 1].

    Example:
        >>> any_of_gradient(torch.tensor([0.5, 0.1]))
        tensor([0.9000, 0.5000])
    """
    return _product_of_others(1 - phi)


def all_of_gradient(phi: Float[Tensor, " word"]) -> Float[Tensor, " word"]:
    r"""Gradient of an LF that votes where all of the words are present: :math:`\prod_{l \neq j} \phi_l`.

    Args:
        phi: float (W,) in [0, 1], the chance of each word.

    Returns:
        float (W,) in [0, 1].

    Example:
        >>> all_of_gradient(torch.tensor([0.5, 0.1]))
        tensor([0.1000, 0.5000])
    """
    return _product_of_others(phi)


def weighted_gradient(
    weights: Float[Tensor, " word"], threshold: float, phi: Float[Tensor, " word"]
) -> Float[Tensor, " word"]:
    r"""Gradient of an LF that votes where the words' weights reach a threshold.

    .. math:: \lambda(x) = \mathbb{1}\Big\{\sum_j w_j x_j \ge \theta\Big\}

    All of 2^W word sets are summed over, so that any weights work, negative ones included.

    Args:
        weights: float (W,), W at most 20.
        threshold: the sum from which on the LF votes.
        phi: float (W,) in [0, 1], the chance of each word.

    Returns:
        float (W,) in [-1, 1].

    Raises:
        TargetsError: if there are more than 20 words; probe such an LF instead.

    Example:
        >>> weighted_gradient(torch.tensor([1.0, 1.0, -1.0]), 1.0, torch.tensor([0.5, 0.5, 0.5]))
        tensor([ 0.5000,  0.5000, -0.5000])
    """
    size = len(weights)
    if size > MAX_WEIGHTED_FEATURES:
        raise TargetsError(
            f"the exact gradient of a weighted LF sums over 2^W word sets and W = {size} is above "
            f"{MAX_WEIGHTED_FEATURES}. Probe the LF instead."
        )
    subsets = _subsets(size, phi.device)
    votes = (subsets.to(weights.dtype) @ weights >= threshold).to(phi.dtype)
    chance = torch.where(subsets, phi, 1 - phi)
    # Given x_j, a subset has the chance of all other words, and counts +1 with word j and -1 without it.
    others = _product_of_others(chance)
    sign = torch.where(subsets, 1.0, -1.0).to(phi.dtype)
    return (votes.unsqueeze(-1) * sign * others).sum(0)


def bernoulli_rows(
    phi: Float[Tensor, " feature"], num_samples: int, generator: torch.Generator | None = None
) -> tuple[Int[Tensor, " nnz"], Int[Tensor, " offsets"]]:
    r"""Draw sparse samples :math:`z \sim \mathrm{Ber}(\phi)`, independent over features, in time of the words drawn.

    A Poisson process with rate :math:`-\log(1 - \phi_j)` visits feature j at least once with chance
    :math:`\phi_j`, so the distinct features that it visits are the sample. No vector of length d is drawn.

    Args:
        phi: float (d,) in [0, 1], the chance of each feature; above 1 - 1e-6 it counts as that.
        num_samples: t.
        generator: where the randomness comes from; ranks that share a seed share the samples.

    Returns:
        ``indices`` int64 (nnz,) sorted within a sample, and ``offsets`` int64 (t + 1,), both on the CPU.

    Example:
        >>> indices, offsets = bernoulli_rows(torch.tensor([0.0, 1.0, 0.0]), num_samples=2)
        >>> indices, offsets
        (tensor([1, 1]), tensor([0, 1, 2]))
    """
    return poisson_rows(cumulative_rates(phi), num_samples, generator)


def cumulative_rates(phi: Float[Tensor, " feature"]) -> Float[Tensor, " feature"]:
    """Cumulative Poisson rates that ``poisson_rows`` draws from, float64 (d,) on the CPU; computed once per ``phi``."""
    return -torch.log1p(-phi.detach().double().cpu().clamp(max=1 - 1e-6)).cumsum(0)


def poisson_rows(
    rates: Float[Tensor, " feature"], num_samples: int, generator: torch.Generator | None = None
) -> tuple[Int[Tensor, " nnz"], Int[Tensor, " offsets"]]:
    """Draw the samples of ``bernoulli_rows`` from cumulative rates."""
    size = len(rates)
    total = float(rates[-1]) if size else 0.0
    visits = torch.poisson(torch.full((num_samples,), total, dtype=torch.double), generator).long()
    sample = torch.repeat_interleave(torch.arange(num_samples), visits)
    where = torch.rand(len(sample), dtype=torch.double, generator=generator) * total
    feature = torch.searchsorted(rates, where, right=True).clamp(max=max(size - 1, 0))
    distinct = torch.unique(sample * max(size, 1) + feature)
    offsets = torch.searchsorted(distinct, torch.arange(num_samples + 1) * max(size, 1))
    return distinct % max(size, 1), offsets


def _product_of_others(factors: Float[Tensor, "*batch word"]) -> Float[Tensor, "*batch word"]:
    """Product over the last axis without the entry itself; by products from both ends, so that zeros are no trouble."""
    ones = torch.ones_like(factors[..., :1])
    before = torch.cat([ones, factors[..., :-1]], -1).cumprod(-1)
    after = torch.cat([ones, factors[..., 1:].flip(-1)], -1).cumprod(-1).flip(-1)
    return before * after


def _subsets(size: int, device: torch.device) -> Bool[Tensor, "subset word"]:
    codes = torch.arange(2**size, device=device).unsqueeze(-1)
    return (codes >> torch.arange(size, device=device)) % 2 == 1
