"""Dawid and Skene's model: a confusion matrix for each labeling function, by expectation maximisation."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.special import logsumexp

from lol_lightning.baselines.majority import vote_counts
from lol_lightning.exceptions import ConfigurationError, NotFittedError, VotesError
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.matrix import validate_votes
from lol_lightning.losses.weights.class_balance import class_balance_of

__all__ = ["Abstains", "DawidSkene"]

Abstains = Literal["outcome", "missing"]


class DawidSkene:
    r"""Label model of Dawid and Skene (1979): each LF confuses the classes in its own way.

    .. math:: P(\lambda, Y = k) = p_k \prod_i \pi^{(i)}_{k, \lambda_i}

    EM starts from the share of each class among a row's votes, and alternates the maximum likelihood estimates of the
    confusion matrices and the class shares (the paper's Eq. 2.3 and 2.4) with the posterior (Eq. 2.5), until the
    likelihood hardly rises.

    Args:
        num_classes: K, at least 2.
        abstains: "outcome" takes an abstention as one more thing that an LF can say; under "missing" the LF has not
            seen the row, as an absent observer in the paper, and the product runs over the LFs that vote.
        smoothing: added, in equal parts, to the counts of each row of a confusion matrix and of the class shares; 0 is
            the maximum likelihood of the paper.
        max_steps: EM steps at most.
        tolerance: stop when a step raises the objective by no more than this, per row of votes.
        class_balance: share of each class, K positive numbers, where they are known; estimated by default.

    Attributes:
        confusions_: float64 (m, K, J): probability that LF i says ``[i, k, j]`` where the class is k; rows sum to 1.
            J is K under "missing", for votes alone; under "outcome" a last column K says how often the LF abstains.
        class_balance_: float64 (K,), estimated share of each class, or the known one.
        objective_: float64 (steps,): in each step the log-likelihood of the votes plus, with smoothing, the log-prior,
            up to a constant. It never falls.

    Raises:
        ConfigurationError: if an argument lies outside its range.

    Notes:
        "outcome" is the default, as in the WRENCH benchmark: the vote of an LF that knows one class only says nothing
        if its abstentions are missing at random. Of the labels of the validation rows with a vote, "outcome" found 69%
        on average over six WRENCH sets, and "missing" 59% (youtube 89% and 55%; on imdb, whose LFs vote both ways, 59%
        and 74%). ``choose_variant`` takes the better one by validation.

        Smoothing is ours: it keeps a vote that never occurs for a class from ruling that class out. It is a Dirichlet
        prior, and EM climbs the posterior under it. From 1 on, samples of 100 rows of those sets drowned in it.

    Example:
        >>> votes = np.array([[1, 1, 1], [1, 1, -1], [0, 0, 1], [0, 0, -1], [0, 0, 0]])
        >>> DawidSkene(num_classes=2).fit(votes).predict_proba(votes).argmax(1)
        array([1, 1, 0, 0, 0])
    """

    confusions_: Float[np.ndarray, "lf cls outcome"]
    class_balance_: Float[np.ndarray, " cls"]
    objective_: Float[np.ndarray, " step"]

    __repr__ = short_repr

    def __init__(
        self,
        num_classes: int,
        abstains: Abstains = "outcome",
        smoothing: float = 0.1,
        max_steps: int = 500,
        tolerance: float = 1e-7,
        class_balance: Any | None = None,
    ) -> None:
        if abstains not in ("outcome", "missing"):
            raise ConfigurationError(f"abstains = {abstains!r}; use 'outcome' or 'missing'.")
        least = {"num_classes": 2, "smoothing": 0, "max_steps": 1, "tolerance": 0}
        settings = {"num_classes": num_classes, "smoothing": smoothing, "max_steps": max_steps, "tolerance": tolerance}
        for name, value in settings.items():
            if not value >= least[name]:
                raise ConfigurationError(f"{name} = {value} must be at least {least[name]}.")
        self.num_classes, self.abstains, self.smoothing = num_classes, abstains, smoothing
        self.max_steps, self.tolerance = max_steps, tolerance
        self.class_balance = None if class_balance is None else class_balance_of(class_balance, None, num_classes)

    def fit(self, votes: Any) -> DawidSkene:
        """Estimate confusion matrices and class shares; no random number is drawn.

        Args:
            votes: int (n, m) with class ids or ``ABSTAIN``; any m from 1 on.

        Returns:
            The model itself.

        Raises:
            VotesError: if a vote is neither a class nor ``ABSTAIN``, or there is none at all.
        """
        votes = validate_votes(votes, self.num_classes)
        if not (votes != ABSTAIN).any():
            raise VotesError(f"every LF abstains on each of the {len(votes)} rows; give rows on which some LF votes.")
        # Equal rows count as one with a weight: few LFs make few patterns of votes.
        patterns, weights = np.unique(votes, axis=0, return_counts=True)
        indicators = self._indicators(patterns)
        counts = vote_counts(patterns, self.num_classes) + np.finfo(float).tiny
        posterior = counts / counts.sum(1, keepdims=True)
        objective: list[float] = []
        for _ in range(self.max_steps):
            self._maximise(indicators, weights[:, None] * posterior)
            joint = self._log_joint(indicators)
            evidence = logsumexp(joint, axis=1)
            posterior = np.exp(joint - evidence[:, None])
            objective.append(float(weights @ evidence) + self._log_prior())
            if len(objective) > 1 and objective[-1] - objective[-2] <= self.tolerance * len(votes):
                break
        self.objective_ = np.array(objective)
        return self

    def predict_proba(self, votes: Any) -> Float[np.ndarray, "row cls"]:
        """Return the class posterior of each row's votes.

        Args:
            votes: int (n, m) with class ids or ``ABSTAIN``.

        Returns:
            float64 (n, K), rows sum to 1. Where every LF abstains, under "missing" the class shares.

        Raises:
            NotFittedError: before ``fit``.
            VotesError: if a vote is neither a class nor ``ABSTAIN``, or m is another one than in ``fit``.
        """
        if not hasattr(self, "objective_"):
            raise NotFittedError("there are no confusion matrices yet; call fit first.")
        votes = validate_votes(votes, self.num_classes, fitted_lfs=len(self.confusions_))
        joint = self._log_joint(self._indicators(votes))
        return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

    @property
    def _num_outcomes(self) -> int:
        return self.num_classes + (self.abstains == "outcome")

    def _indicators(self, votes: Int[np.ndarray, "row lf"]) -> sp.csr_array:
        """One column for each (LF, outcome), 1 where that LF says that."""
        said = np.where(votes == ABSTAIN, self.num_classes, votes)
        counted = said < self._num_outcomes
        columns = (np.arange(votes.shape[1]) * self._num_outcomes + said)[counted]
        offsets = np.concatenate([[0], counted.sum(1).cumsum()])
        shape = (len(votes), votes.shape[1] * self._num_outcomes)
        return sp.csr_array((np.ones(len(columns)), columns, offsets), shape=shape)

    def _maximise(self, indicators: sp.csr_array, rows: Float[np.ndarray, "row cls"]) -> None:
        counts = (indicators.T @ rows).reshape(-1, self._num_outcomes, self.num_classes).swapaxes(1, 2)
        self.confusions_ = self._normalise(counts)
        self.class_balance_ = self._normalise(rows.sum(0)) if self.class_balance is None else self.class_balance

    def _normalise(self, counts: Float[np.ndarray, "... outcome"]) -> Float[np.ndarray, "... outcome"]:
        outcomes = counts.shape[-1]
        smoothed = counts + self.smoothing / outcomes
        totals = smoothed.sum(-1, keepdims=True)
        return np.divide(smoothed, totals, out=np.full(counts.shape, 1 / outcomes), where=totals > 0)

    def _log_joint(self, indicators: sp.csr_array) -> Float[np.ndarray, "row cls"]:
        by_outcome = _log(self.confusions_).swapaxes(1, 2).reshape(-1, self.num_classes)
        return indicators @ by_outcome + _log(self.class_balance_)

    def _log_prior(self) -> float:
        of_confusions = _log(self.confusions_).mean(2).sum()
        # Known shares are no parameter.
        of_shares = _log(self.class_balance_).mean() if self.class_balance is None else 0.0
        return float(self.smoothing * (of_confusions + of_shares))


def _log(probabilities: np.ndarray) -> np.ndarray:
    # Finite at 0, so that a row which no class allows still has a posterior.
    return np.log(np.maximum(probabilities, np.finfo(float).tiny))
