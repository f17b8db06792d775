"""ResNet18 as a backbone: torchvision's, with pretrained weights or without, and stems for small images."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.exceptions import ConfigurationError

__all__ = ["ResNet18Backbone", "ResNet18Classifier", "Stem", "check_evaluation_mode"]

Stem = Literal["imagenet", "small", "tiny"]

_CHANGES_WITH_MODE = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


class ResNet18Backbone(nn.Module):
    """ResNet18 (He et al., 2016) without its last layer: images to a representation of 512 numbers.

    Args:
        weights: "DEFAULT" for torchvision's ImageNet weights, which it downloads; the path to a file that holds a state
            dict; or ``None`` for random ones.
        stem: "imagenet" halves the image twice before the first block; "small", for images of 32 x 32, not at all;
            "tiny" once, which takes a quarter of the time of "small".

    Raises:
        ConfigurationError: if the weights cannot be had, or do not fit.

    Example:
        >>> ResNet18Backbone(stem="tiny")(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 512])
    """

    num_features = 512
    """Size of the representation."""

    def __init__(self, weights: str | Path | None = None, stem: Stem = "imagenet") -> None:
        from torchvision.models import resnet18

        super().__init__()
        if stem not in get_args(Stem):
            raise ConfigurationError(f"stem = {stem!r}; use one of {', '.join(get_args(Stem))}.")
        self.body = resnet18(weights=None)
        self.body.fc = nn.Identity()
        if stem != "imagenet":
            stride = 1 if stem == "small" else 2
            self.body.conv1 = nn.Conv2d(3, 64, 3, stride=stride, padding=1, bias=False)
            self.body.maxpool = nn.Identity()
        if weights is not None:
            state = _downloaded() if weights == "DEFAULT" else _read(Path(weights))
            _load(self.body, state, weights, stem)

    def forward(self, images: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row feature"]:
        """Return the representation, float (B, 512), of standardised images float (B, 3, H, W)."""
        return self.body(images)


class ResNet18Classifier(nn.Module):
    """A ResNet18 to be trained by ``LoLClassifier(network=...)`` from images, end to end.

    Its gradient reaches the pixels, so it can be matched there: a step then takes about three and a half times as long
    as a plain one. The penalty takes batch norm in evaluation mode by itself.

    Args:
        num_classes: K.
        weights: as for ``ResNet18Backbone``.
        stem: as for ``ResNet18Backbone``.

    Example:
        >>> ResNet18Classifier(num_classes=2, stem="tiny")(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 2])
    """

    def __init__(self, num_classes: int, weights: str | Path | None = None, stem: Stem = "imagenet") -> None:
        super().__init__()
        self.backbone = ResNet18Backbone(weights, stem)
        self.head = nn.Linear(self.backbone.num_features, num_classes)

    def forward(self, images: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row cls"]:
        """Return the logits, float (B, K)."""
        return self.head(self.backbone(images))


def check_evaluation_mode(network: nn.Module) -> None:
    """Raise ``ConfigurationError`` where batch norm or dropout is in training mode: rows would depend on each other."""
    name = next(_in_training_mode(network), None)
    if name is not None:
        raise ConfigurationError(
            f"{name!r} is in training mode: call .eval() on the labelers first. Votes and gradients of an example "
            "would depend on the batch that it is in, and on chance."
        )


def _in_training_mode(network: nn.Module) -> Iterator[str]:
    for name, part in network.named_modules():
        if part.training and isinstance(part, _CHANGES_WITH_MODE):
            yield name


def _downloaded() -> dict[str, Tensor]:
    from torchvision.models import ResNet18_Weights

    try:
        return ResNet18_Weights.DEFAULT.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(
            f"the pretrained weights of ResNet18 cannot be downloaded ({error}). Download "
            f"{ResNet18_Weights.DEFAULT.url.rpartition('/')[2]} elsewhere and give its path as weights=, or give "
            "weights=None for random ones."
        ) from error


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ConfigurationError(f"there is no file of weights {str(path)!r}; give the path to a saved state dict.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ConfigurationError(f"{path} does not hold a state dict: {str(error).partition(chr(10))[0]}") from error
    if not isinstance(state, dict):
        raise ConfigurationError(f"{path} holds a {type(state).__name__}, not a state dict.")
    return state


def _load(body: nn.Module, state: dict[str, Tensor], weights: str | Path, stem: str) -> None:
    # A whole classifier's state dict has a last layer; that of a ResNet18Backbone has a prefix.
    state = {name.removeprefix("body."): value for name, value in state.items() if not name.startswith("fc.")}
    try:
        body.load_state_dict(state)
    except RuntimeError as error:
        found = str(error).partition("\n")[2].strip().partition("\n")[0]
        raise ConfigurationError(
            f"the weights {str(weights)!r} do not fit a ResNet18 of stem {stem!r}: {found}"
        ) from error
