"""The label model behind LoLLabelModel: conditionals of the LFs and a class balance."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from snorkel.labeling.model.label_model import TrainConfig
from tqdm import tqdm  # type: ignore[import-untyped]

from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.label_model.conditionals import (
    class_posterior,
    estimate_conditionals,
    fit_conditionals,
    lf_accuracies,
)
from lol_lightning.label_model.overlaps import overlap_misfit
from lol_lightning.label_model.prior import FLOOR, default_prior_rows, prior_conditionals
from lol_lightning.lfs.apply import validate_votes

__all__ = ["VoteModel", "estimate_vote_model"]

logger = logging.getLogger(__name__)

MIN_ROWS = 1000
"""With fewer rows, overlaps do not show whether LFs depend on each other."""
MIN_LFS = 4
"""With fewer LFs, the conditionals of two classes can meet any overlaps."""
MAX_MISFIT = 2.0
"""``overlap_misfit`` up to which LFs are taken to be independent."""


@dataclass(frozen=True, eq=False)
class VoteModel:
    """LFs that are independent given the class.

    Args:
        conditionals: float (m, K + 1, K), see ``lol_lightning.label_model.conditionals``.
        class_balance: float (K,), sums to 1.
        coverage: float (m,), share of the training rows on which each LF voted.
        config: Snorkel's settings of the fit.
    """

    conditionals: Float[np.ndarray, "lf outcome cls"]
    class_balance: Float[np.ndarray, " cls"]
    coverage: Float[np.ndarray, " lf"]
    config: TrainConfig

    __repr__ = short_repr

    @property
    def weights(self) -> Float[np.ndarray, " lf"]:
        """Probability that each LF is right where it votes, float (m,) in [0, 1]."""
        return lf_accuracies(self.conditionals, self.class_balance)

    def check(self, L: Any) -> Int[np.ndarray, "row lf"]:
        """Return votes as int64 (n, m), checked against the LFs and classes of the model."""
        return validate_votes(L, len(self.class_balance), fitted_lfs=len(self.conditionals))

    def predict_proba(self, L: Any) -> Float[np.ndarray, "row cls"]:
        """Return the class posterior of each row's votes, float64 (n, K)."""
        return class_posterior(self.check(L), self.conditionals, self.class_balance)


def estimate_vote_model(
    votes: Int[np.ndarray, "row lf"],
    class_balance: Float[np.ndarray, " cls"],
    posterior: Float[np.ndarray, "row cls"] | None,
    config: TrainConfig,
    prior_rows: float | None = None,
    verbose: bool = False,
    progress_bar: bool = False,
) -> VoteModel:
    """Estimate the LFs from what a classifier believes of each row, or from the votes alone by EM.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        class_balance: float (K,), sums to 1.
        posterior: float (n, K) of a classifier; ``None`` means EM.
        config: Snorkel's settings, of which ``n_epochs``, ``l2``, ``prec_init``, ``mu_eps`` and ``log_freq`` count.
        prior_rows: how many rows the prior counts as. ``None`` stands for ``default_prior_rows(votes)`` in the EM,
            which needs the hold, and for 1 under a classifier's posterior.
        verbose: log every ``log_freq`` EM steps, and what the LFs' overlaps say.
        progress_bar: show the EM steps.

    Notes:
        EM runs twice at most. First an abstention is evidence, as in the model of independent LFs, without which their
        conditionals are biased. Where they then do not vote together as often as independent LFs do
        (``overlap_misfit`` above 2), or too few rows or LFs could tell, abstentions are ignored. Of the LFs of six
        real sets, all rows, none passes (3 to 76); those of ``snorkel.synthetic`` do (0.3 to 1.5).
    """
    floor = max(config.mu_eps or 0.0, FLOOR)
    precision = np.broadcast_to(np.asarray(config.prec_init, dtype=float), votes.shape[1])
    prior = prior_conditionals(votes, class_balance, precision, floor)
    extra_rows = config.l2 * len(votes)
    coverage = (votes != ABSTAIN).mean(0)
    if posterior is not None:
        prior_rows = 1.0 if prior_rows is None else prior_rows
        table = estimate_conditionals(votes, posterior, prior, prior_rows + extra_rows, floor)
        return VoteModel(table, class_balance, coverage, config)
    rows = (default_prior_rows(votes) if prior_rows is None else prior_rows) + extra_rows

    def fit(abstentions: bool) -> Float[np.ndarray, "lf outcome cls"]:
        with tqdm(total=config.n_epochs, unit="epoch", disable=not progress_bar) as bar:

            def report(step: int, change: float) -> None:
                bar.update()
                if verbose and step % config.log_freq == 0:
                    logger.info("[%d epochs]: largest change of a probability %.3g", step, change)

            return fit_conditionals(
                votes,
                class_balance,
                prior,
                rows,
                max_steps=config.n_epochs,
                floor=floor,
                abstentions=abstentions,
                on_step=report,
            )

    if np.count_nonzero((votes != ABSTAIN).any(1)) >= MIN_ROWS and votes.shape[1] >= MIN_LFS:
        table = fit(abstentions=True)
        misfit = overlap_misfit(votes, table, class_balance)
        independent = misfit <= MAX_MISFIT
        if verbose:
            verdict = "evidence" if independent else "ignored"
            logger.info("overlaps of LFs differ %.3g times as much as by chance: abstentions are %s", misfit, verdict)
        if independent:
            return VoteModel(table, class_balance, coverage, config)
    return VoteModel(fit(abstentions=False), class_balance, coverage, config)
