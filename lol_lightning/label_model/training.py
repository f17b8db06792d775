"""How LoLLabelModel trains its classifier: rows and votes become a data module, and a Trainer fits on it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from snorkel.labeling import LabelingFunction

from lol_lightning._lightning import BACKEND, Trainer, isolate_rng
from lol_lightning.data.base import BaseDataModule
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.feature_batches import is_matrix
from lol_lightning.data.inspecting import InspectMode, InspectOptions
from lol_lightning.data.matrix import MatrixDataModule
from lol_lightning.data.options import Classes, LoaderOptions
from lol_lightning.data.targets import map_records
from lol_lightning.data.voters import Records, Voters
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features import FeatureSpace
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.lfs.lfs import as_lfs
from lol_lightning.lfs.limits import CALL_SECONDS
from lol_lightning.lfs.rows import as_rows
from lol_lightning.models.classifier import LoLClassifier

__all__ = ["data_module", "quiet", "train_classifier"]

_MAX_NAMES = 8


def data_module(
    X: Any,
    L: Any,
    votes: Int[np.ndarray, "row lf"],
    classes: Classes,
    lfs: Any | None = None,
    records: Records | GradientTargets | None = None,
    feature_space: FeatureSpace | None = None,
    text_column: str = "text",
    inspect: InspectMode | InspectOptions = "traced",
    batch_size: int = 128,
    seed: int = 0,
    fault_tolerant: bool = False,
    max_call_seconds: float | None = CALL_SECONDS,
    progress_bar: bool = False,
) -> BaseDataModule:
    """Return a data module of rows and their votes.

    Args:
        X: texts, a DataFrame, data points, or a matrix of features (n, d), an array, a tensor or sparse.
        L: votes as the user gave them; the columns of a DataFrame may name the LFs.
        votes: the same, int64 (n, m), class ids or ``ABSTAIN``.
        classes: with their number K and, where they are known, the class shares.
        lfs: the m LFs, in the order of the columns or named like them.
        records: what they inspect, in place of what ``lfs`` declare.
        feature_space: turns ``X`` into features, or is what made the matrix ``X``.
        text_column: column of the text.
        inspect: what to do about ``lfs`` of which nothing is on record, see ``LoLDataModule``; nothing where there are
            none, or ``X`` is a matrix, which they cannot read.
        batch_size: B.
        seed: of the order of the rows.
        fault_tolerant: whether an LF that fails on a row abstains there.
        max_call_seconds: how long one call of an LF may take.
        progress_bar: whether to show the progress of LFs that run.

    Raises:
        DataError: if ``X`` and ``votes`` differ in length, or rows are broken.
        ConfigurationError: if the arguments contradict each other.
        LabelingFunctionError: if an LF cannot be used, or two have the same name.
    """
    X = X if is_matrix(X) else as_rows(X, text_column)
    num_rows = X.shape[0] if is_matrix(X) else len(X)
    if num_rows != len(votes):
        raise DataError(f"X has {num_rows} rows and L_train has {len(votes)}; give both for the same rows.")
    options = InspectOptions.of(inspect)
    if options.mode == "all" and (lfs is None or is_matrix(X)):
        absent = "X is a matrix, which they cannot read" if lfs is not None else "there are none: give lfs"
        raise ConfigurationError(f"inspect = 'all' runs the lfs on the rows, and {absent}.")
    if lfs is not None and isinstance(records, GradientTargets):
        raise ConfigurationError("lfs and GradientTargets both say what the LFs inspect; give one of them.")
    named: Any = votes
    if lfs is not None:
        lfs = _in_order_of_columns(lfs, L, votes.shape[1])
        named = pd.DataFrame(votes, columns=[lf.name for lf in lfs])
    elif isinstance(L, pd.DataFrame) and L.columns.is_unique:
        named = pd.DataFrame(votes, columns=L.columns)
    common: dict[str, Any] = {
        "votes": named,
        "feature_space": feature_space,
        "classes": classes,
        "batch_size": batch_size,
        "loader": LoaderOptions(seed=seed),
    }
    if is_matrix(X):
        targets = _targets_of_columns(X, named, classes, lfs, records, feature_space, options)
        return MatrixDataModule(X, gradient_targets=targets, **common)
    return LoLDataModule(
        X,
        lfs=lfs or (),
        records=records,
        inspect=options,
        text_column=text_column,
        fault_tolerant=fault_tolerant,
        max_call_seconds=max_call_seconds,
        progress_bar=progress_bar,
        **common,
    )


def _in_order_of_columns(lfs: Any, L: Any, num_lfs: int) -> list[LabelingFunction]:
    """Return LFs as they stand, or by name where the columns of a DataFrame are named like them."""
    members = as_lfs(lfs)
    if len(members) != num_lfs:
        raise ConfigurationError(
            f"there are {len(members)} lfs and {num_lfs} columns of votes; give one LF per column."
        )
    by_name = {lf.name: lf for lf in members}
    if isinstance(L, pd.DataFrame) and set(L.columns) == set(by_name):
        return [by_name[name] for name in L.columns]
    return members


def _targets_of_columns(
    X: Any,
    votes: Any,
    classes: Classes,
    lfs: list[LabelingFunction] | None,
    records: Records | GradientTargets | None,
    feature_space: FeatureSpace | None,
    options: InspectOptions,
) -> GradientTargets | None:
    """Return gradient targets in the columns of a matrix."""
    if isinstance(records, GradientTargets) or (lfs is None and records is None):
        return records
    if feature_space is None:
        raise ConfigurationError(
            "lfs and their records name words, and the columns of a matrix have no names: give the feature_space that "
            "made X, or GradientTargets as records."
        )
    voters = Voters(lfs or (), votes, records)
    mapping = options.mapping()
    if options.vote_rates and X.shape[1] == feature_space.num_features:  # The data module refuses another number.
        features = X.detach().cpu().numpy() if isinstance(X, torch.Tensor) else X
        mapping |= {"votes": voters.vote(range(len(voters.votes["train"])), "train"), "features": features}
    return map_records(None, voters.records, feature_space, cast(int, classes.number), mapping)[0]


def train_classifier(
    data: BaseDataModule,
    options: dict[str, Any],
    num_epochs: int,
    seed: int = 0,
    device: str = "cpu",
    progress_bar: bool = False,
    expects_targets: bool = False,
) -> LoLClassifier:
    """Train a LoL classifier; the global random generators are left as they were.

    Args:
        data: rows with votes.
        options: arguments of ``LoLClassifier``.
        num_epochs: passes over the training rows.
        seed: of the initial weights, dropout and the smoothing samples.
        device: "cpu", "cuda" or "cuda:1".
        progress_bar: whether Lightning shows one.
        expects_targets: warn of LFs without gradient targets, where Lightning's log does not show them.

    Returns:
        The classifier, on the CPU and in evaluation mode.
    """
    with isolate_rng():
        classifier = LoLClassifier(seed=seed, **options)
        # LFs that run here must not draw between the seed and the first weights.
        data.setup("fit")
        if expects_targets and not logging.getLogger(BACKEND).isEnabledFor(logging.INFO):
            _warn_of_lfs_without_targets(data)
        torch.manual_seed(seed)
        trainer = Trainer(
            max_epochs=num_epochs,
            **_accelerator(device),
            limit_val_batches=0,
            enable_checkpointing=False,
            logger=False,
            enable_model_summary=False,
            enable_progress_bar=progress_bar,
        )
        trainer.fit(classifier, datamodule=data)
    classifier.trainer = None  # It holds the training rows.
    return classifier.cpu().eval()


@contextmanager
def quiet(verbose: bool) -> Iterator[None]:
    """Silence what Lightning says of every fit, except its log if ``verbose``."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning.pytorch")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        # The rows lie in memory, so workers would only copy them.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        try:
            if not verbose:
                for logger in loggers:
                    logger.setLevel(logging.WARNING)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _warn_of_lfs_without_targets(data: BaseDataModule) -> None:
    if bare := data.lfs_without_demands:
        names = ", ".join(map(repr, bare[:_MAX_NAMES])) + (
            f" and {len(bare) - _MAX_NAMES} more" * (len(bare) > _MAX_NAMES)
        )
        what = "no term that brings their vote where it is inserted" if data.has_insertions else "no gradient targets"
        warnings.warn(
            f"{len(bare)} of {data.num_lfs} lfs have {what}, so that only their votes train: {names}. Declare what "
            "they inspect with features={label: [words]}, or fit with inspect='all', which probes them.",
            stacklevel=4,
        )


def _accelerator(device: str) -> dict[str, Any]:
    name = torch.device(device)
    if name.type == "cpu":
        return {"accelerator": "cpu", "devices": 1}
    return {"accelerator": "gpu" if name.type == "cuda" else name.type, "devices": [name.index or 0]}
