"""LoLDataModule: from rows and labeling functions to batches of features, votes and gradient targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_info
from snorkel.labeling import LabelingFunction

from lol_lightning.data.dataset import LoLDataLoader, LoLDataset
from lol_lightning.data.voters import Voters, check_largest_vote, infer_num_classes
from lol_lightning.exceptions import ConfigurationError, DataError, NotFittedError, TargetsError
from lol_lightning.features.bag_of_words import BagOfWords, FeatureSpace
from lol_lightning.features.mapping import records_to_targets
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection.summary import lf_summary
from lol_lightning.lfs.record import LFRecord, Source
from lol_lightning.lfs.rows import Rows, as_rows, labels_of, take_rows

__all__ = ["LoLDataModule"]

_SPLITS = {"fit": ("val",), "validate": ("val",), "test": ("test",), "predict": ("predict",)}


class LoLDataModule(pl.LightningDataModule):
    """Applies labeling functions to rows and serves typed batches (``LoLBatch``) to a ``LoLClassifier``.

    In ``setup`` the LFs vote on the training rows, the feature space is fitted on all of them, what the LFs inspect is
    mapped to gradient targets, and rows on which every LF abstains leave the training set. The gold labels of the
    training rows are never read.

    Args:
        train: a DataFrame or a sequence of data points (objects, mappings or plain texts).
        val: rows for validation, with gold labels in ``label_column``.
        test: rows for the test, with gold labels.
        predict: rows for prediction; the LFs do not run on them.
        lfs: Snorkel labeling functions, one column of votes each. Those with a ``record`` carry gradients.
        text_column: column, attribute or key that holds the text.
        label_column: the one that holds gold classes 0 .. K - 1.
        feature_space: what the model reads; a ``BagOfWords`` of ``text_column`` by default. A fitted one is kept.
        batch_size: B.
        num_classes: K; by default found from ``label_names``, labels, votes and LFs.
        label_names: names of the classes.
        records: what the LFs inspect, ``LFRecord`` objects or anything that has them as ``.records``, matched by name;
            they replace what the LFs themselves declare.
        gradient_targets: targets made elsewhere, used as they are.
        train_votes: votes int (n, m) on ``train`` where they are known already; the LFs then do not run. Likewise
            ``val_votes`` and ``test_votes``.
        lf_names: names of the vote columns where they are not those of ``lfs``.
        top_k: keep that many gradient targets for each LF, see ``records_to_targets``.
        threshold: keep gradient targets above it, see ``records_to_targets``.
        sources: use findings of these sources only, see ``records_to_targets``.
        num_workers: processes that cut batches; 0 is fastest for a bag of words.
        pin_memory: whether batches go to page-locked memory.
        on_device: keep all rows on the trainer's device and cut the batches there, for rows that fit into its memory.
        seed: of the order of the training rows.
        progress_bar: whether to show the progress of the LFs.

    Raises:
        DataError: if rows, labels or votes are missing, broken or do not fit each other.
        VotesError: if votes are not class ids or ``ABSTAIN``.
        ConfigurationError: if the arguments contradict each other.

    Example:
        >>> from lol_lightning.lfs.rules.rules import keyword_lf
        >>> data = LoLDataModule(["win a prize", "see you", "nice song"], progress_bar=False,
        ...     lfs=[keyword_lf("prize", ["prize"], label=1), keyword_lf("song", ["song"], label=0)])
        >>> data.setup("fit")
        >>> data.num_features, data.num_classes, data.num_dropped_rows
        (7, 2, 1)
        >>> next(iter(data.train_dataloader())).votes.shape
        torch.Size([2, 2])
    """

    def __init__(
        self,
        train: Rows,
        val: Rows | None = None,
        test: Rows | None = None,
        predict: Rows | None = None,
        *,
        lfs: Sequence[LabelingFunction] = (),
        text_column: str = "text",
        label_column: str = "label",
        feature_space: FeatureSpace | None = None,
        batch_size: int = 128,
        num_classes: int | None = None,
        label_names: Sequence[str] | None = None,
        records: Iterable[LFRecord] | Any | None = None,
        gradient_targets: GradientTargets | None = None,
        train_votes: Any | None = None,
        val_votes: Any | None = None,
        test_votes: Any | None = None,
        lf_names: Sequence[str] | None = None,
        top_k: int | None = None,
        threshold: float = 0.0,
        sources: Sequence[Source] | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        on_device: bool = False,
        seed: int = 0,
        progress_bar: bool = True,
    ) -> None:
        super().__init__()
        if on_device and (num_workers or pin_memory):
            raise ConfigurationError(
                f"on_device leaves nothing to num_workers = {num_workers} and pin_memory = {pin_memory}; drop them."
            )
        given = {"train": train, "val": val, "test": test, "predict": predict}
        self._rows = {name: as_rows(rows, text_column) for name, rows in given.items() if rows is not None}
        self._known_votes = {"train": train_votes, "val": val_votes, "test": test_votes}
        self._voters = Voters(lfs, lf_names, records, train_votes)
        self.text_column, self.label_column = text_column, label_column
        self.feature_space: FeatureSpace = BagOfWords(column=text_column) if feature_space is None else feature_space
        self.batch_size, self.num_workers, self.pin_memory = batch_size, num_workers, pin_memory
        self.on_device = on_device
        self.label_names = None if label_names is None else list(label_names)
        self.seed, self.progress_bar = seed, progress_bar
        self._num_classes = num_classes if label_names is None else len(label_names)
        self._given_num_classes, self._given_targets = num_classes, gradient_targets
        self._mapping: dict[str, Any] = {"top_k": top_k, "threshold": threshold, "sources": sources}
        self._datasets: dict[str, LoLDataset] = {}
        self._audit = pd.DataFrame()
        self._kept = np.arange(0)

    @property
    def lfs(self) -> list[LabelingFunction]:
        """The labeling functions whose code is known."""
        return self._voters.lfs

    @property
    def lf_names(self) -> list[str]:
        """Names of the m vote columns."""
        return self._voters.names

    @property
    def records(self) -> list[LFRecord]:
        """What each of the m LFs inspects."""
        return self._voters.records

    @property
    def num_lfs(self) -> int:
        """Number of LFs, m."""
        return len(self._voters)

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        if self._num_classes is None:
            raise NotFittedError("the number of classes is known after setup(), or give num_classes=.")
        return self._num_classes

    @property
    def num_features(self) -> int:
        """Number of features, d."""
        return self.feature_space.num_features

    @property
    def gradient_targets(self) -> GradientTargets:
        """What the LFs demand of the model's input gradient."""
        return cast(GradientTargets, self._dataset("train").gradient_targets)

    @property
    def audit(self) -> pd.DataFrame:
        """How each inspected feature was mapped; empty where ``gradient_targets`` were given."""
        self._dataset("train")
        return self._audit

    @property
    def num_dropped_rows(self) -> int:
        """Number of training rows that were dropped because every LF abstains on them."""
        return len(self._rows["train"]) - len(self._dataset("train"))

    @property
    def train_rows(self) -> Rows:
        """The training rows on which some LF votes."""
        self._dataset("train")
        return take_rows(self._rows["train"], self._kept)

    @property
    def train_votes(self) -> np.ndarray:
        """Votes int64 (n, m) on ``train_rows``."""
        return self._dataset("train").votes.long().numpy()

    @property
    def val_votes(self) -> np.ndarray:
        """Votes int64 (n, m) on the validation rows."""
        return self._dataset("val").votes.long().numpy()

    @property
    def val_labels(self) -> np.ndarray | None:
        """Gold classes int64 (n,) of the validation rows, ``None`` where they have none."""
        labels = self._dataset("val").labels
        return None if labels is None else labels.numpy()

    def lf_summary(self) -> pd.DataFrame:
        """Coverage, overlaps, conflicts and inspected features of each LF on all training rows."""
        return lf_summary(self.train_votes, self.records, self.gradient_targets, num_rows=len(self._rows["train"]))

    def draw_train_rows(self, max_train_rows: int, seed: int) -> None:
        """Keep only that many training rows, drawn with ``seed``, in their order; call it before ``setup``.

        Raises:
            ConfigurationError: if ``max_train_rows`` is below 1.
        """
        if max_train_rows < 1:
            raise ConfigurationError(f"max_train_rows = {max_train_rows} must be at least 1.")
        rows, votes = self._rows["train"], self._known_votes["train"]
        index = np.sort(np.random.default_rng(seed).permutation(len(rows))[:max_train_rows])
        self._rows["train"] = take_rows(rows, index)
        self._known_votes["train"] = None if votes is None else np.asarray(votes)[index]

    def use_records(self, records: Iterable[LFRecord] | Any) -> None:
        """Take what the LFs inspect from ``records``, matched by name; call it before ``setup``."""
        self._voters = Voters(self.lfs, self.lf_names, records)

    def targets_from(self, records: Sequence[LFRecord], sources: Sequence[Source] | None = None) -> GradientTargets:
        """Map other records to gradient targets, as ``setup`` maps its own; ``sources`` replaces those given before."""
        mapping = self._mapping if sources is None else {**self._mapping, "sources": sources}
        return records_to_targets(records, self.feature_space, self.num_classes, **mapping)[0]

    def setup(self, stage: str | None = None) -> None:
        """Prepare the training rows, and the rows of a stage; what is ready is kept."""
        if "train" not in self._datasets:
            self._setup_train()
        for split in _SPLITS.get(stage or "", ("val", "test", "predict")):
            if split in self._rows and split not in self._datasets:
                self._add(split)

    def train_dataloader(self) -> LoLDataLoader:
        """Batches of training rows in random order, without gold labels."""
        return self._loader("train", shuffle=True, generator=torch.Generator().manual_seed(self.seed))

    def val_dataloader(self) -> LoLDataLoader | list[Any]:
        """Batches of the validation rows; none where there are no such rows."""
        return self._loader("val") if "val" in self._rows else []

    def test_dataloader(self) -> LoLDataLoader:
        """Batches of the test rows."""
        if self._dataset("test").labels is None:
            raise DataError(
                f"the test rows have no labels in {self.label_column!r}. Add the column, name it with label_column=, "
                "or pass the rows as predict= and call Trainer.predict."
            )
        return self._loader("test")

    def predict_dataloader(self) -> LoLDataLoader:
        """Batches of the rows to predict."""
        return self._loader("predict")

    def _setup_train(self) -> None:
        rows = self._rows["train"]
        if not len(rows):
            raise DataError("there are no training rows.")
        votes = self._vote("train")
        labels = {name: y for name in ("val", "test") if (y := self._labels(name)) is not None}
        self._num_classes = infer_num_classes(
            self._given_num_classes, self.label_names, labels, votes, self._voters.inspected
        )
        self._kept = np.flatnonzero((votes != ABSTAIN).any(1))
        if not len(self._kept):
            raise DataError(
                f"every LF abstains on each of the {len(rows)} training rows, so nothing can be learnt. "
                "Check text_column and the LFs, or give more rows."
            )
        if self.feature_space.is_fitted:
            features = self.feature_space.transform(self._without_labels("train"))
        else:
            features = self.feature_space.fit_transform(self._without_labels("train"), self._voters.inspected)
        targets = self._map_records()
        if dropped := len(rows) - len(self._kept):
            rank_zero_info(f"Dropped {dropped} of {len(rows)} training rows: every LF abstains on them.")
            features, votes = features[self._kept], votes[self._kept]
        self._datasets["train"] = LoLDataset(features, votes, targets)

    def _map_records(self) -> GradientTargets:
        sizes = {"num_lfs": self.num_lfs, "num_classes": self.num_classes, "num_features": self.num_features}
        if (given := self._given_targets) is not None:
            if wrong := {name: getattr(given, name) for name in sizes if getattr(given, name) != sizes[name]}:
                raise TargetsError(
                    f"the gradient targets have {wrong}, but this data has {sizes}. Map the records against its own "
                    "LFs, classes and feature space."
                )
            return given
        targets, self._audit = records_to_targets(self.records, self.feature_space, self.num_classes, **self._mapping)
        if bare := [self.lf_names[i] for i in targets.lfs_without_features]:
            rank_zero_info(f"These LFs have no inspected features and train with their votes alone: {bare}.")
        return targets

    def _add(self, split: str) -> None:
        features = self.feature_space.transform(self._without_labels(split))
        targets, votes = self._dataset("train").gradient_targets, self._vote(split)
        check_largest_vote(votes, self.num_classes, split)
        self._datasets[split] = LoLDataset(features, votes, targets, self._labels(split))

    def _vote(self, split: str) -> np.ndarray:
        if split == "predict":
            return np.full((len(self._rows[split]), self.num_lfs), ABSTAIN)
        return self._voters.vote(self._rows[split], self._known_votes[split], self.progress_bar)

    def _labels(self, split: str) -> np.ndarray | None:
        return labels_of(self._rows[split], self.label_column) if split in self._rows else None

    def _without_labels(self, split: str) -> Rows:
        rows = self._rows[split]
        return rows.drop(columns=self.label_column, errors="ignore") if isinstance(rows, pd.DataFrame) else rows

    def _dataset(self, split: str) -> LoLDataset:
        if split not in self._datasets:
            if split not in self._rows:
                raise DataError(f"this data module has no {split} rows; give {split}=.")
            raise NotFittedError(f"the {split} rows are not ready; call setup() first.")
        return self._datasets[split]

    def _loader(self, split: str, **options: Any) -> LoLDataLoader:
        dataset = self._dataset(split)
        if self.on_device and self.trainer is not None:
            dataset = dataset.to(self.trainer.strategy.root_device)
        return LoLDataLoader(
            dataset,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
            persistent_workers=self.num_workers > 0,
            **options,
        )
