"""The smoothed gradient of any rule over few words, by enumeration of all word sets (Sec. 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lol_lightning.exceptions import TargetsError

__all__ = ["MAX_WORDS", "Clause", "Rule", "any_of_all", "at_least", "exact_gradient"]

MAX_WORDS = 20
"""Largest number of words of a rule whose word sets are enumerated."""

Rule: TypeAlias = "Callable[[Bool[Tensor, 'subset word']], Bool[Tensor, ' subset']]"
"""Tells of many sets of words at once whether the LF votes for the class."""

Clause: TypeAlias = Sequence[Sequence[int]]
"""Groups of words (indices), of each of which one must be there."""


def exact_gradient(rule: Rule, phi: Float[Tensor, " word"]) -> Float[Tensor, " word"]:
    r"""Gradient of a smoothed LF, by the sum over all 2^W sets of its words.

    .. math:: \frac{\partial}{\partial \phi_j} E_{x \sim \mathrm{Ber}(\phi)}[\lambda(x)]
        = E[\lambda(x) \mid x_j = 1] - E[\lambda(x) \mid x_j = 0]

    It holds for every rule, nested, with thresholds or with words that take the vote away, and is what the closed forms
    of ``lol_lightning.functional.smoothing`` are tested against.

    Args:
        rule: from bool (2^W, W), one row for each set of words, to bool (2^W,): whether the LF votes for the class.
        phi: float (W,) in [0, 1], the chance of each word, W from 1 to 20.

    Returns:
        float (W,) in [-1, 1].

    Raises:
        TargetsError: if there are no words or more than 20, or the rule does not answer for each set.

    Example:
        >>> exact_gradient(any_of_all([[[0], [1, 2]]]), torch.tensor([0.5, 0.5, 0.5]))  # the word 0 with 1 or 2
        tensor([0.7500, 0.2500, 0.2500])
    """
    size = len(phi)
    if not 1 <= size <= MAX_WORDS:
        raise TargetsError(
            f"the exact gradient sums over 2^W word sets; W = {size} is not from 1 to {MAX_WORDS}. "
            "Probe an LF of more words instead."
        )
    codes = torch.arange(2**size, device=phi.device).unsqueeze(-1)
    # The first word changes slowest, so that a table of shape (2, ..., 2) has the words as its axes.
    votes = rule((codes >> torch.arange(size - 1, -1, -1, device=phi.device)) % 2 == 1)
    if votes.shape != (2**size,):
        raise TargetsError(f"the rule answered with shape {tuple(votes.shape)} to {2**size} sets; give one each.")
    chances = torch.stack([1 - phi, phi])
    # Words after j are summed out from the end, words before j from the front.
    table, gradient = votes.to(phi.dtype), torch.empty_like(phi)
    for j in range(size):
        rest = table
        for word in range(size - 1, j, -1):
            rest = rest.view(-1, 2) @ chances[:, word]
        gradient[j] = rest[1] - rest[0]
        table = chances[:, j] @ table.view(2, -1)
    return gradient


def any_of_all(clauses: Sequence[Clause], forbidden: Sequence[Sequence[int]] = ()) -> Rule:
    """Return the rule "any clause holds": one word of each of its groups is there, and none that it forbids.

    Args:
        clauses: groups of words, by clause; a clause without groups holds always.
        forbidden: words that take the vote of a clause away, by clause; none by default.

    Example:
        >>> rule = any_of_all([[[0]], [[1], [2]]], forbidden=[[], [0]])
        >>> rule(torch.tensor([[True, False, False], [False, True, True], [False, True, False]]))
        tensor([ True,  True, False])
    """
    without = [*forbidden, *[()] * (len(clauses) - len(forbidden))]

    def votes(sets: Bool[Tensor, "subset word"]) -> Bool[Tensor, " subset"]:
        holds = torch.zeros(len(sets), dtype=torch.bool, device=sets.device)
        for groups, words in zip(clauses, without, strict=True):
            one = ~sets[:, list(words)].any(1)
            for group in groups:
                one &= sets[:, list(group)].any(1)
            holds |= one
        return holds

    return votes


def at_least(weights: Float[Tensor, " word"], threshold: float) -> Rule:
    """Return the rule "the weights of the words that are there reach the threshold".

    Example:
        >>> exact_gradient(at_least(torch.tensor([1.0, 1.0, -1.0]), 1.0), torch.tensor([0.5, 0.5, 0.5]))
        tensor([ 0.5000,  0.5000, -0.5000])
    """
    return lambda sets: sets.to(weights.dtype) @ weights >= threshold
