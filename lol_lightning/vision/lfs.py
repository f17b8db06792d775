"""Attribute labelers as Snorkel labeling functions, for ``LFAnalysis`` and the appliers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from snorkel.labeling import LabelingFunction
from torch import Tensor

from lol_lightning.exceptions import ConfigurationError, LabelingFunctionError
from lol_lightning.vision.backbones import check_evaluation_mode
from lol_lightning.vision.labelers import AttributeLabelers
from lol_lightning.vision.matrices import AttributeTask

__all__ = ["as_labeling_functions"]


def as_labeling_functions(
    labelers: AttributeLabelers,
    task: AttributeTask,
    column: str = "features",
    transform: Callable[[Tensor], Tensor] | None = None,
) -> list[LabelingFunction]:
    """Make one Snorkel LF of each attribute of a task.

    The LFs of one call share the network's answer for the data point at hand, so that it runs once for a data point
    and not once for each LF.

    Args:
        labelers: calibrated, in evaluation mode.
        task: the classes, and the m attributes in which they differ.
        column: attribute, key or column of a data point that holds its features or image; a data point may also be
            that itself, an array or a tensor.
        transform: makes float of a batch of images.

    Returns:
        m LFs, named like the attributes, with class ids as votes.

    Raises:
        ConfigurationError: if an attribute votes for several classes at once, or the labelers are in training mode.

    Example:
        >>> from lol_lightning.vision.matrices import ClassAttributeMatrix
        >>> matrix = ClassAttributeMatrix(("seal", "rat"), ("swims",), torch.tensor([[1], [0]]))
        >>> task = AttributeTask.between(matrix, ["seal", "rat"])
        >>> (lf,) = as_labeling_functions(AttributeLabelers(["swims"], num_features=3).eval(), task)
        >>> lf.name, lf(np.zeros(3)) in (0, 1)
        ('swims', True)
    """
    if task.votes_for_sets:
        raise ConfigurationError(
            f"some attributes vote for several of {list(task.classes)} at once, and a Snorkel LF votes for one. Tell "
            "two classes apart, or use LoLImageDataModule, which keeps the probabilities."
        )
    check_evaluation_mode(labelers)
    answers = _Answers(labelers, task, column, transform)
    return [LabelingFunction(name, _Vote(answers, lf)) for lf, name in enumerate(task.attributes)]


class _Answers:
    """Votes of all LFs on the data point that was asked for last."""

    def __init__(
        self,
        labelers: AttributeLabelers,
        task: AttributeTask,
        column: str,
        transform: Callable[[Tensor], Tensor] | None,
    ) -> None:
        self.labelers, self.task, self.column, self.transform = labelers, task, column, transform
        self._last: tuple[Tensor, list[int]] | None = None

    def of(self, point: Any) -> list[int]:
        value = self._input(point)
        last = self._last
        # By value: pandas hands one object on for all rows, and writes each row into it.
        if last is not None and last[0].shape == value.shape and last[0].equal(value):
            return last[1]
        probabilities = self.labelers.probabilities(value.unsqueeze(0), self.transform)
        votes = self.task.votes(probabilities, self.labelers.thresholds, soft=False)[0].tolist()
        self._last = value.clone(), votes
        return votes

    def _input(self, point: Any) -> Tensor:
        if isinstance(point, Tensor | np.ndarray):
            value = point
        elif hasattr(point, self.column):
            value = getattr(point, self.column)
        else:
            try:
                value = point[self.column]
            except (KeyError, TypeError, IndexError) as error:
                raise LabelingFunctionError(
                    f"a data point of type {type(point).__name__} has no {self.column!r}; name what holds its features "
                    "or image with column=."
                ) from error
        tensor = torch.as_tensor(np.asarray(value) if not isinstance(value, Tensor) else value)
        return tensor if self.transform is not None else tensor.float()


class _Vote:
    """One LF's function; a class, so that it can be pickled."""

    def __init__(self, answers: _Answers, lf: int) -> None:
        self.answers, self.lf = answers, lf

    def __call__(self, point: Any) -> int:
        return self.answers.of(point)[self.lf]
