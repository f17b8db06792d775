"""Sums of weight rows, with a row-sparse gradient that comes out already summed."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["sum_rows"]


def sum_rows(
    weight: Float[Tensor, "feature hidden"],
    indices: Int[Tensor, " nnz"],
    offsets: Int[Tensor, " rows_plus_1"],
    values: Float[Tensor, " nnz"] | None = None,
) -> Float[Tensor, "rows hidden"]:
    """Multiply sparse rows with a weight; the weight's gradient is row-sparse and coalesced.

    Backward is a sum over bags as well, with the rows and the features in exchanged roles: what
    ``embedding_bag(sparse=True)`` writes for every word of the batch, and leaves to be summed, is never written.

    Args:
        weight: float (d, H).
        indices: int64 (nnz,), features of all rows, one after another.
        offsets: int64 (B + 1,), where each row starts.
        values: float (nnz,), or ``None`` for ones.

    Returns:
        float (B, H). It can be differentiated once with respect to ``weight``, and not with respect to ``values``.

    Example:
        >>> weight = torch.ones(5, 2, requires_grad=True)
        >>> sum_rows(weight, torch.tensor([1, 3, 3]), torch.tensor([0, 2, 3])).sum().backward()
        >>> weight.grad._indices(), weight.grad._values()
        (tensor([[1, 3]]), tensor([[1., 1.],
                [2., 2.]]))
    """
    return _SumRows.apply(weight, indices, offsets, values)


class _SumRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, indices: Tensor, offsets: Tensor, values: Tensor | None) -> Tensor:
        ctx.save_for_backward(indices, offsets, values)
        ctx.shape = weight.shape
        return F.embedding_bag(
            indices, weight, offsets, mode="sum", per_sample_weights=values, include_last_offset=True
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        indices, offsets, values = ctx.saved_tensors
        rows = torch.repeat_interleave(offsets.diff(), output_size=len(indices))
        by_feature, order = indices.sort()
        features, counts = torch.unique_consecutive(by_feature, return_counts=True)
        starts = torch.zeros(len(features) + 1, dtype=torch.long, device=indices.device)
        torch.cumsum(counts, 0, out=starts[1:])
        sums = F.embedding_bag(
            rows.index_select(0, order),
            gradient.contiguous(),
            starts,
            mode="sum",
            per_sample_weights=None if values is None else values.index_select(0, order),
            include_last_offset=True,
        )
        summed = torch.sparse_coo_tensor(
            features.unsqueeze(0), sums, ctx.shape, is_coalesced=True, check_invariants=False
        )
        return summed, None, None, None
