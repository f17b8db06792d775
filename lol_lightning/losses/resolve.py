"""Arguments of LoLClassifier that follow from the data: the weights, and what the penalty asks where nobody says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.losses.class_balance import balancing_weights, checked_weights
from lol_lightning.losses.weighting import LFWeighting, VotesForWeights
from lol_lightning.losses.weighting import lf_weights as weights_of_lfs

__all__ = [
    "FROM_DATA",
    "PENALTY_DEFAULTS",
    "WEIGHTS",
    "ClassWeighting",
    "check_penalty",
    "class_weights",
    "defaults_of",
    "resolve_penalty",
    "resolve_weights",
]

WEIGHTS = ("lf_weights", "penalty_weights", "class_weights")
"""Arguments of ``LoLClassifier`` that are weights."""

PENALTY_DEFAULTS = {"alpha": 1.0, "c": 0.2}
"""Its arguments that say how much the penalty counts and asks, and what they are where nobody says."""

FROM_DATA = (*PENALTY_DEFAULTS, "lf_weights", "penalty_weights")
"""What a data module may say in its ``model_defaults``."""

ClassWeighting = Literal["validation", "balanced"]


def defaults_of(datamodule: Any) -> dict[str, Any]:
    """What a data module says in its ``model_defaults``, if it has them, as plain types and without ``None``.

    Raises:
        ConfigurationError: if it says something else than ``FROM_DATA``, or a number is out of range.
    """
    said = getattr(datamodule, "model_defaults", None) or {}
    if unknown := [name for name in said if name not in FROM_DATA]:
        raise ConfigurationError(
            f"model_defaults has {unknown[0]!r}; a data module can say {', '.join(FROM_DATA)}. Give LoLClassifier the "
            "rest."
        )
    check_penalty(said.get("alpha"), said.get("c"))
    known = {name: value for name, value in said.items() if value is not None}
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in known.items()}


def check_penalty(alpha: float | None, c: float | None) -> None:
    """Raise ``ConfigurationError`` if ``alpha`` is below 0 or ``c`` is not above it."""
    if alpha is not None and not alpha >= 0:
        raise ConfigurationError(f"alpha = {alpha} must not be below 0.")
    if c is not None and not c > 0:
        raise ConfigurationError(f"c = {c} must be above 0.")


def resolve_penalty(asked: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> dict[str, float]:
    """Return ``alpha`` and ``c`` as asked for, else of a data module's ``model_defaults``, else ``PENALTY_DEFAULTS``.

    Example:
        >>> resolve_penalty({"alpha": None, "c": 0.3}, {"alpha": 0.5, "c": 0.1})
        {'alpha': 0.5, 'c': 0.3}
    """
    known = {name: value for name, value in asked.items() if value is not None}
    return {name: known.get(name, (defaults or {}).get(name, value)) for name, value in PENALTY_DEFAULTS.items()}


def class_weights(
    weighting: ClassWeighting | Sequence[float] | None,
    given: VotesForWeights | None,
    lf_weights: Float[ndarray, " lf"] | None = None,
) -> Float[ndarray, " cls"] | None:
    """Weights of the votes for each class.

    Args:
        weighting: "validation" for ``balancing_weights`` to the classes' shares, as they are known or among the labeled
            rows, "balanced" to equal shares, a weight for each class, taken as they are, or ``None``.
        given: the votes, ``None`` where they are not known.
        lf_weights: float (m,), weights of the LFs, ``None`` for 1.

    Returns:
        float (K,), or ``None`` for weights of 1, also for "validation" where no shares are known.

    Raises:
        ConfigurationError: if the name is unknown, the list has a wrong length or an entry that is negative or not
            finite, or "balanced" has no votes.
    """
    if weighting is None:
        return None
    if not isinstance(weighting, str):
        weights = checked_weights(weighting, "class_weights")
        if given is not None and weights.shape != (given.num_classes,):
            raise ConfigurationError(
                f"class_weights has {weights.size} entries for {given.num_classes} classes; give one for each."
            )
        return weights
    if weighting not in get_args(ClassWeighting):
        raise ConfigurationError(f"class_weights = {weighting!r}; use one of {get_args(ClassWeighting)} or a list.")
    if weighting == "balanced":
        if given is None:
            raise _needs_votes("class_weights", weighting)
        return balancing_weights(given.soft_votes(lf_weights), np.ones(given.num_classes))
    if given is None or (shares := given.class_shares()) is None:
        return None
    counted_on = None if given.class_balance is not None or given.labels is None else len(given.labels)
    return balancing_weights(given.soft_votes(lf_weights), shares, counted_on)


def resolve_weights(
    asked: Mapping[str, Any], given: VotesForWeights | None, defaults: Mapping[str, Any] | None = None
) -> dict[str, ndarray | None]:
    """All weights of a training as numbers.

    Args:
        asked: ``LoLClassifier``'s arguments of the names ``WEIGHTS``.
        given: the votes, ``None`` where there is no data module that has them.
        defaults: a data module's ``model_defaults``, for weights of votes or penalties that are ``None``. Where there
            are none, votes count alike, and penalties take the weights of the votes, as in Eq. 4.

    Returns:
        ``lf_weights`` and ``penalty_weights`` float (m,), ``class_weights`` float (K,); ``None`` stands for 1. Weights
        of penalties by name are not scaled to the mean 1: where all LFs are bad, none shall demand anything.

    Raises:
        ConfigurationError: as ``lf_weights`` and ``class_weights``, or if a weighting by name has no votes.
    """
    weightings = {
        name: (defaults or {}).get(name) if asked[name] is None else asked[name]
        for name in ("lf_weights", "penalty_weights")
    }
    lfs, penalties = (_lf_weights(name, weighting, given) for name, weighting in weightings.items())
    return {
        "lf_weights": lfs,
        "penalty_weights": lfs if weightings["penalty_weights"] is None else penalties,
        "class_weights": class_weights(asked["class_weights"], given, lfs),
    }


def _lf_weights(
    name: str, weighting: LFWeighting | Sequence[float] | None, given: VotesForWeights | None
) -> Float[ndarray, " lf"] | None:
    if weighting is None or (isinstance(weighting, str) and weighting == "uniform"):
        return None
    if given is not None:
        return weights_of_lfs(weighting, given, scaled=name == "lf_weights")
    if isinstance(weighting, str):
        raise _needs_votes(name, weighting)
    return checked_weights(weighting)


def _needs_votes(name: str, weighting: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} = {weighting!r} needs a data module with train_votes; fit with one, or give a list."
    )
