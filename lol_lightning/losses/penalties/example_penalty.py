"""ExamplePenalty: demands of labelers that are networks, measured at the rows themselves (Eq. 3, Sec. 5.6)."""

from __future__ import annotations

from functools import partial

from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import LoLBatch
from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.example_losses import (
    example_margins,
    example_penalty,
    voted_gradient,
    weighted_example_penalty,
)
from lol_lightning.functional.gradients import GradientUnit, input_gradient_and_logits
from lol_lightning.functional.votes import ROW_FACTORS
from lol_lightning.losses.penalties.base import Measurement, Penalty, refuse_insertions, unmet_fraction
from lol_lightning.networks import evaluation_mode, logits_of

__all__ = ["ExamplePenalty", "example_gradient"]


class ExamplePenalty(Penalty):
    r"""The gradient penalty for labelers that have a gradient of their own at every row.

    .. math:: p_i(x) = \sum_{(j, v)} \big[\, c|v| - \mathrm{sign}(v)\, \partial h_{S_i(x)}(x) / \partial x_j \,\big]_+^2

    It reads ``batch.example_targets`` and dense features, and takes the arguments of ``Penalty``. With
    ``reduction="mean"`` margins are in units of the targets' typical magnitude.

    Example:
        >>> ExamplePenalty(alpha=0.5, unit="log-odds")
        ExamplePenalty(alpha=0.5, c=0.2, unit='log-odds')
    """

    @classmethod
    def in_place_of(cls, penalty: Penalty) -> tuple[ExamplePenalty, list[str]]:
        """Return the penalty at the rows with the arguments that it shares with another one, and those left out.

        Example:
            >>> from lol_lightning.losses.penalties import GradientPenalty
            >>> ExamplePenalty.in_place_of(GradientPenalty(alpha=0.5, num_samples=7))
            (ExamplePenalty(alpha=0.5, c=0.2), ['num_samples=7'])
        """
        arguments, shared = penalty.init_args(), Penalty.init_args(penalty)
        defaults = type(penalty)().init_args()
        left_out = [
            f"{name}={value}"
            for name, value in arguments.items()
            if name not in {*shared, "seed"} and value != defaults[name]
        ]
        return cls(**shared), left_out

    def has_demands(self, batch: LoLBatch) -> bool:
        """Tell whether the batch holds ``example_targets``."""
        refuse_insertions(batch, type(self).__name__)
        if batch.gradient_targets is not None and len(batch.gradient_targets):
            raise TargetsError(
                "the batch has gradient_targets, which ExamplePenalty does not read: give penalty=GradientPenalty()."
            )
        return batch.example_targets is not None and len(batch.example_targets) > 0

    def measure(self, network: nn.Module, batch: LoLBatch, step: int) -> Measurement:
        """Return logits, penalty and the demands met; see ``Penalty.measure``."""
        targets = batch.example_targets
        if targets is None:
            raise TargetsError("the batch has no example_targets; compute them with top_k_targets on its rows.")
        logits = logits_of(network, batch.features)
        gradients = example_gradient(network, batch, self.unit, logits.shape[1], self.hold_factor)

        def met() -> Float[Tensor, ""]:
            counted = ROW_FACTORS[self.factors](batch.votes, self.lf_weights) > 0
            demanded = counted.unsqueeze(-1) & (targets.demands() != 0)
            return 1 - unmet_fraction(example_margins(gradients.detach(), targets, self.c_) <= 0, demanded)

        def per_lf() -> Float[Tensor, " lf"]:
            counted = ROW_FACTORS[self.factors](batch.votes, self.lf_weights) > 0
            each = example_penalty(gradients.detach(), targets, self.c_, self.hinge, self.reduction)
            return each.where(counted, 0.0).mean(0)

        penalty = weighted_example_penalty(
            gradients, batch.votes, targets, self.c_, self.hinge, self.lf_weights, self.factors, self.reduction
        )
        return Measurement(logits, penalty, met, per_lf)


def example_gradient(
    network: nn.Module, batch: LoLBatch, unit: GradientUnit, num_classes: int, hold_factor: bool = False
) -> Float[Tensor, "batch lf top"]:
    """Gradient of what each labeler votes for, by the network in evaluation mode, on that labeler's features.

    All classes come from one batched backward pass, with a graph to the weights.

    Args:
        network: maps dense features to logits (N, K).
        batch: with ``example_targets``.
        unit: of the gradients.
        num_classes: K.
        hold_factor: see ``model_input_gradient``.

    Returns:
        float (B, m, k), in ``unit`` per unit of the input.

    Raises:
        TargetsError: if the features are sparse or the targets do not fit them.
    """
    features, targets = batch.features, batch.example_targets
    if targets is None or not isinstance(features, Tensor):
        raise TargetsError("gradients of single examples need a batch with example_targets and dense features.")
    targets.check_fits(len(features), batch.votes.shape[1], features[0].numel(), unit)
    with evaluation_mode(network):
        gradients, logits = input_gradient_and_logits(
            partial(logits_of, network), features, num_classes, "none", unit, hold_factor
        )
    return voted_gradient(gradients.flatten(2), logits, batch.votes, targets, unit, hold_factor)
