"""Pseudolabels: the votes of all labeling functions fused into one soft label a row.

A pseudolabel is a vote that is a distribution over classes, of one labeling function that never abstains. So the end
model of every baseline is ``LoLClassifier(method="lol-simple")`` on other votes: its vote loss (Prop. 1) is then the
cross-entropy against the soft label, and network, optimizer and metrics are those of LoL itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from lol_lightning.baselines.dawid_skene import DawidSkene
from lol_lightning.baselines.majority import majority_vote
from lol_lightning.baselines.triplets import TripletModel
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.losses.weights.class_balance import class_balance_of
from lol_lightning.losses.weights.lf_weights import snorkel_label_model as fit_snorkel

__all__ = [
    "PSEUDOLABELS",
    "TAKE_CLASS_BALANCE",
    "dawid_skene",
    "majority_vote",
    "pseudolabels",
    "snorkel_label_model",
    "triplet_mean",
    "triplet_median",
]

Votes = npt.NDArray[np.int64]
SoftLabels = npt.NDArray[np.float32]
Shares = Sequence[float] | None


def snorkel_label_model(votes: Votes, num_classes: int, seed: int = 0, class_balance: Shares = None) -> SoftLabels:
    """Posterior of Snorkel's ``LabelModel``, fitted to the votes with Snorkel's own settings and 500 epochs.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``, m at least 3.
        num_classes: K.
        seed: Snorkel's seed; the global random states are left as they were.
        class_balance: share of each class, K positive numbers; uniform by default.

    Returns:
        float32 (n, K), rows sum to 1.

    Raises:
        ConfigurationError: if there are fewer than three LFs, the least that identifies Snorkel's model.
    """
    if votes.shape[1] < 3:
        raise ConfigurationError(
            f"Snorkel's LabelModel needs at least 3 labeling functions, got {votes.shape[1]}: "
            "use the majority vote, or LoLLabelModel."
        )
    shares = None if class_balance is None else class_balance_of(class_balance, None, num_classes)
    model = fit_snorkel(votes, num_classes, n_epochs=500, seed=seed, class_balance=shares)
    return model.predict_proba(votes).astype(np.float32)


def triplet_mean(votes: Votes, num_classes: int, seed: int = 0, class_balance: Shares = None) -> SoftLabels:
    """Posterior of ``TripletModel`` under the mean over triplets (Fu et al., 2020).

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``, m at least 3.
        num_classes: K; for more than 2, one against the rest.
        seed: of the triplets that are drawn where there are more than 141 LFs.
        class_balance: share of each class, K positive numbers; uniform by default.

    Returns:
        float32 (n, K), rows sum to 1.

    Raises:
        ConfigurationError: if there are fewer than three LFs.
        VotesError: if no LF votes on any row.
    """
    return TripletModel(num_classes, "mean", class_balance, seed).fit(votes).predict_proba(votes).astype(np.float32)


def triplet_median(votes: Votes, num_classes: int, seed: int = 0, class_balance: Shares = None) -> SoftLabels:
    """Posterior of ``TripletModel`` under the median over triplets (Chen et al., 2021); else as ``triplet_mean``."""
    return TripletModel(num_classes, "median", class_balance, seed).fit(votes).predict_proba(votes).astype(np.float32)


def dawid_skene(votes: Votes, num_classes: int, seed: int = 0) -> SoftLabels:
    """Posterior of ``DawidSkene`` (1979) after EM, with its default settings.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        num_classes: K.
        seed: not used, nothing here is random.

    Returns:
        float32 (n, K), rows sum to 1.

    Raises:
        VotesError: if no LF votes on any row.
    """
    return DawidSkene(num_classes).fit(votes).predict_proba(votes).astype(np.float32)


PSEUDOLABELS: dict[str, Callable[..., SoftLabels]] = {
    "mv": majority_vote,
    "snorkel": snorkel_label_model,
    "t-mean": triplet_mean,
    "t-median": triplet_median,
    "dawid-skene": dawid_skene,
}
"""Every way to fuse votes, by name: (votes, K, seed) -> float32 (n, K)."""

TAKE_CLASS_BALANCE = ("snorkel", "t-mean", "t-median")
"""Those of them that take class shares; the others have no use for them, or estimate them."""


def pseudolabels(
    method: str, votes: Votes, num_classes: int, seed: int = 0, class_balance: Shares = None
) -> SoftLabels:
    """Fuse votes by a method of ``PSEUDOLABELS``.

    Args:
        method: a key of ``PSEUDOLABELS``.
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        num_classes: K.
        seed: for the methods that draw.
        class_balance: share of each class, K positive numbers, for the methods of ``TAKE_CLASS_BALANCE``.

    Returns:
        float32 (n, K), rows sum to 1.

    Raises:
        ConfigurationError: if the method is unknown, or takes no class balance and there is one.

    Example:
        >>> pseudolabels("mv", np.array([[0, -1, 0]]), num_classes=3)
        array([[1., 0., 0.]], dtype=float32)
    """
    if method not in PSEUDOLABELS:
        raise ConfigurationError(f"pseudolabel method {method!r} is not one of {sorted(PSEUDOLABELS)}.")
    if class_balance is None:
        return PSEUDOLABELS[method](votes, num_classes, seed)
    if method not in TAKE_CLASS_BALANCE:
        raise ConfigurationError(f"pseudolabel method {method!r} takes no class_balance; leave it out.")
    return PSEUDOLABELS[method](votes, num_classes, seed, class_balance)
