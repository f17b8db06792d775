"""ResNet18AttributeLabelers: attribute labelers on a ResNet18, pretrained or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lol_lightning.vision.backbones import ResNet18Backbone, Stem
from lol_lightning.vision.labelers import AttributeLabelers

__all__ = ["ResNet18AttributeLabelers"]


class ResNet18AttributeLabelers(AttributeLabelers):
    """Attribute labelers on a ResNet18, pretrained or not.

    Args:
        attributes: A names, or their number.
        weights: "DEFAULT" for torchvision's ImageNet weights, the path to a local state dict, or ``None``.
        stem: "imagenet", or "small" and "tiny" for small images, see ``ResNet18Backbone``.
        freeze_backbone: train the heads alone.
        lr: learning rate.
        weight_decay: decoupled decay of the weights.

    Raises:
        ConfigurationError: if the weights cannot be had, or do not fit the stem.

    Example:
        >>> import torch
        >>> ResNet18AttributeLabelers(["swims"], weights=None, stem="tiny")(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        attributes: Sequence[str] | int,
        weights: str | Path | None = "DEFAULT",
        stem: Stem = "imagenet",
        freeze_backbone: bool = False,
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
    ) -> None:
        backbone = ResNet18Backbone(weights, stem)
        super().__init__(attributes, backbone, None, None, freeze_backbone, lr, weight_decay)
        # A checkpoint holds all weights: it reloads without those that the training began with.
        self.hparams.update({"weights": None, "stem": stem})
