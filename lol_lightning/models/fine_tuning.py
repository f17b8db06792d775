"""How a network of pretrained weights is trained on: learning rates by layer, their schedule, and memory."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args

from torch import nn

from lol_lightning.exceptions import ConfigurationError, check_choice
from lol_lightning.functional.schedules import LRSchedule

__all__ = ["FineTuning", "parameter_groups"]

_LAYER = re.compile(r"\.(?:layer|layers|h|block|blocks)\.(\d+)\.")
_EMBEDDING = re.compile(r"embed|\.wte\.|\.wpe\.")


@dataclass(frozen=True)
class FineTuning:
    """How a network of pretrained weights is trained on.

    Args:
        lr_schedule: how the learning rate falls to 0 over the steps of the fit: "linear", "cosine", or "constant" for
            not at all.
        warmup_steps: over which it rises: their number, or as a float below 1 the fraction of all steps.
        layer_decay: factor in (0, 1] between the learning rates of neighbouring layers: the head has ``lr``, the layer
            below it ``layer_decay`` times that, and the embeddings the lowest. The layers are told by names of
            parameters such as ``encoder.layer.3.output.weight``.
        gradient_checkpointing: compute activations anew in the backward pass in place of keeping them, as Hugging Face
            models can: less memory, a third more time.

    Raises:
        ConfigurationError: if an argument lies outside its range.

    Example:
        >>> FineTuning(layer_decay=0.9, warmup_steps=100)
        FineTuning(lr_schedule='linear', warmup_steps=100, layer_decay=0.9, gradient_checkpointing=False)
    """

    lr_schedule: LRSchedule = "linear"
    warmup_steps: int | float = 0.1
    layer_decay: float = 1.0
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        check_choice("lr_schedule", self.lr_schedule, get_args(LRSchedule))
        if not 0 < self.layer_decay <= 1:
            raise ConfigurationError(f"layer_decay = {self.layer_decay} must lie in (0, 1].")
        is_fraction = isinstance(self.warmup_steps, float) and self.warmup_steps < 1
        if self.warmup_steps < 0 or not (is_fraction or float(self.warmup_steps).is_integer()):
            raise ConfigurationError(
                f"warmup_steps = {self.warmup_steps} must be a whole number of steps, or a fraction in [0, 1)."
            )

    @classmethod
    def of(cls, settings: FineTuning | Mapping[str, Any] | None) -> FineTuning | None:
        """Return settings of their plain form."""
        return cls(**settings) if isinstance(settings, Mapping) else settings

    def plain(self) -> dict[str, Any]:
        """Return the arguments as plain types."""
        return asdict(self)

    @property
    def needs_num_steps(self) -> bool:
        """Whether the learning rate depends on the number of steps of the fit."""
        return self.lr_schedule != "constant" or 0 < self.warmup_steps < 1

    def check_end(self, num_steps: int | float) -> None:
        """Raise ``ConfigurationError`` if the fit has no end, and the learning rate depends on it."""
        if self.needs_num_steps and not math.isfinite(num_steps):
            raise ConfigurationError(
                f"lr_schedule = {self.lr_schedule!r} with warmup_steps = {self.warmup_steps} depends on the number of "
                "steps, and the Trainer has no end: give it max_epochs or max_steps, or use "
                "FineTuning(lr_schedule='constant', warmup_steps=0)."
            )

    def prepare(self, network: nn.Module) -> None:
        """Let a network compute activations anew, where that is wanted.

        Raises:
            ConfigurationError: if it cannot.
        """
        if not self.gradient_checkpointing:
            return
        # The second is the name in transformers before 5.
        for what in ("activation_checkpointing", "gradient_checkpointing"):
            if callable(enable := getattr(network, f"{what}_enable", None)):
                enable(**{f"{what}_kwargs": {"use_reentrant": False}})
                return
        raise ConfigurationError(
            "gradient_checkpointing = True is for models of Hugging Face, and the network is a "
            f"{type(network).__name__}. Call torch.utils.checkpoint in its forward, or leave it out."
        )


def parameter_groups(
    parameters: Iterable[tuple[str, nn.Parameter]], lr: float, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    r"""Return the parameters that are trained in groups of one learning rate each.

    With L layers, layer l of 0 .. L - 1 has :math:`\eta d^{L - l}`, embeddings have :math:`\eta d^{L + 1}`, and
    everything else, the head above all, has :math:`\eta`. Biases and weights of norms, all that is no matrix, have no
    weight decay.

    Args:
        parameters: names and parameters.
        lr: learning rate of the head.
        weight_decay: of matrices.
        layer_decay: d, in (0, 1].

    Returns:
        Groups with ``name``, ``params``, ``lr`` and ``weight_decay``.

    Raises:
        ConfigurationError: if ``layer_decay`` is below 1 and no name tells a layer.
    """
    trained = [(name, parameter) for name, parameter in parameters if parameter.requires_grad]
    layers = {name: int(match.group(1)) for name, _ in trained if (match := _LAYER.search(name))}
    if layer_decay < 1 and not layers:
        raise ConfigurationError(
            f"layer_decay = {layer_decay} needs layers with names such as encoder.layer.3.output.weight, and the "
            f"network trains {', '.join(name for name, _ in trained[:3])}, ... Leave it at 1."
        )
    num_layers = 1 + max(layers.values(), default=-1)
    groups: dict[str, dict[str, Any]] = {}
    for name, parameter in trained:
        if layer_decay == 1:
            part, depth = "all", 0
        elif name in layers:
            part, depth = f"layer {layers[name]}", num_layers - layers[name]
        else:
            part, depth = ("embeddings", num_layers + 1) if _EMBEDDING.search(name) else ("head", 0)
        decay = weight_decay if parameter.ndim > 1 else 0.0
        label = part if parameter.ndim > 1 else f"{part}, no decay"
        group = {"name": label, "params": [], "lr": lr * layer_decay**depth, "weight_decay": decay}
        groups.setdefault(label, group)["params"].append(parameter)
    return list(groups.values())
