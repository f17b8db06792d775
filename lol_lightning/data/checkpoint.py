"""The state of a data module in a Lightning checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lol_lightning._files.disk import reading
from lol_lightning.data.options import Classes
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features import FeatureSpace, feature_space_from_state
from lol_lightning.lfs.record import LFRecord

__all__ = ["KIND", "arguments_of", "read_data_state", "restored_space", "state_of_space"]

KIND = "lol_lightning data module"
"""Value of the entry "kind" by which the state of a data module is recognised, whatever its class is called."""


def state_of_space(space: FeatureSpace) -> dict[str, Any] | None:
    """Return the state of a feature space, ``None`` where it is not fitted, or of a class that has no state."""
    if not space.is_fitted:
        return None
    try:
        return space.state()
    except ConfigurationError:  # The model tells the user what to do about it.
        return None


def restored_space(state: Mapping[str, Any], space: FeatureSpace) -> FeatureSpace:
    """Return ``space`` where it is fitted, else that of a state.

    Raises:
        DataError: if both are fitted, and differ in their features.
    """
    if state.get("feature_space") is None:
        return space
    restored = feature_space_from_state(state["feature_space"])
    if space.is_fitted and restored.feature_names != space.feature_names:
        raise DataError(
            f"the checkpoint was trained on {restored.num_features} features, and this data module has other ones, "
            f"{space.num_features}. Give it the same training rows, or feature_space=model.feature_space, or rebuild "
            "it with LoLDataModule.load_from_checkpoint(path, predict=...)."
        )
    return space if space.is_fitted else restored


def arguments_of(state: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with which ``LoLDataModule`` is rebuilt from its state; ``overrides`` replace those.

    Raises:
        DataError: if the state is broken.
    """
    arguments = {name: state[name] for name in ("text_column", "label_column", "batch_size") if name in state}
    arguments["classes"] = Classes(state.get("label_names"), state.get("num_classes"))
    if "feature_space" not in overrides:
        if state.get("feature_space") is None:
            raise DataError(
                "the checkpoint holds no feature space: the model was trained on features, or with a feature space of "
                "a class that is not registered (lol_lightning.features.register_feature_space). Give feature_space=."
            )
        arguments["feature_space"] = feature_space_from_state(state["feature_space"])
    if "lfs" not in overrides:
        arguments["lfs"] = list(state.get("lf_names", ()))
        arguments["records"] = [LFRecord.from_dict(record) for record in state.get("records", ())]
    return {**arguments, **overrides}


def read_data_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the state of the data module from a Lightning checkpoint; nothing in the file is executed.

    A checkpoint that was written where no data module was at hand, such as in the main process after ``ddp_spawn``,
    still holds the model's classes and feature space; these are returned then.

    Raises:
        DataError: if the file is no checkpoint.
    """
    path = Path(path)
    with reading(path, "a checkpoint of Lightning", "Write it with Trainer.save_checkpoint."):
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(checkpoint, Mapping):
            raise DataError(f"it holds a {type(checkpoint).__name__}")
        values = [value for value in checkpoint.values() if isinstance(value, Mapping)]
        state = next((dict(value) for value in values if value.get("kind") == KIND), {"kind": KIND})
        if state.get("feature_space") is None:
            state |= _state_of_model(checkpoint.get("state_dict"))
    return state


def _state_of_model(weights: Any) -> dict[str, Any]:
    if not isinstance(weights, Mapping):
        raise DataError("it has no state_dict")
    extra = next((v for v in weights.values() if isinstance(v, Mapping) and v.get("feature_space") is not None), None)
    if extra is None:
        return {}
    return {"feature_space": extra["feature_space"], "num_classes": extra.get("sizes", {}).get("num_classes")}
