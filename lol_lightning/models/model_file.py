"""A trained model as one file of plain arrays and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    return hparams, weights


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
