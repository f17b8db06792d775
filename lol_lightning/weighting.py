"""How much each labeling function counts: the weights w_i of Eq. 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pytorch_lightning.utilities.seed import isolate_rng

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.functional.votes import ABSTAIN

__all__ = [
    "LF_WEIGHTS",
    "LFWeighting",
    "VotesForWeights",
    "checked_weights",
    "lf_weights",
    "penalty_weighting",
    "training_weights",
]

LFWeighting = Literal["uniform", "snorkel", "coverage", "accuracy", "above-chance", "agreement"]


@dataclass(frozen=True)
class VotesForWeights:
    """What weights are computed from.

    Args:
        votes: int64 (n, m), the votes on the training rows.
        num_classes: K.
        labeled_votes: int64 (n', m), the votes on a small labeled set, which is not the test set.
        labels: int64 (n',), its gold classes.
    """

    votes: Int[ndarray, "row lf"]
    num_classes: int
    labeled_votes: Int[ndarray, "labeled lf"] | None = None
    labels: Int[ndarray, " labeled"] | None = None

    @classmethod
    def of(cls, datamodule: Any, num_classes: int) -> VotesForWeights | None:
        """Take them from a data module that has ``train_votes``; validation rows are the labeled ones."""
        if not hasattr(datamodule, "train_votes"):
            return None
        try:
            labeled = datamodule.val_votes, datamodule.val_labels
        except (AttributeError, DataError):
            labeled = None, None
        return cls(datamodule.train_votes, num_classes, *labeled)


def snorkel_label_model(votes: Int[ndarray, "row lf"], num_classes: int, n_epochs: int = 100, seed: int = 0) -> Any:
    """Fit Snorkel's ``LabelModel``; the global generators, which it seeds, are left as they were."""
    from snorkel.labeling.model import LabelModel

    with isolate_rng():
        model = LabelModel(cardinality=num_classes, verbose=False)
        model.fit(votes, n_epochs=n_epochs, seed=seed, progress_bar=False)
    return model


def _uniform(given: VotesForWeights) -> Float[ndarray, " lf"]:
    return np.ones(given.votes.shape[1])


def _coverage(given: VotesForWeights) -> Float[ndarray, " lf"]:
    return (given.votes != ABSTAIN).mean(0)


def _snorkel(given: VotesForWeights) -> Float[ndarray, " lf"]:
    if given.votes.shape[1] < 3:
        raise ConfigurationError(
            f"lf_weights = 'snorkel' needs at least 3 LFs, there are {given.votes.shape[1]}. Use 'uniform' or a list."
        )
    return np.asarray(snorkel_label_model(given.votes, given.num_classes).get_weights(), dtype=float)


def _accuracy(given: VotesForWeights) -> Float[ndarray, " lf"]:
    return _accuracies(given, "accuracy")


def _above_chance(given: VotesForWeights) -> Float[ndarray, " lf"]:
    return _excess(_accuracies(given, "above-chance"), given)


def _agreement(given: VotesForWeights) -> Float[ndarray, " lf"]:
    votes = (given.votes[:, :, None] == np.arange(given.num_classes)).astype(float)
    others = votes.sum(1, keepdims=True) - votes
    leading = (others == others.max(-1, keepdims=True)) & (others > 0)
    # A tie counts in part.
    agrees = (votes * leading).sum(-1) / np.maximum(leading.sum(-1), 1)
    judged = (votes.sum(-1) > 0) & leading.any(-1)
    return _excess((agrees.sum(0) + 2 / given.num_classes) / (judged.sum(0) + 2), given)


def _excess(accuracies: Float[ndarray, " lf"], given: VotesForWeights) -> Float[ndarray, " lf"]:
    chance = 1 / given.num_classes
    return np.clip((accuracies - chance) / (1 - chance), 0, None)


def _accuracies(given: VotesForWeights, name: str) -> Float[ndarray, " lf"]:
    if given.labeled_votes is None or given.labels is None:
        raise ConfigurationError(
            f"lf_weights = {name!r} needs validation rows with labels. Give the data module a labeled `val`, or use "
            "'uniform', 'coverage', 'snorkel' or a list of weights."
        )
    voted = given.labeled_votes != ABSTAIN
    correct = voted & (given.labeled_votes == given.labels[:, None])
    # Two pseudo-rows keep an LF that hardly votes near chance.
    return (correct.sum(0) + 2 / given.num_classes) / (voted.sum(0) + 2)


LF_WEIGHTS: dict[str, Callable[[VotesForWeights], Float[ndarray, " lf"]]] = {
    "uniform": _uniform,
    "snorkel": _snorkel,
    "coverage": _coverage,
    "accuracy": _accuracy,
    "above-chance": _above_chance,
    "agreement": _agreement,
}
"""Weightings by name. "snorkel" is the paper's "LoL-sw"; "accuracy" is measured on the labeled validation rows, and
"above-chance" is by how much it exceeds guessing, 0 for an LF that does not and 1 for one that is always right;
"agreement" is the same with the majority of the other LFs on training rows in place of labels."""


def lf_weights(
    weighting: LFWeighting | Sequence[float], given: VotesForWeights, scaled: bool = True
) -> Float[ndarray, " lf"]:
    """Weights of the labeling functions.

    Args:
        weighting: a key of ``LF_WEIGHTS``, whose weights are scaled to the mean 1 so that the loss keeps its size,
            or one weight for each LF, taken as they are.
        given: the votes.
        scaled: whether weights by name are scaled.

    Returns:
        float (m,), non-negative.

    Raises:
        ConfigurationError: if the name is unknown, the list has a wrong length or an entry that is negative or not
            finite, or what a weighting needs is missing.

    Example:
        >>> lf_weights("coverage", VotesForWeights(np.array([[0, 1], [-1, 1]]), num_classes=2)).round(2)
        array([0.67, 1.33])
    """
    num_lfs = given.votes.shape[1]
    if isinstance(weighting, str):
        if weighting not in LF_WEIGHTS:
            raise ConfigurationError(f"lf_weights = {weighting!r}; use one of {sorted(LF_WEIGHTS)} or a list.")
        weights = LF_WEIGHTS[weighting](given)
        return weights / max(weights.mean(), np.finfo(float).tiny) if scaled else weights
    weights = checked_weights(weighting)
    if weights.shape != (num_lfs,):
        raise ConfigurationError(f"lf_weights has {weights.size} entries for {num_lfs} LFs; give one for each.")
    return weights


def training_weights(
    name: str, weighting: LFWeighting | Sequence[float], datamodule: Any, num_classes: int
) -> Float[ndarray, " lf"] | None:
    """Weights for a training on a data module, ``None`` for uniform ones.

    Args:
        name: "lf_weights", which are scaled to the mean 1, or "penalty_weights", which are not: where all LFs are bad,
            none shall demand anything.
        weighting: as for ``lf_weights``.
        datamodule: has ``train_votes``, and labeled validation rows for weightings that need them.
        num_classes: K.

    Raises:
        ConfigurationError: as ``lf_weights``, or if a weighting by name has no data module with ``train_votes``.
    """
    if isinstance(weighting, str) and weighting == "uniform":
        return None
    given = VotesForWeights.of(datamodule, num_classes)
    if given is not None:
        return lf_weights(weighting, given, scaled=name == "lf_weights")
    if isinstance(weighting, str):
        raise ConfigurationError(
            f"{name} = {weighting!r} needs a data module with train_votes; fit with one, or give a list."
        )
    return checked_weights(weighting)


def penalty_weighting(
    asked: LFWeighting | Sequence[float] | None, datamodule: Any
) -> LFWeighting | Sequence[float] | None:
    """What the LFs' penalties are weighted by: what is asked for, or else the data module's ``penalty_weighting``.

    Returns:
        ``None`` where neither says anything: the penalties then take ``lf_weights``.
    """
    return getattr(datamodule, "penalty_weighting", None) if asked is None else asked


def checked_weights(weighting: Sequence[float]) -> Float[ndarray, " lf"]:
    """Given weights as an array; they must be finite and not negative."""
    weights = np.asarray(weighting, dtype=float)
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ConfigurationError(f"lf_weights = {weights.tolist()} must be finite and not negative.")
    return weights
