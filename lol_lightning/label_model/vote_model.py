"""The label model behind LoLLabelModel: conditionals of the LFs and a class balance."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from snorkel.labeling.model.label_model import TrainConfig
from tqdm import tqdm  # type: ignore[import-untyped]

from lol_lightning.label_model.conditionals import (
    FLOOR,
    class_posterior,
    default_prior_rows,
    estimate_conditionals,
    fit_conditionals,
    lf_accuracies,
    prior_conditionals,
)
from lol_lightning.lfs.apply import validate_votes

__all__ = ["VoteModel", "estimate_vote_model"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class VoteModel:
    """LFs that are independent given the class.

    Args:
        conditionals: float (m, K + 1, K), see ``lol_lightning.label_model.conditionals``.
        class_balance: float (K,), sums to 1.
    """

    conditionals: Float[np.ndarray, "lf outcome cls"]
    class_balance: Float[np.ndarray, " cls"]

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
        prior_rows: how many rows the prior counts as. ``None`` stands for ``default_prior_rows(n)`` in the EM, which
            needs the hold, and for 1 under a classifier's posterior.
        verbose: log every ``log_freq`` EM steps.
        progress_bar: show the EM steps.
    """
    floor = max(config.mu_eps or 0.0, FLOOR)
    precision = np.broadcast_to(np.asarray(config.prec_init, dtype=float), votes.shape[1])
    prior = prior_conditionals(votes, class_balance, precision, floor)
    extra_rows = config.l2 * len(votes)
    if posterior is not None:
        prior_rows = 1.0 if prior_rows is None else prior_rows
        table = estimate_conditionals(votes, posterior, prior, prior_rows + extra_rows, floor)
        return VoteModel(table, class_balance)
    prior_rows = default_prior_rows(len(votes)) if prior_rows is None else prior_rows
    with tqdm(total=config.n_epochs, unit="epoch", disable=not progress_bar) as bar:

        def report(step: int, change: float) -> None:
            bar.update()
            if verbose and step % config.log_freq == 0:
                logger.info("[%d epochs]: largest change of a probability %.3g", step, change)

        conditionals = fit_conditionals(
            votes, class_balance, prior, prior_rows + extra_rows, max_steps=config.n_epochs, floor=floor, on_step=report
        )
    return VoteModel(conditionals, class_balance)
