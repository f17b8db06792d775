"""A trained model as one file of plain arrays and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from lol_lightning._files.state import read_archive
from lol_lightning.exceptions import DataError

__all__ = ["check_model", "model_state", "read_model"]

FORMAT = "lol-lightning classifier 1"
_WHAT, _CURE = "a model that LoLClassifier.save wrote", "Write it with LoLClassifier.save."


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
    _check_sizes(hparams, weights)
    return hparams, weights


def _check_sizes(hparams: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """Check that the weights have the sizes of the network, before one of these sizes takes memory."""
    hidden = hparams.get("hidden_sizes")
    if not isinstance(hidden, list):
        raise DataError(f"its hidden_sizes are {hidden!r:.80}, no list")
    sizes = [hparams.get("num_features"), *hidden, hparams.get("num_classes")]
    if any(type(size) is not int or size < 1 for size in sizes):
        raise DataError(f"its layers have the sizes {sizes!s:.80}")
    needed = sum(size * (before + 1) for before, size in pairwise(sizes))
    held = sum(
        value.numel() for name, value in weights.items() if name.startswith("network.") and torch.is_tensor(value)
    )
    if needed != held:
        raise DataError(f"layers of the sizes {sizes!s:.80} need {needed} weights, and it holds {held}")


def read_model(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a file that holds a ``model_state``; nothing in it is executed.

    Returns:
        Hyperparameters and state dict.

    Raises:
        DataError: if the file is missing, broken or something else.
    """
    state = read_archive(path, _WHAT, _CURE)
    try:
        return check_model(state)
    except DataError as error:
        raise DataError(f"{path} is not {_WHAT}: {error}. {_CURE}") from error
