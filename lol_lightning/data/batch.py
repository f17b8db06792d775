"""What a data module emits: a typed batch whose features may stay sparse up to the first layer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from lol_lightning.exceptions import DataError
from lol_lightning.features.token_rows import TokenRows
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.short_repr import short_repr

__all__ = ["Features", "Insertions", "LoLBatch", "SparseRows", "features_to"]


@dataclass(eq=False)
class SparseRows:
    """Rows of a sparse matrix in bag form, the layout that ``embedding_bag`` reads.

    Row ``b`` holds ``values[offsets[b]:offsets[b + 1]]`` at the columns ``indices[offsets[b]:offsets[b + 1]]``.

    Args:
        indices: int64 or int32 (nnz,), columns in [0, num_columns); batches hold int64.
        offsets: int64 (B + 1,), as the ``indptr`` of a CSR matrix.
        values: float (nnz,), or ``None`` where every stored value is 1.
        num_columns: d.

    Example:
        >>> import scipy.sparse as sp
        >>> SparseRows.from_csr(sp.csr_array([[0.0, 2.0], [1.0, 0.0]])).to_dense()
        tensor([[0., 2.],
                [1., 0.]])
    """

    indices: Int[Tensor, " nnz"]
    offsets: Int[Tensor, " rows_plus_1"]
    values: Float[Tensor, " nnz"] | None
    num_columns: int

    __repr__ = short_repr

    @classmethod
    def from_csr(cls, matrix: Any) -> SparseRows:
        """Wrap a SciPy CSR matrix or array, whose indices keep their type; values that are all 1 are dropped."""
        data = np.asarray(matrix.data)
        values = None if (data == 1).all() else torch.from_numpy(data.astype(np.float32, copy=False))
        offsets = torch.from_numpy(matrix.indptr.astype(np.int64, copy=False))
        return cls(torch.from_numpy(matrix.indices), offsets, values, matrix.shape[1])

    def __len__(self) -> int:
        """Return B, the number of rows."""
        return self.offsets.shape[0] - 1

    @property
    def shape(self) -> tuple[int, int]:
        """(B, d)."""
        return len(self), self.num_columns

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.indices.device

    def rows(self, index: Int[Tensor, " selected"], nnz: int | None = None) -> SparseRows:
        """Cut out the given rows, in the given order, without a loop over rows.

        Args:
            index: int64 (b,), positions of rows.
            nnz: number of values that these rows store, where it is known: an accelerator then need not be asked.

        Returns:
            b rows with indices of int64.
        """
        starts = self.offsets[index]
        lengths = self.offsets[index + 1] - starts
        offsets = torch.zeros(len(index) + 1, dtype=torch.long, device=self.device)
        torch.cumsum(lengths, 0, out=offsets[1:])
        nnz = int(offsets[-1]) if nnz is None else nnz
        take = torch.repeat_interleave(starts - offsets[:-1], lengths, output_size=nnz)
        take += torch.arange(nnz, device=self.device)
        values = None if self.values is None else self.values.index_select(0, take)
        return SparseRows(self.indices.index_select(0, take).long(), offsets, values, self.num_columns)

    @classmethod
    def concatenate(cls, parts: Sequence[SparseRows]) -> SparseRows:
        """Stack rows of the same width, in the given order."""
        starts = itertools.accumulate((len(part.indices) for part in parts), initial=0)
        # The end of a part is where the next one starts.
        offsets = [part.offsets[:-1] + start for part, start in zip(parts[:-1], starts, strict=False)]
        offsets.append(parts[-1].offsets + next(starts))
        values = None
        if any(part.values is not None for part in parts):
            dtype = next(part.values.dtype for part in parts if part.values is not None)
            values = torch.cat([part._values_as(dtype) for part in parts])
        indices = torch.cat([part.indices for part in parts])
        return cls(indices, torch.cat(offsets), values, parts[0].num_columns)

    def to_dense(self, dtype: torch.dtype | None = None) -> Float[Tensor, "rows columns"]:
        """Return the rows as a dense tensor (B, d): for networks that read dense features, one batch at a time."""
        dtype = dtype or (torch.get_default_dtype() if self.values is None else self.values.dtype)
        dense = torch.zeros(self.shape, dtype=dtype, device=self.device)
        row = torch.repeat_interleave(torch.arange(len(self), device=self.device), self.offsets.diff())
        return dense.index_put_((row, self.indices), self._values_as(dtype), accumulate=True)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> SparseRows:
        """Return the rows on ``device``."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> SparseRows:
        """Return the rows in page-locked memory."""
        return self._map(Tensor.pin_memory)

    def _values_as(self, dtype: torch.dtype) -> Tensor:
        if self.values is None:
            return torch.ones(len(self.indices), dtype=dtype, device=self.device)
        return self.values.to(dtype)

    def _map(self, function: Any) -> SparseRows:
        values = None if self.values is None else function(self.values)
        return SparseRows(function(self.indices), function(self.offsets), values, self.num_columns)


