"""ResNet18 as a backbone: torchvision's, with pretrained weights or without, and stems for small images."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from lol_lightning._files.checkpoints import check_weights
from lol_lightning._files.disk import reading, regular_size
from lol_lightning._files.state import load_checked
from lol_lightning.exceptions import ConfigurationError, DataError, check_choice

__all__ = [
    "ResNet18Backbone",
    "ResNet18Classifier",
    "Stem",
    "check_evaluation_mode",
    "check_features",
    "read_weights",
    "representation_size",
]

Stem = Literal["imagenet", "small", "tiny"]

_SAME_IN_ALL_MODES = {
    *(nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.Identity, nn.Flatten, nn.Linear, nn.Conv1d, nn.Conv2d),
    *(nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus, nn.LayerNorm, nn.GroupNorm),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d),
}


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
        check_choice("stem", stem, get_args(Stem))
        self.body = resnet18(weights=None)
        self.body.fc = nn.Identity()
        if stem != "imagenet":
            stride = 1 if stem == "small" else 2
            self.body.conv1 = nn.Conv2d(3, 64, 3, stride=stride, padding=1, bias=False)
            self.body.maxpool = nn.Identity()
        if weights is not None:
            state = _downloaded() if weights == "DEFAULT" else read_weights(Path(weights))
            _load(self.body, state, weights, stem)

    def forward(self, images: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row feature"]:
        """Return the representation, float (B, 512), of standardised images float (B, 3, H, W)."""
        return self.body(images)


class ResNet18Classifier(nn.Module):
    """A ResNet18 to be trained by ``LoLClassifier(network=...)`` from images, end to end.

    Its gradient reaches the pixels, so a penalty can match it there; a step then takes several times as long as a plain
    one (``benchmarks/results/speed.csv``). The penalty itself puts batch norm into evaluation mode.

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


def representation_size(backbone: nn.Module | None, inputs: Shaped[Tensor, "row ..."]) -> int:
    """Size r of what a backbone makes of a row: its ``num_features``, else the size of its output.

    Args:
        backbone: gives (B, ...), which is flattened to (B, r); its modes are left as they were. ``None`` where the
            inputs are the representation.
        inputs: a few rows (B, ...), as the backbone takes them.

    Raises:
        ConfigurationError: if there is no backbone and the inputs are images.

    Example:
        >>> representation_size(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8))
        144
    """
    if backbone is None:
        check_features(inputs)
        return inputs.shape[1]
    size = getattr(backbone, "num_features", None)
    if size is not None:
        return int(size)
    modes = [(part, part.training) for part in backbone.modules()]
    backbone.eval()
    try:
        with torch.no_grad():
            return backbone(inputs).flatten(1).shape[1]
    finally:
        for part, training in modes:
            part.training = training


def check_features(inputs: Shaped[Tensor, "row ..."]) -> None:
    """Raise ``ConfigurationError`` if inputs are no features (B, r): a linear layer would be trained on pixels."""
    if inputs.ndim != 2:
        raise ConfigurationError(
            f"inputs of the shape {tuple(inputs.shape[1:])} need a backbone: give one, such as "
            "backbone=ResNet18Backbone(), or give features, one vector for each row."
        )


def check_evaluation_mode(network: nn.Module) -> None:
    """Raise ``ConfigurationError`` where a part is in training mode, and could act on rows at random or together.

    The network itself may be in training mode, and so may layers that do the same in all modes. Any other layer may do
    something else in training, as batch norm, dropout and stochastic depth do.
    """
    name = next(_in_training_mode(network), None)
    if name is not None:
        raise ConfigurationError(
            f"{name!r} is in training mode: call .eval() on the labelers first. Votes and gradients of an example "
            "could depend on the batch that it is in, and on chance."
        )


def _in_training_mode(network: nn.Module) -> Iterator[str]:
    for name, part in network.named_modules():
        # A subclass may do anything, so only the type itself counts.
        if name and part.training and type(part) not in _SAME_IN_ALL_MODES:
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


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict of finite tensors.

    Raises:
        ConfigurationError: if the file is missing, broken or something else.
    """
    if not path.is_file():
        raise ConfigurationError(f"there is no file of weights {str(path)!r}; give the path to a saved state dict.")
    try:
        # torchvision has files of before PyTorch 1.6, which are no zip and have no checksums.
        with reading(path, "a state dict", "Give the path to one."):
            regular_size(path)
            is_zip = zipfile.is_zipfile(path)
            state = load_checked(path) if is_zip else torch.load(path, map_location="cpu", weights_only=True)
            if not isinstance(state, dict):
                raise DataError(f"it holds a {type(state).__name__}")
            check_weights(state, {})
            return state
    except DataError as error:
        raise ConfigurationError(str(error)) from error


def _load(body: nn.Module, state: dict[str, Tensor], weights: str | Path, stem: str) -> None:
    # A whole classifier's state dict has a last layer; that of a ResNet18Backbone has a prefix.
    state = {name.removeprefix("body."): value for name, value in state.items() if not name.startswith("fc.")}
    try:
        body.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).partition("\n")[2].strip().partition("\n")[0]
        raise ConfigurationError(
            f"the weights {str(weights)!r} do not fit a ResNet18 of stem {stem!r}: {first}"
        ) from error
