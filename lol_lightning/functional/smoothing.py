"""Exact gradients of smoothed labeling functions, and samples of the smoothing distribution (Sec. 4.2).

A labeling function on 0/1 features, smoothed as ``E_{x ~ Ber(phi)}[one_hot(lf(x))]``, is multilinear in ``phi``, so its
derivative is the discrete difference ``E[lf(x with x_j = 1)] - E[lf(x with x_j = 0)]``.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lol_lightning.exceptions import TargetsError

__all__ = [
    "SAMPLERS",
    "all_of_gradient",
    "any_of_gradient",
    "bernoulli_rows",
    "keyword_gradient",
    "stratified_rows",
    "weighted_gradient",
]

MAX_WEIGHTED_FEATURES = 20
_LARGE = 8
"""A set with more than one place in so many is cut from a permutation of all places."""


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
    phi: Float[Tensor, " feature"], num_samples: int, num_draws: int = 1, generator: torch.Generator | None = None
) -> tuple[Int[Tensor, " nnz"], Int[Tensor, " offsets"]]:
    r"""Draw sparse samples :math:`z \sim \mathrm{Ber}(\phi)`, independent of each other, in time of the words drawn.

    A Poisson process with rate :math:`-\log(1 - \phi_j)` visits feature j at least once with chance
    :math:`\phi_j`, so the distinct features that it visits are a sample. No vector of length d is drawn.

    Args:
        phi: float (d,) in [0, 1], the chance of each feature; above 1 - 1e-6 it counts as that.
        num_samples: t.
        num_draws: number of times that t samples are drawn.
        generator: where the randomness comes from; ranks that share a seed share the samples.

    Returns:
        ``indices`` int64 (nnz,) ascending within a sample, and ``offsets`` int64 (num_draws * t + 1,), on the CPU.

    Example:
        >>> bernoulli_rows(torch.tensor([0.0, 1.0, 0.0]), num_samples=2)
        (tensor([1, 1]), tensor([0, 1, 2]))
    """
    rows = num_draws * num_samples
    sample, feature = _visits(phi, rows, generator)
    return _rows(sample, feature, rows, len(phi))


def stratified_rows(
    phi: Float[Tensor, " feature"], num_samples: int, num_draws: int = 1, generator: torch.Generator | None = None
) -> tuple[Int[Tensor, " nnz"], Int[Tensor, " offsets"]]:
    r"""Draw sparse samples :math:`z \sim \mathrm{Ber}(\phi)` whose t members share each feature out evenly.

    Latin hypercube sampling: of t samples, :math:`\lfloor t \phi_j \rfloor` or one more hold feature j, and which of
    them is drawn anew for each feature. Each sample by itself is Bernoulli, features are independent of each other, and
    a mean over the samples varies no more than with ``bernoulli_rows``, whether it reads one feature or several at
    once. The time follows the words drawn.

    Args:
        phi: float (d,) in [0, 1], the chance of each feature.
        num_samples: t.
        num_draws: number of times that t samples are drawn.
        generator: where the randomness comes from; ranks that share a seed share the samples.

    Returns:
        ``indices`` int64 (nnz,) ascending within a sample, and ``offsets`` int64 (num_draws * t + 1,), on the CPU.

    Example:
        >>> indices, offsets = stratified_rows(torch.tensor([0.5, 0.0, 1.0]), num_samples=4)
        >>> indices.bincount().tolist()
        [2, 0, 4]
    """
    phi, t = phi.detach().double().cpu(), num_samples
    common = phi * t >= 1
    # A rare feature is in at most one of the t samples.
    draw, rare = _visits(torch.where(common, 0, phi * t), num_draws, generator)
    once = torch.unique(draw * len(phi) + rare)
    features = common.nonzero().squeeze(1)
    often = (torch.arange(num_draws).unsqueeze(1) * len(phi) + features).flatten()
    uniform = torch.rand(num_draws, len(features), dtype=torch.double, generator=generator)
    counts = (phi[features] * t + uniform).floor().clamp(max=t).long().flatten()
    pair, place = _places(torch.cat([torch.ones_like(once), counts]), t, generator)
    chosen, size = torch.cat([once, often])[pair], max(len(phi), 1)
    return _rows(chosen // size * t + place, chosen % size, num_draws * t, len(phi))


SAMPLERS = {"independent": bernoulli_rows, "stratified": stratified_rows}
"""Ways to draw the smoothing samples, by name."""


def _visits(
    phi: Float[Tensor, " feature"], rows: int, generator: torch.Generator | None
) -> tuple[Int[Tensor, " visit"], Int[Tensor, " visit"]]:
    """Row and feature of each visit of a Poisson process that reaches feature j of a row with chance ``phi[j]``."""
    rates = -torch.log1p(-phi.detach().double().cpu().clamp(max=1 - 1e-6)).cumsum(0)
    total = float(rates[-1]) if len(rates) else 0.0
    visits = torch.poisson(torch.full((rows,), total, dtype=torch.double), generator).long()
    row = torch.repeat_interleave(torch.arange(rows), visits)
    where = torch.rand(len(row), dtype=torch.double, generator=generator) * total
    return row, torch.searchsorted(rates, where, right=True).clamp(max=max(len(rates) - 1, 0))


def _rows(
    sample: Int[Tensor, " visit"], feature: Int[Tensor, " visit"], rows: int, size: int
) -> tuple[Int[Tensor, " nnz"], Int[Tensor, " offsets"]]:
    """Bag form of visited features, each once in a sample."""
    size = max(size, 1)
    distinct = torch.unique(sample * size + feature)
    return distinct % size, torch.searchsorted(distinct, torch.arange(rows + 1) * size)


def _places(
    counts: Int[Tensor, " set"], num_places: int, generator: torch.Generator | None
) -> tuple[Int[Tensor, " member"], Int[Tensor, " member"]]:
    """Set and place of each member of random sets of places; all sets of the sizes ``counts`` are equally likely."""
    large = counts * _LARGE > num_places
    rank = torch.rand(int(large.sum()), num_places, generator=generator).argsort(1)
    row, shuffled = (rank < counts[large].unsqueeze(1)).nonzero().T
    # Into a small set, places are drawn until they are distinct: few meet, and nothing of the length of t is stored.
    members, missing = counts.new_zeros(0), torch.where(large, 0, counts)
    small = missing
    while missing.any():
        owner = torch.repeat_interleave(missing)
        place = torch.randint(num_places, (len(owner),), generator=generator)
        members = torch.unique(torch.cat([members, owner * num_places + place]))
        missing = small - torch.bincount(members // num_places, minlength=len(counts))
    owner = torch.cat([members // num_places, large.nonzero().squeeze(1)[row]])
    return owner, torch.cat([members % num_places, shuffled])


def _product_of_others(factors: Float[Tensor, "*batch word"]) -> Float[Tensor, "*batch word"]:
    """Product over the last axis without the entry itself; by products from both ends, so that zeros are no trouble."""
    ones = torch.ones_like(factors[..., :1])
    before = torch.cat([ones, factors[..., :-1]], -1).cumprod(-1)
    after = torch.cat([ones, factors[..., 1:].flip(-1)], -1).cumprod(-1).flip(-1)
    return before * after


def _subsets(size: int, device: torch.device) -> Bool[Tensor, "subset word"]:
    codes = torch.arange(2**size, device=device).unsqueeze(-1)
    return (codes >> torch.arange(size, device=device)) % 2 == 1
