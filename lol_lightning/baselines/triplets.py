"""The triplet method: accuracies of labeling functions in closed form, from how often they agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logit

from lol_lightning.exceptions import ConfigurationError, NotFittedError, VotesError
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.matrix import validate_votes
from lol_lightning.losses.weights.class_balance import class_balance_of

__all__ = ["AVERAGES", "Average", "TripletModel", "triplet_estimates", "vote_marginals"]

Average = Literal["mean", "median"]

AVERAGES: dict[str, Callable[..., np.ndarray]] = {"mean": np.nanmean, "median": np.nanmedian}
"""How the estimates of all triplets of an LF become one."""

MAX_PAIRS = 10_000
"""Triplets of an LF at most, one for each pair of others; up to 141 LFs all of them are taken."""

MAX_ACCURACY = 0.99
"""No LF is taken to be right more often where it votes, and no vote moves the odds of a class by more than 99 to 1."""

UNKNOWN_ACCURACY = 0.7
"""Accuracy of every LF if none is in a usable triplet; Snorkel's default precision."""


def triplet_estimates(
    moments: Float[np.ndarray, "lf lf"], first: Int[np.ndarray, " pair"], second: Int[np.ndarray, " pair"]
) -> Float[np.ndarray, "lf pair"]:
    r"""Estimate each LF's agreement with the class from the triplets that it forms with pairs of others.

    .. math:: \hat a_i^{(j, k)} = \sqrt{\left|
        \frac{E[\lambda_i \lambda_j]\, E[\lambda_i \lambda_k]}{E[\lambda_j \lambda_k]} \right|}

    (Fu et al., 2020, Sec. 3.) LFs are taken to be better than chance, so the root is positive.

    Args:
        moments: float (m, m), :math:`E[\lambda_i \lambda_j]` of votes -1, 0 (abstains) and 1.
        first: int64 (P,), LF :math:`j` of each pair.
        second: int64 (P,), LF :math:`k` of each pair, another one.

    Returns:
        float64 (m, P), not negative. NaN where the LF is in the pair itself, and where a moment of the triplet is 0:
        two LFs that never meet, or agree as often as not, say nothing.

    Example:
        >>> moments = np.array([[1.0, 0.42, 0.3], [0.42, 1.0, 0.35], [0.3, 0.35, 1.0]])
        >>> triplet_estimates(moments, np.array([1, 0, 0]), np.array([2, 2, 1])).round(2)
        array([[0.6, nan, nan],
               [nan, 0.7, nan],
               [nan, nan, 0.5]])
    """
    between = moments[first, second]
    products = moments[:, first] * moments[:, second]
    lfs = np.arange(len(moments))[:, None]
    usable = (products != 0) & (between != 0) & (lfs != first) & (lfs != second)
    ratios = np.divide(products, between, out=np.full(products.shape, np.nan), where=usable)
    return np.sqrt(np.abs(ratios))


def vote_marginals(
    agreement: Float[np.ndarray, " lf"],
    coverage: Float[np.ndarray, " lf"],
    positive: Float[np.ndarray, " lf"],
    balance: float,
) -> Float[np.ndarray, "vote cls lf"]:
    r"""Joint probabilities of an LF's vote and the class, where the LF votes.

    They solve the linear system of Fu et al. (2020, Sec. 3), in which an LF abstains independently of the class:

    .. math:: \sum_\lambda P(\lambda, Y) = P(Y), \quad \sum_Y P(1, Y) = P(\lambda = 1), \quad
        P(0, Y) = P(\lambda = 0) P(Y), \quad P(1, 1) + P(-1, -1) = \tfrac{1}{2} (P(\lambda \neq 0) + a)

    Args:
        agreement: float (m,), :math:`a = E[\lambda Y]`.
        coverage: float (m,), :math:`P(\lambda \neq 0)`.
        positive: float (m,), :math:`P(\lambda = 1)`.
        balance: :math:`P(Y = 1)`.

    Returns:
        float64 (2, 2, m): :math:`P(1, 1), P(1, -1)` and :math:`P(-1, 1), P(-1, -1)`. They sum to the coverage, and
        are below 0 where the four figures contradict each other.

    Example:
        >>> vote_marginals(np.array([0.4]), np.array([0.5]), np.array([0.25]), balance=0.5)[:, :, 0]
        array([[0.225, 0.025],
               [0.025, 0.225]])
    """
    both = (positive + coverage * (balance - 0.5) + agreement / 2) / 2
    right = (coverage + agreement) / 2
    return np.array([[both, positive - both], [coverage * balance - both, right - both]])


