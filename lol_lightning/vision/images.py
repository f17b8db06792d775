"""Images in files: decoded when asked for, with a choice of what to do about a corrupt one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor

from lol_lightning.exceptions import ConfigurationError, DataError

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "CorruptImageWarning", "ImageFiles", "Inputs", "OnCorrupt", "Standardise"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

OnCorrupt = Literal["error", "skip"]


class CorruptImageWarning(UserWarning):
    """An image that cannot be decoded was left out."""


@dataclass(frozen=True)
class Standardise:
    """Turn images of bytes uint8 (B, C, H, W) into float of mean 0 and deviation 1; float passes unchanged.

    Args:
        mean: of each channel in [0, 1].
        std: of each channel.

    Example:
        >>> Standardise((0.5,), (0.5,))(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8))
        tensor([[[[1.]]]])
    """

    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD

    def __call__(self, images: Shaped[Tensor, "row ..."]) -> Float[Tensor, "row ..."]:
        """Return float, of the same shape."""
        if images.is_floating_point():
            return images
        mean, std = (torch.tensor(values, device=images.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (images.float() / 255 - mean) / std


class ImageFiles:
    """Image files, decoded as squares: the shorter side is resized, the middle is cut out.

    Args:
        paths: n files of any format that Pillow reads.
        size: side of the square in pixels.
        on_corrupt: "error" stops at a file that cannot be decoded, "skip" leaves it out with a warning; both name it.

    Raises:
        ConfigurationError: if ``size`` or ``on_corrupt`` is out of range.
    """

    def __init__(self, paths: Sequence[str | Path], size: int = 224, on_corrupt: OnCorrupt = "error") -> None:
        if size < 1 or on_corrupt not in ("error", "skip"):
            raise ConfigurationError(
                f"size = {size} must be positive, and on_corrupt = {on_corrupt!r} 'error' or 'skip'."
            )
        self.paths = [Path(path) for path in paths]
        self.size, self.on_corrupt = size, on_corrupt

    def __len__(self) -> int:
        """Return n."""
        return len(self.paths)

    def read(
        self, index: Int[Tensor, " selected"]
    ) -> tuple[UInt8[Tensor, "read 3 height width"], Int[Tensor, " read"]]:
        """Decode the files at the given positions.

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
                    raise
                warnings.warn(f"left out: {error}", CorruptImageWarning, stacklevel=2)
        empty = torch.zeros(0, 3, self.size, self.size, dtype=torch.uint8)
        return torch.stack(images) if images else empty, torch.tensor(kept, dtype=torch.long)


Inputs: TypeAlias = Tensor | ImageFiles
"""What labelers read: features float (n, r), images uint8 or float (n, C, H, W), or files."""


def read_inputs(inputs: Inputs, index: Int[Tensor, " selected"]) -> tuple[Tensor, Int[Tensor, " read"]]:
    """Return the inputs at the given positions, and which of the positions could be read."""
    if isinstance(inputs, ImageFiles):
        return inputs.read(index)
    return inputs[index], torch.arange(len(index))


def decode(path: Path, size: int) -> UInt8[Tensor, "3 height width"]:
    """Decode an image file as a square.

    Raises:
        DataError: if the file is missing, no image, or cut short.
    """
    from PIL import Image

    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"the image {path} cannot be decoded ({error}). Mend or delete it, or set on_corrupt='skip'."
        ) from error
    ratio = size / min(image.size)
    width, height = (max(size, round(side * ratio)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height)).crop((left, top, left + size, top + size))
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).contiguous()
