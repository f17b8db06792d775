"""Settings of ``LoLImageDataModule`` that belong together: of its targets, its rows and its images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from torch import Tensor

from lol_lightning.exceptions import ConfigurationError, check_choice
from lol_lightning.functional.gradients import GradientUnit
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.vision.images import SIZE, OnCorrupt, Standardise, check_image_files

__all__ = ["TOP_K", "ImageOptions", "Level", "RowTargetOptions", "SplitOptions"]

Level = Literal["representation", "pixels"]

TOP_K = 20
"""The paper's k."""


@dataclass(frozen=True)
class RowTargetOptions:
    """Which entries of the labelers' gradients become targets of each row, and where the model is asked for them.

    Args:
        level: what the model reads and is differentiated by: the labelers' "representation", or "pixels", the input of
            their backbone.
        top_k: number of entries of each labeler's gradient, those of largest magnitude.
        unit: of the gradients, "probability" or "log-odds"; it must be that of the model's penalty.
        agreeing_only: leave out entries whose sign the other labelers together contradict.
        cache: directory for the targets, which are then mapped into memory. Targets in it are used again if they were
            computed from the same inputs. Processes on several machines need a directory that all of them see.

    Raises:
        ConfigurationError: if ``level`` or ``unit`` is unknown.

    Example:
        >>> RowTargetOptions(level="pixels", top_k=100).unit
        'probability'
    """

    level: Level = "representation"
    top_k: int = TOP_K
    unit: GradientUnit = "probability"
    agreeing_only: bool = False
    cache: str | None = None

    def __post_init__(self) -> None:
        check_choice("level", self.level, get_args(Level))
        check_choice("unit", self.unit, get_args(GradientUnit))

    def check_top_k(self, size: int | None) -> None:
        """Raise ``ConfigurationError`` if ``top_k`` is below 1, or above the ``size`` of the labelers' input."""
        if not 1 <= self.top_k <= (self.top_k if size is None else size):
            raise ConfigurationError(
                f"top_k = {self.top_k} must be 1 to {size}, the size of what labelers are differentiated by."
            )


@dataclass(frozen=True)
class SplitOptions:
    """How the rows of the classes that are told apart are divided.

    Args:
        max_train_rows: use only that many unlabeled rows; ``None`` for all.
        val_per_class: labeled rows of each class for validation. They are drawn class by class, and so tell no class
            shares; where you know these, give them as ``LoLClassifier(class_shares=[...])``.
        test_fraction: fraction in (0, 1) of the rows that are the test, where the data have no test rows of their own.

    Raises:
        ConfigurationError: if a number is out of range.

    Example:
        >>> SplitOptions(val_per_class=5)
        SplitOptions(max_train_rows=None, val_per_class=5, test_fraction=0.3)
    """

    max_train_rows: int | None = None
    val_per_class: int = 50
    test_fraction: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.test_fraction < 1:
            raise ConfigurationError(f"test_fraction = {self.test_fraction} must lie in (0, 1).")
        if self.val_per_class < 0:
            raise ConfigurationError(f"val_per_class = {self.val_per_class} must not be below 0.")
        if self.max_train_rows is not None and self.max_train_rows < 1:
            raise ConfigurationError(f"max_train_rows = {self.max_train_rows} must be at least 1.")


@dataclass(frozen=True)
class ImageOptions:
    """How images are read, and what a network gets of them.

    Args:
        size: side in pixels of the squares that image files are brought to.
        on_corrupt: "error" stops at a file that cannot be decoded, "skip" leaves it out with a warning.
        transform: makes float of a batch of images.

    Raises:
        ConfigurationError: if ``size`` or ``on_corrupt`` is out of range.

    Example:
        >>> ImageOptions(size=64).on_corrupt
        'error'
    """

    size: int = SIZE
    on_corrupt: OnCorrupt = "error"
    transform: Standardise | Callable[[Tensor], Tensor] = field(default_factory=Standardise)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_image_files(self.size, self.on_corrupt)
