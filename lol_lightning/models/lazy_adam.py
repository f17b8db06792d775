"""Adam that touches only the rows of a sparse first layer that occurred in the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adam import adam

__all__ = ["LazyAdam"]

_WIDEST = torch.complex128


class LazyAdam(Optimizer):
    """Adam by PyTorch's fused kernel, lazy where a gradient is row-sparse.

    A parameter whose gradient is a ``torch.sparse_coo`` tensor is updated in the rows that the gradient holds: the
    work follows the words of the batch, not the vocabulary. For dense gradients, and where every row occurs in every
    step, the result is that of ``torch.optim.Adam``.

    Args:
        params: parameters or parameter groups.
        lr: learning rate.
        betas: decay of the two moments.
        eps: added to the denominator.
        weight_decay: L2 penalty.

    Notes:
        It differs from Adam in the rows that a step does not touch: their moments do not decay, they do not move on by
        their momentum, and weight decay does not reach them. ``torch.optim.SparseAdam`` has the same semantics, but no
        weight decay, and takes no dense gradients.

    Example:
        >>> weight = torch.nn.Parameter(torch.zeros(3, 2))
        >>> optimizer = LazyAdam([weight], lr=0.1)
        >>> weight.grad = torch.sparse_coo_tensor([[1]], [[1.0, -1.0]], (3, 2), check_invariants=True)
        >>> optimizer.step()
        >>> weight
        Parameter containing:
        tensor([[ 0.0000,  0.0000],
                [-0.1000,  0.1000],
                [ 0.0000,  0.0000]], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        # "fused" also tells load_state_dict to put the step counts of a checkpoint beside their parameters.
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "fused": True}
        super().__init__(params, defaults)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Perform one step; returns what the closure returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    @torch.no_grad()
    def _step_group(self, group: dict[str, Any]) -> None:
        weights: list[Tensor] = []
        means: list[Tensor] = []
        squares: list[Tensor] = []
        gradients, steps = [], []
        gathered: list[tuple[list[Tensor], Tensor, list[Tensor]]] = []
        for parameter in group["params"]:
            if (gradient := parameter.grad) is None:
                continue
            state = self._state_of(parameter)
            tensors = [parameter, state["exp_avg"], state["exp_avg_sq"]]
            if gradient.is_sparse:
                rows, gradient = summed_rows(gradient)
                whole, tensors = tensors, [tensor.index_select(0, rows) for tensor in tensors]
                gathered.append((whole, rows, tensors))
            for into, tensor in zip((weights, means, squares), tensors, strict=True):
                into.append(tensor)
            gradients.append(gradient)
            steps.append(state["step"])
        if not weights:
            return
        beta1, beta2 = group["betas"]
        adam(
            weights,
            gradients,
            means,
            squares,
            [],
            steps,
            fused=group["fused"],
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
        for whole, rows, updated in gathered:
            for tensor, values in zip(whole, updated, strict=True):
                copy_rows(tensor, rows, values)

    def _state_of(self, parameter: Tensor) -> dict[str, Any]:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        return state


def summed_rows(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct rows of a row-sparse gradient, ascending, and their sums; coalescing a sparse tensor would be slower."""
    rows, values = gradient._indices()[0], gradient._values()
    # Autograd forgets that a gradient was coalesced when it stores it.
    if gradient.is_coalesced() or bool((rows[1:] > rows[:-1]).all()):
        return rows, values
    rows, inverse = torch.unique(rows, return_inverse=True)
    return rows, values.new_zeros(len(rows), *values.shape[1:]).index_add_(0, inverse, values)


def copy_rows(into: Tensor, rows: Tensor, values: Tensor) -> None:
    """Write ``values`` (R, ...) to ``rows`` int64 (R,), sixteen bytes at a time where the rows allow it."""
    if into.is_contiguous() and into.shape[-1] * into.element_size() % _WIDEST.itemsize == 0:
        # index_copy_ goes element by element: wider elements are fewer.
        into, values = into.view(_WIDEST), values.view(_WIDEST)
    into.index_copy_(0, rows, values)
