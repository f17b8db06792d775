"""Adam that touches only the rows of a sparse first layer that occurred in the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

__all__ = ["LazyAdam"]


class LazyAdam(Adam):
    """Fused Adam for dense gradients, lazy Adam for row-sparse ones.

    A parameter whose gradient is a ``torch.sparse_coo`` tensor is updated in the rows that the gradient holds: the
    work follows the words of the batch, not the vocabulary. Where every row occurs in every step, the result is Adam's.

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
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Perform one step; returns what the closure returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        sparse: list[tuple[Tensor, Tensor]] = []
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None and parameter.grad.is_sparse:
                        sparse.append((parameter, parameter.grad))
                        self._update_rows(parameter, parameter.grad, group)
                        parameter.grad = None
        # What is left are dense gradients, which Adam's fused kernel takes.
        super().step()
        for parameter, gradient in sparse:
            parameter.grad = gradient
        return loss

    def _update_rows(self, parameter: Tensor, sparse: Tensor, group: dict[str, Any]) -> None:
        rows, gradient = summed_rows(sparse)
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        weight = parameter.index_select(0, rows)
        if group["weight_decay"]:
            gradient = gradient.add(weight, alpha=group["weight_decay"])
        mean = state["exp_avg"].index_select(0, rows).lerp_(gradient, 1 - beta1)
        square = state["exp_avg_sq"].index_select(0, rows).mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        state["exp_avg"].index_copy_(0, rows, mean)
        state["exp_avg_sq"].index_copy_(0, rows, square)
        # A tensor, so that CUDA need not wait for it; in double precision, because 1 - beta**step is small.
        step = state["step"].double()
        size = group["lr"] / (1 - beta1**step)
        denominator = (square / (1 - beta2**step)).sqrt_().add_(group["eps"])
        parameter.index_copy_(0, rows, weight.sub_(mean.div_(denominator).mul_(size)))


def summed_rows(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct rows of a row-sparse gradient, ascending, and their sums; coalescing a sparse tensor would be slower."""
    rows, values = gradient._indices()[0], gradient._values()
    # Autograd forgets that a gradient was coalesced when it stores it.
    if gradient.is_coalesced() or bool((rows[1:] > rows[:-1]).all()):
        return rows, values
    rows, inverse = torch.unique(rows, return_inverse=True)
    return rows, values.new_zeros(len(rows), *values.shape[1:]).index_add_(0, inverse, values)
