"""How much each labeling function counts: the weights w_i of Eq. 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray

from lol_lightning._lightning import isolate_rng
from lol_lightning.data.base import BaseDataModule, ClassShares
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.functional import votes as functional
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.losses.weights.class_balance import checked_weights

__all__ = ["LF_WEIGHTS", "LFWeighting", "LabeledVotes", "lf_weights", "needs_votes", "snorkel_label_model"]

LFWeighting = Literal["uniform", "snorkel", "coverage", "accuracy", "above-chance", "agreement"]


@dataclass(frozen=True)
class LabeledVotes:
    """What weights are computed from: votes on unlabeled rows, and on a few labeled ones.

    Args:
        votes: int64 (n, m) or probabilities float (n, m, K), the votes on the training rows that have some.
        num_classes: K.
        labeled_votes: (n', m) or (n', m, K), the votes on a small labeled set, which is not the test set.
        labels: int64 (n',), its gold classes.
        drawn_by_class: whether the labeled rows were drawn class by class, so that they tell no class shares.
        class_shares: where they are not to be counted on ``labels``.
        num_uncovered_rows: number of training rows beside those of ``votes``, on which every LF abstains.
    """

    votes: Shaped[ndarray, "row lf *cls"]
    num_classes: int
    labeled_votes: Shaped[ndarray, "labeled lf *cls"] | None = None
    labels: Int[ndarray, " labeled"] | None = None
    drawn_by_class: bool = False
    class_shares: ClassShares | None = None
    num_uncovered_rows: int = 0

    __repr__ = short_repr

    @classmethod
    def of(cls, data: BaseDataModule) -> LabeledVotes:
        """Take training rows and labeled validation rows from a data module that is set up for ``fit``."""
        votes = data.train_votes if data.train_vote_probabilities is None else data.train_vote_probabilities
        covered = functional.is_covered(torch.as_tensor(votes)).numpy()
        labels = data.val_labels
        labeled = None
        if labels is not None:
            labeled = data.val_votes if data.val_vote_probabilities is None else data.val_vote_probabilities
        shares = data.class_shares
        return cls(votes[covered], data.num_classes, labeled, labels, shares is None, shares, int((~covered).sum()))

    @property
    def rows_per_covered_row(self) -> float:
        """Number of training rows for each one that has a vote, at least 1."""
        return 1 + self.num_uncovered_rows / max(len(self.votes), 1)

    def restricted_to(self, rows: Int[ndarray, " selected"], drawn_by_class: bool) -> LabeledVotes:
        """Return the same with some of the labeled rows only; shares that were counted on them are counted anew."""
        votes, labels, shares = self.labeled_votes, self.labels, self.class_shares
        return replace(
            self,
            labeled_votes=None if votes is None else votes[rows],
            labels=None if labels is None else labels[rows],
            drawn_by_class=drawn_by_class,
            class_shares=None if shares is not None and shares.num_labels is not None else shares,
        )

    def shares_of_classes(self) -> ClassShares | None:
        """Return the class shares, counted on the labels if need be; ``None`` where nothing tells them."""
        if self.class_shares is not None:
            return self.class_shares
        if self.labels is None or not len(self.labels) or self.drawn_by_class:
            return None
        return ClassShares.counted(self.labels, self.num_classes)

    def soft_votes(self, lf_weights: Float[ndarray, " lf"] | None = None) -> Float[ndarray, "row cls"]:
        """Return the soft votes of the training rows, float (n, K)."""
        weights = None if lf_weights is None else torch.as_tensor(lf_weights)
        return functional.soft_votes(torch.as_tensor(self.votes), self.num_classes, weights).double().numpy()


def snorkel_label_model(
    votes: Int[ndarray, "row lf"],
    num_classes: int,
    n_epochs: int = 100,
    seed: int = 0,
    class_balance: Sequence[float] | ndarray | None = None,
) -> Any:
    """Fit Snorkel's ``LabelModel``; the global generators, which it seeds, are left as they were."""
    from snorkel.labeling.model import LabelModel

    with isolate_rng():
        model = LabelModel(cardinality=num_classes, verbose=False)
        model.fit(votes, class_balance=class_balance, n_epochs=n_epochs, seed=seed, progress_bar=False)
    return model


def _uniform(votes: LabeledVotes) -> Float[ndarray, " lf"]:
    return np.ones(votes.votes.shape[1])


def _coverage(votes: LabeledVotes) -> Float[ndarray, " lf"]:
    return functional.vote_mask(torch.as_tensor(votes.votes)).double().mean(0).numpy()


def _snorkel(votes: LabeledVotes) -> Float[ndarray, " lf"]:
    if votes.votes.shape[1] < 3:
        raise ConfigurationError(
            f"lf_weights = 'snorkel' needs at least 3 LFs, there are {votes.votes.shape[1]}. Use 'uniform' or a list."
        )
    class_ids = functional.class_ids(torch.as_tensor(votes.votes), votes.num_classes).numpy()
    return np.asarray(snorkel_label_model(class_ids, votes.num_classes).get_weights(), dtype=float)


def _accuracy(votes: LabeledVotes) -> Float[ndarray, " lf"]:
    return _accuracies(votes, "accuracy").rate


def _above_chance(votes: LabeledVotes) -> Float[ndarray, " lf"]:
    return _accuracies(votes, "above-chance").lift()


def _agreement(votes: LabeledVotes) -> Float[ndarray, " lf"]:
    sets = _sets(votes.votes, votes.num_classes)
    shares = sets / np.maximum(sets.sum(-1, keepdims=True), 1)
    others = shares.sum(1, keepdims=True) - shares
    # Several classes are in the first place where they differ by the rounding of thirds only.
    leading = (others > others.max(-1, keepdims=True) - 1e-9) & (others > 1e-9)
    # A tie counts in part.
    majority = leading / np.maximum(leading.sum(-1, keepdims=True), 1)
    comparable = leading.any(-1)
    shares_of_classes = majority.sum(0) / np.maximum(comparable.sum(0), 1)[:, None]
    return _rates((sets * majority).sum(-1), sets & comparable[..., None], shares_of_classes).lift()


class _Rates(NamedTuple):
    """How often each LF is right where it votes, and how often it would be by chance."""

    rate: Float[ndarray, " lf"]
    chance: Float[ndarray, " lf"]
    rows: Float[ndarray, " lf"]

    def lift(self) -> Float[ndarray, " lf"]:
        """Return ``(rate - chance) / (1 - chance)``, as in Cohen's kappa, of the rate less its standard error.

        Without that, the noise of a few rows would be the weight of LFs that guess.
        """
        excess = self.rate - np.sqrt(self.rate * (1 - self.rate) / self.rows) - self.chance
        # Where all rows have one class, chance is always right.
        return np.clip(excess, 0, None) / np.where(self.chance < 1, 1 - self.chance, 1)


def _accuracies(votes: LabeledVotes, name: str) -> _Rates:
    """Accuracy of each LF on the labeled rows; one of several classes voted for must be right."""
    if votes.labeled_votes is None or votes.labels is None:
        raise ConfigurationError(
            f"lf_weights = {name!r} needs validation rows with labels. Give the data module a labeled `val`, or use "
            "'uniform', 'coverage', 'snorkel' or a list of weights."
        )
    sets = _sets(votes.labeled_votes, votes.num_classes)
    right = np.take_along_axis(sets, votes.labels[:, None, None], axis=-1)[..., 0]
    shares = np.bincount(votes.labels, minlength=votes.num_classes) / max(len(votes.labels), 1)
    return _rates(right, sets, shares)


def _rates(
    right: Shaped[ndarray, "row lf"], sets: Bool[ndarray, "row lf cls"], class_shares: Float[ndarray, "*lf cls"]
) -> _Rates:
    r"""Return how often votes are right, beside :math:`\sum_k q_k p_k`, what the same votes on other rows would bring.

    :math:`q_k` is how often the LF votes for class k where it votes, :math:`p_k` the share of the class among *all*
    rows, those on which the LF abstains included: to vote on the right rows alone is what an LF for one class is for.
    """
    voted = sets.any(-1).sum(0)
    vote_shares = np.where(voted[:, None], sets.sum(0) / np.maximum(voted, 1)[:, None], 1 / sets.shape[-1])
    chance = (vote_shares * class_shares).sum(-1)
    # Two pseudo-rows keep an LF that hardly votes near chance.
    return _Rates((right.sum(0) + 2 * chance) / (voted + 2), chance, voted + 2.0)


def _sets(votes: Shaped[ndarray, "row lf *cls"], num_classes: int) -> Bool[ndarray, "row lf cls"]:
    return functional.voted_classes(torch.as_tensor(votes), num_classes).numpy()


LF_WEIGHTS: dict[str, Callable[[LabeledVotes], Float[ndarray, " lf"]]] = {
    "uniform": _uniform,
    "snorkel": _snorkel,
    "coverage": _coverage,
    "accuracy": _accuracy,
    "above-chance": _above_chance,
    "agreement": _agreement,
}
"""Weightings by name. "snorkel" is the paper's "LoL-sw"; "accuracy" is measured on the labeled validation rows, and
"above-chance" is by how much it exceeds what the LF's own shares of votes bring by chance: 0 for a constant or a coin,
1 for an LF that is always right; "agreement" is the same with the majority of the other LFs on training rows in place
of labels."""


def lf_weights(
    weighting: LFWeighting | Sequence[float], votes: LabeledVotes, scaled: bool = True
) -> Float[ndarray, " lf"]:
    """Weights of the labeling functions.

    Args:
        weighting: a key of ``LF_WEIGHTS``, whose weights are scaled to the mean 1 so that the loss keeps its size (and
            are all 1 where they would all be 0), or one weight for each LF, used as they are.
        votes: the votes.
        scaled: whether weights by name are scaled.

    Returns:
        float (m,), non-negative.

    Raises:
        ConfigurationError: if the name is unknown, the list has a wrong length or an entry that is negative or not
            finite, or what a weighting needs is missing.

    Example:
        >>> lf_weights("coverage", LabeledVotes(np.array([[0, 1], [-1, 1]]), num_classes=2)).round(2)
        array([0.67, 1.33])
    """
    num_lfs = votes.votes.shape[1]
    if isinstance(weighting, str):
        if weighting not in LF_WEIGHTS:
            raise ConfigurationError(f"lf_weights = {weighting!r}; use one of {sorted(LF_WEIGHTS)} or a list.")
        weights = LF_WEIGHTS[weighting](votes)
        if not scaled:
            return weights
        return weights / weights.mean() if weights.any() else np.ones(num_lfs)
    weights = checked_weights(weighting, "lf_weights" if scaled else "penalty weights")
    if weights.shape != (num_lfs,):
        raise ConfigurationError(f"lf_weights has {weights.size} entries for {num_lfs} LFs; give one for each.")
    return weights


def needs_votes(name: str, weighting: str) -> ConfigurationError:
    """Return the error for a weighting by name where there are no votes to compute it from."""
    return ConfigurationError(
        f"{name} = {weighting!r} needs the votes on all training rows: fit with a data module of this package, "
        "configure LoLLoss with LabeledVotes, or give a list of numbers."
    )
