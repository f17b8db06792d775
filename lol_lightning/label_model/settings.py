"""Settings of ``LoLLabelModel.fit``: Snorkel's keywords and the classifier's, checked and told apart."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from inspect import signature
from typing import Any, cast

import numpy as np
from jaxtyping import Int
from snorkel.labeling.model.label_model import TrainConfig

from lol_lightning._lightning import rank_zero_info
from lol_lightning.exceptions import ConfigurationError, DataError, VotesError, check_number, did_you_mean
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.frames import as_values
from lol_lightning.lfs.matrix import validate_votes
from lol_lightning.losses.penalties import GradientPenalty
from lol_lightning.models.classifier import LoLClassifier

__all__ = ["check_labels", "check_votes", "classifier_arguments", "classifier_keywords", "train_config", "with_penalty"]

_MOVED = {
    "gradient_targets": "records",
    "gradient_unit": "unit",
    "penalty_every": "every",
    "penalty_reduction": "reduction",
    "penalty_shares": "factors",
    "penalty_warmup": "warmup",
    "penalty_weights": "weights",
}
_SCHEDULERS = ("constant", "linear", "exponential", "step")
_OPTIMIZERS = ("sgd", "adam", "adamax")
_SNORKELS_OWN = ("sgd", "adamax")


def train_config(given: dict[str, Any], num_lfs: int, num_classes: int) -> TrainConfig:
    """Return Snorkel's settings with its defaults, but ``seed`` 0 instead of one that differs from run to run.

    Args:
        given: settings by name, only those of Snorkel's ``TrainConfig``.
        num_lfs: m.
        num_classes: K.

    Raises:
        ConfigurationError: if a value lies outside its range.

    Example:
        >>> config = train_config({"n_epochs": 500}, num_lfs=3, num_classes=2)
        >>> config.n_epochs, config.lr, config.seed
        (500, 0.01, 0)
    """
    config = TrainConfig()._replace(**{"seed": 0, **given})
    check_number("lr", config.lr, above=0)
    check_number("n_epochs", config.n_epochs, at_least=0, whole=True)
    check_number("seed", config.seed, whole=True)
    if config.mu_eps is not None:
        check_number("mu_eps", config.mu_eps, at_least=0)
    for name, low in (("log_freq", 1), ("l2", 0)):
        value = getattr(config, name)
        if not isinstance(value, int | float | np.number) or not value >= low:
            raise ConfigurationError(f"{name} = {value!r}; it must be one number, at least {low}.")
    if config.lr_scheduler not in _SCHEDULERS:
        raise ConfigurationError(f"Unrecognized lr scheduler option {config.lr_scheduler!r}; use one of {_SCHEDULERS}.")
    _check_warmup(config)
    try:
        precision = np.asarray(config.prec_init, dtype=float)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"prec_init is of type {type(config.prec_init)} which is not supported currently; give one number in "
            f"[0, 1], or {num_lfs} of them, one for each LF."
        ) from error
    if precision.shape not in ((), (num_lfs,)):
        raise ConfigurationError(
            f"prec_init must have shape {num_lfs}. It is {config.prec_init!r:.60}; give one number in [0, 1], or "
            f"{num_lfs} of them, one for each LF."
        )
    if not ((precision >= 0) & (precision <= 1)).all():
        raise ConfigurationError(
            f"prec_init = {config.prec_init!r}; it must be one number in [0, 1], or {num_lfs} of them, one for each LF."
        )
    if config.mu_eps is not None and not 0 <= config.mu_eps < 1 / (num_classes + 1):
        raise ConfigurationError(
            f"mu_eps = {config.mu_eps} is the least of {num_classes + 1} probabilities that sum to 1; "
            f"it must lie in [0, {1 / (num_classes + 1):.3g})."
        )
    return config


def check_votes(L: Any, num_classes: int) -> Int[np.ndarray, "row lf"]:
    """Return the votes of ``fit``, int64 (n, m); a class that is too large is told in Snorkel's words, too.

    Raises:
        VotesError: if they are no votes, see ``validate_votes``, or a vote is not below K.
    """
    votes = validate_votes(L)
    if votes.size and votes.max() >= num_classes:
        try:
            validate_votes(L, num_classes)
        except VotesError as error:
            raise VotesError(
                f"L_train has cardinality {votes.max() + 1}, cardinality={num_classes} passed in: {error} "
                "Or raise cardinality."
            ) from error
    return votes


def check_labels(Y: Any, num_rows: int, num_classes: int) -> Int[np.ndarray, " row"]:
    """Return the gold labels of ``score``, int64 (n,); -1 stands for a row that does not count.

    Raises:
        DataError: if their number is not that of the rows, or one is no class id.
    """
    labels = np.asarray(as_values(Y, "labels Y"), dtype=object)
    if labels.ndim > 1 and labels.size != len(labels):
        raise DataError(f"Y has the shape {labels.shape}; give one class id for each row, (n,).")
    labels = labels.ravel()
    if len(labels) != num_rows:
        raise DataError(f"Y has {len(labels)} labels for {num_rows} rows; give one for each.")
    classes = {cls: cls for cls in range(ABSTAIN, num_classes)}
    for row, label in enumerate(labels.tolist()):
        if isinstance(label, str) or not isinstance(label, Hashable) or label not in classes:
            raise DataError(
                f"Y has {label!r} in row {row}; labels are class ids 0 .. {num_classes - 1}, and {ABSTAIN} for rows "
                "that do not count. Map names of classes to their numbers."
            )
    return labels.astype(np.int64)


def classifier_keywords() -> set[str]:
    """Return the names of the arguments of ``LoLClassifier`` and ``GradientPenalty`` that ``fit`` takes."""
    names = {*signature(LoLClassifier).parameters, *signature(GradientPenalty).parameters}
    return names - {"num_features", "num_classes", "seed"}


def classifier_arguments(given: dict[str, Any], known: Collection[str], with_features: bool) -> dict[str, Any]:
    """Return the arguments of the classifier among the keywords of ``fit``.

    Args:
        given: all keywords of ``fit``.
        known: names of the classifier's own arguments.
        with_features: whether a classifier is trained.

    Raises:
        ConfigurationError: if a keyword is unknown, or is for a classifier and none is trained.

    Example:
        >>> classifier_arguments({"seed": 1, "l2": 0.1, "alpha": 3}, {"alpha", "lr"}, with_features=True)
        {'weight_decay': 0.1, 'alpha': 3}
    """
    snorkel = set(TrainConfig._fields)
    if unknown := sorted(set(given) - snorkel - set(known)):
        moved = [f"{name} is now {_MOVED[name]}" for name in unknown if name in _MOVED]
        accepted = sorted(snorkel | set(known))
        raise ConfigurationError(
            f"fit got unknown arguments {unknown}{did_you_mean(unknown[0], accepted)} It takes {accepted}."
            + (f" Of these, {', '.join(moved)}." if moved else "")
        )
    if not with_features:
        if extra := sorted(set(given) - snorkel):
            raise ConfigurationError(f"{extra} are for the classifier, which needs the rows: give X too.")
        if given.get("optimizer", "sgd") not in _OPTIMIZERS:
            raise ConfigurationError(f"Unrecognized optimizer option {given['optimizer']!r}; use one of {_OPTIMIZERS}.")
        return {}
    if given.get("optimizer") in _SNORKELS_OWN:
        rank_zero_info(
            f"optimizer={given['optimizer']!r} is Snorkel's; the classifier is trained with its own default."
        )
        given = {name: value for name, value in given.items() if name != "optimizer"}
    if "l2" in given and "weight_decay" in given:
        raise ConfigurationError("l2 and weight_decay are the same for the classifier; give one of them.")
    renamed = {"weight_decay" if name == "l2" else name: value for name, value in given.items()}
    return {name: value for name, value in renamed.items() if name in {*known, "weight_decay"}}


def with_penalty(arguments: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return arguments of ``LoLClassifier`` in which those of the penalty, given flat, are one mapping.

    Args:
        arguments: of the classifier and the penalty.
        seed: of the smoothing samples, unless ``penalty`` has one.

    Raises:
        ConfigurationError: if there is a ``penalty`` and arguments of one beside it.

    Example:
        >>> with_penalty({"lr": 0.1, "alpha": 3.0, "c": 0.3}, seed=1)
        {'lr': 0.1, 'penalty': {'seed': 1, 'alpha': 3.0, 'c': 0.3}}
    """
    names = set(signature(GradientPenalty).parameters)
    flat = {name: value for name, value in arguments.items() if name in names}
    rest = {name: value for name, value in arguments.items() if name not in names}
    penalty = rest.get("penalty")
    if flat and penalty is not None:
        raise ConfigurationError(
            f"{sorted(flat)} are arguments of the penalty, and there is penalty= as well: use one."
        )
    if flat or (isinstance(penalty, Mapping) and "class_path" not in penalty):
        rest["penalty"] = {"seed": seed, **(flat or cast(Mapping[str, Any], penalty))}
    return rest


def _check_warmup(config: TrainConfig) -> None:
    """Refuse what Snorkel refuses of a warmup, although no step is taken here that could be warmed up."""
    scheduler = config.lr_scheduler_config
    if (getattr(scheduler, "warmup_steps", 0) or 0) < 0:
        raise ConfigurationError(f"warmup_steps = {scheduler.warmup_steps}; warmup_steps much greater or equal than 0.")
    if getattr(scheduler, "warmup_steps", 0) and scheduler.warmup_unit != "epochs":
        raise ConfigurationError(
            f"warmup_unit = {scheduler.warmup_unit!r}: LabelModel does not support any warmup_unit other than 'epochs'."
        )
