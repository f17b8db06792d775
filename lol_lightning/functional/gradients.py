"""The model's gradient with respect to its input, differentiable in the weights (Sec. 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from lol_lightning.exceptions import TargetsError

__all__ = ["GradientUnit", "input_gradient_and_logits", "model_input_gradient", "other_logits"]

GradientUnit = Literal["probability", "log-odds"]


def model_input_gradient(
    network: Callable[[Tensor], Tensor],
    inputs: Float[Tensor, "sample ..."],
    num_classes: int,
    reduction: Literal["mean", "none"] = "mean",
    unit: GradientUnit = "probability",
    hold_factor: bool = False,
) -> Float[Tensor, "cls_or_sample ..."]:
    r"""Gradient of the class probabilities with respect to the input, with a graph to the weights.

    .. math:: \nabla \tilde h_k = \frac{1}{t} \sum_z \frac{\partial h_k(z)}{\partial z},
              \qquad h = \mathrm{softmax}(\mathrm{logits})

    One forward and one backward pass give all classes: the samples are repeated for each of them. The last class goes
    without where it follows, because probabilities sum to one, or log-odds of two classes to zero. The caller's tensors
    are left as they are, and it works under ``no_grad`` and, for inputs made there, under ``inference_mode``.

    Args:
        network: maps float (N, ...) to logits (N, K), sample by sample: batch norm and dropout must be in evaluation
            mode. It must be differentiable twice for the penalty to reach its weights.
        inputs: float (t, ...), smoothing samples or data points.
        num_classes: K, at least 2.
        reduction: "mean" averages over the samples; "none" keeps one gradient for each.
        unit: "probability", as in the paper, or "log-odds", the gradient of :math:`\log h_k / (1 - h_k)`.
        hold_factor: hold the factor of the logits' gradient, :math:`\mathrm{diag}(h) - h h^\top` for probabilities,
            constant in the backward pass; the value is the same. See *Notes*.

    Returns:
        float (K, ...) for "mean", (t, K, ...) for "none", in probability or log-odds per unit of the input.

    Raises:
        TargetsError: see ``input_gradient_and_logits``.

    Example:
        >>> weight = torch.tensor([[1.0, -1.0], [0.0, 0.0]])
        >>> model_input_gradient(lambda z: z @ weight, torch.zeros(4, 2), num_classes=2)
        tensor([[ 0.5000,  0.0000],
                [-0.5000, -0.0000]], grad_fn=<CatBackward0>)

    Notes:
        The published code differentiates squared logits and detaches the result, so that its penalty does not train
        anything; here the probabilities are differentiated, as the paper writes, and the graph is kept.

        A probability's slope is h (1 - h) times its log-odds'. A demand on it can therefore be met by a larger slope of
        the log-odds, or by moving h towards 1/2. ``hold_factor`` removes the second way: h (1 - h) counts with its
        value, without a gradient. The result is then no gradient of any function of the weights, so finite differences
        do not confirm it. ``docs/objective.md`` derives what it does.
    """
    return input_gradient_and_logits(network, inputs, num_classes, reduction, unit, hold_factor)[0]


def input_gradient_and_logits(
    network: Callable[[Tensor], Tensor],
    inputs: Float[Tensor, "sample ..."],
    num_classes: int,
    reduction: Literal["mean", "none"] = "mean",
    unit: GradientUnit = "probability",
    hold_factor: bool = False,
) -> tuple[Float[Tensor, "cls_or_sample ..."], Float[Tensor, "sample cls"]]:
    """``model_input_gradient``, and the logits float (t, K) at the inputs.

    Raises:
        TargetsError: if the network's output has another shape than (N, K), or does not depend on its input in a way
            that can be differentiated.
    """
    with torch.inference_mode(False), torch.enable_grad():
        if inputs.is_inference():
            inputs = inputs.clone()
        follows = unit == "probability" or num_classes == 2
        free = num_classes - 1 if follows else num_classes
        repeated = inputs.unsqueeze(0).expand(free, *inputs.shape).reshape(-1, *inputs.shape[1:])
        if not repeated.requires_grad:
            repeated = repeated.detach().requires_grad_()
        logits = network(repeated)
        if logits.shape != (len(repeated), num_classes):
            raise TargetsError(
                f"the network gave logits of shape {tuple(logits.shape)} for {len(repeated)} samples and {num_classes} "
                "classes; it must give one row for each sample and one column for each class."
            )
        logits = logits.reshape(free, -1, num_classes)
        selected = _held(logits, unit) if hold_factor else _selected(logits, unit)
        gradient = None
        if selected.requires_grad:
            (gradient,) = torch.autograd.grad(selected.sum(), repeated, create_graph=True, allow_unused=True)
        if gradient is None:
            raise TargetsError(
                "the network's logits cannot be differentiated with respect to its input: somewhere it detaches it, "
                "rounds it, or runs a part under torch.no_grad()."
            )
        gradient = gradient.reshape(free, *inputs.shape)
        gradient = gradient.mean(1) if reduction == "mean" else gradient.transpose(0, 1)
        if follows:
            axis = 0 if reduction == "mean" else 1
            gradient = torch.cat([gradient, -gradient.sum(axis, keepdim=True)], axis)
        return gradient, logits[0]


def _selected(logits: Float[Tensor, "free sample cls"], unit: GradientUnit) -> Float[Tensor, "sample free"]:
    """Probability or log-odds of class k in the k-th block."""
    if unit == "probability":
        return logits.softmax(-1).diagonal(dim1=0, dim2=2)
    return logits.diagonal(dim1=0, dim2=2) - other_logits(logits).logsumexp(-1).T


def _held(logits: Float[Tensor, "free sample cls"], unit: GradientUnit) -> Float[Tensor, "free sample"]:
    """Return what has the input gradient of ``_selected``, with a factor of the logits that carries no graph."""
    fixed = logits.detach()
    own = torch.eye(*logits.shape[::2], dtype=logits.dtype, device=logits.device).unsqueeze(1)
    if unit == "probability":
        probs = fixed.softmax(-1)
        factor = (probs * own).sum(-1, keepdim=True) * (own - probs)
    else:
        factor = own - other_logits(fixed).softmax(-1)
    # As a leaf with a gradient that nobody reads: where what is backpropagated has none, functions without a second
    # derivative return a gradient without a graph instead of an error, and the penalty would miss a part of its own.
    return (factor.requires_grad_() * logits).sum(-1)


def other_logits(logits: Float[Tensor, "free sample cls"]) -> Float[Tensor, "free sample cls"]:
    """Logits with class k taken out of the k-th block, for what its log-odds compare it with."""
    own = torch.eye(*logits.shape[::2], dtype=torch.bool, device=logits.device)
    return logits.masked_fill(own.unsqueeze(1), -torch.inf)
