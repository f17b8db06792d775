"""Rows that stay sparse until they are a batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from jaxtyping import Int, Shaped
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from lol_lightning.data.batch import LoLBatch, SparseRows
from lol_lightning.exceptions import DataError
from lol_lightning.features.feature_space import Matrix
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.short_repr import html_table, short_repr
from lol_lightning.functional.votes import is_covered

__all__ = ["LoLDataset", "as_tensor", "leaves_one_row"]


class LoLDataset(Dataset[LoLBatch]):
    """Features, votes and gradient targets; whole batches are cut out at once, without a loop over rows.

    Args:
        features: float (n, ...), dense, or sparse (n, d): a SciPy matrix or ``SparseRows``.
        votes: int (n, m) with class ids or ``ABSTAIN``, or probabilities float (n, m, K). Class ids are kept in one
            byte where they fit; batches hold int64.
        gradient_targets: what the LFs demand of the model's input gradient, part of every batch.
        labels: int (n,), gold classes; leave them out of what a model is trained on.
        example_targets: what labelers demand of the model's gradient at each row, instead of ``gradient_targets``.
        transform: applied to the features of every batch, such as images of bytes that become float.

    Raises:
        DataError: if features, votes, labels and targets differ in length, or a feature is not finite.

    Example:
        >>> dataset = LoLDataset(sp.csr_array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1, -1], [0, 0]]))
        >>> batch = dataset.__getitems__([1, 0])
        >>> batch.features.to_dense(), batch.votes
        (tensor([[1., 0.],
                [0., 1.]]), tensor([[ 0,  0],
                [ 1, -1]]))
    """

    __repr__ = short_repr

    def __init__(
        self,
        features: Matrix | SparseRows | Shaped[Tensor, "row ..."],
        votes: np.ndarray | Shaped[Tensor, "row lf *cls"],
        gradient_targets: GradientTargets | None = None,
        labels: np.ndarray | Int[Tensor, " row"] | None = None,
        example_targets: ExampleTargets | None = None,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.features = _as_tensors(features)
        self._row_lengths = self.features.offsets.diff() if isinstance(self.features, SparseRows) else None
        self.votes = _compact(as_tensor(votes))
        self.gradient_targets = gradient_targets
        self.labels = None if labels is None else as_tensor(labels).long()
        self.example_targets, self.transform = example_targets, transform
        self._check()

    def __len__(self) -> int:
        """Return n, the number of rows."""
        return self.features.shape[0]

    @property
    def num_covered_rows(self) -> int:
        """Number of rows on which some LF votes."""
        return int(is_covered(self.votes).sum())

    def __getitem__(self, index: int) -> LoLBatch:
        """Return a batch of one row."""
        return self.__getitems__([range(len(self))[index]])

    def __getitems__(self, indices: Sequence[int]) -> LoLBatch:
        """Return the rows at the given positions as one batch; ``DataLoader`` calls this."""
        index = torch.as_tensor(indices)
        nnz = None if self._row_lengths is None else int(self._row_lengths[index].sum())
        index = index.to(self.votes.device, non_blocking=True)
        features = self.features.rows(index, nnz) if isinstance(self.features, SparseRows) else self.features[index]
        if self.transform is not None and isinstance(features, Tensor):
            features = self.transform(features)
        votes = self.votes[index]
        return LoLBatch(
            features,
            votes if votes.is_floating_point() else votes.long(),
            # A worker would copy the targets into every batch; the loader adds them on the other side.
            self.gradient_targets if get_worker_info() is None else None,
            None if self.labels is None else self.labels[index],
            None if self.example_targets is None else self.example_targets.rows(index),
        )

    def to(self, device: torch.device | str) -> LoLDataset:
        """Return this dataset with all of its rows on ``device``, where its batches are then cut."""
        moved = copy.copy(self)
        moved.features, moved.votes = self.features.to(device), self.votes.to(device)
        moved.labels = None if self.labels is None else self.labels.to(device)
        moved.gradient_targets = None if self.gradient_targets is None else self.gradient_targets.to(device)
        moved.example_targets = None if self.example_targets is None else self.example_targets.to(device)
        return moved

    def _repr_html_(self) -> str:
        """Return what the data set holds, part by part, as a table for notebooks."""
        parts: dict[str, Any] = {
            "features": self.features,
            "votes": self.votes,
            "labels": self.labels,
            "gradient_targets": self.gradient_targets,
            "example_targets": self.example_targets,
        }
        return html_table(
            pd.DataFrame([_described(name, part) for name, part in parts.items()]).set_index("part"), repr(self)
        )

    def _check(self) -> None:
        lengths = {"features": len(self), "votes": len(self.votes)}
        if self.labels is not None:
            lengths["labels"] = len(self.labels)
        if self.example_targets is not None:
            lengths["example_targets"] = len(self.example_targets)
        if len(set(lengths.values())) != 1:
            raise DataError(f"features, votes, labels and targets must have one row per data point, got {lengths}.")
        if self.example_targets is not None and self.gradient_targets is not None:
            raise DataError("give gradient_targets of all rows alike or example_targets of each row, not both.")
        if self.votes.ndim not in (2, 3):
            raise DataError(f"votes must have the shape (n, m) or (n, m, K), got {tuple(self.votes.shape)}.")
        values = self.features.values if isinstance(self.features, SparseRows) else self.features
        if values is None or (finite := torch.isfinite(values)).all():
            return
        row = int((~finite).nonzero()[0, 0])
        if isinstance(self.features, SparseRows):
            row = int(torch.searchsorted(self.features.offsets, row, right=True)) - 1
        raise DataError(f"row {row} holds a feature that is not finite (NaN or infinite); fill or drop such rows.")


def leaves_one_row(num_rows: int, batch_size: int) -> bool:
    """Whether the last of several batches would hold a single row, on which batch norm cannot be trained."""
    return num_rows > batch_size and num_rows % batch_size == 1


def _as_tensors(features: Any) -> SparseRows | Tensor:
    if isinstance(features, SparseRows):
        return features
    return SparseRows.from_csr(sp.csr_matrix(features)) if sp.issparse(features) else as_tensor(features)


def as_tensor(values: Any) -> Tensor:
    """Return an array as a tensor that shares its memory, unless the array is read-only, such as a frame's."""
    if isinstance(values, np.ndarray) and not values.flags.writeable:
        values = values.copy()
    return torch.as_tensor(values)


def _described(name: str, part: Any) -> dict[str, str]:
    """Return name, shape and content of a part of a data set, ready for a table."""
    if part is None:
        return {"part": name, "shape": "", "content": "none"}
    if isinstance(part, SparseRows):
        return {"part": name, "shape": str(tuple(part.shape)), "content": f"sparse, {len(part.indices)} entries"}
    if not isinstance(part, Tensor):
        return {"part": name, "shape": "", "content": repr(part)}
    content = str(part.dtype).removeprefix("torch.")
    if name == "votes":
        content += f", {100 * float(is_covered(part).float().mean()) if len(part) else 0:.3g}% of the rows covered"
    if name == "labels":
        content += f", {len(set(part.tolist()))} classes"
    return {"part": name, "shape": str(tuple(part.shape)), "content": content}


def _compact(votes: Tensor) -> Tensor:
    if votes.is_floating_point() or not votes.numel():
        return votes
    return votes.to(torch.int8 if int(votes.max()) <= torch.iinfo(torch.int8).max else torch.int32)
