"""The state of a data module in a Lightning checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lol_lightning._files.checkpoints import CHECKPOINT, CHECKPOINT_CURE, read_checkpoint
from lol_lightning._files.disk import building, reading
from lol_lightning._files.packed import unpack
from lol_lightning._files.plain import check_fields, check_list
from lol_lightning._lightning import rank_zero_info
from lol_lightning.data.options import Classes, ClassShares
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features import FeatureSpace, feature_space_from_state
from lol_lightning.lfs.record_state import record_from_state

if TYPE_CHECKING:
    from lol_lightning.data.datamodule import LoLDataModule

__all__ = ["KIND", "arguments_of", "read_data_state", "rebuilt", "restored_space", "state_of"]

KIND = "lol_lightning data module"
"""Value of the entry "kind" by which the state of a data module is recognised, whatever its class is called."""

_BALANCE = {"shares": list, "num_labels": int | None}
_FIELDS: dict[str, Any] = {
    "kind": str,
    "feature_space": dict | None,
    "label_names": list | None,
    "num_classes": int | None,
    "balance": dict | None,
    "lf_names": list,
    "records": list,
    "text_column": object,
    "label_column": object,
    "batch_size": int,
}


def state_of(data: LoLDataModule) -> dict[str, Any]:
    """Return what ``arguments_of`` reads, in plain types."""
    return {
        "kind": KIND,
        "feature_space": _state_of_space(data.feature_space),
        "label_names": data.label_names,
        "num_classes": data._num_classes,
        "balance": _state_of_balance(data.classes),
        "lf_names": list(data.lf_names),
        "records": [record.to_dict() for record in data.records],
        "text_column": data.text_column,
        "label_column": data.label_column,
        "batch_size": data.batch_size,
    }


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
    arguments["classes"] = Classes(state.get("label_names"), state.get("num_classes"), _balance_of(state))
    if "feature_space" not in overrides:
        if state.get("feature_space") is None:
            raise DataError(
                "the checkpoint holds no feature space: the model was trained on features, or with a feature space of "
                "a class that is not registered (lol_lightning.features.register_feature_space). Give feature_space=."
            )
        arguments["feature_space"] = feature_space_from_state(state["feature_space"])
    if "lfs" not in overrides:
        arguments["lfs"] = list(state.get("lf_names", ()))
        arguments["records"] = [
            record_from_state(record, f"LF {i}") for i, record in enumerate(state.get("records", ()))
        ]
    return {**arguments, **overrides}


def rebuilt(
    cls: type[LoLDataModule], base: type[LoLDataModule], path: str | os.PathLike[str], overrides: Mapping[str, Any]
) -> LoLDataModule:
    """Rebuild a data module from a Lightning checkpoint; see ``LoLDataModule.load_from_checkpoint``.

    Args:
        cls: class of the data module. A subclass that reads a directory, say, has no use for the feature space and the
            names of a checkpoint; then it is ``base``, which is said.
        base: ``LoLDataModule``.
        path: of the checkpoint.
        overrides: arguments beside and in place of those of the checkpoint.

    Raises:
        DataError: if the file is no checkpoint, or holds no feature space.
    """
    state = read_data_state(path)
    with building(path, CHECKPOINT, CHECKPOINT_CURE):
        arguments = arguments_of(state, overrides)
        try:
            signature(cls).bind(**arguments)
        except TypeError as error:
            rank_zero_info(
                f"{cls.__name__} does not take the arguments of {base.__name__} ({error}): the checkpoint gives a "
                f"plain {base.__name__}."
            )
            cls = base
        return cls(**arguments)


def read_data_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the state of the data module from a Lightning checkpoint; nothing in the file is executed.

    A checkpoint that was written where no data module was at hand, such as in the main process after ``ddp_spawn``,
    still holds the number of classes and the feature space of a ``LoLClassifier``; these are returned then.

    Raises:
        DataError: if the file is no checkpoint, or its state of a data module is broken.
    """
    path = Path(path)
    checkpoint = read_checkpoint(path)
    with reading(path, CHECKPOINT, CHECKPOINT_CURE):
        mappings = [value for value in checkpoint.values() if isinstance(value, Mapping)]
        own = next((value for value in mappings if value.get("kind") == KIND), None)
        state = {} if own is None else check_fields(own, _FIELDS, "the state of the data module")
        if state.get("feature_space") is None:
            state |= _state_of_model(checkpoint["state_dict"])
        return state


def _state_of_balance(classes: Classes) -> dict[str, Any] | None:
    shares = classes.shares()
    return None if shares is None else {"shares": shares.shares.tolist(), "num_labels": shares.num_labels}


def _balance_of(state: Mapping[str, Any]) -> ClassShares | None:
    if state.get("balance") is None:
        return None
    balance = check_fields(state["balance"], _BALANCE, "the class balance")
    shares = check_list(balance["shares"], float, "shares of the class balance")
    return ClassShares(np.asarray(shares), balance["num_labels"])


def _state_of_space(space: FeatureSpace) -> dict[str, Any] | None:
    """Return the state of a feature space, ``None`` where it is not fitted, or of a class that has no state."""
    if not space.is_fitted:
        return None
    try:
        return space.state()
    except ConfigurationError:  # The model tells the user what to do about it.
        return None


def _state_of_model(weights: Mapping[str, Any]) -> dict[str, Any]:
    for name, packed in weights.items():
        if name.rpartition(".")[2] == "_extra_state" and isinstance(packed, Tensor):
            extra = unpack(packed, "the state of the model")
            if extra.get("feature_space") is not None:
                return {"feature_space": extra["feature_space"], "num_classes": extra["sizes"]["num_classes"]}
    return {}
