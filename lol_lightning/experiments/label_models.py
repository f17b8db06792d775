"""The label model inside a method of a comparison: what it may know of the classes, and its variant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from lol_lightning.baselines.end_to_end import label_logits
from lol_lightning.baselines.pseudolabels import LABEL_MODELS, VoteFusion, label_model
from lol_lightning.baselines.variants import Variant, candidates, choose_variant
from lol_lightning.experiments.data import Prepared
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.votes import ABSTAIN, vote_probabilities
from lol_lightning.losses import LabeledVotes
from lol_lightning.losses.weights.class_balance import class_balance_of
from lol_lightning.models.metrics import Score

__all__ = ["FirstLabels", "known_shares", "variant_for"]


class FirstLabels:
    """The labels that an encoder of WeaSEL starts from: every LF has the same score.

    They stand for ``EndToEndClassifier`` where a variant is chosen, since it has no label model before it is trained.

    Args:
        num_classes: K.
        class_balance: share of each class, K positive numbers; uniform by default.
    """

    __repr__ = short_repr

    def __init__(self, num_classes: int, class_balance: Any | None = None) -> None:
        self.num_classes = num_classes
        self.class_balance = class_balance_of(class_balance, None, num_classes)

    def fit(self, votes: Any) -> FirstLabels:
        """Return itself: nothing is learnt."""
        return self

    def predict_proba(self, votes: Int[np.ndarray, "row lf"]) -> Float[np.ndarray, "row cls"]:
        """Return the labels, float64 (n, K)."""
        one_hot = vote_probabilities(torch.as_tensor(votes), self.num_classes).double()
        scores = torch.zeros(votes.shape, dtype=torch.double)
        return label_logits(scores, one_hot, torch.as_tensor(self.class_balance), 1.0).softmax(-1).numpy()


def known_shares(votes: LabeledVotes) -> tuple[float, ...] | None:
    """Return the class shares that a study may know, K positive numbers, or ``None``.

    Shares that were counted on N labels have a pseudo-row of each class, so that no class has the share 0.

    Example:
        >>> known_shares(LabeledVotes(np.array([[0]]), 2, np.array([[0]] * 8), np.array([0] * 8)))
        (0.9, 0.1)
    """
    shares = votes.shares_of_classes()
    if shares is None:
        return None
    counts = shares.shares + 1e-6 if shares.num_labels is None else shares.num_labels * shares.shares + 1
    return tuple(float(share) for share in counts / counts.sum())


def variant_for(
    method: str,
    prepared: Prepared,
    labeled: Int[np.ndarray, " labeled"],
    shares: tuple[float, ...] | None,
    score: Score = "accuracy",
    seed: int = 0,
    fixed: Mapping[str, Any] | None = None,
) -> Variant:
    """Choose the variant of a label model by the labeled rows, see ``choose_variant``.

    Args:
        method: a key of ``LABEL_MODELS``, or another name for ``FirstLabels``.
        prepared: the data.
        labeled: validation rows whose labels may be read.
        shares: of the classes, where they are known.
        score: a key of ``SCORES``.
        seed: of label models that draw.
        fixed: options of the label model that are not chosen.
    """
    data = prepared.data
    options = [v for v in candidates(method, shares) if {**v.options, **(fixed or {})} == v.options]
    if data.val_labels is None or not len(labeled):
        return options[0]
    votes = data.train_votes

    def make(variant: Variant) -> VoteFusion:
        if method not in LABEL_MODELS:
            return FirstLabels(data.num_classes, variant.class_balance)
        return label_model(method, data.num_classes, seed, variant.class_balance, **variant.options)

    chosen = choose_variant(
        options,
        make,
        votes[(votes != ABSTAIN).any(1)],
        data.val_votes[labeled],
        data.val_labels[labeled],
        data.num_classes,
        score,
        seed,
    )
    return replace(chosen, score=None if chosen.score is None else round(chosen.score, 6))
