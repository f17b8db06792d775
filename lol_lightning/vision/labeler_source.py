"""Where the labelers of a task come from: the user, a file, or a training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lol_lightning._files.disk import reading
from lol_lightning._files.plain import check_fields, check_list
from lol_lightning._files.state import read_tensors, write_tensors
from lol_lightning._lightning import isolate_rng, rank_zero_info
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.functional.attributes import Calibration
from lol_lightning.vision.awa import AttributeData
from lol_lightning.vision.backbones import representation_size
from lol_lightning.vision.images import one_input
from lol_lightning.vision.labelers import AttributeLabelers, check_calibration
from lol_lightning.vision.seen_classes import SeenClasses, train_labelers

__all__ = ["LabelerSource"]

_WHAT, _CURE = "a file of labelers that a LoLImageDataModule wrote", "Name another file, or delete that one."

_MAY_BE_NAN = ("val_accuracies",)
"""What is not measured for attributes that no validation row has."""


@dataclass(frozen=True)
class LabelerSource:
    """What labelers to take, and how to train them where they are not trained yet.

    Args:
        labelers: labelers, or a file in which they are kept: it is read where it is there, and else written.
        backbone: network under new labelers, which train a copy of it; ``None`` where the inputs are features.
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
            raise ConfigurationError("the labelers have a backbone of their own; drop backbone and freeze_backbone.")

    def labelers_for(
        self, data: AttributeData, transform: Callable[[Tensor], Tensor], seed: int = 0
    ) -> AttributeLabelers:
        """Return the user's labelers, or new ones that are not trained.

        Args:
            data: whose attributes they know.
            transform: makes float of a batch of images.
            seed: of the first weights.

        Raises:
            ConfigurationError: if the user's labelers have other attributes, or images come without a backbone.
            DataError: if no image can be decoded.
        """
        if isinstance(self.labelers, AttributeLabelers):
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
            labelers: what ``labelers_for`` returned. Those that are trained keep their mode; others end in evaluation
                mode.
            data: rows of seen classes.
            classes: those that are to be told apart; their rows train no labeler, even if ``data`` call them seen.
            transform: makes float of a batch of images.
            num_workers: processes that read images.
            seed: of the rows held out and their order.

        Raises:
            DataError: if there are no seen classes, no image can be decoded, or the file holds other labelers.
        """
        if not labelers.val_accuracies.isnan().all():
            return labelers.cpu()
        seen = [name for name, is_seen in zip(data.matrix.classes, data.seen.tolist(), strict=True) if is_seen]
        if overlap := [name for name in classes if name in seen]:
            rank_zero_info(f"Labelers are not trained on {overlap}, which are to be told apart.")
            seen = [name for name in seen if name not in overlap]
        names = ("max_epochs", "lr", "calibration", "freeze_backbone")
        settings = {"attributes": list(data.matrix.attributes), "seen": seen, "seed": seed}
        settings |= {name: getattr(self, name) for name in names}
        path = Path(self.labelers) if isinstance(self.labelers, str | Path) else None
        if path is not None and path.exists():
            return _load(labelers, path, settings)
        rows = SeenClasses(data, seen, augment=self.augment, transform=transform, num_workers=num_workers, seed=seed)
        train_labelers(labelers, rows, self.max_epochs, self.calibration)
        if path is not None:
            _save(labelers, path, settings)
        return labelers


def _save(labelers: AttributeLabelers, path: Path, settings: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, {"settings": settings, "state": labelers.state_dict()}, _MAY_BE_NAN)


def _load(labelers: AttributeLabelers, path: Path, settings: dict[str, Any]) -> AttributeLabelers:
    content = read_tensors(path, _WHAT, _CURE, _MAY_BE_NAN)
    with reading(path, _WHAT, _CURE):
        check_fields(content, {"settings": dict, "state": dict}, "it")
        check_fields(content["settings"], dict.fromkeys(settings, object), "its settings")
        check_list(list(content["state"].values()), Tensor, "its state")
    trained_with, state = content["settings"], content["state"]
    if different := [name for name, value in settings.items() if trained_with[name] != value]:
        name = different[0]
        raise DataError(
            f"the labelers in {path} were trained with {name} = {trained_with[name]!r}, and this data module needs "
            f"{settings[name]!r}. Name another file, or delete that one."
        )
    try:
        labelers.load_state_dict(state)
    except RuntimeError as error:
        raise DataError(
            f"the labelers in {path} have another backbone; name another file, or delete that one."
        ) from error
    return labelers.cpu().eval()