class TripletModel:
    r"""Label model whose accuracies come in closed form from triplets of LFs, without any label or iteration.

    For two classes, votes :math:`\lambda_i` and class :math:`Y` are -1 or 1, and 0 where an LF abstains. LFs that are
    independent given :math:`Y` and err equally on both classes have :math:`E[\lambda_i \lambda_j] = a_i a_j` with
    :math:`a_i = E[\lambda_i Y]`, so that any three of them give the accuracies of each (``triplet_estimates``). With
    ``average="mean"`` an LF's estimates of all its triplets are averaged (FlyingSquid; Fu et al., 2020), with
    "median" their median is taken (Chen et al., 2021). ``vote_marginals`` turn them into

    .. math:: P(Y \mid \lambda) \propto P(Y) \prod_{i:\ \lambda_i \neq 0} P(\lambda_i, Y) / P(Y)

    For K > 2 (our extension) each class is set against the rest, and the K posteriors are scaled to sum to 1; for two
    classes that is the method as published.

    Args:
        num_classes: K, at least 2.
        average: "mean" or "median".
        class_balance: share of each class, K positive numbers; uniform by default, as in FlyingSquid.
        seed: of the pairs that are drawn where an LF has more than ``MAX_PAIRS`` (10,000) triplets.

    Attributes:
        accuracies_: float64 (K, m) in [0.5, 0.99]: how often an LF, where it votes, is right about whether the class
            is k. For K = 2 both rows are equal.
        evidence_: float64 (K, 2, m): what a vote adds to the log-odds of class k against the rest; ``[k, 0, i]`` of
            LF i for class k, ``[k, 1, i]`` for any other class.

    Raises:
        ConfigurationError: if an argument lies outside its range.

    Notes:
        An abstain counts as 0 in the moments, over all rows, and is no evidence in the posterior, as in the authors'
        package. From there also: triplets with a moment of 0 are left out, and marginals below 0 lose their sign.

        What is ours: accuracies are clipped at ``MAX_ACCURACY`` (0.99) after the average, since noise lets
        estimates exceed 1, and so are the odds of a vote. An LF without a usable triplet takes the mean accuracy of
        the others (``UNKNOWN_ACCURACY``, 0.7, if there is none).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> labels = rng.integers(2, size=20_000)
        >>> right = rng.random((20_000, 4)) < [0.9, 0.8, 0.7, 0.6]
        >>> votes = np.where(right, labels[:, None], 1 - labels[:, None])
        >>> TripletModel(num_classes=2).fit(votes).accuracies_[1].round(1)
        array([0.9, 0.8, 0.7, 0.6])
    """

    accuracies_: Float[np.ndarray, "cls lf"]
    evidence_: Float[np.ndarray, "cls vote lf"]

    __repr__ = short_repr

    def __init__(
        self, num_classes: int, average: Average = "mean", class_balance: Any | None = None, seed: int = 0
    ) -> None:
        if num_classes < 2:
            raise ConfigurationError(f"num_classes = {num_classes}; there must be at least 2.")
        if average not in AVERAGES:
            raise ConfigurationError(f"average = {average!r}; use one of {sorted(AVERAGES)}.")
        self.num_classes, self.average, self.seed = num_classes, average, seed
        self.class_balance = class_balance_of(class_balance, None, num_classes)

    def fit(self, votes: Any) -> TripletModel:
        """Estimate the accuracies.

        Args:
            votes: int (n, m) with class ids or ``ABSTAIN``, m at least 3.

        Returns:
            The model itself.

        Raises:
            VotesError: if a vote is neither a class nor ``ABSTAIN``, or there is none at all.
            ConfigurationError: if there are fewer than three LFs.
        """
        votes = validate_votes(votes, self.num_classes)
        num_rows, num_lfs = votes.shape
        if num_lfs < 3:
            raise ConfigurationError(
                f"the triplet method needs at least 3 labeling functions, got {num_lfs}: "
                "use the majority vote, or LoLLabelModel."
            )
        voting = votes != ABSTAIN
        if not voting.any():
            raise VotesError(f"every LF abstains on each of the {num_rows} rows; give rows on which some LF votes.")
        coverage = voting.mean(0)
        pairs = self._pairs(num_lfs)
        accuracies, evidence = [], []
        for cls in range(self.num_classes):
            positive = votes == cls
            signs = 2.0 * positive - voting
            estimates = triplet_estimates(signs.T @ signs / num_rows, *pairs)
            accuracies.append(self._accuracies(estimates, coverage))
            agreement = (2 * accuracies[-1] - 1) * coverage
            evidence.append(self._evidence(agreement, coverage, positive.mean(0), self.class_balance[cls]))
        self.accuracies_, self.evidence_ = np.stack(accuracies), np.stack(evidence)
        return self

    def predict_proba(self, votes: Any) -> Float[np.ndarray, "row cls"]:
        """Return the class posterior of each row's votes.

        Args:
            votes: int (n, m) with class ids or ``ABSTAIN``.

        Returns:
            float64 (n, K), rows sum to 1; the class balance where every LF abstains.

        Raises:
            NotFittedError: before ``fit``.
            VotesError: if a vote is neither a class nor ``ABSTAIN``, or m is another one than in ``fit``.
        """
        if not hasattr(self, "evidence_"):
            raise NotFittedError("there are no accuracies yet; call fit first.")
        votes = validate_votes(votes, self.num_classes, fitted_lfs=self.evidence_.shape[2])
        voting = votes != ABSTAIN
        log_odds = np.tile(logit(self.class_balance), (len(votes), 1))
        for cls, (own, other) in enumerate(self.evidence_):
            positive = votes == cls
            log_odds[:, cls] += positive @ own + (voting & ~positive) @ other
        scores = -np.logaddexp(0, -log_odds)
        posterior = np.exp(scores - scores.max(1, keepdims=True))
        return posterior / posterior.sum(1, keepdims=True)

    def _pairs(self, num_lfs: int) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
        first, second = np.triu_indices(num_lfs, 1)
        if len(first) <= MAX_PAIRS:
            return first, second
        drawn = np.random.default_rng(self.seed).choice(len(first), MAX_PAIRS, replace=False)
        return first[drawn], second[drawn]

    def _accuracies(
        self, estimates: Float[np.ndarray, "lf pair"], coverage: Float[np.ndarray, " lf"]
    ) -> Float[np.ndarray, " lf"]:
        solved = ~np.isnan(estimates).all(1)
        agreement = AVERAGES[self.average](estimates[solved], axis=1)
        accuracies = np.full(len(coverage), UNKNOWN_ACCURACY)
        if solved.any():
            solutions = np.minimum((1 + agreement / coverage[solved]) / 2, MAX_ACCURACY)
            accuracies[:] = solutions.mean()
            accuracies[solved] = solutions
        return accuracies

    def _evidence(
        self,
        agreement: Float[np.ndarray, " lf"],
        coverage: Float[np.ndarray, " lf"],
        positive: Float[np.ndarray, " lf"],
        balance: float,
    ) -> Float[np.ndarray, "vote lf"]:
        marginals = np.abs(vote_marginals(agreement, coverage, positive, balance))
        # A share of the class balance, so that a vote which no figure speaks of is no evidence.
        marginals += 1e-12 * np.array([balance, 1 - balance])[:, None]
        evidence = np.log(marginals[:, 0] / marginals[:, 1]) - logit(balance)
        return np.clip(evidence, -logit(MAX_ACCURACY), logit(MAX_ACCURACY))
