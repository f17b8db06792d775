"""LoLImageDataModule: from images with attributes to batches of features or images, votes and per-example targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Int
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn

from lol_lightning.data.dataset import LoLDataLoader, LoLDataset, leaves_one_row
from lol_lightning.exceptions import (
    ConfigurationError,
    DataError,
    LabelingFunctionError,
    NotFittedError,
    check_choice,
)
from lol_lightning.functional.attributes import Calibration
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.gradients import GradientUnit
from lol_lightning.functional.votes import class_ids, vote_mask
from lol_lightning.vision.awa import AttributeData, read_attribute_data
from lol_lightning.vision.images import SIZE, ImageFiles, OnCorrupt, Standardise, one_input, read_inputs
from lol_lightning.vision.labeler_source import LabelerSource
from lol_lightning.vision.labelers import AttributeLabelers
from lol_lightning.vision.matrices import AttributeTask, Polarity
from lol_lightning.vision.task_rows import classes_of, divide
from lol_lightning.vision.topk import TOP_K, labeler_targets

__all__ = ["Level", "LoLImageDataModule"]

Level = Literal["representation", "pixels"]
Silent = Literal["error", "drop"]

PENALTY_ROWS, MAX_ALPHA, PENALTY_C = 75, 3.0, 0.5
"""By default the gradients of labelers count as much as that many training rows, and ask for that share of each."""

_STAGES = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("test",)}
_CHUNK = 512
"""Files that are read at a time where their representation is all that is kept."""


class LoLImageDataModule(pl.LightningDataModule):
    """Tells classes apart by attributes: labelers of attributes vote, and their gradients become targets.

    In ``setup``, labelers are trained on the seen classes unless trained ones are given; each attribute in which the
    classes of the task differ becomes a labeling function; and the k largest entries of its gradient at each
    training row become that row's targets. The labels of training rows are never read, nor are those of any row of the
    classes that are told apart by the labelers, even where these classes are among the seen ones.

    Args:
        root: what to read, see ``read_attribute_data``; or the data themselves.
        classes: K classes to tell apart.
        matrix: CSV with the class-attribute matrix, for image folders.
        labelers: labelers that were trained and calibrated; those that were not are trained here. Or a file in which
            they are kept: it is read where it is there, and else written after their training. One that was written
            with other settings is refused; the images themselves are not compared.
        backbone: network under the labelers, if they are not given, which train a copy of it; ``None`` for given
            features.
        freeze_backbone: train the labelers' heads alone.
        labeler_epochs: of their training.
        labeler_lr: learning rate of their training.
        calibration: of their probabilities, "platt", "temperature" or "none".
        augment: applied to each image of a seen class in their training, such as ``torchvision.transforms.v2`` ones.
        polarity: "bipolar" LFs vote on an attribute's absence too, "unipolar" ones abstain there.
        soft: keep the probabilities of the votes; by default only where LFs vote for several classes at once.
        level: what the model reads, and where gradients are matched: the labelers' "representation", or "pixels".
        top_k: number of entries of each labeler's gradient.
        gradient_unit: of the labelers' gradients; it must be the model's.
        agreeing_only: leave out entries of a gradient whose sign the other labelers together contradict.
        max_train_rows: use only that many unlabeled rows, drawn with ``seed``.
        val_per_class: labeled rows of each class for validation. ``LoLClassifier`` thus balances the votes to equal
            shares of the classes, unless it is told otherwise.
        test_share: share of the other rows for the test, where the data do not say which.
        size: side in pixels to which image files are brought.
        on_corrupt: "error" stops at an image that cannot be decoded, "skip" leaves it out; both name it.
        silent: "error" stops at a labeler that never votes on the training rows, "drop" leaves it out.
        transform: makes float of a batch of images.
        batch_size: B.
        num_workers: processes that cut batches.
        cache: directory for the targets, which are then mapped into memory; those of an earlier run are used again if
            they were computed from the same.
        seed: of the division of the rows and their order, and of labelers that are trained here.

    Raises:
        DataError: if the data are missing, broken or do not fit each other.
        ConfigurationError: if the arguments contradict each other.

    Example:
        >>> data = LoLImageDataModule("awa1_svd256.npz", ["seal", "humpback+whale"])  # doctest: +SKIP
        >>> Trainer(max_epochs=30).fit(LoLClassifier(), data)  # doctest: +SKIP
    """

    def __init__(
        self,
        root: str | Path | AttributeData,
        classes: Sequence[str],
        matrix: str | None = None,
        labelers: AttributeLabelers | str | Path | None = None,
        backbone: nn.Module | None = None,
        freeze_backbone: bool = False,
        labeler_epochs: int = 5,
        labeler_lr: float = 3e-3,
        calibration: Calibration = "platt",
        augment: Callable[[Tensor], Tensor] | None = None,
        polarity: Polarity = "bipolar",
        soft: bool | None = None,
        level: Level = "representation",
        top_k: int = TOP_K,
        gradient_unit: GradientUnit = "probability",
        agreeing_only: bool = False,
        max_train_rows: int | None = None,
        val_per_class: int = 50,
        test_share: float = 0.3,
        size: int = SIZE,
        on_corrupt: OnCorrupt = "error",
        silent: Silent = "error",
        transform: Standardise | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        cache: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_choice("level", level, get_args(Level))
        check_choice("gradient_unit", gradient_unit, get_args(GradientUnit))
        check_choice("silent", silent, get_args(Silent))
        if not 0 < test_share < 1 or val_per_class < 0:
            raise ConfigurationError(
                f"test_share = {test_share} must lie in (0, 1), val_per_class = {val_per_class} >= 0."
            )
        if isinstance(root, AttributeData):
            if matrix is not None:
                raise ConfigurationError("AttributeData have a matrix of their own; drop matrix, or give a directory.")
            self.data = root
        else:
            self.data = read_attribute_data(root, matrix, tuple(classes), size, on_corrupt)
        self.task = AttributeTask.between(self.data.matrix, classes, polarity)
        self._source = LabelerSource(
            labelers, backbone, freeze_backbone, labeler_epochs, labeler_lr, calibration, augment
        )
        self.soft, self.level, self.top_k = soft, level, top_k
        self.gradient_unit: GradientUnit = gradient_unit
        self.agreeing_only = agreeing_only
        self.silent, self.cache = silent, cache
        self.transform = transform or Standardise()
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self._labelers: AttributeLabelers | None = None
        self._datasets: dict[str, LoLDataset] = {}
        self._rows = divide(self.data, self.task.classes, val_per_class, test_share, max_train_rows, seed)

    @property
    def labelers(self) -> AttributeLabelers:
        """The trained labelers of all attributes."""
        if self._labelers is None:
            raise NotFittedError("the labelers are trained in setup().")
        return self._labelers

    @property
    def label_names(self) -> list[str]:
        """Names of the K classes."""
        return list(self.task.classes)

    @property
    def lf_names(self) -> list[str]:
        """Names of the m attributes that vote."""
        return list(self.task.attributes)

    @property
    def num_lfs(self) -> int:
        """Number of labelers that vote, m."""
        return self.task.num_lfs

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return self.task.num_classes

    @property
    def num_features(self) -> int:
        """Size d of the flattened input of the model."""
        ready = next(iter(self._datasets.values()), None) or self.dataset("train")
        one = cast(Tensor, ready.features)[:1]
        return (one if ready.transform is None else ready.transform(one))[0].numel()

    @property
    def train_votes(self) -> np.ndarray:
        """Class ids int64 (n, m) that the labelers vote on the training rows."""
        return class_ids(self.dataset("train").votes, self.num_classes).numpy()

    @property
    def train_vote_probabilities(self) -> np.ndarray | None:
        """Votes float (n, m, K) that a model is trained on, ``None`` where they are class ids."""
        return _probabilities(self.dataset("train").votes)

    @property
    def train_classes(self) -> Int[Tensor, " row"]:
        """True classes int64 (n,) of the training rows, to judge labelers by; no training reads them."""
        self.dataset("train")
        return classes_of(self.data, self.task.classes, self._kept)

    @property
    def val_votes(self) -> np.ndarray:
        """Class ids int64 (n, m) that the labelers vote on the validation rows."""
        return class_ids(self.dataset("val").votes, self.num_classes).numpy()

    @property
    def val_vote_probabilities(self) -> np.ndarray | None:
        """Votes float (n, m, K) on the validation rows, ``None`` where they are class ids."""
        return _probabilities(self.dataset("val").votes)

    @property
    def val_labels(self) -> np.ndarray | None:
        """Classes int64 (n,) of the validation rows."""
        labels = self.dataset("val").labels
        return None if labels is None else labels.numpy()

    @property
    def model_defaults(self) -> dict[str, Any]:
        """What arguments of ``LoLClassifier`` are where they are ``None``.

        Labelers that are no better than guessing on validation rows count nothing. Without such rows, labelers are
        judged by each other for their penalties, and all votes count alike. The penalty counts as a prior does, as much
        as ``PENALTY_ROWS`` rows do: it helps where rows are few, and is out of the way where they are many.
        """
        judged = len(self._rows["val"]) > 0
        return {
            "alpha": min(MAX_ALPHA, PENALTY_ROWS / len(self._rows["train"])),
            "c": PENALTY_C,
            "lf_weights": "above-chance" if judged else "uniform",
            "penalty_weights": "above-chance" if judged else "agreement",
        }

    @property
    def gradient_targets(self) -> GradientTargets:
        """What the labelers demand everywhere alike, which is nothing: see ``example_targets``."""
        return GradientTargets.from_entries([], self.num_lfs, self.num_classes, self.num_features)

    @property
    def example_targets(self) -> ExampleTargets:
        """What the labelers demand of the model's gradient at each training row."""
        return cast(ExampleTargets, self.dataset("train").example_targets)

    def draw_train_rows(self, max_train_rows: int, seed: int) -> None:
        """Keep only that many training rows, drawn with ``seed``; call it before ``setup``.

        Raises:
            ConfigurationError: if ``max_train_rows`` is below 1, or the training rows are ready.
        """
        if max_train_rows < 1:
            raise ConfigurationError(f"max_train_rows = {max_train_rows} must be at least 1.")
        if "train" in self._datasets:
            raise ConfigurationError("the training rows are ready; draw from them before setup, in a new data module.")
        rows = self._rows["train"]
        drawn = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
        self._rows["train"] = rows[drawn[:max_train_rows]]

    def setup(self, stage: str | None = None) -> None:
        """Train the labelers if need be, and prepare the rows of a stage; what is ready is kept."""
        if self._labelers is None:
            labelers = self._source.labelers_for(self.data, self.transform, self.seed)
            self._check_top_k(labelers)
            self._labelers = self._source.trained(
                labelers, self.data, self.task.classes, self.transform, self.num_workers, self.seed
            )
        splits = _STAGES.get(stage or "", ("train", "val", "test"))
        # Which labelers are silent is seen on the training rows.
        for split in splits if self.silent == "error" or "train" in splits else ("train", *splits):
            if split not in self._datasets and len(self._rows[split]):
                self._add(split)

    def dataset(self, split: str) -> LoLDataset:
        """Return the rows of "train", "val" or "test".

        Raises:
            NotFittedError: if they are not ready, or there are none.
        """
        if split not in self._datasets:
            raise NotFittedError(f"there are no {split} rows: call setup(), or raise their number.")
        return self._datasets[split]

    def train_dataloader(self) -> LoLDataLoader:
        """Batches of training rows in random order, with targets and without labels."""
        generator = torch.Generator().manual_seed(self.seed)
        drop_last = leaves_one_row(len(self.dataset("train")), self.batch_size)
        return self._loader("train", shuffle=True, generator=generator, drop_last=drop_last)

    def val_dataloader(self) -> LoLDataLoader | list[Any]:
        """Batches of the labeled validation rows."""
        return self._loader("val") if len(self._rows["val"]) else []

    def test_dataloader(self) -> LoLDataLoader:
        """Batches of the labeled test rows."""
        return self._loader("test")

    def predict_dataloader(self) -> LoLDataLoader:
        """Batches of the test rows."""
        return self._loader("test")

    def _check_top_k(self, labelers: AttributeLabelers) -> None:
        # Before labelers are trained for nothing.
        if self.level == "pixels":
            size: int | None = self.transform(one_input(self.data.inputs))[0].numel()
        else:
            size = labelers.hparams["num_features"]
        if not 1 <= self.top_k <= (self.top_k if size is None else size):
            raise ConfigurationError(
                f"top_k = {self.top_k} must be 1 to {size}, the size of what labelers are differentiated by."
            )

    def _add(self, split: str) -> None:
        labelers = self.labelers
        features, representation, rows = self._read(split)
        probabilities = labelers.probabilities_of(representation)
        if split == "train":
            self._kept = rows
            self._drop_silent(probabilities)
        votes = self.task.votes(probabilities, labelers.thresholds, self.soft)
        transform = None if self.level == "representation" else self.transform
        targets = None
        if split == "train":
            options = {"similarity": self.task.similarity} if self.agreeing_only else {}
            targets = labeler_targets(
                labelers,
                self.task.columns,
                features,
                self.task.signs(votes),
                self.top_k,
                self.gradient_unit,
                transform,
                self.cache,
                of_backbone=self.level == "pixels",
                **options,
            )
        labels = None if split == "train" else classes_of(self.data, self.task.classes, rows)
        self._datasets[split] = LoLDataset(features, votes, None, labels, targets, transform)

    def _read(self, split: str) -> tuple[Tensor, Tensor, Int[Tensor, " row"]]:
        """What the model reads of a split, what the labelers' heads read, and the rows that could be read."""
        rows, of_pixels = self._rows[split], self.level == "pixels"
        by_files = isinstance(self.data.inputs, ImageFiles) and not of_pixels
        parts = []
        for chunk in torch.split(rows, _CHUNK if by_files else len(rows)):
            inputs, kept = read_inputs(self.data.inputs, chunk)
            if len(kept):
                representation = self.labelers.representations(inputs, transform=self.transform)
                parts.append((inputs if of_pixels else representation, representation, chunk[kept]))
        if not parts:
            raise DataError(f"none of the {len(rows)} images of the {split} rows can be decoded.")
        features, representations, read = zip(*parts, strict=True)
        representation = torch.cat(representations)
        return torch.cat(features) if of_pixels else representation, representation, torch.cat(read)

    def _drop_silent(self, probabilities: Tensor) -> None:
        votes = self.task.votes(probabilities, self.labelers.thresholds, self.soft)
        speaks = vote_mask(votes).any(0)
        silent = [self.task.attributes[i] for i in (~speaks).nonzero().squeeze(1).tolist()]
        if not silent:
            return
        if self.silent == "error" or not speaks.any():
            raise LabelingFunctionError(
                f"the labelers {silent} never vote on the {len(votes)} training rows. Leave them out with "
                "silent='drop', or let them vote on an attribute's absence, too (polarity='bipolar')."
            )
        rank_zero_info(f"Left out labelers that never vote: {silent}.")
        self.task = self.task.select(speaks.nonzero().squeeze(1).tolist())

    def _loader(self, split: str, **options: Any) -> LoLDataLoader:
        return LoLDataLoader(self.dataset(split), batch_size=self.batch_size, num_workers=self.num_workers, **options)


def _probabilities(votes: Tensor) -> np.ndarray | None:
    return votes.float().numpy() if votes.is_floating_point() else None
