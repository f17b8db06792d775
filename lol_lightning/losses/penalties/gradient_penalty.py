"""GradientPenalty: demands that all rows have in common, measured at smoothing samples (Eq. 3)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import LoLBatch
from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.gradients import GradientUnit
from lol_lightning.functional.losses import (
    Hinge,
    Reduction,
    gradient_penalty,
    hinge_margins,
    increase_within_reach,
    weighted_penalty,
)
from lol_lightning.functional.votes import LF_FACTORS, Factors
from lol_lightning.losses.penalties.base import Measurement, Penalty, refuse_insertions, unmet_fraction
from lol_lightning.losses.penalties.smoothed_model import Phi, Sampling, SmoothedModel
from lol_lightning.losses.weights.lf_weights import LFWeighting
from lol_lightning.networks import as_input, evaluation_mode

__all__ = ["REACHABLE_C", "GradientPenalty"]

REACHABLE_C = 0.7
"""c by default: raise the probability by .7, or two thirds of the way to 1 where that is less; see docs/notes.md."""


class GradientPenalty(Penalty):
    r"""The gradient penalty of Eq. 3: the smoothed model must react to the features that the LFs inspect.

    .. math:: p_i = \sum_{(k, j, v) \in i} \big[\, c|v| - \mathrm{sign}(v)\, \nabla \tilde h_{k,j} \,\big]_+^2

    The smoothed model's gradient is the mean of the input gradient over t random rows (Sec. 4.2). It needs features
    with a meaning of their own, such as the words of a bag or the columns of a table.

    Args:
        alpha: weight of the penalty, see ``Penalty``; likewise ``c``, ``unit``, ``hold_factor``, ``hinge``,
            ``reduction``, ``factors``, ``weights``, ``every`` and ``warmup``.
        c: fraction of an LF's gradient that the model must reach.
        unit: of the gradients.
        hold_factor: hold the factor diag(h) - h h^T constant in the backward pass, and, for probabilities, keep the
            demands within reach (``increase_within_reach``).
        hinge: shape of the hinge.
        reduction: over the features of an LF.
        factors: how much each LF's penalty counts.
        weights: of the LFs' penalties.
        every: compute it in every s-th step only.
        warmup: steps over which alpha rises.
        num_samples: t, number of smoothing samples a step.
        phi: chance of a feature in a smoothing sample: a float, "document-frequency", or "data" for rows of the batch.
        sampling: "stratified" spreads each feature evenly over the samples, "independent" draws each by itself,
            "fixed" takes the same stratified samples in every step.
        seed: of the smoothing samples.

    Raises:
        ConfigurationError: if an argument lies outside its range.

    Example:
        >>> GradientPenalty(c=0.3)
        GradientPenalty(alpha=1, c=0.3)

    Notes:
        The defaults differ from Eq. 3 and 4 in four things: they hold the factor diag(h) - h h^T constant in the
        backward pass, demand no more than is within reach (both in ``docs/objective.md``), take the mean over an LF's
        features instead of the sum, and let each LF's penalty count alike.
        ``hold_factor=False, reduction="sum", factors="votes"`` is the paper to the letter.

        The samples go through the network in evaluation mode after the batch went through it in training mode, and
        both end up in one loss, so that gradients are equal under DistributedDataParallel.
    """

    def __init__(
        self,
        alpha: float | None = None,
        c: float | None = None,
        unit: GradientUnit = "probability",
        hold_factor: bool = True,
        hinge: Hinge = "square",
        reduction: Reduction = "mean",
        factors: Factors = "equal",
        weights: LFWeighting | list[float] | None = None,
        every: int = 1,
        warmup: int = 0,
        num_samples: int = 10,
        phi: Phi = "document-frequency",
        sampling: Sampling = "stratified",
        seed: int = 0,
    ) -> None:
        super().__init__(alpha, c, unit, hold_factor, hinge, reduction, factors, weights, every, warmup)
        self.smoothed_model = SmoothedModel(phi, num_samples, sampling, unit, seed, hold_factor)

    def init_args(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain types."""
        smoothed = self.smoothed_model
        names = ("num_samples", "phi", "sampling", "seed")
        return {**super().init_args(), **{name: getattr(smoothed, name) for name in names}}

    @property
    def default_c(self) -> float:
        """``REACHABLE_C`` where demands stay within reach; 0.2 for Eq. 3 to the letter, whose c must stay below 1/4."""
        return REACHABLE_C if self._stays_within_reach else super().default_c

    def has_demands(self, batch: LoLBatch) -> bool:
        """Tell whether the batch holds ``gradient_targets`` with entries."""
        refuse_insertions(batch, type(self).__name__)
        if batch.example_targets is not None:
            raise TargetsError(
                "the batch has example_targets, which GradientPenalty does not read: give penalty=ExamplePenalty()."
            )
        return batch.gradient_targets is not None and len(batch.gradient_targets) > 0

    def measure(self, network: nn.Module, batch: LoLBatch, step: int) -> Measurement:
        """Return logits, penalty and the demands met; see ``Penalty.measure``."""
        targets = _targets_of(batch)
        targets.check_fits(batch.votes.shape[1], targets.num_classes)
        rows = as_input(network, batch.features)
        logits, gradients, probabilities = self.smoothed_model.logits_and_gradient(network, targets, rows, step)
        c = self._reachable_c(targets, probabilities)

        def met() -> Float[Tensor, ""]:
            demanded = LF_FACTORS[self.factors](batch.votes, self.lf_weights)[targets.lf] > 0
            return 1 - unmet_fraction(hinge_margins(gradients.detach(), targets, c) <= 0, demanded)

        def per_lf() -> Float[Tensor, " lf"]:
            return gradient_penalty(gradients.detach(), targets, c, self.hinge, self.reduction)

        penalty = weighted_penalty(
            gradients, batch.votes, targets, c, self.hinge, self.lf_weights, self.factors, self.reduction
        )
        return Measurement(logits, penalty, met, per_lf)

    def input_gradient(self, network: nn.Module, batch: LoLBatch, step: int = 0) -> Float[Tensor, "cls inspected"]:
        """Return the smoothed model's gradient on the inspected features, to look at.

        Args:
            network: maps features to logits (N, K).
            batch: its gradient targets say which features are inspected.
            step: number that the smoothing samples are drawn for.

        Returns:
            float (K, F), in ``unit`` per ``feature_scale``, columns as in ``batch.gradient_targets.features``.

        Raises:
            TargetsError: if the batch has no gradient targets.
        """
        with evaluation_mode(network):
            smoothed = self.smoothed_model.logits_and_gradient(
                network, _targets_of(batch), as_input(network, batch.features), step
            )
        return smoothed.gradient.detach()

    def _reachable_c(self, targets: GradientTargets, probabilities: Float[Tensor, "sample cls"]) -> float | Tensor:
        if not self._stays_within_reach:
            return self.c_
        up = increase_within_reach(probabilities, self.c_)
        down = increase_within_reach(1 - probabilities, self.c_)
        return torch.where(targets.sign > 0, up[targets.cls], down[targets.cls])


def _targets_of(batch: LoLBatch) -> Any:
    if batch.gradient_targets is None:
        raise TargetsError("the batch has no gradient targets; fit on LFs whose inspected features are declared.")
    return batch.gradient_targets
