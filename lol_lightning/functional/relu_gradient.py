"""The input gradient of a ReLU network in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lol_lightning.functional.gradients import GradientUnit, other_logits

__all__ = ["relu_network_gradient", "relu_network_gradient_and_logits"]


def relu_network_gradient(
    inputs: Float[Tensor, "sample hidden"],
    layers: Sequence[tuple[Float[Tensor, "_out _in"], Float[Tensor, " _out"]]],
    unit: GradientUnit = "probability",
    hold_factor: bool = False,
) -> Float[Tensor, "cls hidden"]:
    r"""``model_input_gradient`` of a multi-layer perceptron that begins with a ReLU, in closed form.

    .. math:: \nabla \tilde h = \frac{1}{t} \sum_z \big(\mathrm{diag}(h) - h h^\top\big)\, W_L D_L \cdots W_1 D_1

    where :math:`D_l` is 1 where the l-th ReLU lets its input through; for log-odds, row k of the bracket is one-hot,
    less the distribution over the other classes. It takes no backward pass of its own, so that that of a
    penalty on it is an ordinary one.

    Args:
        inputs: float (t, H), smoothing samples at the first pre-activation.
        layers: weight float (out, in) and bias float (out,) of each linear layer, a ReLU before each of them; the
            last one's outputs are the logits (K).
        unit: as for ``model_input_gradient``.
        hold_factor: as for ``model_input_gradient``: the bracket is constant in the backward pass.

    Returns:
        float (K, H), the mean over the samples, with a graph to inputs, weights and biases.

    Example:
        >>> import torch
        >>> weight, bias = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.zeros(2)
        >>> relu_network_gradient(torch.tensor([[0.0, 1.0], [1e-9, 1.0]]), [(weight, bias)])
        tensor([[ 0.2500,  0.0000],
                [-0.2500,  0.0000]])
    """
    return relu_network_gradient_and_logits(inputs, layers, unit, hold_factor)[0]


def relu_network_gradient_and_logits(
    inputs: Float[Tensor, "sample hidden"],
    layers: Sequence[tuple[Float[Tensor, "_out _in"], Float[Tensor, " _out"]]],
    unit: GradientUnit = "probability",
    hold_factor: bool = False,
) -> tuple[Float[Tensor, "cls hidden"], Float[Tensor, "sample cls"]]:
    """``relu_network_gradient``, and the logits float (t, K) at the samples."""
    passed, x = [], inputs
    for weight, bias in layers:
        x = x.relu()
        passed.append(x > 0)
        x = F.linear(x, weight, bias)
    # The gradient at the last layer, then down through the others, (K, t, out) throughout.
    slopes = _last_slopes(x.detach() if hold_factor else x, layers[-1][0], unit) * passed[-1]
    for (weight, _), mask in zip(layers[-2::-1], passed[-2::-1], strict=True):
        slopes = (slopes @ weight) * mask
    return slopes.mean(1), x


def _last_slopes(
    logits: Float[Tensor, "sample cls"], weight: Float[Tensor, "cls hidden"], unit: GradientUnit
) -> Float[Tensor, "cls sample_or_1 hidden"]:
    if unit == "probability":
        probs = logits.softmax(-1)
        return probs.T.unsqueeze(-1) * (weight.unsqueeze(1) - probs @ weight)
    if len(weight) == 2:
        return (weight - weight.flip(0)).unsqueeze(1)
    others = other_logits(logits.expand(len(weight), *logits.shape)).softmax(-1)
    return weight.unsqueeze(1) - others @ weight
