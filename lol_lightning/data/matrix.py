"""MatrixDataModule: features that are ready, such as embeddings, with the votes on their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from lol_lightning.data.base import BaseDataModule
from lol_lightning.data.class_numbers import infer_num_classes
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.data.feature_batches import features_of, is_matrix
from lol_lightning.data.options import Classes, ClassShares, LoaderOptions
from lol_lightning.data.targets import check_targets
from lol_lightning.data.voters import VOTING, Voters, rows_to_train_on
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features.feature_space import FeatureSpace, Matrix
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.abstentions import warn_of_abstentions_as_class
from lol_lightning.lfs.frames import as_values
from lol_lightning.lfs.rows import labels_of

__all__ = ["MatrixDataModule"]


class MatrixDataModule(BaseDataModule):
    """Serves features that are ready: embeddings, counts, measurements, or images as tensors.

    Training rows on which every LF abstains stay where the class shares are known, and leave the training set else.

    Args:
        train: features (n, d), an array, a tensor or a SciPy matrix, which stays sparse; (n, ...) for a network of your
            own. They become float32.
        val: features for validation.
        test: features for the test.
        predict: features for prediction.
        votes: int (n, m), class ids or ``ABSTAIN``: a matrix for each of "train", "val" and "test", or that of the
            training rows alone. The columns of a DataFrame name the LFs, which otherwise are "lf_0", "lf_1", ...
        labels: gold classes int (n,), or their names, for "val" and "test".
        gradient_targets: what the LFs demand of the model's gradient in these d features.
        feature_space: what made the features, if the trained model is to read such rows, too.
        classes: K, the names of the classes, or ``Classes``; by default found from labels and votes.
        batch_size: B.
        loader: how batches are cut, see ``LoaderOptions``.

    Raises:
        DataError: if features or labels are missing, broken or do not fit each other.
        VotesError: if votes are not class ids or ``ABSTAIN``.
        ConfigurationError: if the arguments contradict each other.
        TargetsError: if ``gradient_targets`` have other sizes than votes, classes and features.

    Example:
        >>> embeddings, votes = np.eye(3), [[1, -1], [-1, 0], [-1, -1]]
        >>> data = MatrixDataModule(embeddings, votes=votes)
        >>> data.setup("fit")
        >>> data
        MatrixDataModule(train=2 of 3, lfs=2, classes=2, features=3, batch_size=128)
    """

    def __init__(
        self,
        train: Any | None = None,
        val: Any | None = None,
        test: Any | None = None,
        predict: Any | None = None,
        *,
        votes: Any | None = None,
        labels: Mapping[str, Any] | None = None,
        gradient_targets: GradientTargets | None = None,
        feature_space: FeatureSpace | None = None,
        classes: int | Sequence[str] | Classes | None = None,
        batch_size: int = 128,
        loader: LoaderOptions | None = None,
    ) -> None:
        super().__init__(batch_size, loader)
        by_split = {"train": train, "val": val, "test": test, "predict": predict}
        self._features = {split: _features(rows, split) for split, rows in by_split.items() if rows is not None}
        self._shape = _common_shape(self._features)
        self._voters = Voters((), votes, ())
        if train is not None and "train" not in self._voters.votes:
            raise ConfigurationError("there are no votes on the training rows: give votes=.")
        self.classes = Classes.of(classes)
        self._labels = {name: self._read_labels(name, values) for name, values in (labels or {}).items()}
        votes_by_split = self._voters.votes
        if not votes_by_split and not self._labels and self.classes.number is None:
            raise ConfigurationError("nothing tells the number of classes: give classes=.")
        self._num_classes = infer_num_classes(self.classes, self._labels, votes_by_split, self.lf_names)
        self._space, self._targets = feature_space, gradient_targets
        if feature_space is not None and feature_space.num_features != self.num_features:
            raise ConfigurationError(
                f"the feature_space has {feature_space.num_features} features and the matrix {self.num_features}; give "
                "the one that made the matrix."
            )
        if gradient_targets is not None:
            check_targets(gradient_targets, self.num_lfs, self.num_classes, self.num_features)
        self._kept = np.arange(0)

    @property
    def lf_names(self) -> list[str]:
        """Names of the m vote columns."""
        return self._voters.names

    @property
    def label_names(self) -> list[str] | None:
        """Names of the K classes, ``None`` where nobody named them."""
        return None if self.classes.names is None else list(self.classes.names)

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return self._num_classes

    @property
    def class_shares(self) -> ClassShares | None:
        """Share of each class: ``balance`` of ``classes``, else those among the labeled validation rows, if any."""
        return self.classes.shares() or super().class_shares

    @property
    def feature_space(self) -> FeatureSpace | None:
        """What made the features, where it was given."""
        return self._space

    @property
    def num_features(self) -> int | None:
        """Number of features, d; ``None`` where a row is no vector."""
        return self._shape[0] if len(self._shape) == 1 else None

    @property
    def train_rows(self) -> Matrix | Tensor:
        """The features of the training rows that are kept."""
        self.dataset("train")
        return self._features["train"][self._kept]

    def num_rows(self, split: str) -> int:
        """Return the number of rows of a split, 0 where there is no such split."""
        return self._features[split].shape[0] if split in self._features else 0

    def _needed(self, stage: str | None) -> list[str]:
        if stage == "fit" and not self.has_rows("train"):
            raise DataError("this data module has no train rows; give train=.")
        return super()._needed(stage)

    def _compute(self, split: str) -> None:
        if split in VOTING and split not in self._once:
            self._once[split] = self._voters.vote(range(self.num_rows(split)), split)

    def _make_dataset(self, split: str) -> LoLDataset:
        features, rows = self._features[split], self.num_rows(split)
        votes = self._once.get(split, np.full((rows, self.num_lfs), ABSTAIN))
        if split != "train":
            return LoLDataset(features, votes, self._targets, self._labels.get(split))
        warn_of_abstentions_as_class(votes, self.lf_names)
        knows_shares = self.classes.balance is not None or "val" in self._labels
        self._kept = rows_to_train_on(votes, knows_shares)
        return LoLDataset(features[self._kept], votes[self._kept], self._targets)

    def _draw_train_rows(self, max_train_rows: int, seed: int) -> None:
        index = np.sort(np.random.default_rng(seed).permutation(self.num_rows("train"))[:max_train_rows])
        self._features["train"] = self._features["train"][index]
        for votes in (self._voters.votes, self._once):
            if "train" in votes:
                votes["train"] = votes["train"][index]

    def _use_records(self, records: Any) -> None:
        if not isinstance(records, GradientTargets):
            raise ConfigurationError(
                "the columns of a matrix have no names that records could mean: map them to GradientTargets with "
                "lol_lightning.features.mapping.records_to_targets."
            )
        check_targets(records, self.num_lfs, self.num_classes, self.num_features)
        self._targets = records

    def _read_labels(self, split: str, values: Any) -> np.ndarray:
        if split not in ("val", "test") or split not in self._features:
            raise ConfigurationError(f"labels= has the key {split!r}, but there are no {split} rows to label.")
        labels = labels_of(
            pd.DataFrame({"label": list(as_values(values, f"{split} labels"))}, dtype=object), "label", self.label_names
        )
        if labels is None or len(labels) != self.num_rows(split):
            count = 0 if labels is None else len(labels)
            raise DataError(f"there are {count} labels for {self.num_rows(split)} {split} rows; give one for each.")
        return labels


def _features(rows: Any, split: str) -> Matrix | Tensor:
    if not is_matrix(rows):
        dtype = f" of {rows.dtype}" if isinstance(rows, np.ndarray) else ""
        raise DataError(
            f"the {split} rows are of the type {type(rows).__name__}{dtype}; give features as an array of numbers, a "
            "tensor or a SciPy matrix, or use LoLDataModule for texts and tables."
        )
    return features_of(rows, None)


def _common_shape(features: Mapping[str, Any]) -> tuple[int, ...]:
    shapes = {split: tuple(matrix.shape[1:]) for split, matrix in features.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"the rows of the splits differ in their shape: {shapes}.")
    return next(iter(shapes.values()), ())
