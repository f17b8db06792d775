"""Which share of the rows a model predicts of each class, compared with the shares that it should predict."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import LoLBatch
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.votes import is_covered, soft_votes
from lol_lightning.losses import LoLLoss
from lol_lightning.networks import logits_of

__all__ = ["PredictedShares", "leaves_shares"]

_EVERY, _FIRST_STEPS, _MEMORY = 10, 20, 0.8
"""Predictions are counted in the first steps and in every tenth one; their mean remembers some ten countings. Of a fit
that is shorter than the first steps, the predictions on its last batch are judged."""
_MARGIN = 0.05
"""By so much must a short fit have moved a mean prediction away from its share, to be at fault."""


class PredictedShares:
    """Running means of the predictions of a fit, and of what they should be."""

    __repr__ = short_repr

    def __init__(self) -> None:
        self._predicted: Tensor | None = None
        self._first: Tensor | None = None
        self._expected: Tensor | None = None
        self._num_steps = 0
        self._num_rows = 0

    def observe(self, logits: Float[Tensor, "batch cls"], batch: LoLBatch, lol: LoLLoss, step: int) -> None:
        """Take the predictions of a step into account."""
        self._num_steps += 1
        if step < _FIRST_STEPS or step % _EVERY == 0:
            self._count(logits, batch, lol)

    def departure(self, network: nn.Module, batch: LoLBatch, lol: LoLLoss) -> tuple[int, float, float] | None:
        """Return the class whose mean prediction left its share at the end of a fit, that mean and that share.

        A fit of a few steps is at fault only where its predictions are farther from the shares than before it.

        Args:
            network: in evaluation mode.
            batch: the last one of the fit.
            lol: the loss.
        """
        first = self._first
        if is_short := self._num_steps < _FIRST_STEPS:
            self._predicted = None
            with torch.no_grad():
                self._count(logits_of(network, batch.features), batch, lol)
        if self._predicted is None or self._expected is None or first is None:
            return None
        predicted, expected = self._predicted.tolist(), self._expected.tolist()
        num_rows = self._num_rows * (1.0 if is_short else (1 + _MEMORY) / (1 - _MEMORY))
        if (cls := leaves_shares(predicted, expected, num_rows)) is None:
            return None
        distance, before = (abs(mean - expected[cls]) for mean in (predicted[cls], float(first[cls])))
        if is_short and distance <= before + _MARGIN:
            return None
        return cls, predicted[cls], expected[cls]

    def _count(self, logits: Float[Tensor, "batch cls"], batch: LoLBatch, lol: LoLLoss) -> None:
        predicted = logits.float().softmax(-1)
        if lol.class_shares is None:
            # Without class shares there is nothing to compare the predictions on rows without votes with.
            covered = is_covered(batch.votes)
            predicted = predicted[covered]
            voted = soft_votes(batch.votes[covered], logits.shape[1], lol.lf_weights).float()
            if lol.class_weights is not None:
                voted = voted * lol.class_weights
            if not len(voted):
                return
            self._expected = _remember(self._expected, voted.sum(0) / voted.sum().clamp(min=1e-12))
        else:
            self._expected = lol.class_shares
        self._predicted = _remember(self._predicted, predicted.mean(0))
        self._first = self._predicted if self._first is None else self._first
        self._num_rows = len(predicted)


def leaves_shares(predicted: Sequence[float], expected: Sequence[float], num_rows: float = math.inf) -> int | None:
    """Return the class whose mean prediction is farthest from its share, if that is far, ``None`` otherwise.

    Far is a difference above .25, or a prediction above three times the share or below a third of it, by .05 at least;
    in all of these, by three standard errors of a mean over ``num_rows`` rows more.

    Example:
        >>> leaves_shares([0.5, 0.5], [0.6, 0.4]), leaves_shares([0.8, 0.2], [0.97, 0.03])
        (None, 1)
    """
    far = []
    for cls, (p, e) in enumerate(zip(predicted, expected, strict=True)):
        noise = 3 * math.sqrt(e * (1 - e) / num_rows)
        if abs(p - e) > 0.25 + noise or p > 3 * e + 0.05 + noise or p < e / 3 - 0.05 - noise:
            far.append((abs(p - e), cls))
    return max(far)[1] if far else None


def _remember(mean: Tensor | None, value: Tensor) -> Tensor:
    return value if mean is None else _MEMORY * mean + (1 - _MEMORY) * value
