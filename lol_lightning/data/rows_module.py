"""RowsDataModule: the rows of a data module, their labels and classes, and the feature space that reads them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from jaxtyping import Int

from lol_lightning.data.base import BaseDataModule
from lol_lightning.data.loader import LoLDataLoader
from lol_lightning.data.options import Classes, ClassShares, LoaderOptions
from lol_lightning.exceptions import ConfigurationError, DataError, NotFittedError
from lol_lightning.features import BagOfWords, FeatureSpace
from lol_lightning.features.feature_space import check_feature_space
from lol_lightning.lfs.rows import Rows, as_rows, column_of, labels_of
from lol_lightning.lfs.saying import say

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["RowsDataModule"]

_LABEL = "label"
"""The column of labels that is looked for without being asked for."""


class RowsDataModule(BaseDataModule):
    """Rows of up to four splits, and all about them that has nothing to do with LFs.

    Args:
        rows: by split, ``None`` where there is no such split.
        feature_space: what the model reads; a ``BagOfWords`` of ``text_column`` where it is ``None``.
        text_column: column, attribute or key that holds the text.
        label_column: the one that holds gold classes.
        classes: what is known about them.
        batch_size: B.
        loader: how batches are cut.

    Raises:
        DataError: if rows are broken.
        ConfigurationError: if the arguments contradict each other.
    """

    def __init__(
        self,
        rows: dict[str, Rows | None],
        feature_space: FeatureSpace | None,
        text_column: str,
        label_column: str,
        classes: Classes,
        batch_size: int,
        loader: LoaderOptions | None,
    ) -> None:
        super().__init__(batch_size, loader)
        if text_column == label_column:
            raise ConfigurationError(
                f"text_column and label_column are both {text_column!r}: name another column of labels with "
                "label_column=; it need not exist where there are no labels."
            )
        check_feature_space(feature_space)
        self._rows = {split: as_rows(own, text_column) for split, own in rows.items() if own is not None}
        self._feature_space = BagOfWords(text_column=text_column) if feature_space is None else feature_space
        if "train" not in self._rows and not self._feature_space.is_fitted:
            raise ConfigurationError(
                "there are no training rows to fit the feature space on: give train=, or a fitted feature_space=, or "
                "rebuild the data module of a trained model with LoLDataModule.load_from_checkpoint(path, predict=...)."
            )
        self.classes = classes
        self.text_column, self.label_column = text_column, label_column
        self._num_classes = classes.number
        labeled = [own for split, own in self._rows.items() if split in ("val", "test")]
        if label_column != _LABEL and labeled and all(column_of(own, label_column) is None for own in labeled):
            say(f"No validation or test row has a {label_column!r} (label_column), so there are no metrics.")

    @property
    def label_names(self) -> list[str] | None:
        """Names of the K classes, ``None`` where nobody named them."""
        return None if self.classes.names is None else list(self.classes.names)

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        if self._num_classes is None:
            raise NotFittedError("the number of classes is known after setup(), or give classes=.")
        return self._num_classes

    @property
    def class_shares(self) -> ClassShares | None:
        """Share of each class: ``balance`` of ``classes``, else those among the labeled validation rows, if any."""
        return self.classes.shares() or super().class_shares

    @property
    def feature_space(self) -> FeatureSpace:
        """What turns rows into features."""
        return self._feature_space

    @property
    def num_features(self) -> int | None:
        """Number of features, d; ``None`` where rows are sequences of tokens."""
        return self._feature_space.num_features or None

    def num_rows(self, split: str) -> int:
        """Return the number of rows of a split, 0 where there is no such split."""
        return len(self._rows.get(split, ()))

    def has_rows(self, split: str) -> bool:
        """Whether there is such a split; it may be empty."""
        return split in self._rows

    def test_dataloader(self) -> LoLDataLoader:
        """Batches of the test rows."""
        if self.dataset("test").labels is None:
            raise DataError(
                f"the test rows have no labels in {self.label_column!r}. Add the column, name it with label_column=, "
                "or pass the rows as predict= and call Trainer.predict."
            )
        return super().test_dataloader()

    def __copy__(self) -> Self:
        twin = cast("Self", super().__copy__())
        if not self._feature_space.is_fitted:
            twin._feature_space = copy.deepcopy(self._feature_space)
        return twin

    def _needed(self, stage: str | None) -> list[str]:
        splits = super()._needed(stage)
        if stage == "fit" and "train" not in self._rows:
            raise DataError("this data module has no train rows; give train=.")
        # The features of all rows are those of the training rows.
        return list(dict.fromkeys(["train", *splits])) if "train" in self._rows else splits

    def _gold_labels(self) -> dict[str, Int[np.ndarray, " row"]]:
        """Return the gold classes of validation and test rows, int64 (n,), where they have any."""
        return {split: labels for split in ("val", "test") if (labels := self._labels(split)) is not None}

    def _labels(self, split: str) -> Int[np.ndarray, " row"] | None:
        if split not in self._rows:
            return None
        return labels_of(self._rows[split], self.label_column, self.label_names)

    def _without_labels(self, split: str) -> Rows:
        rows = self._rows[split]
        return rows.drop(columns=self.label_column, errors="ignore") if isinstance(rows, pd.DataFrame) else rows
