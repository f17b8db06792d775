"""LoLTerms: the terms of Eq. 4 on one batch."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from lol_lightning.functional.short_repr import short_repr
from lol_lightning.losses.penalties import Measurement

__all__ = ["LoLTerms"]


@dataclass(eq=False)
class LoLTerms:
    """The terms of Eq. 4 on one batch.

    Args:
        loss: float (), ``vote_loss + alpha * penalty + shares_weight * shares_loss``; differentiate it once for a
            training step.
        vote_loss: float (), in nats.
        logits: float (B, K), of the batch.
        alpha: weight of the penalty in this step.
        measurement: what the penalty measured, ``None`` where it was not computed.
        shares_loss: float (), in nats, how far the mean prediction is from the class shares; ``None`` where these are
            not known.
    """

    loss: Float[Tensor, ""]
    vote_loss: Float[Tensor, ""]
    logits: Float[Tensor, "batch cls"]
    alpha: float = 0.0
    measurement: Measurement | None = None
    shares_loss: Float[Tensor, ""] | None = None

    __repr__ = short_repr

    @property
    def penalty(self) -> Float[Tensor, ""] | None:
        """Float (), the penalty without alpha; ``None`` where it was not computed."""
        return None if self.measurement is None else self.measurement.penalty

    def logs(self, prefix: str = "train_") -> dict[str, Tensor]:
        """Return the terms by name, detached, ready for ``log_dict``."""
        terms = {
            "loss": self.loss,
            "vote_loss": self.vote_loss,
            "penalty": self.penalty,
            "shares_loss": self.shares_loss,
        }
        return {prefix + name: value.detach() for name, value in terms.items() if value is not None}
