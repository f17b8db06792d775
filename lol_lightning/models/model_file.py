"""A trained model as one file of plain arrays and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from lol_lightning._files.checkpoints import check_weights
from lol_lightning._files.packed import unpack
from lol_lightning._files.state import read_archive
from lol_lightning.exceptions import DataError

__all__ = ["MODEL", "MODEL_CURE", "check_checkpoint", "check_model", "check_room", "model_state", "read_model"]

FORMAT = "lol-lightning classifier 1"
_ANY_SIZE, _ANY_ROOM = 2048, 10**7
"""Sizes and numbers of weights that a model may claim without holding them: that much memory does no harm."""
MODEL, MODEL_CURE = "a model that LoLClassifier.save wrote", "Write it with LoLClassifier.save."


def model_state(hparams: Mapping[str, Any], state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain form of a model, as files of this package hold it.

    Args:
        hparams: arguments of ``LoLClassifier`` as plain types.
        state_dict: of the model, with its extra states.
    """
    return {"format": FORMAT, "hparams": dict(hparams), "state_dict": dict(state_dict)}


def check_model(state: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the hyperparameters and the state dict of what ``model_state`` returned.

    Raises:
        DataError: if it is something else.
    """
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise DataError(f"it has the format {found!r:.80}, expected {FORMAT!r}")
    hparams, weights = state.get("hparams"), state.get("state_dict")
    if (
        set(state) != {"format", "hparams", "state_dict"}
        or not isinstance(hparams, dict)
        or not isinstance(weights, dict)
    ):
        raise DataError("it lacks hparams or state_dict, or holds more than these")
    check_weights(weights, hparams)
    if not _is_built_by_its_configuration(weights):
        _check_sizes(hparams, weights)
    check_room(hparams, weights)
    return hparams, weights


def _is_built_by_its_configuration(weights: Mapping[str, Any]) -> bool:
    # What builds such a network compares the sizes of its configuration with the weights.
    packed = weights.get("_extra_state")
    return torch.is_tensor(packed) and unpack(packed, "its state").get("network") is not None


def _check_sizes(hparams: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """Check that the weights have the sizes of the network, before one of these sizes takes memory."""
    sizes = _layers(hparams)
    if not sizes:
        hidden = hparams.get("hidden_sizes")
        if not isinstance(hidden, list):
            raise DataError(f"its hidden_sizes are {hidden!r:.80}, no list")
        held_sizes = [hparams.get("num_features"), *hidden, hparams.get("num_classes")]
        raise DataError(f"its layers have the sizes {held_sizes!s:.80}")
    needed = _num_weights(sizes)
    held = sum(
        value.numel() for name, value in weights.items() if name.startswith("network.") and torch.is_tensor(value)
    )
    if needed != held:
        raise DataError(f"layers of the sizes {sizes!s:.80} need {needed} weights, and it holds {held}")


def check_checkpoint(checkpoint: Mapping[str, Any]) -> None:
    """Check weights and sizes of a Lightning checkpoint, before a model is built from it.

    Raises:
        DataError: if a weight or a hyperparameter is not finite, or a size is larger than the weights.
    """
    hparams, weights = checkpoint.get("hyper_parameters", {}), checkpoint["state_dict"]
    if not isinstance(hparams, Mapping) or not all(isinstance(name, str) for name in hparams):
        raise DataError(f"its hyper_parameters are {hparams!r:.80}, no mapping of names")
    check_weights(weights, hparams)
    check_room(hparams, weights)


def check_room(hparams: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """Check that no size takes more memory than the weights beside it, whatever network they are of.

    Raises:
        DataError: naming the size.
    """
    held = sum(value.numel() for value in weights.values() if torch.is_tensor(value))
    for name, value in hparams.items():
        if name.startswith("num_") or name.endswith("sizes"):
            sizes = value if isinstance(value, list | tuple) else [value]
            if any(isinstance(size, int | float) and size > max(held, _ANY_SIZE) for size in sizes):
                raise DataError(f"{name} = {value!s:.80} does not fit the {held} weights that it holds")
    sizes = _layers(hparams)
    if sizes and _num_weights(sizes) > max(held, _ANY_ROOM):
        raise DataError(f"layers of the sizes {sizes!s:.80} need {_num_weights(sizes)} weights, and it holds {held}")


def _layers(hparams: Mapping[str, Any]) -> list[int]:
    """Sizes of the default network's layers; none where they are not whole numbers from 1 on."""
    hidden = hparams.get("hidden_sizes")
    sizes = [hparams.get("num_features"), *(hidden if isinstance(hidden, list) else [None]), hparams.get("num_classes")]
    return [] if any(type(size) is not int or size < 1 for size in sizes) else sizes


def _num_weights(sizes: list[int]) -> int:
    return sum(size * (before + 1) for before, size in pairwise(sizes))


def read_model(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a file that holds a ``model_state``; nothing in it is executed.

    Returns:
        Hyperparameters and state dict.

    Raises:
        DataError: if the file is missing, broken or something else.
    """
    state = read_archive(path, MODEL, MODEL_CURE)
    try:
        return check_model(state)
    except DataError as error:
        raise DataError(f"{path} is not {MODEL}: {error}. {MODEL_CURE}") from error
