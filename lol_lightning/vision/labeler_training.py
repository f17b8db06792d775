"""LabelerTraining: how the labelers of a task are trained, or read from the file in which they are kept."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lol_lightning._lightning import isolate_rng, pl, rank_zero_info
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.functional.attributes import Calibration
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.vision._labeler_files import load_labelers, save_labelers
from lol_lightning.vision.awa import AttributeData
from lol_lightning.vision.backbones import representation_size
from lol_lightning.vision.images import one_input
from lol_lightning.vision.labelers import AttributeLabelers, check_calibration
from lol_lightning.vision.seen_classes import SeenClasses

__all__ = ["LabelerTraining", "train_labelers"]


@dataclass(frozen=True)
class LabelerTraining:
    """How attribute labelers are trained on the seen classes.

    Args:
        labelers: trained in place, with the backbone, the heads and the learning rate that they have. By default new
            ones, with linear heads. Labelers that are calibrated are used as they are.
        backbone: network under new labelers, which train a copy of it; ``None`` where the inputs are features.
        freeze_backbone: train the heads of new labelers alone.
        epochs: passes over the rows of seen classes.
        lr: learning rate of new labelers.
        calibration: of the probabilities, "platt", "temperature" or "none".
        augment: applied to each training image, see ``SeenClasses``.
        path: file for the trained labelers. Where it exists it is read instead of training; else it is written. A file
            that was written with other settings is refused; the images themselves are not compared.

    Raises:
        ConfigurationError: if the arguments contradict each other.

    Example:
        >>> LabelerTraining(epochs=20, calibration="temperature").lr
        0.003
    """

    labelers: AttributeLabelers | None = None
    backbone: nn.Module | None = None
    freeze_backbone: bool = False
    epochs: int = 5
    lr: float = 3e-3
    calibration: Calibration = "platt"
    augment: nn.Module | Callable[[Tensor], Tensor] | None = None
    path: str | Path | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_calibration(self.calibration)
        if self.epochs < 1:
            raise ConfigurationError(f"epochs = {self.epochs} must be at least 1.")
        if self.labelers is not None and (self.backbone is not None or self.freeze_backbone):
            raise ConfigurationError("these labelers have their own backbone; drop backbone and freeze_backbone.")

    @classmethod
    def of(cls, labelers: AttributeLabelers | LabelerTraining | str | Path | None) -> LabelerTraining:
        """Return the training itself, or one of the labelers, or one that keeps them in a file."""
        if isinstance(labelers, LabelerTraining):
            return labelers
        if labelers is None or isinstance(labelers, AttributeLabelers):
            return cls(labelers)
        return cls(path=labelers)

    def untrained(self, data: AttributeData, transform: Callable[[Tensor], Tensor], seed: int = 0) -> AttributeLabelers:
        """Return the labelers as they are before ``trained``.

        Args:
            data: whose attributes they learn.
            transform: makes float of a batch of images.
            seed: of the first weights of new labelers.

        Raises:
            ConfigurationError: if ``labelers`` have other attributes, or the inputs are images without a backbone.
            DataError: if no image can be decoded.
        """
        if self.labelers is not None:
            self.labelers.name_attributes(data.matrix.attributes)
            return self.labelers
        size = representation_size(self.backbone, transform(one_input(data.inputs)))
        # The user's backbone stays as it is: labelers of other classes may begin from it, too.
        backbone = copy.deepcopy(self.backbone)
        # Their first weights must be those of every other process that trains labelers of this seed.
        with isolate_rng():
            torch.manual_seed(seed)
            return AttributeLabelers(data.matrix.attributes, backbone, size, None, self.freeze_backbone, self.lr)

    def trained(
        self,
        labelers: AttributeLabelers,
        data: AttributeData,
        classes: Sequence[str],
        transform: Callable[[Tensor], Tensor],
        num_workers: int = 0,
        seed: int = 0,
    ) -> AttributeLabelers:
        """Return labelers that are trained and calibrated, on the CPU: as they are, from the file, or trained now.

        Args:
            labelers: what ``untrained`` returned. Calibrated ones keep their mode; others end in evaluation mode.
            data: rows of seen classes.
            classes: those that are to be told apart; their rows train no labeler, even if ``data`` call them seen.
            transform: makes float of a batch of images.
            num_workers: processes that read images.
            seed: decides which rows are held out, and their order.

        Raises:
            DataError: if there are no seen classes, no image can be decoded, or the file holds other labelers.
        """
        if labelers.is_calibrated:
            return labelers.cpu()
        seen = [name for name, is_seen in zip(data.matrix.classes, data.is_seen.tolist(), strict=True) if is_seen]
        if left_out := [name for name in classes if name in seen]:
            rank_zero_info(f"Labelers are not trained on {left_out}, which are to be told apart.")
            seen = [name for name in seen if name not in left_out]
        settings = {
            "attributes": list(data.matrix.attributes),
            "seen": seen,
            "seed": seed,
            "epochs": self.epochs,
            "lr": labelers.hparams["lr"],
            "calibration": self.calibration,
            "freeze_backbone": labelers.hparams["freeze_backbone"],
        }
        if self.path is not None and Path(self.path).exists():
            return load_labelers(labelers, Path(self.path), settings)
        rows = SeenClasses(data, seen, augment=self.augment, transform=transform, num_workers=num_workers, seed=seed)
        train_labelers(labelers, rows, self.epochs, self.calibration)
        if self.path is not None:
            save_labelers(labelers, Path(self.path), settings)
        return labelers


def train_labelers(
    labelers: AttributeLabelers,
    data: SeenClasses,
    max_epochs: int = 15,
    calibration: Calibration = "platt",
    **trainer_options: Any,
) -> AttributeLabelers:
    """Train labelers on seen classes, calibrate them on the rows held out, and put them in evaluation mode.

    Args:
        labelers: trained in place.
        data: rows of seen classes.
        max_epochs: of the training.
        calibration: "platt", "temperature" or "none".
        trainer_options: passed on to ``Trainer``, which by default logs nothing and writes no checkpoint.

    Returns:
        The labelers, on the CPU.

    Raises:
        ConfigurationError: if the calibration is unknown, or the labelers have no backbone for images.
        DataError: if no row was held out, or no image can be decoded.
    """
    check_calibration(calibration)
    options: dict[str, Any] = {name: False for name in ("logger", "enable_checkpointing", "enable_progress_bar")}
    options |= {"enable_model_summary": False, "devices": 1, "limit_val_batches": 0, **trainer_options}
    with isolate_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers")
        warnings.filterwarnings("ignore", "The number of training batches")
        # A frozen backbone is in evaluation mode on purpose.
        warnings.filterwarnings("ignore", r"Found .* module\(s\) in eval mode")
        torch.manual_seed(data.seed)
        pl.Trainer(max_epochs=max_epochs, **options).fit(labelers, datamodule=data)
    labelers = labelers.cpu().eval()
    pairs = []
    with torch.no_grad():
        for inputs, targets in data.val_dataloader():
            if len(targets):
                pairs.append((labelers(inputs), targets))
    if not pairs:
        raise DataError(
            "no row of the seen classes that can be read was held out: raise val_fraction, or give more rows."
        )
    logits, targets = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    labelers.calibrate(logits, targets, calibration)
    return labelers
