"""Files of trained labelers, with the settings of their training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from lol_lightning._files.disk import reading
from lol_lightning._files.plain import check_fields, check_list
from lol_lightning._files.state import read_tensors, write_tensors
from lol_lightning.exceptions import DataError
from lol_lightning.vision.labelers import AttributeLabelers

__all__ = ["load_labelers", "save_labelers"]

_WHAT, _CURE = "a file of labelers that a LoLImageDataModule wrote", "Name another file, or delete that one."

_MAY_BE_NAN = ("val_accuracies",)
"""What is not measured for attributes that no validation row has."""

_SETTINGS: dict[str, Any] = {
    "attributes": list,
    "seen": list,
    "seed": int,
    "epochs": int,
    "lr": float | int,
    "calibration": str,
    "freeze_backbone": bool,
}


def save_labelers(labelers: AttributeLabelers, path: Path, settings: dict[str, Any]) -> None:
    """Write the state of labelers with the settings of their training, in plain types."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, {"settings": settings, "state": labelers.state_dict()}, _MAY_BE_NAN)


def load_labelers(labelers: AttributeLabelers, path: Path, settings: dict[str, Any]) -> AttributeLabelers:
    """Load a file's state into labelers, and put them in evaluation mode on the CPU.

    Raises:
        DataError: if the file is broken, or its labelers were trained with other settings or have another backbone.
    """
    content = read_tensors(path, _WHAT, _CURE, _MAY_BE_NAN)
    with reading(path, _WHAT, _CURE):
        check_fields(content, {"settings": dict, "state": dict}, "it")
        check_fields(content["settings"], _SETTINGS, "its settings")
        check_list(list(content["state"].values()), Tensor, "its state")
    trained_with, state = content["settings"], content["state"]
    if different := [name for name, value in settings.items() if trained_with[name] != value]:
        name = different[0]
        raise DataError(
            f"the labelers in {path} were trained with {name} = {trained_with[name]!r}, and this data module needs "
            f"{settings[name]!r}. {_CURE}"
        )
    try:
        labelers.load_state_dict(state)
    except RuntimeError as error:
        raise DataError(f"the labelers in {path} have another backbone or other heads. {_CURE}") from error
    return labelers.cpu().eval()
