"""What each labeling function does given the true class: conditionals, their estimation by EM, and accuracies.

A table of conditionals is float (m, K + 1, K), in the layout of Snorkel's ``get_conditional_probs``: entry
``[i, j, k]`` is the probability that LF ``i`` votes ``j - 1`` where the true class is ``k``; ``j = 0`` abstains.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from lol_lightning.label_model.overlaps import vote_indicators
from lol_lightning.label_model.prior import FLOOR, default_prior_rows, floored, prior_conditionals

__all__ = ["class_posterior", "estimate_conditionals", "fit_conditionals", "lf_accuracies"]


def class_posterior(
    votes: Int[np.ndarray, "row lf"],
    conditionals: Float[np.ndarray, "lf outcome cls"],
    class_balance: Float[np.ndarray, " cls"],
) -> Float[np.ndarray, "row cls"]:
    r"""Distribution over classes given the votes, the LFs taken as independent given the class.

    .. math:: P(Y = k \mid \lambda) \propto P(Y = k) \prod_{i:\ \lambda_i \neq -1} P(\lambda_i \mid Y = k)

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        conditionals: float (m, K + 1, K), see the module.
        class_balance: float (K,), positive, sums to 1.

    Returns:
        float64 (n, K), rows sum to 1.

    Notes:
        Abstentions are no evidence, as in Snorkel: a row on which every LF abstains gets the class balance. Counting
        them in did worse on real sets, where LFs tend to abstain together.

    Example:
        >>> table = np.array([[[0.0, 0.0], [0.9, 0.1], [0.1, 0.9]]])
        >>> class_posterior(np.array([[1], [-1]]), table, np.array([0.5, 0.5]))
        array([[0.1, 0.9],
               [0.5, 0.5]])
    """
    return _posterior(vote_indicators(votes, conditionals.shape[2]), conditionals, class_balance)


def estimate_conditionals(
    votes: Int[np.ndarray, "row lf"],
    posterior: Float[np.ndarray, "row cls"],
    prior: Float[np.ndarray, "lf outcome cls"],
    prior_rows: float | Float[np.ndarray, " lf"],
    floor: float = FLOOR,
) -> Float[np.ndarray, "lf outcome cls"]:
    r"""Conditionals from what each row's class is believed to be, shrunk towards a prior.

    .. math:: P(\lambda_i = j \mid Y = k) =
        \frac{\sum_x q_k(x) \mathbb{1}\{\lambda_i(x) = j\} + r\, \pi_{ijk}}{\sum_x q_k(x) + r}

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        posterior: float (n, K), ``q``, of the end model or of the votes; one-hot where labels are known.
        prior: float (m, K + 1, K), the table ``pi`` that smooths the counts.
        prior_rows: ``r``, how many rows of each class the prior counts as, one number or one for each LF.
        floor: least conditional, in [0, 1 / (K + 1)).

    Returns:
        float64 (m, K + 1, K), each (LF, class) sums to 1.

    Example:
        >>> votes, labels = np.array([[1], [1], [0], [-1]]), np.eye(2)[[1, 1, 0, 0]]
        >>> estimate_conditionals(votes, labels, np.zeros((1, 3, 2)), prior_rows=0.0, floor=0.0)[0]
        array([[0.5, 0. ],
               [0.5, 0. ],
               [0. , 1. ]])
    """
    return _maximise(vote_indicators(votes, posterior.shape[1]), posterior, prior, prior_rows, floor)


def fit_conditionals(
    votes: Int[np.ndarray, "row lf"],
    class_balance: Float[np.ndarray, " cls"],
    prior: Float[np.ndarray, "lf outcome cls"] | None = None,
    prior_rows: float | Float[np.ndarray, " lf"] | None = None,
    max_steps: int = 100,
    tolerance: float = 1e-6,
    floor: float = FLOOR,
    abstentions: bool = False,
    on_step: Callable[[int, float], None] | None = None,
) -> Float[np.ndarray, "lf outcome cls"]:
    """Conditionals of the LFs without any label: soft votes refined by EM (Dawid and Skene, 1979).

    Starts from the soft votes under ``prior``, then alternates ``estimate_conditionals`` and ``class_posterior``. No
    random number is drawn.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``; any m from 1 on.
        class_balance: float (K,), positive, sums to 1; held fixed.
        prior: float (m, K + 1, K), positive; ``None`` stands for ``prior_conditionals(votes, class_balance)``.
        prior_rows: how many rows of each class the prior counts as, one number or one for each LF; ``None`` stands for
            ``default_prior_rows(votes)``.
        max_steps: EM steps at most; without a step the prior is returned.
        tolerance: stop when no probability of the posterior moves by more.
        floor: least conditional, in [0, 1 / (K + 1)).
        abstentions: whether an abstention is evidence of the class while EM runs, as a vote is. Right where LFs are
            independent given the class, whose conditionals are else biased; wrong where LFs abstain together.
        on_step: called after each step with its number and the largest change of the posterior.

    Returns:
        float64 (m, K + 1, K).

    Example:
        >>> votes, balance = np.array([[1, 1, 1], [1, 1, 0], [0, 0, 0], [0, 0, 1]]), np.array([0.5, 0.5])
        >>> lf_accuracies(fit_conditionals(votes, balance, prior_rows=1.0), balance).round(2)
        array([0.89, 0.89, 0.57])
    """
    indicators = vote_indicators(votes, len(class_balance))
    prior = prior_conditionals(votes, class_balance, floor=floor) if prior is None else prior
    prior_rows = default_prior_rows(votes) if prior_rows is None else prior_rows
    conditionals = prior
    posterior = _posterior(indicators, prior, class_balance, abstentions)
    for step in range(max_steps):
        conditionals = _maximise(indicators, posterior, prior, prior_rows, floor)
        updated = _posterior(indicators, conditionals, class_balance, abstentions)
        change = float(np.abs(updated - posterior).max())
        posterior = updated
        if on_step is not None:
            on_step(step, change)
        if change < tolerance:
            break
    return conditionals


def lf_accuracies(
    conditionals: Float[np.ndarray, "lf outcome cls"], class_balance: Float[np.ndarray, " cls"]
) -> Float[np.ndarray, " lf"]:
    r"""Probability that each LF is right where it votes.

    .. math:: P(\lambda_i = Y \mid \lambda_i \neq -1)
        = \sum_k P(Y = k) P(\lambda_i = k \mid Y = k) \Big/ \sum_k P(Y = k) P(\lambda_i \neq -1 \mid Y = k)

    Args:
        conditionals: float (m, K + 1, K), see the module.
        class_balance: float (K,), sums to 1.

    Returns:
        float64 (m,) in [0, 1].

    Example:
        >>> lf_accuracies(np.array([[[0.5, 0.5], [0.4, 0.1], [0.1, 0.4]]]), np.array([0.5, 0.5]))
        array([0.8])
    """
    voting = conditionals[:, 1:]
    right = np.einsum("ikk,k->i", voting, class_balance)
    return np.clip(right / np.einsum("ijk,k->i", voting, class_balance), 0, 1)


def _posterior(
    indicators: sp.csr_array,
    conditionals: Float[np.ndarray, "lf outcome cls"],
    class_balance: Float[np.ndarray, " cls"],
    abstentions: bool = False,
) -> Float[np.ndarray, "row cls"]:
    log_votes = np.log(conditionals[:, 1:])
    scores = np.log(class_balance)
    if abstentions:
        # Every LF abstains, and what votes take that back: abstentions are not stored.
        log_abstains = np.log(conditionals[:, :1])
        log_votes = log_votes - log_abstains
        scores = scores + log_abstains.sum((0, 1))
    scores = indicators @ log_votes.reshape(-1, len(class_balance)) + scores
    scores = np.exp(scores - scores.max(1, keepdims=True))
    return scores / scores.sum(1, keepdims=True)


def _maximise(
    indicators: sp.csr_array,
    posterior: Float[np.ndarray, "row cls"],
    prior: Float[np.ndarray, "lf outcome cls"],
    prior_rows: float | Float[np.ndarray, " lf"],
    floor: float,
) -> Float[np.ndarray, "lf outcome cls"]:
    rows_of_class = posterior.sum(0)
    voting = (indicators.T @ posterior).reshape(len(prior), -1, posterior.shape[1])
    counts = np.concatenate([rows_of_class - voting.sum(1, keepdims=True), voting], axis=1)
    rows = np.reshape(prior_rows, (-1, 1, 1))
    return floored((counts + rows * prior) / (rows_of_class + rows), floor)
