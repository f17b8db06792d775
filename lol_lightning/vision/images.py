"""Image files, which are decoded when a batch needs them, and the float that networks read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor

from lol_lightning.exceptions import ConfigurationError, DataError, check_choice
from lol_lightning.functional.short_repr import short_repr

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "SIZE",
    "CorruptImageWarning",
    "ImageFiles",
    "Inputs",
    "OnCorrupt",
    "Standardise",
    "one_input",
]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

MAX_PIXELS = 2**26
"""Pixels from which on an image is refused undecoded: 8,192 x 8,192, 192 MiB in memory."""
SIZE = 224
"""Side in pixels to which images are brought, that of ImageNet."""

OnCorrupt = Literal["error", "skip"]


class CorruptImageWarning(UserWarning):
    """An image that cannot be decoded was left out."""


@dataclass(frozen=True)
class Standardise:
    """Turn images of bytes uint8 (B, C, H, W) into float of mean 0 and deviation 1; float passes unchanged.

    Grey images (B, 1, H, W) are repeated to as many channels as ``mean`` has: a network of ImageNet's sees red, green
    and blue alike. To keep one channel, as gradients at the pixels of grey images need it, give one mean.

    Args:
        mean: of each channel in [0, 1], or a single one for all of them.
        std: of each channel, as many numbers.

    Raises:
        ConfigurationError: if there are not as many deviations as means, or one is not positive.

    Example:
        >>> standardise = Standardise((0.5,), (0.5,))
        >>> image = torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)
        >>> standardise(image), standardise.undo(standardise(image))
        (tensor([[[[1.]]]]), tensor([[[[1.]]]]))
    """

    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD

    def __post_init__(self) -> None:
        if not len(self.mean) == len(self.std) >= 1 or min(self.std) <= 0:
            raise ConfigurationError(
                f"mean = {tuple(self.mean)} and std = {tuple(self.std)} need one number for each channel, and each std "
                "must be positive."
            )

    def __call__(self, images: Shaped[Tensor, "row ..."]) -> Float[Tensor, "row ..."]:
        """Return float, of the same shape unless grey is repeated.

        Raises:
            DataError: if integers are no images, or have other channels than ``mean``.
        """
        if images.is_floating_point():
            return images
        shape = tuple(images.shape)
        if images.ndim != 4:
            raise DataError(
                f"integers {images.dtype} of the shape {shape} are no images (n, C, H, W): give features as float, and "
                "images as bytes with an axis for their channels."
            )
        if shape[1] not in (1, len(self.mean)) and len(self.mean) > 1:
            raise DataError(
                f"images of the shape {shape} have {shape[1]} channels, and Standardise has a mean for "
                f"{len(self.mean)}: give transform=Standardise(mean, std) with {shape[1]} numbers each, or images of "
                f"1 or {len(self.mean)} channels."
            )
        mean, std = self._numbers(images.device)
        return (images.float() / 255 - mean) / std

    def undo(self, images: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row channel height width"]:
        """Invert the standardisation, for pictures: float in [0, 1] of the same shape."""
        mean, std = self._numbers(images.device)
        return (images * std + mean).clamp(0, 1)

    def _numbers(self, device: torch.device) -> tuple[Tensor, Tensor]:
        mean, std = (torch.tensor(tuple(values), device=device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return mean, std


class ImageFiles:
    """Image files, decoded as squares: the shorter side is resized, the middle is cut out.

    Args:
        paths: n files of any format that Pillow reads.
        size: side of the square in pixels.
        on_corrupt: "error" stops at a file that cannot be decoded, "skip" leaves it out with a warning; both name it.

    Raises:
        ConfigurationError: if ``size`` or ``on_corrupt`` is out of range.
    """

    __repr__ = short_repr

    def __init__(self, paths: Sequence[str | Path], size: int = SIZE, on_corrupt: OnCorrupt = "error") -> None:
        check_image_files(size, on_corrupt)
        self.paths = [Path(path) for path in paths]
        self.size, self.on_corrupt = size, on_corrupt

    def __len__(self) -> int:
        """Return n."""
        return len(self.paths)

    def read(
        self, index: Int[Tensor, " selected"]
    ) -> tuple[UInt8[Tensor, "read 3 height width"], Int[Tensor, " read"]]:
        """Decode the files at some positions.

        Returns:
            Images uint8 (b', 3, size, size), and which of the b positions they are, int64 (b',) in [0, b).

        Raises:
            DataError: if a file cannot be decoded and ``on_corrupt`` is "error".
        """
        images, kept = [], []
        for place, position in enumerate(index.tolist()):
            try:
                images.append(decode(self.paths[position], self.size))
                kept.append(place)
            except DataError as error:
                if self.on_corrupt == "error":
                    raise DataError(f"{error} Or leave such images out with on_corrupt='skip'.") from error
                warnings.warn(f"left out: {error}", CorruptImageWarning, stacklevel=2)
        empty = torch.zeros(0, 3, self.size, self.size, dtype=torch.uint8)
        return torch.stack(images) if images else empty, torch.tensor(kept, dtype=torch.long)


Inputs: TypeAlias = Tensor | ImageFiles
"""What labelers read: features float (n, r), images uint8 or float (n, C, H, W), or files."""


def check_image_files(size: int, on_corrupt: str) -> None:
    """Raise ``ConfigurationError`` if the side of the images is below 1, or ``on_corrupt`` is unknown."""
    if size < 1:
        raise ConfigurationError(f"size = {size} must be at least 1.")
    check_choice("on_corrupt", on_corrupt, get_args(OnCorrupt))


def read_inputs(inputs: Inputs, index: Int[Tensor, " selected"]) -> tuple[Tensor, Int[Tensor, " read"]]:
    """Return the inputs at some positions, and which of the positions could be read."""
    if isinstance(inputs, ImageFiles):
        return inputs.read(index)
    return inputs[index], torch.arange(len(index))


def one_input(inputs: Inputs) -> Tensor:
    """Return the first input that can be read, as a batch of one.

    Raises:
        DataError: if none can be.
    """
    for position in range(len(inputs)):
        batch, kept = read_inputs(inputs, torch.tensor([position]))
        if len(kept):
            return batch
    raise DataError(f"none of the {len(inputs)} inputs can be read.")


def decode(path: Path, size: int) -> UInt8[Tensor, "3 height width"]:
    """Decode an image file as a square.

    Raises:
        DataError: if the file is missing, no image, cut short, or has more than ``MAX_PIXELS``.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # Our bound is lower than Pillow's.
            opened = Image.open(path)
        with opened:
            # The size stands in the header: what is too large is refused before it takes memory.
            if (pixels := opened.width * opened.height) > MAX_PIXELS:
                raise DataError(f"it has {opened.width} x {opened.height} = {pixels} pixels, more than {MAX_PIXELS}")
            image = opened.convert("RGB")
    except Exception as error:  # The bytes of a file decide what is raised.
        raise DataError(f"the image {path} cannot be decoded ({error}). Mend or delete it.") from error
    return square(image, size)


def square(image: Picture, size: int) -> UInt8[Tensor, "3 height width"]:
    """Resize the shorter side of an RGB image to ``size``, and cut the middle out."""
    shorter = min(image.size)
    if max(image.size) > 4 * shorter:  # Of a narrow strip only the middle is enlarged, with a margin for the filter.
        width, height = (min(side, 3 * shorter + side % 2) for side in image.size)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    ratio = size / min(image.size)
    width, height = (max(size, round(side * ratio)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height)).crop((left, top, left + size, top + size))
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).contiguous()
