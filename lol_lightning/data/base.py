"""BaseDataModule: what every data module of the package offers to models, losses and label models."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lol_lightning.data.dataset import LoLDataset
from lol_lightning.data.loader import LoLDataLoader, NoLoaders
from lol_lightning.data.options import ClassShares, LoaderOptions, ModelDefaults, alpha_of_prior
from lol_lightning.data.shared_setup import SPLITS, SharedSetup
from lol_lightning.exceptions import ConfigurationError, DataError, NotFittedError, check_number
from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.short_repr import html_table
from lol_lightning.functional.votes import ABSTAIN, class_ids

__all__ = ["BaseDataModule", "ClassShares", "LoaderOptions", "ModelDefaults", "data_module_of"]

PRIOR_ROWS, MAX_ALPHA = 1000, 10.0
"""R and the largest alpha of ``alpha_of_prior`` for gradients that all rows have in common. They were chosen on the
validation rows of six text sets, see docs/notes.md."""
INSERTION_PRIOR_ROWS, INSERTION_MAX_ALPHA = 300, 3.0
"""The same for insertions, chosen on the validation rows of three text sets with 100 rows."""


class BaseDataModule(SharedSetup):
    """Rows with votes of LFs, as typed batches (``LoLBatch``), and all that a model may ask about them.

    A subclass says how many rows each split has (``num_rows``), and does what ``SharedSetup`` asks for.

    Args:
        batch_size: B.
        loader: how batches are cut.

    Raises:
        ConfigurationError: if ``batch_size`` is below 1.
    """

    def __init__(self, batch_size: int, loader: LoaderOptions | None = None) -> None:
        super().__init__()
        check_number("batch_size", batch_size, at_least=1, whole=True)
        if not isinstance(loader, LoaderOptions | None):
            raise ConfigurationError(f"loader = {loader!r:.80}; give LoaderOptions(num_workers=..., ...).")
        self.batch_size = batch_size
        self.loader = LoaderOptions() if loader is None else loader

    # What a subclass defines.

    @property
    @abstractmethod
    def lf_names(self) -> list[str]:
        """Names of the m LFs, in the order of the vote columns."""

    @property
    @abstractmethod
    def label_names(self) -> list[str] | None:
        """Names of the K classes, ``None`` where nobody named them."""

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """Number of classes, K."""

    @property
    @abstractmethod
    def train_rows(self) -> Any:
        """The n training rows in the order of ``train_votes``."""

    @abstractmethod
    def num_rows(self, split: str) -> int:
        """Return the number of rows of a split before ``setup``; 0 where there is no such split."""

    def has_rows(self, split: str) -> bool:
        """Whether there is such a split."""
        return self.num_rows(split) > 0

    def _how_to_add(self, split: str) -> str:
        return f"give {split}="

    def _draw_train_rows(self, max_train_rows: int, seed: int) -> None:
        raise ConfigurationError(f"{type(self).__name__} cannot draw from its training rows.")

    def _use_records(self, records: Any) -> None:
        raise ConfigurationError(f"{type(self).__name__} takes no records of what LFs inspect.")

    # What models, losses and label models read.

    @property
    def num_lfs(self) -> int:
        """Number of LFs, m."""
        return len(self.lf_names)

    @property
    def feature_space(self) -> FeatureSpace | None:
        """What turns rows into features; ``None`` where rows are features already, or a network reads raw input."""
        return None

    @property
    def num_features(self) -> int | None:
        """Number of features, d; ``None`` for raw input."""
        return None

    @property
    def model_defaults(self) -> ModelDefaults:
        """What the data set where arguments of a model and its penalty are ``None``.

        The penalty counts as a prior does that is worth ``PRIOR_ROWS`` rows with votes: much where rows are few, little
        where they are many.
        """
        num_rows = self.dataset("train").num_covered_rows
        prior = (INSERTION_PRIOR_ROWS, INSERTION_MAX_ALPHA) if self.has_insertions else (PRIOR_ROWS, MAX_ALPHA)
        return ModelDefaults(alpha=alpha_of_prior(num_rows, *prior))

    @property
    def class_shares(self) -> ClassShares | None:
        """Share of each class among all rows: those among the labeled validation rows, ``None`` without such rows."""
        labels = self.val_labels
        return None if labels is None or not len(labels) else ClassShares.counted(labels, self.num_classes)

    @property
    def has_example_targets(self) -> bool:
        """Whether training rows have gradient targets of their own, instead of targets that all rows have in common."""
        return False

    @property
    def has_insertions(self) -> bool:
        """Whether the LFs make their demands by terms that are inserted into rows, instead of by gradient targets."""
        return False

    @property
    def gradient_targets(self) -> GradientTargets | None:
        """What the LFs demand of the model's input gradient on all rows alike; ``None`` with ``example_targets``."""
        return self.dataset("train").gradient_targets

    @property
    def lfs_without_demands(self) -> list[str]:
        """Names of the LFs that train with their votes alone, as nothing that they inspect is a demand on the model."""
        dataset = self.dataset("train")
        if dataset.example_targets is not None:
            return []
        if self.has_insertions:
            heard = set() if dataset.insertions is None else set(dataset.insertions.lf.tolist())
            return [name for i, name in enumerate(self.lf_names) if i not in heard]
        targets = dataset.gradient_targets
        return self.lf_names if targets is None else [self.lf_names[i] for i in targets.lfs_without_features]

    @property
    def example_targets(self) -> ExampleTargets | None:
        """What the LFs demand of the model's gradient at each training row; ``None`` with ``gradient_targets``."""
        return self.dataset("train").example_targets

    @property
    def train_votes(self) -> Int[np.ndarray, "row lf"]:
        """Class ids int64 (n, m) that the LFs vote on the training rows."""
        return self._class_ids("train")

    @property
    def val_votes(self) -> Int[np.ndarray, "row lf"]:
        """Class ids int64 (n, m) that the LFs vote on the validation rows."""
        return self._class_ids("val")

    @property
    def train_vote_probabilities(self) -> Float[np.ndarray, "row lf cls"] | None:
        """Votes float (n, m, K) that a model is trained on, ``None`` where they are class ids."""
        return self._probabilities("train")

    @property
    def val_vote_probabilities(self) -> Float[np.ndarray, "row lf cls"] | None:
        """Votes float (n, m, K) on the validation rows, ``None`` where they are class ids."""
        return self._probabilities("val")

    @property
    def val_labels(self) -> Int[np.ndarray, " row"] | None:
        """Gold classes int64 (n,) of the validation rows, ``None`` where there are none."""
        labels = self.dataset("val").labels if self.has_rows("val") else None
        return None if labels is None else labels.numpy()

    @property
    def num_dropped_rows(self) -> int:
        """Number of training rows that are left out: without a vote and of no use, or they cannot be read."""
        return self.num_rows("train") - len(self.dataset("train"))

    def dataset(self, split: str) -> LoLDataset:
        """Return the rows of "train", "val", "test" or "predict".

        Raises:
            DataError: if there are no such rows.
            NotFittedError: if they are not ready.
        """
        if split not in self._datasets:
            if split not in SPLITS or not self.has_rows(split):
                raise DataError(f"this data module has no {split} rows; {self._how_to_add(split)}.")
            raise NotFittedError(f"the {split} rows are not ready; call setup() first.")
        return self._datasets[split]

    # What is decided before setup.

    def draw_train_rows(self, max_train_rows: int, seed: int) -> None:
        """Keep only that many training rows, drawn with ``seed``; call it before ``setup``.

        Raises:
            ConfigurationError: if ``max_train_rows`` is below 1, or rows are ready.
            DataError: if there are no training rows.
        """
        if not self.has_rows("train"):
            raise DataError("this data module has no train rows; give train=.")
        check_number("max_train_rows", max_train_rows, at_least=1, whole=True)
        self._refuse_if_ready("draw_train_rows")
        self._draw_train_rows(max_train_rows, seed)

    def use_records(self, records: Any) -> None:
        """Take what the LFs inspect from ``records``, matched by name; call it before ``setup``.

        Raises:
            ConfigurationError: if rows are ready, a record's name is no LF's, or the LFs have no records.
        """
        self._refuse_if_ready("use_records")
        self._use_records(records)

    # What Lightning calls.

    def train_dataloader(self) -> LoLDataLoader:
        """Batches of training rows in random order, without gold labels."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> LoLDataLoader | NoLoaders:
        """Batches of the validation rows; none in a fit without such rows.

        Raises:
            DataError: in ``Trainer.validate``, if there are no validation rows.
        """
        state = None if self.trainer is None else self.trainer.state
        is_asked_for = state is not None and state.fn == "validate" and state.status.value == "running"
        return self._loader("val") if self.has_rows("val") or is_asked_for else NoLoaders()

    def test_dataloader(self) -> LoLDataLoader:
        """Batches of the test rows, which must have labels."""
        return self._loader("test")

    def predict_dataloader(self) -> LoLDataLoader:
        """Batches of the rows to predict."""
        return self._loader("predict")

    def __repr__(self) -> str:
        rows = {split: str(self.num_rows(split)) for split in SPLITS if self.has_rows(split)}
        if "train" in self._datasets:
            rows["train"] = f"{len(self._datasets['train'])} of {self.num_rows('train')}"
        readers = {
            "lfs": lambda: self.num_lfs,
            "classes": lambda: self.num_classes,
            "features": lambda: self.num_features,
        }
        sizes = {name: _or_unknown(size) for name, size in readers.items()}
        parts = {**rows, **sizes, "batch_size": self.batch_size}
        return f"{type(self).__name__}({', '.join(f'{name}={part}' for name, part in parts.items())})"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        """Return the splits, or once they are ready the LFs on the training rows, as a table for notebooks."""
        rows = {split: self.num_rows(split) for split in SPLITS if self.has_rows(split)}
        if "train" not in self._datasets:
            return html_table(pd.DataFrame({"rows": rows}), repr(self))
        voted = self.train_votes != ABSTAIN
        return html_table(pd.DataFrame({"coverage": voted.mean(0)}, index=self.lf_names), repr(self))

    def _refuse_if_ready(self, method: str) -> None:
        if self._datasets:
            raise ConfigurationError(
                f"the {', '.join(self._datasets)} rows are ready, so {method} comes too late; call it before setup(), "
                "on a new data module."
            )

    def _class_ids(self, split: str) -> Int[np.ndarray, "row lf"]:
        return class_ids(self.dataset(split).votes, self.num_classes).long().numpy()

    def _probabilities(self, split: str) -> Float[np.ndarray, "row lf cls"] | None:
        votes = self.dataset(split).votes
        return votes.float().numpy() if votes.is_floating_point() else None

    def _loader(self, split: str, **options: Any) -> LoLDataLoader:
        dataset, loader = self.dataset(split), self.loader
        if loader.on_device and self.trainer is not None:
            dataset = dataset.to(self.trainer.strategy.root_device)
        return LoLDataLoader(
            dataset,
            batch_size=self.batch_size,
            num_workers=loader.num_workers,
            pin_memory=loader.pin_memory,
            persistent_workers=loader.num_workers > 0,
            seed=loader.seed,
            **options,
        )


def data_module_of(trainer: Any) -> BaseDataModule | None:
    """Return the data module of a trainer, ``None`` where it has none or one that is no ``BaseDataModule``."""
    data = getattr(trainer, "datamodule", None)
    return data if isinstance(data, BaseDataModule) else None


def _or_unknown(size: Callable[[], int | None]) -> Any:
    try:
        return size()
    except NotFittedError:
        return "?"
