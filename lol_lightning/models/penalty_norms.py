"""How strongly a penalty moves the weights: the norm of its gradient beside that of the vote loss."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import LoLBatch
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.losses import LoLLoss, LoLTerms
from lol_lightning.losses.penalties.second_derivative import second_derivative
from lol_lightning.models.lazy_adam import summed_rows

__all__ = ["PenaltyNorms", "gradient_norm", "strongest_norms"]

MAX_DRAWS = 10
"""So many draws of smoothing samples must agree before a penalty counts as dead or saturated: with a single sample,
each unit of a network may happen to be off."""


class PenaltyNorms(NamedTuple):
    """What one measurement of the penalty's gradient tells."""

    voted: Float[Tensor, ""]
    """Euclidean norm of the gradient of the vote loss."""
    penalty: Float[Tensor, ""]
    """Euclidean norm of the gradient of the penalty, alpha included."""
    met: Float[Tensor, ""]
    """Fraction of the demands that are met."""

    @classmethod
    def of(cls, network: nn.Module, terms: LoLTerms) -> PenaltyNorms:
        """Measure terms that have a measurement and a graph; ``grad`` of the weights is left alone."""
        if terms.measurement is None:
            raise ValueError("there is no measurement of the penalty in this step.")
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        with second_derivative():
            voted = gradient_norm(terms.vote_loss, parameters)
            penalty = gradient_norm(terms.alpha * terms.measurement.penalty, parameters)
        return cls(voted, penalty, terms.measurement.met())

    @property
    def ratio(self) -> Float[Tensor, ""]:
        """The penalty's norm in units of the vote loss's."""
        return self.penalty / self.voted.clamp(min=1e-12)

    def is_weak(self, saturation: float) -> bool:
        """Tell whether demands are unmet and the ratio of the norms is below ``saturation``."""
        return bool(self.met < 1) and bool(self.ratio < saturation)

    def logs(self, prefix: str = "") -> dict[str, Float[Tensor, ""]]:
        """Return what is logged, by name."""
        return {f"{prefix}met_demands": self.met, f"{prefix}gradient_ratio": self.ratio}

    def __repr__(self) -> str:
        return short_repr(self)


def strongest_norms(
    network: nn.Module, lol: LoLLoss, batch: LoLBatch, step: int, saturation: float, first: PenaltyNorms | None = None
) -> PenaltyNorms | None:
    """Return the first norms that are not weak, over some draws of smoothing samples, else the strongest of them.

    Args:
        network: in evaluation mode.
        lol: the loss.
        batch: with or without demands.
        step: whose draw comes first.
        saturation: see ``PenaltyNorms.is_weak``.
        first: norms that are measured already.

    Returns:
        The norms at the penalty's full alpha; ``None`` where there is nothing to measure.
    """
    best = first
    for draw in range(MAX_DRAWS):
        if best is not None and not best.is_weak(saturation):
            break
        terms = lol.measure_penalty(network, batch, step + draw)
        if terms is None:
            break
        norms = PenaltyNorms.of(network, terms)
        best = norms if best is None or norms.ratio > best.ratio else best
    return best


def gradient_norm(loss: Float[Tensor, ""], parameters: list[nn.Parameter]) -> Float[Tensor, ""]:
    """Euclidean norm of a loss's gradient over parameters, 0 where it has none; the graph is kept."""
    if not loss.requires_grad:
        return loss.new_zeros(())
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    dense = [summed_rows(g)[1] if g.is_sparse else g for g in gradients if g is not None]
    return torch.stack([g.float().norm() for g in dense]).norm() if dense else loss.new_zeros(())
