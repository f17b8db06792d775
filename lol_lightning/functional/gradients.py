"""The model's gradient with respect to its input, differentiable in the weights (Sec. 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from lol_lightning.exceptions import TargetsError

__all__ = ["GradientUnit", "in_unit", "input_gradient_and_probabilities", "model_input_gradient"]

GradientUnit = Literal["probability", "log-odds"]

MIN_CHANGE = 1e-3
"""Least h (1 - h) that gradients are divided by: beyond it a sure model is left alone."""


def model_input_gradient(
    network: Callable[[Tensor], Tensor],
    inputs: Float[Tensor, "sample ..."],
    num_classes: int,
    reduction: Literal["mean", "none"] = "mean",
    unit: GradientUnit = "probability",
) -> Float[Tensor, "cls_or_sample ..."]:
    r"""Gradient of the class probabilities with respect to the input, with a graph to the weights.

    .. math:: \nabla \tilde h_k = \frac{1}{t} \sum_z \frac{\partial h_k(z)}{\partial z},
              \qquad h = \mathrm{softmax}(\mathrm{logits})

    One forward and one backward pass give all classes: the samples are repeated for K - 1 of them, and the last
    class follows because the probabilities sum to one. The caller's tensors are left as they are, and it works under
    ``no_grad`` and, for inputs made there, under ``inference_mode``.

    Args:
        network: maps float (N, ...) to logits (N, K), sample by sample: batch norm and dropout must be in evaluation
            mode. It must be differentiable twice for the penalty to reach its weights.
        inputs: float (t, ...), smoothing samples or data points.
        num_classes: K, at least 2.
        reduction: "mean" averages over the samples; "none" keeps one gradient for each.
        unit: "probability", as in the paper, or "log-odds": the same gradient over what a probability can change by,
            :math:`h_k (1 - h_k)`, reduced in the same way and held constant.

    Returns:
        float (K, ...) for "mean", (t, K, ...) for "none", in probability or log-odds per unit of the input.

    Raises:
        TargetsError: see ``input_gradient_and_probabilities``.

    Example:
        >>> weight = torch.tensor([[1.0, -1.0], [0.0, 0.0]])
        >>> model_input_gradient(lambda z: z @ weight, torch.zeros(4, 2), num_classes=2)
        tensor([[ 0.5000,  0.0000],
                [-0.5000, -0.0000]], grad_fn=<CatBackward0>)

    Notes:
        The published code differentiates squared logits and detaches the result, so that its penalty does not train
        anything; here the probabilities are differentiated, as the paper writes, and the graph is kept. A probability's
        slope is at most a quarter of its log-odds', and vanishes as the model grows sure; in log-odds, a demand of the
        same size means the same at any time of the training.
    """
    gradient, probs = input_gradient_and_probabilities(network, inputs, num_classes, reduction)
    return in_unit(gradient, probs, unit, reduction)


def input_gradient_and_probabilities(
    network: Callable[[Tensor], Tensor],
    inputs: Float[Tensor, "sample ..."],
    num_classes: int,
    reduction: Literal["mean", "none"] = "mean",
) -> tuple[Float[Tensor, "cls_or_sample ..."], Float[Tensor, "sample cls"]]:
    """``model_input_gradient`` in probability, and the probabilities float (t, K) that were differentiated.

    Raises:
        TargetsError: if the network's output has another shape than (N, K), or does not depend on its input in a way
            that can be differentiated.
    """
    with torch.inference_mode(False), torch.enable_grad():
        if inputs.is_inference():
            inputs = inputs.clone()
        free = num_classes - 1
        repeated = inputs.unsqueeze(0).expand(free, *inputs.shape).reshape(-1, *inputs.shape[1:])
        if not repeated.requires_grad:
            repeated = repeated.detach().requires_grad_()
        logits = network(repeated)
        if logits.shape != (len(repeated), num_classes):
            raise TargetsError(
                f"the network gave logits of shape {tuple(logits.shape)} for {len(repeated)} samples and {num_classes} "
                "classes; it must give one row for each sample and one column for each class."
            )
        probs = logits.softmax(-1).reshape(free, -1, num_classes)
        selected = probs.diagonal(dim1=0, dim2=2).sum()
        gradient = None
        if selected.requires_grad:
            (gradient,) = torch.autograd.grad(selected, repeated, create_graph=True, allow_unused=True)
        if gradient is None:
            raise TargetsError(
                "the network's logits cannot be differentiated with respect to its input: somewhere it detaches it, "
                "rounds it, or runs a part under torch.no_grad()."
            )
        gradient = gradient.reshape(free, *inputs.shape)
        gradient = gradient.mean(1) if reduction == "mean" else gradient.transpose(0, 1)
        axis = 0 if reduction == "mean" else 1
        return torch.cat([gradient, -gradient.sum(axis, keepdim=True)], axis), probs[0]


def in_unit(
    gradient: Float[Tensor, "cls_or_sample ..."],
    probs: Float[Tensor, "sample cls_or_lf"],
    unit: GradientUnit,
    reduction: Literal["mean", "none"],
) -> Float[Tensor, "cls_or_sample ..."]:
    """Turn a gradient of ``probs`` in probability, of the shape that ``reduction`` gives it, into another unit."""
    if unit == "probability":
        return gradient
    change = (probs * (1 - probs)).detach()
    change = (change.mean(0) if reduction == "mean" else change).clamp(min=MIN_CHANGE)
    return gradient / change.reshape(*change.shape, *[1] * (gradient.ndim - change.ndim))
