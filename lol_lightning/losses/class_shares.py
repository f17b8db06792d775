"""ClassSharesLoss: the part of ``LoLLoss`` that matches the model's mean prediction to the class shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.exceptions import ConfigurationError, VotesError, check_number
from lol_lightning.functional.losses import class_share_loss
from lol_lightning.losses.weights import LabeledVotes
from lol_lightning.losses.weights.class_balance import checked_shares, shrunken_shares

__all__ = ["SHARES_WEIGHT", "ClassSharesLoss"]

SHARES_WEIGHT = 2.0
"""gamma of Eq. 4's last term; chosen on validation rows, see docs/notes.md."""
SHARES_MEMORY = 0.9
"""How much of the mean prediction stays from one step to the next."""


class ClassSharesLoss(nn.Module):
    """Class shares, and the running mean of the predictions that is to match them.

    Both are float buffers. ``LoLLoss`` inherits them, so that they stand in its state dict beside its other buffers.

    Args:
        class_shares: see ``LoLLoss``.
        shares_weight: see ``LoLLoss``.

    Raises:
        ConfigurationError: if an argument lies outside its range.

    Example:
        >>> loss = ClassSharesLoss([0.5, 0.5])
        >>> loss.shares_loss(torch.zeros(3, 2))
        tensor(0.)
    """

    class_shares: Float[Tensor, " cls"] | None
    mean_prediction: Float[Tensor, " cls"] | None

    def __init__(
        self,
        class_shares: Literal["validation"] | Sequence[float] | None = "validation",
        shares_weight: float = SHARES_WEIGHT,
    ) -> None:
        super().__init__()
        check_number("shares_weight", shares_weight, at_least=0)
        if isinstance(class_shares, str):
            usable = class_shares == "validation"
        else:
            usable = class_shares is None or isinstance(class_shares, Mapping) or np.ndim(class_shares) == 1
        if not usable:
            raise ConfigurationError(f"class_shares = {class_shares!r}; use 'validation', a list of shares or None.")
        self.shares_source = plain_numbers(class_shares, "class_shares")
        self.shares_weight = float(shares_weight)
        self.register_buffer("class_shares", None)
        self.register_buffer("mean_prediction", None)
        if not isinstance(self.shares_source, str):
            self._set_shares(None if self.shares_source is None else checked_shares(self.shares_source))

    def shares_loss(self, logits: Float[Tensor, "batch cls"]) -> Float[Tensor, ""] | None:
        """Return how far the mean prediction is from the class shares, and take this batch into the running mean.

        Call it once in a training step, on all ranks. See ``functional.losses.class_share_loss``.

        Args:
            logits: float (B, K), of a batch in which rows have the proportions of all rows.

        Returns:
            float (), in nats; ``None`` in evaluation mode and where the class shares are not known.

        Raises:
            VotesError: if there is not one share for each class.
        """
        if self.class_shares is None or self.mean_prediction is None or not self.training or self.shares_weight == 0:
            return None
        if self.class_shares.shape != logits.shape[1:]:
            raise VotesError(f"{len(self.class_shares)} class_shares met {logits.shape[1]} classes; give one for each.")
        # Also where the module is of half precision, a mean of small steps needs more.
        dtype = torch.promote_types(self.class_shares.dtype, torch.float32)
        of_batch = _mean_over_ranks(logits.detach().to(dtype).softmax(-1).mean(0))
        # A step that is skipped because it is not finite must not stay in the mean.
        of_batch = torch.where(of_batch.isfinite().all(), of_batch, self.mean_prediction.to(dtype))
        # A new tensor: what an earlier step differentiates must not change.
        self.mean_prediction = SHARES_MEMORY * self.mean_prediction.to(dtype) + (1 - SHARES_MEMORY) * of_batch
        return class_share_loss(logits, self.class_shares.to(dtype), self.mean_prediction)

    def _resolve_shares(self, votes: LabeledVotes | None) -> str | None:
        """Set the shares that the data know, where they are asked for; return a line that says which."""
        if self.shares_source != "validation":
            return None
        counted = None if votes is None else votes.shares_of_classes()
        if votes is None or counted is None:
            self._set_shares(None)
            if votes is not None and votes.labels is not None and votes.drawn_by_class:
                return (
                    "The labeled rows were drawn class by class and tell no class shares: where you know these, give "
                    "them as class_shares."
                )
            return None
        shares = shrunken_shares(votes.soft_votes(None), counted.shares, counted.num_labels)
        self._set_shares(shares)
        told_by = "certain" if counted.num_labels is None else f"told by {counted.num_labels} labels"
        return f"Mean predictions are to match the class shares {shares.round(3).tolist()}, {told_by} (class_shares)."

    def _set_shares(self, shares: Any) -> None:
        if shares is None:
            self.class_shares = self.mean_prediction = None
            return
        self.class_shares = torch.tensor(shares, dtype=torch.float32, device=self._device)
        # The first batches are compared with the shares themselves, and so hardly count.
        self.mean_prediction = self.class_shares.clone()

    @property
    def _device(self) -> torch.device | None:
        return next((buffer.device for buffer in self.buffers()), None)


def plain_numbers(weighting: Any, name: str) -> Any:
    """Return ``None`` or a name as it is, and numbers as a list of floats.

    Args:
        weighting: numbers, or a mapping of the positions 0 .. n - 1 to them.
        name: of the argument.

    Raises:
        ConfigurationError: if it is something else, such as a mapping of names.

    Example:
        >>> plain_numbers({1: 0.75, 0: 0.25}, "class_weights")
        [0.25, 0.75]
    """
    if weighting is None or isinstance(weighting, str):
        return weighting
    try:
        if isinstance(weighting, Mapping):
            # To iterate over a mapping would give its keys.
            weighting = [weighting[i] for i in range(len(weighting))]
        return [float(weight) for weight in weighting]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{name} = {weighting!r:.80}; give a list of numbers, in the order of the LFs or classes that they are of."
        ) from error


def _mean_over_ranks(mean: Float[Tensor, " cls"]) -> Float[Tensor, " cls"]:
    """Return the mean of a tensor over the ranks of a distributed run; gradients are averaged in the same way."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return mean
    torch.distributed.all_reduce(mean)
    return mean / torch.distributed.get_world_size()
