"""Monitors whether the gradient penalty reaches the weights, and warns once where it does not."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.models.lazy_adam import summed_rows

__all__ = ["DeadPenaltyWarning", "PenaltyMonitor", "gradient_norm"]


class DeadPenaltyWarning(UserWarning):
    """The gradient penalty does not reach the weights, or hardly does."""


class PenaltyMonitor:
    """Compares the gradients of the penalty and of the vote loss from time to time.

    Args:
        every: number of steps from one comparison to the next; each costs two more backward passes.
        saturation: below this ratio of the two norms, with demands unmet, the penalty counts as saturated.
    """

    def __init__(self, every: int = 100, saturation: float = 1e-4) -> None:
        self.every = every
        self.saturation = saturation
        self._warned: set[str] = set()

    def due(self, step: int) -> bool:
        """Tell whether this step is to be watched."""
        return step % self.every == 0

    def ratio(
        self, network: nn.Module, voted: Float[Tensor, ""], penalty: Float[Tensor, ""], met: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """Norm of the penalty's gradient over that of the vote loss; warns where the penalty is dead or saturated.

        Args:
            network: whose weights are looked at; their ``grad`` is left alone.
            voted: the vote loss, with its graph.
            penalty: the penalty as it enters the loss, with its graph.
            met: fraction of the demands that are met, in [0, 1].

        Returns:
            float (), at least 0.
        """
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        vote_norm, penalty_norm = (gradient_norm(loss, parameters) for loss in (voted, penalty))
        ratio = penalty_norm / vote_norm.clamp(min=1e-12)
        if met < 1 and penalty_norm == 0:
            self._warn(
                "the gradient penalty is dead: demands are unmet, yet no gradient reaches the weights. Does the "
                "network detach its input, have its units died, or are all its probabilities 0 or 1?"
            )
        elif met < 1 and ratio < self.saturation:
            self._warn(
                "the gradient penalty is saturated: next to the vote loss it hardly moves the weights. Raise alpha, or "
                "lower c or lr, or stop before the probabilities saturate."
            )
        return ratio

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            warnings.warn(message, DeadPenaltyWarning, stacklevel=2)


def gradient_norm(loss: Float[Tensor, ""], parameters: list[nn.Parameter]) -> Float[Tensor, ""]:
    """Euclidean norm of a loss's gradient over parameters, 0 where it has none; the graph is kept."""
    if not loss.requires_grad:
        return loss.new_zeros(())
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    dense = [summed_rows(g)[1] if g.is_sparse else g for g in gradients if g is not None]
    return torch.stack([g.float().norm() for g in dense]).norm() if dense else loss.new_zeros(())
