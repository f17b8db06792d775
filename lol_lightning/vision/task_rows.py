"""Rows of the classes that are told apart: unlabeled ones to train on, a few labeled ones for validation, a test."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from lol_lightning.exceptions import DataError
from lol_lightning.vision.awa import AttributeData
from lol_lightning.vision.options import SplitOptions

__all__ = ["classes_of", "divide"]


def divide(
    data: AttributeData,
    classes: Sequence[str],
    options: SplitOptions,
    seed: int = 0,
) -> dict[str, Int[Tensor, " row"]]:
    """Divide the rows of some classes at random.

    Args:
        data: where the rows are.
        classes: names of the K classes.
        options: how many rows go where.
        seed: of the division.

    Returns:
        Positions int64 of the rows "train", "val" and "test".

    Raises:
        DataError: if no rows are left to train or to test on.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = data.rows_of(classes)
    rows = rows[torch.randperm(len(rows), generator=generator)]
    if data.test is None:
        num_test = round(options.test_fraction * len(rows))
        test, rest = rows[:num_test], rows[num_test:]
    else:
        of_test = data.test[rows]
        test, rest = rows[of_test], rows[~of_test]
    numbers = classes_of(data, classes, rest)
    rank = torch.zeros(len(rest), dtype=torch.long)
    for cls in range(len(classes)):
        rank[numbers == cls] = torch.arange(int((numbers == cls).sum()))
    train = rest[rank >= options.val_per_class]
    if not len(train) or not len(test):
        raise DataError(
            f"of {len(rows)} rows of {list(classes)}, none are left to train on or to test on: lower "
            f"val_per_class = {options.val_per_class}."
        )
    return {"train": train[: options.max_train_rows], "val": rest[rank < options.val_per_class], "test": test}


def classes_of(data: AttributeData, classes: Sequence[str], rows: Int[Tensor, " row"]) -> Int[Tensor, " row"]:
    """Return which of the K classes each row is of, int64 in [0, K), or -1 for another class."""
    number = torch.full((len(data.matrix.classes),), -1)
    number[[data.matrix.index(name) for name in classes]] = torch.arange(len(classes))
    return number[data.labels[rows]]
