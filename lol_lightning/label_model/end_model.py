"""The end model behind LoLLabelModel: a LoL classifier with the feature space that feeds it."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import scipy.sparse as sp
import torch
from jaxtyping import Float, Int
from pytorch_lightning.utilities.seed import isolate_rng
from snorkel.labeling import LabelingFunction

from lol_lightning.data.dataset import LoLDataLoader, LoLDataset
from lol_lightning.exceptions import ConfigurationError, DataError, TargetsError
from lol_lightning.features import BagOfWords, FeatureSpace, feature_space_from_state
from lol_lightning.features.feature_space import Matrix
from lol_lightning.features.mapping import records_to_targets
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.adapter import GradientLabelingFunction
from lol_lightning.lfs.record import LFRecord
from lol_lightning.losses.resolve import WEIGHTS, resolve_weights
from lol_lightning.losses.weighting import VotesForWeights
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.networks.sparse_mlp import SparseMLP

__all__ = ["EndModel", "Training", "classifier_options", "train_end_model"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """How an end model is trained.

    Args:
        num_epochs: passes over the rows on which some LF votes.
        batch_size: B.
        seed: of the initial weights, the order of the rows and the smoothing samples.
        device: "cpu", "cuda" or "cuda:1".
        progress_bar: whether Lightning shows one.
        verbose: whether Lightning logs what it runs on.
        options: arguments of ``LoLClassifier``.
        class_balance: shares of the classes, where they are known.
        labels: classes of labeled rows that the shares of the classes are counted on where they are not known.
    """

    num_epochs: int = 100
    batch_size: int = 128
    seed: int = 0
    device: str = "cpu"
    progress_bar: bool = True
    verbose: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    class_balance: Float[np.ndarray, " cls"] | None = None
    labels: Int[np.ndarray, " labeled"] | None = None


@dataclass(eq=False)
class EndModel:
    """A trained classifier and what turns rows into its features; ``None`` where it was trained on a matrix."""

    classifier: LoLClassifier
    feature_space: FeatureSpace | None

    def predict_proba(self, X: Any, batch_size: int = 4096) -> Float[np.ndarray, "row cls"]:
        """Return class probabilities of rows in the form that the model was trained on, float64 (n, K)."""
        features = _as_features(X, self.feature_space)
        dataset = LoLDataset(features, np.zeros((features.shape[0], 0), dtype=np.int64))
        self.classifier.eval()
        with torch.inference_mode():
            # A loader without a generator of its own draws from the global one.
            batches = LoLDataLoader(dataset, batch_size=batch_size, generator=torch.Generator())
            probabilities = [self.classifier.predict_step(batch, i) for i, batch in enumerate(batches)]
        return torch.cat(probabilities).double().numpy()

    def state(self) -> dict[str, Any]:
        """Return plain types and tensors from which ``from_state`` builds the model again.

        Raises:
            ConfigurationError: if the network or the feature space holds code of the user's.
        """
        network = self.classifier.network
        if type(network) is not SparseMLP:
            raise ConfigurationError(
                f"a network of the class {type(network).__name__} cannot be saved without its code. Keep "
                "its state_dict yourself, or fit the default network."
            )
        return {
            "hparams": dict(self.classifier.hparams),
            "feature_space": None if self.feature_space is None else self.feature_space.state(),
            "network": dict(network.state_dict()),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> EndModel:
        """Build a model from what ``state`` returned."""
        with isolate_rng():
            classifier = LoLClassifier(**state["hparams"])
        network = cast(SparseMLP, classifier.network)
        network.load_state_dict(state["network"])
        space = state["feature_space"]
        return cls(classifier, None if space is None else feature_space_from_state(space))


def classifier_options() -> set[str]:
    """Names of the arguments of ``LoLClassifier`` that are the user's to choose."""
    return set(inspect.signature(LoLClassifier).parameters) - {"num_features", "num_classes", "seed"}


def train_end_model(
    X: Any,
    votes: Int[np.ndarray, "row lf"],
    num_classes: int,
    lfs: Sequence[LabelingFunction] | None,
    gradient_targets: GradientTargets | None,
    feature_space: FeatureSpace | None,
    training: Training,
) -> EndModel:
    """Train a LoL classifier on votes and, where they are known, the gradients of the LFs.

    Args:
        X: texts, a DataFrame, data points, or a matrix (n, d), sparse or dense.
        votes: int64 (n, m) with class ids or ``ABSTAIN``, at least one vote.
        num_classes: K.
        lfs: the m LFs; their records give the gradient targets.
        gradient_targets: instead of ``lfs``.
        feature_space: turns ``X`` into features; ``None`` for a matrix, and for texts means ``BagOfWords()``.
        training: how to train.

    Raises:
        DataError: if ``X`` and ``votes`` differ in length.
        ConfigurationError: if ``lfs`` and the other arguments do not fit each other.
        TargetsError: if the targets do not fit votes, classes or features.
    """
    records = _records(lfs, votes.shape[1])
    if lfs is not None and gradient_targets is not None:
        raise ConfigurationError("lfs and gradient_targets both say what the LFs inspect; give one of them.")
    if feature_space is None and not _is_matrix(X):
        feature_space = BagOfWords()
    if lfs is not None and feature_space is None:
        raise ConfigurationError(
            "lfs name words, and the columns of a matrix have no names: give the feature_space that made X, or "
            "gradient_targets instead of lfs."
        )
    if feature_space is not None and not feature_space.is_fitted and not _is_matrix(X):
        feature_space.fit_transform(_as_rows(X), [feature for record in records for feature in record.features])
    features = _as_features(X, feature_space)
    if features.shape[0] != len(votes):
        raise DataError(f"X has {features.shape[0]} rows and L_train has {len(votes)}; give both for the same rows.")
    if lfs is not None and feature_space is not None:
        gradient_targets, _ = records_to_targets(records, feature_space, num_classes)
        if bare := [records[i].name for i in gradient_targets.lfs_without_features]:
            logger.info("No inspected feature of these LFs is in the feature space, their votes alone train: %s", bare)
    _check_targets(gradient_targets, votes.shape[1], num_classes, features.shape[1])
    classifier = _train(features, votes, num_classes, gradient_targets, training)
    return EndModel(classifier, None if _is_matrix(X) else feature_space)


