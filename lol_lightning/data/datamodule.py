"""LoLDataModule: from rows and labeling functions to batches of features, votes and gradient targets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from snorkel.labeling import LabelingFunction

from lol_lightning._lightning import rank_zero_info
from lol_lightning.data.checkpoint import rebuilt, restored_space, state_of
from lol_lightning.data.class_numbers import check_largest_vote, infer_num_classes
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.data.inserting import (
    inserted_rows,
    insertion_audit,
    insertion_bank,
    insertion_options,
    refuse_gradient_targets,
)
from lol_lightning.data.inspecting import InspectMode, InspectOptions, inspect_bare_lfs
from lol_lightning.data.options import Classes, LoaderOptions
from lol_lightning.data.rows_module import RowsDataModule
from lol_lightning.data.targets import map_records
from lol_lightning.data.voters import VOTING, Records, Voters, rows_to_train_on
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features import FeatureSpace
from lol_lightning.features.feature_space import Matrix
from lol_lightning.features.joined_columns import (
    JoinedColumns,
    describe_joined,
    in_joined_columns,
    joined_columns,
    joined_features,
)
from lol_lightning.features.mapping import records_to_targets
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.short_repr import html_table
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection.insertion import InsertionOptions
from lol_lightning.inspection.summary import lf_summary
from lol_lightning.lfs.abstentions import warn_of_abstentions_as_class
from lol_lightning.lfs.limits import CALL_SECONDS
from lol_lightning.lfs.record import LFRecord, Source
from lol_lightning.lfs.rows import Rows, take_rows

__all__ = ["LoLDataModule"]


class LoLDataModule(RowsDataModule):
    """Applies labeling functions to rows and serves typed batches (``LoLBatch``) to a ``LoLClassifier``.

    In ``setup`` the LFs vote on the training rows, the feature space is fitted on all of them, and what the LFs inspect
    is mapped to gradient targets. Rows on which every LF abstains stay where the class shares are known, by ``classes``
    or by labeled validation rows, and leave the training set else. The gold labels of the training rows are never read.
    Under several processes the LFs run in one of them.

    Args:
        train: a DataFrame or a sequence of data points (objects, mappings or plain texts). Without training rows,
            a fitted ``feature_space`` is needed.
        val: rows for validation, with gold labels in ``label_column``.
        test: rows for the test, with gold labels.
        predict: rows for prediction; the LFs do not run on them.
        lfs: labeling functions, one column of votes each: Snorkel's, plain functions, or the name of an LF that has no
            code here and whose votes are in ``votes``. Those with a ``record`` carry gradients.
        votes: votes int (n, m) that you have already, a matrix for each of "train", "val" and "test", or that of the
            training rows alone; the LFs then do not run. A DataFrame's columns are matched with ``lfs`` by name; where
            there are no ``lfs``, they name the LFs.
        records: what the LFs inspect, matched by name, in place of what ``lfs`` declare: what ``inspect_lfs`` returns,
            or ``LFRecord`` objects. Or ``GradientTargets``, which are used as they are.
        inspect: what to do about LFs with code of which nothing is on record: "traced" runs them on instrumented copies
            of at most 500 training rows each, "all" probes them, too, "declared" leaves them without gradients, and
            runs no LF of which there are ``votes``. See ``InspectOptions`` for the budget, and for which findings
            count. The log says in one line what came of it; an LF that cannot be traced trains with its votes alone.
        insertions: whether the LFs' demands are made by inserting what they inspect into rows (``InsertionPenalty``)
            instead of on input gradients (``GradientPenalty``), and how (``InsertionOptions``). ``None``: where the
            features of the space have no meaning by themselves, as those of encoders and tokens.
        feature_space: what the model reads; a ``BagOfWords`` of ``text_column`` by default. A fitted one is kept.
        text_column: column, attribute or key that holds the text.
        label_column: the one that holds gold classes 0 .. K - 1, or the names of the classes.
        classes: K, the names of the classes, or ``Classes``; by default K is the smallest number with room for labels,
            votes and LFs.
        batch_size: B.
        loader: how batches are cut, see ``LoaderOptions``.
        fault_tolerant: whether an LF that fails on a row abstains there, as in Snorkel's appliers; the log says in one
            line how often each LF failed.
        max_call_seconds: how long one call of an LF may take, ``None`` for no limit; see ``fast_apply``.
        progress_bar: whether to show the progress of LFs that run.

    Raises:
        DataError: if rows, labels or votes are missing, broken or do not fit each other.
        VotesError: if votes are not class ids or ``ABSTAIN``.
        LabelingFunctionError: if an LF cannot be used or fails, or two have the same name.
        ConfigurationError: if the arguments contradict each other.

    Example:
        >>> from lol_lightning.lfs.rules import keyword_lf
        >>> data = LoLDataModule(["win a prize", "see you", "nice song"], progress_bar=False,
        ...     lfs=[keyword_lf("prize", ["prize"], label=1), keyword_lf("song", ["song"], label=0)])
        >>> data.setup("fit")
        >>> data
        LoLDataModule(train=2 of 3, lfs=2, classes=2, features=7, batch_size=128)
        >>> next(iter(data.train_dataloader())).votes.shape
        torch.Size([2, 2])
    """

    def __init__(
        self,
        train: Rows | None = None,
        val: Rows | None = None,
        test: Rows | None = None,
        predict: Rows | None = None,
        *,
        lfs: Any = (),
        votes: Any | None = None,
        records: Records | GradientTargets | None = None,
        inspect: InspectMode | InspectOptions = "traced",
        insertions: bool | InsertionOptions | None = None,
        feature_space: FeatureSpace | None = None,
        text_column: str = "text",
        label_column: str = "label",
        classes: int | Sequence[str] | Classes | None = None,
        batch_size: int = 128,
        loader: LoaderOptions | None = None,
        fault_tolerant: bool = False,
        max_call_seconds: float | None = CALL_SECONDS,
        progress_bar: bool = True,
    ) -> None:
        by_split = {"train": train, "val": val, "test": test, "predict": predict}
        super().__init__(by_split, feature_space, text_column, label_column, Classes.of(classes), batch_size, loader)
        self._ready_targets = records if isinstance(records, GradientTargets) else None
        own_records = None if isinstance(records, GradientTargets) else records
        self._voters = Voters(lfs, votes, own_records, fault_tolerant, max_call_seconds)
        if train is not None and not len(self._voters):
            raise ConfigurationError("there are no labeling functions: give lfs=, or their votes as votes=.")
        self._inspect = InspectOptions.of(inspect)
        self._insert = insertion_options(insertions, self._feature_space)
        self.progress_bar = progress_bar
        self._audit = pd.DataFrame()
        self._kept = np.arange(0)
        self._evidence: dict[str, Any] = {}
        self._joined: JoinedColumns = {}

    @property
    def lfs(self) -> list[LabelingFunction]:
        """The labeling functions that have code; none in another process that has their votes."""
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
    def audit(self) -> pd.DataFrame:
        """How each inspected feature was mapped, or which terms were inserted; empty where ``records`` are targets."""
        self.dataset("train")
        return self._audit

    @property
    def train_rows(self) -> Rows:
        """The training rows on which some LF votes."""
        self.dataset("train")
        return take_rows(self._rows["train"], self._kept)

    def lf_summary(self) -> pd.DataFrame:
        """Coverage, overlaps, conflicts and inspected features of each LF on all training rows."""
        return lf_summary(self.train_votes, self.records, self.gradient_targets, num_rows=self.num_rows("train"))

    def _repr_html_(self) -> str:
        """Return the summary of the LFs once the training rows are ready, as a table for notebooks."""
        ready = "train" in self._datasets
        return html_table(self.lf_summary(), repr(self)) if ready else super()._repr_html_()

    @property
    def has_insertions(self) -> bool:
        """Whether LFs make their demands by terms that are inserted."""
        return self._insert is not None

    def targets_from(self, records: Sequence[LFRecord], sources: Sequence[Source] | None = None) -> GradientTargets:
        """Map other records to gradient targets as ``setup`` does; ``sources`` replaces those of ``inspect``."""
        mapping = {**self._inspect.mapping(), **self._evidence} | ({} if sources is None else {"sources": sources})
        records = in_joined_columns(records, self.feature_space, self._joined)
        return records_to_targets(records, self.feature_space, self.num_classes, **mapping)[0]

    def state_dict(self) -> dict[str, Any]:
        """Return what ``load_from_checkpoint`` needs, in plain types; Lightning puts it into its checkpoints."""
        return state_of(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the feature space of a checkpoint, where this data module has not fitted one.

        Raises:
            DataError: if this data module has other features than the checkpoint.
        """
        self._feature_space = restored_space(state_dict, self.feature_space)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | os.PathLike[str], predict: Rows | None = None, **overrides: Any
    ) -> LoLDataModule:
        """Rebuild a data module from a Lightning checkpoint; neither training rows nor LFs are needed.

        Args:
            checkpoint_path: what ``Trainer.save_checkpoint`` or a callback wrote.
            predict: rows for prediction.
            **overrides: other arguments of ``LoLDataModule``, such as ``test=`` with labels.

        Returns:
            A data module of this class; a plain ``LoLDataModule`` where a subclass takes other arguments.

        Raises:
            DataError: if the file is no checkpoint, or holds no feature space.
        """
        return rebuilt(cls, LoLDataModule, checkpoint_path, {"predict": predict, **overrides})

    def __copy__(self) -> LoLDataModule:
        twin = super().__copy__()
        twin._voters = self._voters.copy()
        return twin

    def __getstate__(self) -> dict[str, Any]:
        splits = [split for split in VOTING if split in self._rows]
        needed = set(splits)
        if "train" in splits:
            needed |= {"records"} if self._insert is None else {"records", "insertions"}
        if not needed <= set(self._once) and not self._voters.can_travel():
            for split in splits:
                self._compute(split)
        state = super().__getstate__()
        if needed <= set(self._once):
            state["_voters"] = self._voters.without_code()
        return state

    def _compute(self, split: str) -> None:
        if split in VOTING and split not in self._once:
            if split == "train" and not self.num_rows("train"):
                raise DataError("there are no training rows.")
            if split == "train":
                self._check_before_voting()
            self._once[split] = self._voters.vote(self._rows[split], split, self.progress_bar)
        if split == "train" and "records" not in self._once:
            records = self._voters.records
            if self._ready_targets is None:
                rows, votes = self._rows["train"], self._once["train"]
                records = inspect_bare_lfs(
                    self._voters, rows, votes, self._inspect, self.text_column, self.progress_bar
                )
            self._once["records"] = records
        if split == "train" and self._insert is not None and "insertions" not in self._once:
            self._once["insertions"] = inserted_rows(
                self._voters,
                self._once["records"],
                self._without_labels("train"),
                self._once["train"],
                self.feature_space,
                self._insert,
            )

    def _check_before_voting(self) -> None:
        """Refuse what cannot work before LFs run on all rows, perhaps for minutes."""
        if self._insert is not None:
            refuse_gradient_targets(self._ready_targets, self.feature_space)
        for split in self._rows:
            self.feature_space.check_rows(self._without_labels(split))
        labels = self._gold_labels()
        if self.classes.number is not None:
            infer_num_classes(self.classes, labels, {}, self.lf_names, self._voters.inspected)

    def _make_dataset(self, split: str) -> LoLDataset:
        if split == "train":
            return self._make_train()
        features = self.feature_space.transform(self._without_labels(split))
        votes = np.full((self.num_rows(split), self.num_lfs), ABSTAIN)
        if split in self._once:
            votes = self._once[split]
            check_largest_vote(votes, self.num_classes, split, self.lf_names)
        labels = None if split == "predict" else self._labels(split)
        targets = self._datasets["train"].gradient_targets if "train" in self._datasets else None
        return LoLDataset(features, votes, targets, labels)

    def _make_train(self) -> LoLDataset:
        votes = self._once["train"]
        self._voters.records = self._once["records"]
        labels = self._gold_labels()
        self._num_classes = infer_num_classes(
            self.classes, labels, {"train": votes}, self.lf_names, self._voters.inspected
        )
        warn_of_abstentions_as_class(votes, self.lf_names)
        knows_shares = self.classes.balance is not None or labels.get("val") is not None
        self._kept = rows_to_train_on(votes, knows_shares)
        features = self._train_features()
        if self._insert is not None:
            made = self._once["insertions"]
            self._audit = insertion_audit(made, self.records)
            bank = insertion_bank(made, self.feature_space, self.num_lfs, self._insert)
            return LoLDataset(*self._of_kept(features, votes), insertions=bank)
        # Rows on which every LF abstains tell, too, which words bring no vote.
        measures = self._inspect.vote_rates and self.num_features is not None
        self._evidence = {"votes": votes, "features": features} if measures else {}
        mapping = {**self._inspect.mapping(), **self._evidence}
        records = in_joined_columns(self.records, self.feature_space, self._joined)
        mapped = map_records(self._ready_targets, records, self.feature_space, self.num_classes, mapping)
        targets, self._audit = mapped
        return LoLDataset(*self._of_kept(features, votes), targets)

    def _of_kept(self, features: Any, votes: np.ndarray) -> tuple[Any, np.ndarray]:
        if len(self._kept) == len(votes):
            return features, votes
        return features[self._kept], votes[self._kept]

    def _train_features(self) -> Matrix:
        """Fit the feature space, with room for what the LFs inspect; return the features of all training rows."""
        space, rows, inspected = self.feature_space, self._without_labels("train"), list(self._voters.inspected)
        columns = {feature.column for feature in inspected if feature.column is not None}
        self._joined = joined_columns(rows, space.text_columns, sorted(columns.difference(space.text_columns)))
        if self._joined:
            rank_zero_info(describe_joined(self._joined))
        if space.is_fitted:
            return space.transform(rows)
        return space.fit_transform(rows, [*inspected, *joined_features(inspected, self._joined)])

    def _draw_train_rows(self, max_train_rows: int, seed: int) -> None:
        rows = self._rows["train"]
        index = np.sort(np.random.default_rng(seed).permutation(len(rows))[:max_train_rows])
        self._rows["train"] = take_rows(rows, index)
        for votes in (self._voters.votes, self._once):
            if "train" in votes:
                votes["train"] = votes["train"][index]
        self._once.pop("insertions", None)

    def _use_records(self, records: Records | GradientTargets) -> None:
        self._ready_targets = records if isinstance(records, GradientTargets) else None
        if not isinstance(records, GradientTargets):
            self._voters.use_records(records)
            self._once.pop("records", None)
            self._once.pop("insertions", None)
