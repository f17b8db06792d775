"""All weights of a training as numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lol_lightning.functional.short_repr import short_repr
from lol_lightning.losses.weights.class_balance import checked_weights
from lol_lightning.losses.weights.class_weights import class_weights
from lol_lightning.losses.weights.lf_weights import LabeledVotes, lf_weights, needs_votes

__all__ = ["Weights", "numbers_among", "resolve_weights"]


class Weights(NamedTuple):
    """Weights as numbers; ``None`` stands for 1 where the number of LFs or classes is open."""

    lfs: Float[ndarray, " lf"] | None
    penalties: Float[ndarray, " lf"] | None
    classes: Any
    """float (K,), or ``None``."""
    are_balanced: bool
    """Whether the weights of the classes come from the data."""

    def __repr__(self) -> str:
        return short_repr(self)


def resolve_weights(lfs: Any, penalties: Any, classes: Any, votes: LabeledVotes | None) -> Weights:
    """Compute weights by name from votes, and check those that are numbers.

    Args:
        lfs: weighting of the LFs' votes, a name or numbers; ``None`` is "uniform".
        penalties: weighting of their penalties, whose weights by name are not scaled to the mean 1; ``None`` is the
            weights of the votes, as in Eq. 4.
        classes: weighting of the classes, see ``class_weights``.
        votes: the votes, ``None`` where there are none at hand.

    Raises:
        ConfigurationError: as ``lf_weights`` and ``class_weights``, or if a weighting by name has no votes.
    """
    of_votes = _resolve("lf_weights", lfs, votes, scaled=True)
    of_penalties = of_votes if penalties is None else _resolve("penalty weights", penalties, votes, scaled=False)
    of_classes = class_weights(classes, votes, of_votes)
    balanced = isinstance(classes, str) and of_classes is not None
    if votes is not None:
        num_lfs = votes.votes.shape[1]
        of_votes, of_penalties = (np.ones(num_lfs) if w is None else w for w in (of_votes, of_penalties))
        of_classes = np.ones(votes.num_classes) if of_classes is None else of_classes
    return Weights(of_votes, of_penalties, of_classes, balanced)


def numbers_among(lfs: Any, penalties: Any, classes: Any) -> tuple[Any, Any, Any]:
    """Return those weightings that are numbers already, ``None`` for the others; see ``resolve_weights``."""
    named = (("lf_weights", lfs), ("penalty weights", penalties), ("class_weights", classes))
    of_votes, of_penalties, of_classes = (
        None if weighting is None or isinstance(weighting, str) else checked_weights(weighting, name)
        for name, weighting in named
    )
    return of_votes, of_votes if penalties is None else of_penalties, of_classes


def _resolve(name: str, weighting: Any, votes: LabeledVotes | None, scaled: bool) -> Float[ndarray, " lf"] | None:
    if weighting is None or (isinstance(weighting, str) and weighting == "uniform"):
        return None
    if votes is not None:
        return lf_weights(weighting, votes, scaled)
    if isinstance(weighting, str):
        raise needs_votes(name, weighting)
    return checked_weights(weighting, name)
