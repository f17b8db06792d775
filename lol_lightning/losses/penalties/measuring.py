"""A penalty measured on a network by kernels that fit it, and a check that it trains something."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import nn

from lol_lightning.data.batch import LoLBatch
from lol_lightning.exceptions import TargetsError
from lol_lightning.losses.penalties.base import Measurement, Penalty
from lol_lightning.losses.penalties.second_derivative import twice_differentiable

__all__ = ["check_reaches_weights", "measured"]


def measured(penalty: Penalty, network: nn.Module, batch: LoLBatch, step: int) -> Measurement:
    """Return what ``Penalty.measure`` does; where a penalty needs a second derivative, all kernels have one.

    Raises:
        TargetsError: as ``Penalty.measure``.
        ConfigurationError: if a part of the network has no second derivative.
    """
    with twice_differentiable(network) if penalty.needs_second_derivative else nullcontext():
        return penalty.measure(network, batch, step)


def check_reaches_weights(measurement: Measurement, network: nn.Module) -> None:
    """Check that a penalty has a graph to the weights of a network that trains.

    Raises:
        TargetsError: if it has none.
    """
    trains = any(parameter.requires_grad for parameter in network.parameters())
    if trains and torch.is_grad_enabled() and not measurement.penalty.requires_grad:
        raise TargetsError(
            "the gradients in the penalty are detached from the network's weights, so that it would train nothing. "
            "Compute them with create_graph=True, as model_input_gradient does."
        )
