"""Pseudolabels: the votes of all labeling functions fused into one soft label a row.

A pseudolabel is a vote that is a distribution over classes, of one labeling function that never abstains. So the end
model of every baseline is ``LoLClassifier(method="lol-simple")`` on other votes: its vote loss (Prop. 1) is then the
cross-entropy against the soft label, and network, optimizer and metrics are those of LoL itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, Int

from lol_lightning.baselines.dawid_skene import DawidSkene
from lol_lightning.baselines.majority import MajorityVote, break_ties
from lol_lightning.baselines.triplets import TripletModel
from lol_lightning.exceptions import ConfigurationError, NotFittedError
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.losses.weights.class_balance import class_balance_of
from lol_lightning.losses.weights.lf_weights import snorkel_label_model

__all__ = ["LABEL_MODELS", "SnorkelModel", "VoteFusion", "label_model", "pseudolabels"]

Shares = Sequence[float] | None


class VoteFusion(Protocol):
    """A label model: what turns the votes of a row into a distribution over classes."""

    def fit(self, votes: Any) -> VoteFusion:
        """Learn from votes, int (n, m) with class ids or ``ABSTAIN``, and return the model itself."""
        ...

    def predict_proba(self, votes: Any) -> Float[np.ndarray, "row cls"]:
        """Return float64 (n, K), rows sum to 1."""
        ...


class SnorkelModel:
    """Snorkel's ``LabelModel``, fitted with Snorkel's own settings and 500 epochs.

    Args:
        num_classes: K.
        class_balance: share of each class, K positive numbers; uniform by default.
        seed: Snorkel's seed; the global random states are left as they were.
    """

    __repr__ = short_repr

    def __init__(self, num_classes: int, class_balance: Shares = None, seed: int = 0) -> None:
        self.num_classes, self.seed = num_classes, seed
        self.class_balance = None if class_balance is None else class_balance_of(class_balance, None, num_classes)
        self._model: Any = None

    def fit(self, votes: Int[np.ndarray, "row lf"]) -> SnorkelModel:
        """Fit, and return the model itself.

        Raises:
            ConfigurationError: if there are fewer than three LFs, the least that identifies Snorkel's model.
        """
        if votes.shape[1] < 3:
            raise ConfigurationError(
                f"Snorkel's LabelModel needs at least 3 labeling functions, got {votes.shape[1]}: "
                "use the majority vote, or LoLLabelModel."
            )
        self._model = snorkel_label_model(
            votes, self.num_classes, n_epochs=500, seed=self.seed, class_balance=self.class_balance
        )
        return self

    def predict_proba(self, votes: Int[np.ndarray, "row lf"]) -> Float[np.ndarray, "row cls"]:
        """Return the posterior of each row.

        Raises:
            NotFittedError: before ``fit``.
        """
        if self._model is None:
            raise NotFittedError("Snorkel's LabelModel is not fitted; call fit first.")
        return np.asarray(self._model.predict_proba(votes))


LABEL_MODELS: dict[str, Callable[..., VoteFusion]] = {
    "mv": lambda num_classes, class_balance, seed: MajorityVote(num_classes, class_balance),
    "snorkel": SnorkelModel,
    "t-mean": lambda num_classes, class_balance, seed: TripletModel(num_classes, "mean", class_balance, seed),
    "t-median": lambda num_classes, class_balance, seed: TripletModel(num_classes, "median", class_balance, seed),
    "dawid-skene": lambda num_classes, class_balance, seed, abstains="outcome": DawidSkene(
        num_classes, abstains, class_balance=class_balance
    ),
}
"""Every way to fuse votes, by name: (K, class shares or ``None``, seed, options of its own) -> a label model."""


def label_model(
    method: str, num_classes: int, seed: int = 0, class_balance: Shares = None, **options: Any
) -> VoteFusion:
    """Return a label model of ``LABEL_MODELS``, not fitted.

    Args:
        method: a key of ``LABEL_MODELS``.
        num_classes: K.
        seed: for the methods that draw.
        class_balance: share of each class, K positive numbers, where they are known.
        **options: ``abstains`` of "dawid-skene".

    Raises:
        ConfigurationError: if the method or an option is unknown, or the shares are no shares.
    """
    if method not in LABEL_MODELS:
        raise ConfigurationError(f"pseudolabel method {method!r} is not one of {sorted(LABEL_MODELS)}.")
    if (method != "dawid-skene" and options) or set(options) - {"abstains"}:
        raise ConfigurationError(f"pseudolabel method {method!r} has no option {next(iter(options))!r}; leave it out.")
    return LABEL_MODELS[method](num_classes, class_balance, seed, **options)


def pseudolabels(
    method: str,
    votes: Int[np.ndarray, "row lf"],
    num_classes: int,
    seed: int = 0,
    class_balance: Shares = None,
    **options: Any,
) -> Float[np.ndarray, "row cls"]:
    """Fuse votes by a method of ``LABEL_MODELS``.

    Args:
        method: a key of ``LABEL_MODELS``.
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        num_classes: K.
        seed: for the methods that draw, and of the majority vote's ties.
        class_balance: share of each class, K positive numbers, where they are known.
        **options: see ``label_model``.

    Returns:
        float32 (n, K), rows sum to 1; those of the majority vote are 1 for one class.

    Raises:
        ConfigurationError: as ``label_model``, or if there are too few LFs for the method.
        VotesError: if a vote is neither a class nor ``ABSTAIN``, or the method needs one and there is none.

    Example:
        >>> pseudolabels("mv", np.array([[0, -1, 0]]), num_classes=3)
        array([[1., 0., 0.]], dtype=float32)
    """
    model = label_model(method, num_classes, seed, class_balance, **options)
    posterior = model.fit(votes).predict_proba(votes)
    return break_ties(posterior, seed) if method == "mv" else posterior.astype(np.float32)
