"""Which labeled rows a study may read, and how a method that trains on labels splits them."""

from __future__ import annotations

import numpy as np

from lol_lightning.exceptions import DataError

__all__ = ["labeled_rows", "split_80_20"]


def labeled_rows(
    labels: np.ndarray | None, per_class: int | None, num_classes: int, seed: int, whole_small_classes: bool = False
) -> np.ndarray:
    """Draw the validation rows whose labels a study may read.

    Args:
        labels: int64 (n,), of the validation rows.
        per_class: number of rows of each class, ``None`` for all rows.
        num_classes: K.
        seed: of the draw; a larger ``per_class`` draws the same rows and more.
        whole_small_classes: let a class that has fewer rows give all of them.

    Returns:
        int64, ascending row numbers.

    Raises:
        DataError: if there are no labels, or a class has fewer rows.

    Example:
        >>> labeled_rows(np.array([0, 0, 1, 1, 1]), 2, num_classes=2, seed=0)
        array([0, 1, 2, 4])
    """
    if labels is None or not len(labels):
        raise DataError("the validation rows have no labels, and trials are chosen on them. Add labels.")
    if per_class is None:
        return np.arange(len(labels))
    counts = np.bincount(labels, minlength=num_classes)
    if counts.min() < per_class and not whole_small_classes:
        raise DataError(
            f"val_per_class = {per_class}, but class {counts.argmin()} has {counts.min()} validation rows. Ask for "
            "fewer, or take all rows of such classes with whole_small_classes."
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    return np.sort(np.concatenate([order[labels[order] == cls][:per_class] for cls in range(num_classes)]))


def split_80_20(labels: np.ndarray, rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split labeled rows class by class, 80% to train on and 20% to choose on, at least one row for each.

    Args:
        labels: int64 (n,), of the validation rows.
        rows: those of them whose labels may be read.
        seed: of the split.

    Returns:
        Row numbers to train on and to choose on, ascending.

    Raises:
        DataError: if a class has a single row.

    Example:
        >>> split_80_20(np.zeros(10, int), np.arange(10), seed=0)
        (array([0, 1, 2, 3, 5, 7, 8, 9]), array([4, 6]))
    """
    rng = np.random.default_rng(seed)
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for cls in np.unique(labels[rows]):
        of_class = rng.permutation(rows[labels[rows] == cls])
        if len(of_class) < 2:
            raise DataError(f"class {cls} has one labeled row; valsup needs two, one to train and one to choose on.")
        held_out = max(1, round(len(of_class) / 5))
        parts[0].append(of_class[held_out:])
        parts[1].append(of_class[:held_out])
    return tuple(np.sort(np.concatenate(part)) for part in parts)  # type: ignore[return-value]
