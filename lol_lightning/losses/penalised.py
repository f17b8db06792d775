"""One forward pass with its gradient penalty: for targets that all rows share, and for targets of each example."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import LoLBatch, SparseRows
from lol_lightning.exceptions import ConfigurationError, TargetsError
from lol_lightning.functional.example_losses import example_margins, shared_example_penalty, voted_gradient
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.gradients import GradientUnit, input_gradient_and_logits
from lol_lightning.functional.losses import Penalty, Reduction, hinge_margins, shared_penalty
from lol_lightning.functional.votes import ROW_SHARES, SHARES, Shares
from lol_lightning.losses.smoothed_model import SmoothedModel, evaluation_mode
from lol_lightning.networks.sparse_mlp import as_input

__all__ = ["Penalised", "PenaltySettings", "example_gradient", "penalised", "second_derivative"]

_ONCE_ONLY = ("derivative for", "differentiate twice", "double backward")
"""Parts of PyTorch's messages about functions without a second derivative."""


class Penalised(NamedTuple):
    """Logits of a batch and the gradient penalty of Eq. 4 on it, without alpha."""

    logits: Float[Tensor, "batch cls"]
    penalty: Float[Tensor, ""]
    satisfied: Callable[[], Float[Tensor, ""]]
    """Share of the demands of LFs that vote in the batch which the model meets, in [0, 1]."""


class PenaltySettings(NamedTuple):
    """How the penalty is formed: the arguments of ``shared_penalty`` and ``shared_example_penalty`` after the targets.

    Args:
        c: the share of an LF's gradient that the model must reach.
        penalty: shape of the hinge.
        weights: float (m,) of the LFs' penalties, or ``None`` for 1.
        shares: how much each LF counts, "votes" or "equal".
        reduction: "sum" or "mean" over the demands of an LF.
    """

    c: float
    penalty: Penalty = "square"
    weights: Float[Tensor, " lf"] | None = None
    shares: Shares = "votes"
    reduction: Reduction = "sum"


def penalised(
    network: nn.Module, batch: LoLBatch, smoothed: SmoothedModel, step: int, num_classes: int, how: PenaltySettings
) -> Penalised:
    """Send a batch through the network in its own mode, and then differentiate the network in evaluation mode.

    The network is differentiated at smoothing samples for ``batch.gradient_targets`` and at the rows themselves for
    ``batch.example_targets``.

    Args:
        network: maps features to logits (N, K).
        batch: with targets of one of the two kinds.
        smoothed: draws the samples, and knows the unit of the gradients.
        step: number of the step, the same on all ranks.
        num_classes: K.
        how: how the penalty is formed.

    Raises:
        TargetsError: if the targets do not fit the batch or the model.
    """
    if batch.example_targets is not None:
        return _at_examples(network, batch, batch.example_targets, smoothed.unit, num_classes, how)
    if batch.gradient_targets is None:
        raise TargetsError("the batch has no gradient targets; fit on LFs whose inspected features are known.")
    return _at_samples(network, batch, batch.gradient_targets, smoothed, step, num_classes, how)


def _at_samples(
    network: nn.Module,
    batch: LoLBatch,
    targets: GradientTargets,
    smoothed: SmoothedModel,
    step: int,
    num_classes: int,
    how: PenaltySettings,
) -> Penalised:
    targets.check_fits(batch.votes.shape[1], num_classes)
    rows = as_input(network, batch.features)
    logits, gradients = smoothed.logits_and_gradient(network, targets, rows, step)

    def satisfied() -> Tensor:
        asked = SHARES[how.shares](batch.votes, how.weights)[targets.lf] > 0
        return _share(hinge_margins(gradients.detach(), targets, how.c) <= 0, asked)

    loss = shared_penalty(gradients, batch.votes, targets, *how)
    return Penalised(logits, loss, satisfied)


def _at_examples(
    network: nn.Module,
    batch: LoLBatch,
    targets: ExampleTargets,
    unit: GradientUnit,
    num_classes: int,
    how: PenaltySettings,
) -> Penalised:
    logits = network(as_input(network, batch.features))
    reached = example_gradient(network, batch, unit, num_classes)

    def satisfied() -> Tensor:
        asked = (ROW_SHARES[how.shares](batch.votes, how.weights) > 0).unsqueeze(-1) & (targets.demands() != 0)
        return _share(example_margins(reached.detach(), targets, how.c) <= 0, asked)

    loss = shared_example_penalty(reached, batch.votes, targets, *how)
    return Penalised(logits, loss, satisfied)


def example_gradient(
    network: nn.Module, batch: LoLBatch, unit: GradientUnit, num_classes: int
) -> Float[Tensor, "batch lf top"]:
    """Gradient of what each labeler votes for, by the network in evaluation mode, on that labeler's features.

    All classes come from one batched backward pass, with a graph to the weights.

    Args:
        network: maps dense features to logits (N, K).
        batch: with ``example_targets``.
        unit: of the gradients.
        num_classes: K.

    Returns:
        float (B, m, k), in ``unit`` per unit of the input.

    Raises:
        TargetsError: if the features are sparse or the targets do not fit them.
    """
    features, targets = batch.features, batch.example_targets
    if targets is None or isinstance(features, SparseRows):
        raise TargetsError("gradients of single examples need a batch with example_targets and dense features.")
    targets.check_fits(len(features), batch.votes.shape[1], features[0].numel(), unit)
    with evaluation_mode(network):
        gradients, logits = input_gradient_and_logits(network, features, num_classes, "none", unit)
    return voted_gradient(gradients.flatten(2), logits, batch.votes, targets, unit)


@contextmanager
def second_derivative() -> Iterator[None]:
    """Say what to do where a part of the network turns out to have no second derivative.

    Raises:
        ConfigurationError: in place of PyTorch's ``RuntimeError``.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _ONCE_ONLY):
            raise
        raise ConfigurationError(
            f"the network cannot be differentiated twice, as the gradient penalty needs ({_first_line(error)}). "
            "Replace that part (attention: torch.nn.attention.sdpa_kernel(SDPBackend.MATH); compiled: the plain one), "
            "match gradients at its representation instead of its pixels, or set method='lol-simple'."
        ) from error


def _share(met: Tensor, asked: Tensor) -> Float[Tensor, ""]:
    # Where nothing is asked, as by LFs of weight 0, nothing is missed.
    return 1 - (asked & ~met).sum() / asked.sum().clamp(min=1)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
