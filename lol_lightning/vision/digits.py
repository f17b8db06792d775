"""Hand-written digits with the strokes that they are made of: real images that scikit-learn brings along."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from sklearn.datasets import load_digits

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.vision.awa import AttributeData
from lol_lightning.vision.matrices import ClassAttributeMatrix

__all__ = ["STROKES", "digits_data"]

STROKES = {
    "ink at the top": "0235789",
    "ink at the upper left": "045689",
    "ink at the upper right": "0234789",
    "ink in the middle": "134589",
    "ink at the lower left": "0268",
    "ink at the lower right": "0345689",
    "ink at the bottom": "0235689",
    "closed loop": "0689",
    "straight stroke": "1457",
    "slanted stroke": "247",
    "round at the top": "02389",
    "round at the bottom": "03568",
    "bow to the right above": "2389",
    "bow to the right below": "03568",
    "open to the left above": "1237",
    "open to the left below": "1359",
    "open to the right above": "456",
    "ends in one stroke": "1479",
}
"""Digits that have each stroke."""


def digits_data(unseen: Sequence[int] = (3, 5)) -> AttributeData:
    """Return 1,797 images of 8 x 8 pixels, as 64 features each, with the strokes of every digit.

    Args:
        unseen: digits that labelers are not trained on.

    Raises:
        ConfigurationError: if one of them is no digit.

    Example:
        >>> data = digits_data(unseen=(4, 9))
        >>> data.inputs.shape, data.matrix.values.shape, int(data.is_seen.sum())
        (torch.Size([1797, 64]), torch.Size([10, 18]), 8)
    """
    if not set(unseen) <= set(range(10)):
        raise ConfigurationError(f"unseen = {list(unseen)} must be digits 0 .. 9.")
    pixels, labels = load_digits(return_X_y=True)
    values = torch.tensor([[str(digit) in digits for digits in STROKES.values()] for digit in range(10)])
    matrix = ClassAttributeMatrix(tuple(map(str, range(10))), tuple(STROKES), values)
    seen = torch.tensor([digit not in unseen for digit in range(10)])
    return AttributeData(torch.from_numpy(pixels).float() / 8 - 1, torch.from_numpy(labels), matrix, seen)
