"""Where the labelers of a task come from: given ones, ones that were kept in a file, or new ones."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pytorch_lightning.utilities import rank_zero_info
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.functional.attributes import Calibration
from lol_lightning.vision.awa import AttributeData
from lol_lightning.vision.backbones import representation_size
from lol_lightning.vision.images import read_inputs
from lol_lightning.vision.labelers import AttributeLabelers, check_calibration
from lol_lightning.vision.seen_classes import SeenClasses, train_labelers

__all__ = ["LabelerSource"]


@dataclass(frozen=True)
class LabelerSource:
    """What labelers to take, and how to train them where they are not trained yet.

    Args:
        labelers: labelers, or a file in which they are kept: it is read where it is there, and else written.
        backbone: network under new labelers; ``None`` for given features.
        freeze_backbone: train the heads alone.
        max_epochs: of the training.
        lr: learning rate of the training.
        calibration: of the probabilities, "platt", "temperature" or "none".
        augment: applied to each training image, see ``SeenClasses``.

    Raises:
        ConfigurationError: if the arguments contradict each other.
    """

    labelers: AttributeLabelers | str | Path | None = None
    backbone: nn.Module | None = None
    freeze_backbone: bool = False
    max_epochs: int = 5
    lr: float = 3e-3
    calibration: Calibration = "platt"
    augment: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        check_calibration(self.calibration)
        if isinstance(self.labelers, AttributeLabelers) and (self.backbone is not None or self.freeze_backbone):
            raise ConfigurationError("labelers that are given have their own backbone; drop backbone, freeze_backbone.")

    def get(
        self,
        data: AttributeData,
        classes: Sequence[str],
        transform: Callable[[Tensor], Tensor],
        num_workers: int = 0,
        seed: int = 0,
    ) -> AttributeLabelers:
        """Return labelers of all attributes that are trained and calibrated, on the CPU in evaluation mode.

        Args:
            data: rows of seen classes.
            classes: those that are to be told apart; their rows train no labeler, even if ``data`` call them seen.
            transform: makes float of a batch of images.
            num_workers: processes that read images.
            seed: of the first weights, the rows held out and their order.

        Raises:
            ConfigurationError: if given labelers are of other attributes.
            DataError: if there are no seen classes, or the file holds other labelers.
        """
        if isinstance(self.labelers, AttributeLabelers):
            self.labelers.name_attributes(data.matrix.attributes)
            if not self.labelers.val_accuracies.isnan().all():
                return self.labelers.cpu().eval()
        labelers = self.labelers if isinstance(self.labelers, AttributeLabelers) else self._new(data, transform, seed)
        path = None if self.labelers is labelers or self.labelers is None else Path(self.labelers)  # type: ignore[arg-type]
        seen = [name for name, is_seen in zip(data.matrix.classes, data.seen.tolist(), strict=True) if is_seen]
        if asked := [name for name in classes if name in seen]:
            rank_zero_info(f"Labelers are not trained on {asked}, which are to be told apart.")
            seen = [name for name in seen if name not in asked]
        if path is not None and path.exists():
            return _load(labelers, path, seen)
        rows = SeenClasses(data, seen, augment=self.augment, transform=transform, num_workers=num_workers, seed=seed)
        train_labelers(labelers, rows, self.max_epochs, self.calibration)
        if path is not None:
            _save(labelers, path, seen)
        return labelers

    def _new(self, data: AttributeData, transform: Callable[[Tensor], Tensor], seed: int) -> AttributeLabelers:
        example = transform(read_inputs(data.inputs, torch.tensor([0]))[0])
        size = representation_size(self.backbone, example)
        # Their first weights must be those of every other process that trains labelers of this seed.
        with isolate_rng():
            torch.manual_seed(seed)
            return AttributeLabelers(data.matrix.attributes, self.backbone, size, None, self.freeze_backbone, self.lr)


def _save(labelers: AttributeLabelers, path: Path, seen: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {"attributes": list(labelers.attributes), "seen": list(seen), "state": labelers.state_dict()}
    # Another process of the same training may write the same file.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    torch.save(kept, unfinished)
    unfinished.replace(path)


def _load(labelers: AttributeLabelers, path: Path, seen: Sequence[str]) -> AttributeLabelers:
    try:
        kept = torch.load(path, weights_only=True)
        if kept["attributes"] != list(labelers.attributes) or kept["seen"] != list(seen):
            raise DataError(
                f"{path} holds labelers of other attributes or seen classes; delete it, or name another file."
            )
        labelers.load_state_dict(kept["state"])
    except (OSError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        raise DataError(
            f"{path} holds no labelers that fit this backbone ({error}); delete it, or name another file."
        ) from error
    return labelers.cpu().eval()