def _train(
    features: Matrix,
    votes: Int[np.ndarray, "row lf"],
    num_classes: int,
    gradient_targets: GradientTargets | None,
    training: Training,
) -> LoLClassifier:
    covered = np.flatnonzero((votes != ABSTAIN).any(1))
    dataset = LoLDataset(features[covered], votes[covered], gradient_targets)
    given = VotesForWeights(votes[covered], num_classes, labels=training.labels, class_balance=training.class_balance)
    options = {**training.options, **_weights(given, training.options)}
    order = torch.Generator().manual_seed(training.seed)
    loader = LoLDataLoader(dataset, batch_size=training.batch_size, shuffle=True, generator=order)
    # Weights and dropout draw from the global generators, which are the user's.
    with isolate_rng(), _quiet(training.verbose):
        torch.manual_seed(training.seed)
        classifier = LoLClassifier(
            num_features=features.shape[1], num_classes=num_classes, seed=training.seed, **options
        )
        trainer = pl.Trainer(
            max_epochs=training.num_epochs,
            **_accelerator(training.device),
            enable_checkpointing=False,
            logger=False,
            enable_model_summary=False,
            enable_progress_bar=training.progress_bar,
        )
        trainer.fit(classifier, loader)
    return classifier.cpu()


def _weights(given: VotesForWeights, options: dict[str, Any]) -> dict[str, Any]:
    defaults = inspect.signature(LoLClassifier).parameters
    resolved = resolve_weights({name: options.get(name, defaults[name].default) for name in WEIGHTS}, given)
    return {name: weights.tolist() for name, weights in resolved.items() if weights is not None}


@contextmanager
def _quiet(verbose: bool) -> Iterator[None]:
    """Silence what Lightning says of every fit, except its progress if ``verbose``."""
    lightning = logging.getLogger("pytorch_lightning")
    level = lightning.level
    with warnings.catch_warnings():
        # The rows lie in memory, so workers would only copy them, and there are no labels to validate on.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message="You defined a `validation_step` but have no `val_dataloader`.*")
        try:
            if not verbose:
                lightning.setLevel(logging.WARNING)
            yield
        finally:
            lightning.setLevel(level)


def _accelerator(device: str) -> dict[str, Any]:
    name = torch.device(device)
    if name.type == "cpu":
        return {"accelerator": "cpu", "devices": 1}
    return {"accelerator": "gpu" if name.type == "cuda" else name.type, "devices": [name.index or 0]}


def _records(lfs: Sequence[LabelingFunction] | None, num_lfs: int) -> list[LFRecord]:
    if lfs is None:
        return []
    if len(lfs) != num_lfs:
        raise ConfigurationError(f"there are {len(lfs)} lfs and {num_lfs} columns of votes; give one LF per column.")
    return [GradientLabelingFunction.wrap(lf).record for lf in lfs]


def _check_targets(targets: GradientTargets | None, num_lfs: int, num_classes: int, num_features: int) -> None:
    if targets is None:
        return
    for name, value in (("num_lfs", num_lfs), ("num_classes", num_classes), ("num_features", num_features)):
        if getattr(targets, name) != value:
            raise TargetsError(
                f"the gradient targets have {name} = {getattr(targets, name)}, the data has {value}. Map the records "
                "against these LFs, these classes and the features of X."
            )


def _is_matrix(X: Any) -> bool:
    return sp.issparse(X) or isinstance(X, torch.Tensor) or (isinstance(X, np.ndarray) and X.dtype.kind in "fiub")


def _as_rows(X: Any) -> Any:
    return X.tolist() if isinstance(X, pd.Series | np.ndarray) else X


def _as_features(X: Any, feature_space: FeatureSpace | None) -> Matrix:
    if not _is_matrix(X):
        if feature_space is None:
            raise DataError(f"the model was trained on a matrix, but X is a {type(X).__name__}; give a matrix again.")
        return feature_space.transform(_as_rows(X))
    matrix = X if sp.issparse(X) else np.asarray(X)
    if matrix.ndim != 2:
        raise DataError(f"X has the shape {tuple(matrix.shape)}; a matrix of features is (n, d).")
    return (sp.csr_matrix(matrix) if sp.issparse(matrix) else matrix).astype(np.float32)