Features: TypeAlias = "Tensor | SparseRows | TokenRows | Mapping[str, Tensor]"
"""What a network reads: float (B, ...), sparse rows (B, d), or the token dictionary of a Hugging Face tokenizer, whose
tensors have B rows each; B rows of tokens become one."""


@dataclass(eq=False)
class Insertions:
    """Rows with an inspected term and the same rows without it: differences that a penalty makes demands on.

    Args:
        with_term: features of I rows that hold the term.
        without_term: features of the same I rows without it.
        lf: int64 (I,), the LF that inspects the term.
        cls: int64 (I,), the class that it speaks for.
        value: float (I,), the derivative of the smoothed LF, in [-1, 1].
        weight: float (I,), at least 0. The weights of a term's insertions add up to the part of its LF's terms that it
            stands for, over the chance that it was drawn: 1 over the number of terms, where all are at hand.
        group: int64 (I,) in [0, I), equal for insertions of the same term for the same LF: what it adds is their mean.
            ``None`` makes each insertion a term of its own.
        num_terms: int64 (I,), number of terms of each one's LF; needed by ``reduction="sum"`` only.

    Raises:
        DataError: if the parts differ in length.
    """

    with_term: Features
    without_term: Features
    lf: Int[Tensor, " insertion"]
    cls: Int[Tensor, " insertion"]
    value: Float[Tensor, " insertion"]
    weight: Float[Tensor, " insertion"]
    group: Int[Tensor, " insertion"] | None = None
    num_terms: Int[Tensor, " insertion"] | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        parts = {item.name: getattr(self, item.name) for item in fields(self)}
        lengths = {name: _num_rows(part) for name, part in parts.items() if part is not None}
        if len(set(lengths.values())) != 1:
            raise DataError(f"the parts of insertions must have one row for each insertion, got {lengths}.")

    def __len__(self) -> int:
        """Return I, the number of insertions."""
        return self.lf.shape[0]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Insertions:
        """Return the insertions on ``device``."""
        return self._map(lambda part: part.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Insertions:
        """Return the insertions in page-locked memory."""
        return self._map(lambda part: part.pin_memory())

    def _map(self, function: Callable[[Any], Any]) -> Insertions:
        return Insertions(*(_map_features(function, getattr(self, item.name)) for item in fields(self)))


@dataclass(eq=False)
class LoLBatch:
    """One batch: features, votes, what the LFs demand and, outside training, gold labels where there are some.

    Args:
        features: float (B, ...), ``SparseRows`` (B, d), ``TokenRows``, or a token dictionary.
        votes: int64 (B, m) with class ids or ``ABSTAIN``, or probabilities float (B, m, K).
        gradient_targets: what the LFs demand of the model's input gradient, the same object in every batch.
        labels: int64 (B,) gold classes, or (B, K) of 0 and 1 where a row has several; ``None`` in training batches and
            where they are unknown.
        example_targets: what labelers demand of the model's gradient at each of the B rows, instead of
            ``gradient_targets``.
        insertions: rows with and without a term, for penalties on differences.
    """

    features: Shaped[Tensor, "batch ..."] | SparseRows | TokenRows | Mapping[str, Shaped[Tensor, "batch ..."]]
    votes: Shaped[Tensor, "batch lf *cls"]
    gradient_targets: GradientTargets | None = None
    labels: Int[Tensor, " batch *label"] | None = None
    example_targets: ExampleTargets | None = None
    insertions: Insertions | None = None

    __repr__ = short_repr

    def __len__(self) -> int:
        """Return B, the number of rows."""
        return self.votes.shape[0]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> LoLBatch:
        """Return the batch on ``device``; Lightning calls this for any accelerator."""
        return self._map(lambda part: part.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> LoLBatch:
        """Return the batch in page-locked memory; the shared gradient targets stay where they are."""
        pinned = replace(self, gradient_targets=None)._map(lambda part: part.pin_memory())
        return replace(pinned, gradient_targets=self.gradient_targets)

    def _map(self, function: Callable[[Any], Any]) -> LoLBatch:
        parts = {item.name: getattr(self, item.name) for item in fields(self)}
        return LoLBatch(**{name: _map_features(function, part) for name, part in parts.items()})


def features_to(features: Features, device: torch.device | str) -> Any:
    """Return features on ``device``."""
    return _map_features(lambda part: part.to(device), features)


def _map_features(function: Callable[[Any], Any], part: Any) -> Any:
    if part is None:
        return None
    if isinstance(part, Mapping):
        return {name: function(tensor) for name, tensor in part.items()}
    return function(part)


def _num_rows(features: Features) -> int:
    return len(next(iter(features.values()))) if isinstance(features, Mapping) else len(features)
