"""How much votes for each class count: the weights u_k of the vote loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.losses.weights.class_balance import balancing_weights, checked_weights
from lol_lightning.losses.weights.lf_weights import LabeledVotes, needs_votes

__all__ = ["ClassWeighting", "class_weights"]

ClassWeighting = Literal["validation", "balanced"]


def class_weights(
    weighting: ClassWeighting | Sequence[float] | None,
    votes: LabeledVotes | None,
    lf_weights: Float[ndarray, " lf"] | None = None,
) -> Float[ndarray, " cls"] | None:
    """Weights of the votes for each class.

    Args:
        weighting: "validation" for ``balancing_weights`` to the class shares of ``votes``, "balanced" to equal
            shares, a weight for each class, used as they are, or ``None`` for weights of 1.
        votes: the votes of the LFs, ``None`` where there are none at hand.
        lf_weights: float (m,), weights of the LFs, ``None`` for 1.

    Returns:
        float (K,), or ``None`` for weights of 1, also for "validation" where ``votes`` have no class shares.

    Raises:
        ConfigurationError: if the name is unknown, the list has a wrong length or an entry that is negative or not
            finite, or "balanced" has no votes.
    """
    if weighting is None:
        return None
    if not isinstance(weighting, str):
        weights = checked_weights(weighting, "class_weights")
        if votes is not None and weights.shape != (votes.num_classes,):
            raise ConfigurationError(
                f"class_weights has {weights.size} entries for {votes.num_classes} classes; give one for each."
            )
        return weights
    if weighting not in get_args(ClassWeighting):
        raise ConfigurationError(f"class_weights = {weighting!r}; use one of {get_args(ClassWeighting)} or a list.")
    if weighting == "balanced":
        if votes is None:
            raise needs_votes("class_weights", weighting)
        return balancing_weights(votes.soft_votes(lf_weights), np.ones(votes.num_classes))
    if votes is None or (balance := votes.shares_of_classes()) is None:
        return None
    return balancing_weights(votes.soft_votes(lf_weights), balance.shares, balance.num_labels)
