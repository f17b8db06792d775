"""Rows of the classes that are told apart: unlabeled ones to train on, a few labeled ones for validation, a test."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.vision.awa import AttributeData

__all__ = ["classes_of", "divide"]


def divide(
    data: AttributeData,
    classes: Sequence[str],
    val_per_class: int = 50,
    test_share: float = 0.3,
    max_train_rows: int | None = None,
    seed: int = 0,
) -> dict[str, Int[Tensor, " row"]]:
    """Divide the rows of some classes at random.

    Args:
        data: where the rows are.
        classes: names of the K classes.
        val_per_class: labeled rows of each class for validation.
        test_share: share of the rows for the test, where ``data`` do not say which.
        max_train_rows: keep only that many rows to train on.
        seed: of the division.

    Returns:
        Positions int64 of the rows "train", "val" and "test".

    Raises:
        ConfigurationError: if a number is out of range.
        DataError: if no rows are left to train or to test on.
    """
    if not 0 < test_share < 1 or val_per_class < 0 or (max_train_rows is not None and max_train_rows < 1):
        raise ConfigurationError(
            f"test_share = {test_share} must lie in (0, 1), val_per_class = {val_per_class} must not be below 0, and "
            f"max_train_rows = {max_train_rows} must be positive."
        )
    generator = torch.Generator().manual_seed(seed)
    rows = data.rows_of(classes)
    rows = rows[torch.randperm(len(rows), generator=generator)]
    if data.test is None:
        num_test = round(test_share * len(rows))
        test, rest = rows[:num_test], rows[num_test:]
    else:
        of_test = data.test[rows]
        test, rest = rows[of_test], rows[~of_test]
    numbers = classes_of(data, classes, rest)
    rank = torch.zeros(len(rest), dtype=torch.long)
    for cls in range(len(classes)):
        rank[numbers == cls] = torch.arange(int((numbers == cls).sum()))
    train = rest[rank >= val_per_class]
    if not len(train) or not len(test):
        raise DataError(
            f"of {len(rows)} rows of {list(classes)}, none are left to train on or to test on: lower "
            f"val_per_class = {val_per_class}."
        )
    return {"train": train[:max_train_rows], "val": rest[rank < val_per_class], "test": test}


def classes_of(data: AttributeData, classes: Sequence[str], rows: Int[Tensor, " row"]) -> Int[Tensor, " row"]:
    """Return which of the K classes each row is of, int64 in [0, K), or -1 for another class."""
    number = torch.full((len(data.matrix.classes),), -1)
    number[[data.matrix.index(name) for name in classes]] = torch.arange(len(classes))
    return number[data.labels[rows]]
