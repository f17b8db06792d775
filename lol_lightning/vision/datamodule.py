"""LoLImageDataModule: from images with attributes to batches of features or images, votes and targets of each row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

import torch
from jaxtyping import Int
from torch import Tensor

from lol_lightning.data.base import BaseDataModule
from lol_lightning.data.dataset import LoLDataset, leaves_one_row
from lol_lightning.data.loader import LoLDataLoader
from lol_lightning.data.options import LoaderOptions, ModelDefaults, alpha_of_prior
from lol_lightning.exceptions import ConfigurationError, NotFittedError, check_choice
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.vision._labeler_targets import fingerprint_of, labeler_targets
from lol_lightning.vision._voted_rows import (
    RepresentedRows,
    Silent,
    TargetFiles,
    VotedRows,
    represent_rows,
    task_of_voters,
)
from lol_lightning.vision.attribute_task import AttributeTask, Polarity
from lol_lightning.vision.awa import AttributeData, read_attribute_data
from lol_lightning.vision.images import one_input, read_inputs
from lol_lightning.vision.labeler_training import LabelerTraining
from lol_lightning.vision.labelers import AttributeLabelers
from lol_lightning.vision.options import ImageOptions, RowTargetOptions, SplitOptions
from lol_lightning.vision.task_rows import classes_of, divide

__all__ = ["LoLImageDataModule"]

PENALTY_ROWS, MAX_ALPHA, PENALTY_C = 75, 3.0, 0.5
"""By default the labelers' gradients count as much as that many training rows, and the model must reach that fraction
of each."""

_SAME_ROWS = {"predict": "test"}
"""Splits whose rows are those of another one."""


class LoLImageDataModule(BaseDataModule):
    """Tells classes apart by attributes: labelers of attributes vote, and their gradients become targets.

    Labelers are trained on the seen classes, unless they come trained. Each attribute in which the classes of the task
    differ becomes a labeling function. The largest entries of its gradient at each training row become that row's
    targets. Under several processes one of them does all of this for the others, once.

    The labels of training rows are never read. Nor do labelers learn from the rows of the classes that are told apart,
    even where these classes are among the seen ones. The rows to predict are those of the test.

    Args:
        root: what to read, see ``read_attribute_data``; or the data themselves.
        classes: K classes to tell apart.
        matrix: CSV with the class-attribute matrix, for image folders.
        labelers: labelers that are trained and calibrated; or how to train them, see ``LabelerTraining``; or a file in
            which they are kept, ``LabelerTraining(path=...)`` for short. Labelers that are not calibrated are trained
            here.
        polarity: "bipolar" LFs vote on an attribute's absence too, "unipolar" ones abstain there.
        soft: keep the probabilities of the votes; by default only where LFs vote for several classes at once.
        silent: "error" stops at a labeler that never votes on the training rows, "drop" leaves it out.
        targets: which entries of the labelers' gradients are matched, and where; see ``RowTargetOptions``.
        split: how the rows are divided, see ``SplitOptions``.
        images: how images are read, see ``ImageOptions``.
        batch_size: B. A last training batch of a single row is left out: batch norm cannot be trained on it.
        loader: how batches are cut; by default in the main process, in an order that follows ``seed``.
        seed: of the division of the rows and their order, and of labelers that are trained here.

    Raises:
        DataError: if the data are missing, broken or do not fit each other.
        ConfigurationError: if the arguments contradict each other.
        LabelingFunctionError: in ``setup``, if a labeler never votes.

    Example:
        >>> data = LoLImageDataModule("awa1_svd256.npz", ["seal", "humpback+whale"])  # doctest: +SKIP
        >>> Trainer(max_epochs=30).fit(LoLClassifier(), data)  # doctest: +SKIP
    """

    def __init__(
        self,
        root: str | Path | AttributeData,
        classes: Sequence[str],
        matrix: str | None = None,
        labelers: AttributeLabelers | LabelerTraining | str | Path | None = None,
        polarity: Polarity = "bipolar",
        soft: bool | None = None,
        silent: Silent = "error",
        targets: RowTargetOptions | None = None,
        split: SplitOptions | None = None,
        images: ImageOptions | None = None,
        batch_size: int = 64,
        loader: LoaderOptions | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, LoaderOptions(seed=seed) if loader is None else loader)
        check_choice("silent", silent, get_args(Silent))
        images = images or ImageOptions()
        if isinstance(root, AttributeData):
            if matrix is not None:
                raise ConfigurationError("AttributeData have a matrix of their own; drop matrix, or give a directory.")
            self.data = root
        else:
            self.data = read_attribute_data(root, matrix, tuple(classes), images.size, images.on_corrupt)
        self.transform = images.transform
        self.targets = targets or RowTargetOptions()
        self.soft, self.silent, self.seed = soft, silent, seed
        self._training = LabelerTraining.of(labelers)
        self._task = AttributeTask.between(self.data.matrix, classes, polarity)
        self._rows = divide(self.data, self._task.classes, split or SplitOptions(), seed)
        self._labelers: AttributeLabelers | None = None
        # What this process alone has at hand until it makes the datasets: inputs and targets.
        self._at_hand: dict[str, tuple[Tensor | None, ExampleTargets | None]] = {}

    @property
    def labelers(self) -> AttributeLabelers:
        """The trained labelers of all attributes."""
        if self._labelers is None:
            raise NotFittedError("the labelers are trained in setup().")
        return self._labelers

    @property
    def task(self) -> AttributeTask:
        """The classes, and the m attributes that vote."""
        return cast(AttributeTask, self._once.get("task", self._task))

    @property
    def label_names(self) -> list[str]:
        """Names of the K classes."""
        return list(self.task.classes)

    @property
    def lf_names(self) -> list[str]:
        """Names of the m attributes that vote."""
        return list(self.task.attributes)

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
    def has_example_targets(self) -> bool:
        """True: each training row has targets of its own."""
        return True

    @property
    def class_shares(self) -> None:
        """``None``: validation rows are drawn class by class, so that their shares are not those of all rows.

        Where the shares are known, give them to the model, ``LoLClassifier(class_shares=[...])``.
        """
        return None

    @property
    def train_rows(self) -> Int[Tensor, " row"]:
        """Positions int64 (n,) in ``data`` of the training rows."""
        self.dataset("train")
        return cast(VotedRows, self._once["train"]).rows

    @property
    def train_classes(self) -> Int[Tensor, " row"]:
        """True classes int64 (n,) of the training rows, to judge labelers by; no training reads them."""
        return classes_of(self.data, self.task.classes, self.train_rows)

    @property
    def model_defaults(self) -> ModelDefaults:
        """What arguments of a model and its penalty are where they are ``None``.

        Labelers that are no better than chance on validation rows count nothing. Without such rows all votes count
        alike, and each labeler's penalty counts by the labeler's agreement with the others. The penalty counts as a
        prior does, as much as ``PENALTY_ROWS`` rows: much where rows are few, little where they are many.
        """
        has_labels = self.has_rows("val")
        return ModelDefaults(
            alpha=alpha_of_prior(self.num_rows("train"), PENALTY_ROWS, MAX_ALPHA),
            c=PENALTY_C,
            lf_weights="above-chance" if has_labels else "uniform",
            penalty_weights="above-chance" if has_labels else "agreement",
        )

    def num_rows(self, split: str) -> int:
        """Return the number of rows of a split, among them those whose image cannot be decoded."""
        return len(self._rows.get(_SAME_ROWS.get(split, split), ()))

    def setup(self, stage: str | None = None) -> None:
        """Train the labelers if need be, and prepare the rows of a stage; what is ready is kept."""
        super().setup(stage)
        if self._labelers is None and "labelers" in self._once:  # Another process trained them.
            labelers = self._training.untrained(self.data, self.transform, self.seed)
            labelers.load_state_dict(self._once["labelers"])
            self._labelers = labelers.cpu().eval()

    def _how_to_add(self, split: str) -> str:
        return "raise val_per_class in split=SplitOptions(...)" if split == "val" else super()._how_to_add(split)

    def _needed(self, stage: str | None) -> list[str]:
        splits = super()._needed(stage)
        # Only the training rows tell which labelers are silent.
        return splits if self.silent == "error" else list(dict.fromkeys(["train", *splits]))

    def _compute(self, split: str) -> None:
        split = _SAME_ROWS.get(split, split)
        if split in self._once:
            return
        labelers, of_pixels = self._trained_labelers(), self.targets.level == "pixels"
        ready = represent_rows(labelers, self.data.inputs, self._rows[split], self.transform, of_pixels, split)
        probabilities = labelers.probabilities_of(ready.representation)
        if split == "train":
            votes = self._task.votes(probabilities, labelers.thresholds, self.soft)
            self._once["task"] = task_of_voters(self._task, votes, self.silent)
        votes = self.task.votes(probabilities, labelers.thresholds, self.soft)
        targets, files = self._targets_of(ready, votes) if split == "train" else (None, None)
        self._at_hand[split] = ready.inputs, targets
        representation = None if of_pixels else ready.representation
        self._once[split] = VotedRows(ready.rows, representation, votes, files or targets)

    def _targets_of(self, ready: RepresentedRows, votes: Tensor) -> tuple[ExampleTargets, TargetFiles | None]:
        """Return the targets of the training rows, and the files that they are mapped from."""
        inputs, transform = ready.representation, None
        if ready.inputs is not None:
            inputs, transform = ready.inputs, self.transform
        arguments = self.labelers, self.task, inputs, self.task.signs(votes), self.targets, transform
        if self.targets.cache is None:
            return labeler_targets(*arguments), None
        fingerprint = fingerprint_of(*arguments)
        return labeler_targets(*arguments, fingerprint), TargetFiles(self.targets.cache, fingerprint)

    def _make_dataset(self, split: str) -> LoLDataset:
        split = _SAME_ROWS.get(split, split)
        if split == "test" and (ready := self._datasets.get("test") or self._datasets.get("predict")):
            return ready
        voted: VotedRows = self._once[split]
        inputs, targets = self._at_hand.pop(split, (None, None))
        features = inputs if voted.representation is None else voted.representation
        if features is None:
            features, _ = read_inputs(self.data.inputs, voted.rows)
        targets = voted.example_targets() if targets is None else targets
        labels = None if split == "train" else classes_of(self.data, self.task.classes, voted.rows)
        transform = self.transform if self.targets.level == "pixels" else None
        return LoLDataset(features, voted.votes, None, labels, targets, transform)

    def _loader(self, split: str, **options: Any) -> LoLDataLoader:
        drop_last = split == "train" and leaves_one_row(len(self.dataset(split)), self.batch_size)
        return super()._loader(split, drop_last=drop_last, **options)

    def _draw_train_rows(self, max_train_rows: int, seed: int) -> None:
        rows = self._rows["train"]
        drawn = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
        self._rows["train"] = rows[drawn[:max_train_rows]]
        # The training rows decide which labelers vote, so only the labelers themselves stay as they are.
        self._once = {name: value for name, value in self._once.items() if name == "labelers"}
        self._at_hand.clear()

    def use_records(self, records: Any) -> None:
        """Refuse records.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            "LoLImageDataModule takes no records: its LFs are networks, whose gradients are measured at each row. "
            "Choose which of them are matched with targets=RowTargetOptions(...)."
        )

    def _trained_labelers(self) -> AttributeLabelers:
        if self._labelers is None:
            labelers = self._training.untrained(self.data, self.transform, self.seed)
            size = labelers.hparams["num_features"]
            if self.targets.level == "pixels":
                size = self.transform(one_input(self.data.inputs))[0].numel()
            # Before labelers are trained for nothing.
            self.targets.check_top_k(size)
            self._labelers = self._training.trained(
                labelers, self.data, self._task.classes, self.transform, self.loader.num_workers, self.seed
            )
            self._once["labelers"] = self._labelers.state_dict()
        return self._labelers

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_at_hand": {}}
