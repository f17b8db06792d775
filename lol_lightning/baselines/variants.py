"""Which variant of a label model suits a set: with the class shares or without, abstentions as outcomes or missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int

from lol_lightning.baselines.majority import break_ties
from lol_lightning.baselines.pseudolabels import VoteFusion
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.models.metrics import SCORES, Score, confusion_matrix

__all__ = ["OPTIONS", "Variant", "candidates", "choose_variant"]

OPTIONS: dict[str, tuple[Mapping[str, Any], ...]] = {
    "dawid-skene": ({"abstains": "outcome"}, {"abstains": "missing"}),
}
"""Options of a label model among which validation chooses, by name; the first one where it cannot tell."""


@dataclass(frozen=True)
class Variant:
    """A variant of a label model.

    Args:
        class_balance: share of each class that it knows, ``None`` for none.
        options: of its own.
        score: on validation rows; ``None`` where none could be read.
    """

    class_balance: tuple[float, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    score: float | None = None


def candidates(method: str, class_balance: Sequence[float] | None) -> list[Variant]:
    """List the variants of a method: each of its options with the class shares, if there are any, and without.

    Example:
        >>> [variant.class_balance for variant in candidates("snorkel", [0.3, 0.7])]
        [(0.3, 0.7), None]
        >>> [dict(variant.options) for variant in candidates("dawid-skene", None)]
        [{'abstains': 'outcome'}, {'abstains': 'missing'}]
    """
    shares = [None] if class_balance is None else [tuple(float(share) for share in class_balance), None]
    return [Variant(balance, options) for balance in shares for options in OPTIONS.get(method, ({},))]


def choose_variant(
    variants: Sequence[Variant],
    make: Callable[[Variant], VoteFusion],
    votes: Int[np.ndarray, "row lf"],
    labeled_votes: Int[np.ndarray, "labeled lf"],
    labels: Int[np.ndarray, " labeled"],
    num_classes: int,
    score: Score = "accuracy",
    seed: int = 0,
) -> Variant:
    """Fit each variant to votes without labels, and take the one whose posterior is best on labeled rows with a vote.

    Every label model of a comparison is chosen by this rule, whatever it makes of the class shares. Nothing is trained
    on the labels.

    Args:
        variants: what to choose from; the first one of equals is taken, and the first where no labeled row has a vote.
        make: from a variant to its label model, not fitted.
        votes: int64 (n, m) with class ids or ``ABSTAIN``, to fit to.
        labeled_votes: int64 (n', m), of the labeled rows.
        labels: int64 (n',), their classes.
        num_classes: K.
        score: a key of ``SCORES``, of the most probable classes.
        seed: of the ties among them.

    Returns:
        The best variant, with its score.

    Example:
        >>> from lol_lightning.baselines.pseudolabels import label_model
        >>> votes = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0], [0, -1, -1]])
        >>> def make(variant):
        ...     return label_model("dawid-skene", 2, class_balance=variant.class_balance, **variant.options)
        >>> choose_variant(candidates("dawid-skene", None), make, votes, votes, votes[:, 0], num_classes=2)
        Variant(class_balance=None, options={'abstains': 'outcome'}, score=1.0)
    """
    covered = (labeled_votes != ABSTAIN).any(1)
    if len(variants) == 1 or not covered.any():
        return variants[0]
    true = torch.as_tensor(labels[covered])

    def scored(variant: Variant) -> Variant:
        posterior: Float[np.ndarray, "row cls"] = make(variant).fit(votes).predict_proba(labeled_votes[covered])
        predictions = torch.as_tensor(break_ties(posterior, seed).argmax(1))
        value = SCORES[score](confusion_matrix(predictions, true, num_classes))
        return Variant(variant.class_balance, variant.options, float(value))

    # The first of equals: max keeps it.
    return max(map(scored, variants), key=lambda variant: cast(float, variant.score))
