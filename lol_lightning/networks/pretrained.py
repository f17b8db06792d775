"""Networks of Hugging Face: how they are loaded by name, and built again from their configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features._extras import text_package

__all__ = ["check_num_labels", "load_by_name", "network_from_state", "state_of_network", "usual_lr"]

FULL_LR, ADAPTER_LR = 2e-5, 2e-4
"""Usual learning rates of all weights of a pretrained transformer, and of the few that an adapter adds to it."""


def load_by_name(name: str, num_classes: int) -> nn.Module:
    """Load a classifier with pretrained weights and a new head.

    Args:
        name: of the hub, or a folder.
        num_classes: K.

    Raises:
        ConfigurationError: if it cannot be loaded, or ``transformers`` is not installed.
    """
    auto = text_package("transformers", f"network = {name!r}").AutoModelForSequenceClassification
    try:
        # Some weights are stored in half precision, in which they would not learn from small steps.
        return auto.from_pretrained(name, num_labels=num_classes).float()
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"network = {name!r} cannot be loaded as a Hugging Face classifier ({reason}). Give the name of a model of "
            "the hub, a folder that save_pretrained wrote, or an nn.Module."
        ) from error


def usual_lr(network: nn.Module) -> float | None:
    """Learning rate that is usual for a network with pretrained weights that are trained; ``None`` for others.

    Example:
        >>> usual_lr(nn.Linear(2, 2)) is None
        True
    """
    trained = [
        part for part in _pretrained_parts(network) if any(parameter.requires_grad for parameter in part.parameters())
    ]
    if not trained:
        return None
    return ADAPTER_LR if hasattr(network, "peft_config") else FULL_LR


def check_num_labels(network: nn.Module, num_classes: int) -> None:
    """Raise ``ConfigurationError`` if a Hugging Face model has another number of outputs than there are classes."""
    num_labels = getattr(getattr(network, "config", None), "num_labels", num_classes)
    if num_labels != num_classes:
        raise ConfigurationError(
            f"the network {type(network).__name__} has num_labels = {num_labels}, and there are num_classes = "
            f"{num_classes}. Load it with from_pretrained(..., num_labels={num_classes})."
        )


def state_of_network(network: nn.Module | None) -> dict[str, Any] | None:
    """Return what builds a network again without its code: the configuration of a Hugging Face classifier.

    Returns:
        Plain types; ``None`` for every other network, for one with an adapter, and for a class that the installed
        ``transformers`` does not have.
    """
    config: Any = getattr(network, "config", None)
    if not hasattr(config, "to_json_string") or hasattr(network, "peft_config"):
        return None
    mapping = text_package("transformers", "a Hugging Face model").AutoModelForSequenceClassification._model_mapping
    if type(config) not in mapping or type(network) is not mapping[type(config)]:
        return None
    return {"model_type": str(config.model_type), "config": config.to_json_string(use_diff=False)}


def network_from_state(state: Mapping[str, Any], weights: Mapping[str, Any]) -> nn.Module:
    """Build a network whose weights are loaded afterwards, of what ``state_of_network`` returned.

    Args:
        state: type of the model and its configuration.
        weights: state dict that the network is to load.

    Raises:
        DataError: if the configuration is broken, or of a network of other sizes than the weights.
        ConfigurationError: if ``transformers`` is not installed.
    """
    transformers = text_package("transformers", "a reloaded Hugging Face model")
    try:
        config = transformers.AutoConfig.for_model(state["model_type"], **_arguments(state["config"]))
        auto = transformers.AutoModelForSequenceClassification
        with torch.device("meta"):  # No size in the file takes memory before it is compared with the weights.
            sizes = {name: value.shape for name, value in auto.from_config(config).state_dict().items()}
    except Exception as error:  # The state comes from a file.
        raise DataError(f"the configuration of the network is broken: {error!r:.200}.") from error
    held = {name: value.shape for name, value in weights.items() if isinstance(value, Tensor)}
    if wrong := [name for name in sizes if held.get(name) != sizes[name]]:
        raise DataError(
            f"the configuration of the network needs {wrong[0]} of the shape {tuple(sizes[wrong[0]])}, and the weights "
            f"hold {tuple(held.get(wrong[0], ()))}."
        )
    with torch.random.fork_rng(devices=[]):
        return auto.from_config(config)


def _arguments(config: str) -> dict[str, Any]:
    arguments = json.loads(config)
    for name in ("model_type", "architectures", "transformers_version", "_name_or_path"):
        arguments.pop(name, None)
    return arguments


def _pretrained_parts(network: nn.Module) -> Iterator[nn.Module]:
    for part in network.modules():
        if getattr(getattr(part, "config", None), "_name_or_path", ""):
            yield part
