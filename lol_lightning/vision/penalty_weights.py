"""How much the gradient of each labeler counts: that of a bad labeler harms more than its vote does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.functional.votes import ABSTAIN, vote_mask, voted_classes

__all__ = ["PENALTY_WEIGHTS", "LabelerEvidence", "PenaltyWeighting", "penalty_weights"]

PenaltyWeighting = Literal["uniform", "accuracy", "agreement", "seen-accuracy"]

_PSEUDO_ROWS = 2.0


@dataclass(frozen=True, eq=False)
class LabelerEvidence:
    """What is known about the labelers of a task.

    Args:
        votes: int64 (n, m) or float (n, m, K), on the training rows.
        num_classes: K.
        val_votes: int64 (n', m) or float (n', m, K), on labeled validation rows.
        val_labels: int64 (n',), their classes.
        seen_accuracies: float (m,), balanced accuracies on held-out rows of seen classes.
    """

    votes: Tensor
    num_classes: int
    val_votes: Tensor | None = None
    val_labels: Int[Tensor, " val"] | None = None
    seen_accuracies: Float[Tensor, " lf"] | None = None


def _uniform(given: LabelerEvidence) -> Tensor:
    return torch.ones(given.votes.shape[1])


def _accuracy(given: LabelerEvidence) -> Tensor:
    if given.val_votes is None or given.val_labels is None or not len(given.val_labels):
        raise ConfigurationError(
            "penalty_weights = 'accuracy' needs labeled validation rows: raise val_per_class, or use 'agreement'."
        )
    num_classes = given.num_classes
    right = voted_classes(given.val_votes, num_classes)[torch.arange(len(given.val_labels)), :, given.val_labels]
    votes = vote_mask(given.val_votes)
    recalls = []
    for cls in range(num_classes):
        of_class = (given.val_labels == cls).unsqueeze(1)
        voted = (votes & of_class).sum(0)
        # Pseudo-rows keep a labeler that hardly votes near chance.
        recalls.append(((right & of_class).sum(0) + _PSEUDO_ROWS / num_classes) / (voted + _PSEUDO_ROWS))
    return _above_chance(torch.stack(recalls).mean(0), num_classes)


def _agreement(given: LabelerEvidence) -> Tensor:
    chosen = voted_classes(given.votes, given.num_classes).float()
    others = chosen.sum(1, keepdim=True) - chosen
    leading = (others == others.amax(-1, keepdim=True)) & (others > 0)
    # A tie between classes counts in part.
    agree = (chosen * leading).sum(-1) / (chosen.sum(-1) * leading.sum(-1)).clamp(min=1) ** 0.5
    voted = vote_mask(given.votes).sum(0)
    mean = (agree.sum(0) + _PSEUDO_ROWS / given.num_classes) / (voted + _PSEUDO_ROWS)
    return _above_chance(mean, given.num_classes)


def _seen_accuracy(given: LabelerEvidence) -> Tensor:
    if given.seen_accuracies is None or given.seen_accuracies.isnan().any():
        raise ConfigurationError(
            "penalty_weights = 'seen-accuracy' needs labelers that were calibrated on held-out rows of seen classes."
        )
    return _above_chance(given.seen_accuracies, 2)


PENALTY_WEIGHTS: dict[str, Callable[[LabelerEvidence], Tensor]] = {
    "uniform": _uniform,
    "accuracy": _accuracy,
    "agreement": _agreement,
    "seen-accuracy": _seen_accuracy,
}
"""Weightings by name: 0 for a labeler that is no better than chance, 1 for one that is always right."""


def penalty_weights(
    weighting: PenaltyWeighting | Sequence[float], given: LabelerEvidence
) -> Float[Tensor, " lf"] | None:
    """Weights of the labelers' gradient penalties.

    Args:
        weighting: "uniform"; "accuracy", by how much the labelers exceed chance on labeled validation rows;
            "agreement", by how often they agree with the majority of the others on training rows, without labels;
            "seen-accuracy", by how much they exceed chance on seen classes; or one weight for each labeler.
        given: votes and accuracies.

    Returns:
        float (m,), not negative; ``None`` for uniform ones.

    Raises:
        ConfigurationError: if the name is unknown, or what it needs is missing.

    Example:
        >>> votes = torch.tensor([[0, 1], [1, 0], [0, 0], [1, 1]])
        >>> given = LabelerEvidence(votes, 2, votes, torch.tensor([0, 1, 0, 1]))
        >>> penalty_weights("accuracy", given)
        tensor([0.5000, 0.0000])
    """
    if not isinstance(weighting, str):
        return torch.as_tensor(np.asarray(weighting, dtype=np.float32))
    if weighting not in PENALTY_WEIGHTS:
        raise ConfigurationError(f"penalty_weights = {weighting!r}; use one of {sorted(PENALTY_WEIGHTS)} or a list.")
    return None if weighting == "uniform" else PENALTY_WEIGHTS[weighting](given)


def class_ids(votes: Tensor, num_classes: int) -> Int[Tensor, "row lf"]:
    """Class ids of votes int64 (n, m); a vote that is for several classes at once abstains."""
    if votes.ndim == 2:
        return votes.long()
    chosen = voted_classes(votes, num_classes)
    return torch.where(chosen.sum(-1) == 1, chosen.int().argmax(-1), ABSTAIN)


def _above_chance(accuracies: Tensor, num_classes: int) -> Tensor:
    return ((accuracies - 1 / num_classes) / (1 - 1 / num_classes)).clamp(min=0)
