"""Lightning checkpoints: read as a whole and checked, before anything is built from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lol_lightning._files.disk import reading
from lol_lightning._files.state import load_checked
from lol_lightning.exceptions import DataError

__all__ = ["CHECKPOINT", "CHECKPOINT_CURE", "check_weights", "is_local", "read_checkpoint"]

CHECKPOINT, CHECKPOINT_CURE = "a checkpoint of Lightning", "Write it with Trainer.save_checkpoint."


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a Lightning checkpoint, its tensors on the CPU; nothing in the file is executed.

    Raises:
        DataError: if the file is missing, broken or something else, or holds a tensor that is larger than its bytes.
    """
    checkpoint = load_checked(path, CHECKPOINT, CHECKPOINT_CURE)
    with reading(path, CHECKPOINT, CHECKPOINT_CURE):
        if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), Mapping):
            raise DataError("it has no state_dict")
        for name, value in checkpoint["state_dict"].items():
            if not isinstance(name, str):
                raise DataError(f"its state_dict has the key {name!r:.80}, which is no text")
            if isinstance(value, Tensor) and value.layout == torch.strided:
                if value.nbytes > value.untyped_storage().nbytes():
                    raise DataError(f"{name} would need {value.nbytes} bytes that are not in the file")
        return checkpoint


def check_weights(state_dict: Mapping[str, Any], hparams: Mapping[str, Any]) -> None:
    """Check that weights are dense tensors of finite numbers, and that no hyperparameter is NaN.

    Raises:
        DataError: naming the weight or hyperparameter.
    """
    for name, value in state_dict.items():
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_complex():
            raise DataError(f"its state_dict has {name!r:.80}, which is no tensor of plain numbers")
        if value.nbytes > value.untyped_storage().nbytes():
            raise DataError(f"{name} would need {value.nbytes} bytes that are not in the file")
        if value.is_floating_point() and not value.isfinite().all():
            raise DataError(f"{name} holds a number that is not finite")
    for name, value in hparams.items():
        if isinstance(value, float) and math.isnan(value):
            raise DataError(f"the hyperparameter {name} is not a number (NaN)")


def is_local(path: Any) -> bool:
    """Tell whether a path names a file of this machine, and not an open file or an address, such as one of S3."""
    return isinstance(path, str | Path) and "://" not in str(path)
