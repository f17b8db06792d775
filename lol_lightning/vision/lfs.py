"""Attribute labelers as Snorkel labeling functions, for ``LFAnalysis`` and the appliers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from lol_lightning.exceptions import ConfigurationError, LabelingFunctionError
from lol_lightning.vision.attribute_task import AttributeTask
from lol_lightning.vision.backbones import check_evaluation_mode
from lol_lightning.vision.images import SIZE, Standardise, decode, square
from lol_lightning.vision.labelers import AttributeLabelers

if TYPE_CHECKING:
    from snorkel.labeling import LabelingFunction

__all__ = ["as_labeling_functions"]


def as_labeling_functions(
    labelers: AttributeLabelers,
    task: AttributeTask,
    column: str = "features",
    transform: Callable[[Tensor], Tensor] | None = None,
    size: int = SIZE,
) -> list[LabelingFunction]:
    """Make one Snorkel LF of each attribute of a task.

    The LFs of one call share the network's answer for the data point at hand, so that it runs once for a data point
    and not once for each LF.

    A data point holds, or is,

    - features, an array or a tensor (r,);
    - the path of an image file, or a PIL image: both are brought to squares, as ``LoLImageDataModule`` brings files;
    - an image of bytes uint8 (C, H, W), (H, W, C) or (H, W), whose size is left as it is;
    - an image of floats (C, H, W), which is what ``transform`` would make of one.

    Args:
        labelers: calibrated, in evaluation mode.
        task: the classes, and the m attributes in which they differ.
        column: key, column or attribute of a data point that holds its features or image.
        transform: makes float of a batch of images, as for the data module; ``None`` stands for ``Standardise()``.
        size: side in pixels of the squares; the data module's.

    Returns:
        m LFs, named like the attributes, with class ids as votes.

    Raises:
        ConfigurationError: if an attribute votes for several classes at once, or the labelers are in training mode.
            An LF raises ``LabelingFunctionError`` for a data point that it cannot read.

    Example:
        >>> from lol_lightning.vision.matrices import ClassAttributeMatrix
        >>> matrix = ClassAttributeMatrix(("seal", "rat"), ("swims",), torch.tensor([[1], [0]]))
        >>> task = AttributeTask.between(matrix, ["seal", "rat"])
        >>> (lf,) = as_labeling_functions(AttributeLabelers(["swims"], num_features=3).eval(), task)
        >>> lf.name, lf(np.zeros(3)) in (0, 1)
        ('swims', True)
    """
    # Whoever trains on images needs no Snorkel, which takes a while to import.
    from snorkel.labeling import LabelingFunction

    if task.votes_for_sets:
        raise ConfigurationError(
            f"some attributes vote for several of {list(task.classes)} at once, and a Snorkel LF votes for one. Tell "
            "two classes apart, or use LoLImageDataModule, which keeps the probabilities."
        )
    check_evaluation_mode(labelers)
    answers = _Answers(labelers, task, column, transform or Standardise(), size)
    return [LabelingFunction(name, _Vote(answers, lf)) for lf, name in enumerate(task.attributes)]


class _Answers:
    """Votes of all LFs, kept for the latest data point."""

    def __init__(
        self,
        labelers: AttributeLabelers,
        task: AttributeTask,
        column: str,
        transform: Callable[[Tensor], Tensor],
        size: int,
    ) -> None:
        self.labelers, self.task, self.column, self.transform, self.size = labelers, task, column, transform, size
        self._last: tuple[type, Path | np.ndarray, list[int]] | None = None

    def of(self, point: Any) -> list[int]:
        value = self._value(point)
        kind, content = type(value), _content(value)
        # By content: pandas hands one object on for all rows, and writes each row into it.
        if self._last is not None and self._last[0] is kind and _equal(self._last[1], content):
            return self._last[2]
        try:
            probabilities = self.labelers.probabilities(self._input(value, content).unsqueeze(0), self.transform)
        except ConfigurationError:
            raise
        except (ValueError, RuntimeError) as error:
            _refuse(value, str(error), error)
        votes = self.task.votes(probabilities, self.labelers.thresholds, soft=False)[0].tolist()
        self._last = kind, content, votes
        return votes

    def _value(self, point: Any) -> Any:
        if isinstance(point, Tensor | np.ndarray | str | os.PathLike) or _is_picture(point):
            return point
        try:
            # The column comes first, because pandas has attributes of its own called "size" and "values".
            return point[self.column]
        except (KeyError, TypeError, IndexError, ValueError) as error:
            if hasattr(point, self.column):
                return getattr(point, self.column)
            raise LabelingFunctionError(
                f"a data point of type {type(point).__name__} has no {self.column!r}; name what holds its features "
                "or image with column=."
            ) from error

    def _input(self, value: Any, content: Path | np.ndarray) -> Tensor:
        """Features float (r,), or an image (C, H, W) of bytes or floats."""
        if isinstance(content, Path):
            return decode(content, self.size)
        if _is_picture(value):
            return square(value.convert("RGB"), self.size)
        tensor = torch.from_numpy(content)
        if tensor.ndim == 1 or tensor.is_floating_point():
            return tensor.float()
        if tensor.dtype != torch.uint8 or tensor.ndim not in (2, 3):
            _refuse(value, f"{tensor.dtype} of the shape {tuple(tensor.shape)}")
        if tensor.ndim == 2:
            return tensor.unsqueeze(0)
        channels_last = tensor.shape[0] not in (1, 3) and tensor.shape[-1] in (1, 3, 4)
        return tensor.permute(2, 0, 1) if channels_last else tensor


def _content(value: Any) -> Path | np.ndarray:
    """What tells one data point from another: a path, or a copy of the numbers of an array or image."""
    if isinstance(value, str | os.PathLike):
        return Path(value)
    try:
        numbers = value.convert("RGB") if _is_picture(value) else value
        if isinstance(numbers, Tensor):
            numbers = numbers.detach().cpu()
            # NumPy has no bfloat16.
            numbers = (numbers.float() if numbers.is_floating_point() else numbers).numpy()
        array = np.array(numbers, order="C")
    except (OSError, SyntaxError, ValueError, TypeError) as error:
        _refuse(value, str(error), error)
    if array.ndim == 0 or array.dtype.kind not in "biuf":
        _refuse(value, repr(value)[:60])
    return array


def _equal(one: Path | np.ndarray, other: Path | np.ndarray) -> bool:
    if isinstance(one, Path) or isinstance(other, Path):
        return one == other
    return one.dtype == other.dtype and np.array_equal(one, other)


def _refuse(value: Any, why: str, error: Exception | None = None) -> NoReturn:
    raise LabelingFunctionError(
        f"the labelers cannot read a data point that holds a {type(value).__name__} ({why}). Give the path of an "
        "image file, a PIL image, bytes uint8 (H, W, C) or (C, H, W), standardised floats (C, H, W) or features (r,); "
        "name their column with column=, and with size= the side of the images that the labelers learnt from."
    ) from error


def _is_picture(value: Any) -> bool:
    from PIL.Image import Image

    return isinstance(value, Image)


class _Vote:
    """One LF's function; a class, so that it can be pickled."""

    def __init__(self, answers: _Answers, lf: int) -> None:
        self.answers, self.lf = answers, lf

    def __call__(self, point: Any) -> int:
        return self.answers.of(point)[self.lf]
