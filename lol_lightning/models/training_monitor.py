"""Watches a training: terms that are not finite, predictions that leave the class shares, penalties without effect."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning._lightning import rank_zero_warn
from lol_lightning.data.batch import LoLBatch
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.votes import is_covered, soft_votes
from lol_lightning.losses import LoLLoss, LoLTerms
from lol_lightning.losses.penalties.second_derivative import second_derivative
from lol_lightning.models.lazy_adam import summed_rows
from lol_lightning.networks import evaluation_mode

__all__ = [
    "ClassSharesWarning",
    "DeadPenaltyWarning",
    "NotFiniteWarning",
    "TrainingMonitor",
    "TrainingWarning",
    "gradient_norm",
    "leaves_shares",
]

Names = Callable[[], Sequence[str]]

_SHARES_EVERY, _FIRST_STEPS, _MEMORY = 10, 20, 0.8
"""Predictions are counted in the first steps and in every tenth one, and judged after so many steps; their mean
remembers some ten countings."""


class TrainingWarning(UserWarning):
    """A fit ended otherwise than it should; the message names the cure."""


class NotFiniteWarning(TrainingWarning):
    """A term of the loss is infinite or NaN."""


class ClassSharesWarning(TrainingWarning):
    """The model predicts some class far more, or far less, often than it occurs."""


class DeadPenaltyWarning(TrainingWarning):
    """The gradient penalty does not reach the weights, or hardly does."""


class TrainingMonitor:
    """Observes the steps of a fit, and warns at most once, of what is worst.

    A term that is not finite is warned of at its step, all else at the end of the fit, when it is known what became of
    it.

    Args:
        every: number of steps from one measurement of the penalty's gradient to the next; each costs two more backward
            passes.
        saturation: below this ratio of the norms of the two gradients, with demands unmet, the penalty counts as
            saturated.
    """

    __repr__ = short_repr

    def __init__(self, every: int = 100, saturation: float = 1e-4) -> None:
        self.every = every
        self.saturation = saturation
        self.start()

    def start(self) -> None:
        """Forget an earlier fit."""
        self._has_warned = False
        self._predicted: Tensor | None = None
        self._expected: Tensor | None = None
        self._last: tuple[LoLBatch, int] | None = None
        self._num_steps = 0
        self._num_rows = 0.0

    def due(self, step: int) -> bool:
        """Tell whether the penalty's gradient is to be measured in this step; the untrained model is left out."""
        return (step + 1) % self.every == 0

    def observe(self, terms: LoLTerms, batch: LoLBatch, lol: LoLLoss, step: int, lf_names: Names) -> None:
        """Take a step into account.

        Args:
            terms: of the step.
            batch: of the step; the last one is kept until the fit ends.
            lol: the loss.
            step: its number.
            lf_names: returns the names of the LFs for messages; LFs without a name are numbered.
        """
        self._last = batch, step
        self._num_steps += 1
        # Asking an accelerator whether a number is finite makes it wait.
        if terms.loss.device.type == "cpu" or self.due(step):
            self._check_finite(terms, step, lf_names)
        if step < _FIRST_STEPS or step % _SHARES_EVERY == 0:
            self._count(terms.logits.detach(), batch, lol)

    def norms(
        self, network: nn.Module, terms: LoLTerms
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the norms of the gradients of vote loss and penalty, and the fraction of demands that are met.

        Args:
            network: whose weights are looked at; their ``grad`` is left alone.
            terms: with a measurement, and a graph.
        """
        if terms.measurement is None:
            raise ValueError("there is no measurement of the penalty in this step.")
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        with second_derivative():
            voted = gradient_norm(terms.vote_loss, parameters)
            penalty = gradient_norm(terms.alpha * terms.measurement.penalty, parameters)
        return voted, penalty, terms.measurement.met()

    def finish(self, network: nn.Module, lol: LoLLoss) -> dict[str, float]:
        """Measure what the fit ended with, and warn of what is wrong.

        Args:
            network: as it was trained.
            lol: the loss, in training mode.

        Returns:
            ``met_demands`` and ``gradient_ratio`` where there is a penalty, empty otherwise. The ratio is that of the
            norm of the penalty's gradient to that of the vote loss.
        """
        if self._last is None or self._has_warned:
            return {}
        (batch, step), self._last = self._last, None
        report: dict[str, float] = {}
        if not all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters()):
            self._warn(
                NotFiniteWarning,
                f"after step {step} weights of the network are not finite. Lower lr or alpha, or clip gradients "
                "(Trainer(gradient_clip_val=1.0)).",
            )
            return report
        with torch.enable_grad(), evaluation_mode(network):
            # A step in which the penalty counts, whatever ``every`` and ``warmup`` say of the last one.
            terms = lol.measure_penalty(network, batch, step)
            if terms is not None:
                voted, penalty, met = (float(value) for value in self.norms(network, terms))
                ratio = penalty / max(voted, 1e-12)
                report = {"met_demands": met, "gradient_ratio": ratio}
                self._check_penalty(met, penalty, ratio, step)
        self._check_shares(lol)
        return report

    def _check_finite(self, terms: LoLTerms, step: int, lf_names: Names) -> None:
        if bool(torch.isfinite(terms.loss)):
            return
        if not torch.isfinite(terms.logits).all():
            self._warn(
                NotFiniteWarning,
                f"in step {step} the network's logits are not finite. Lower lr or alpha, or clip gradients "
                "(Trainer(gradient_clip_val=1.0)), and look for very large features.",
            )
            return
        bad = [
            name
            for name, value in (("vote loss", terms.vote_loss), ("class-share loss", terms.shares_loss))
            if value is not None and not torch.isfinite(value)
        ]
        cure = "look for votes and weights that are very large."
        if terms.measurement is not None and not torch.isfinite(terms.measurement.penalty):
            per_lf = terms.measurement.per_lf()
            numbers = (~torch.isfinite(per_lf)).nonzero().flatten().tolist()
            all_names = lf_names()
            names = [all_names[i] if i < len(all_names) else f"LF {i}" for i in numbers]
            bad.append(
                f"penalty (of {', '.join(names[:5])}{', ...' if len(names) > 5 else ''})" if names else "penalty"
            )
            cure = "look at the gradient targets of these LFs, or take hinge='square'."
        self._warn(NotFiniteWarning, f"in step {step} the {' and the '.join(bad)} is not finite: {cure}")

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
        self._num_rows = len(predicted) * (1 + _MEMORY) / (1 - _MEMORY)

    def _check_penalty(self, met: float, norm: float, ratio: float, step: int) -> None:
        state = f"after step {step}, with {100 * met:.3g}% of the demands met,"
        if met < 1 and norm == 0:
            self._warn(
                DeadPenaltyWarning,
                f"{state} the gradient penalty is dead: no gradient of it reaches the weights. Does the "
                "network detach its input, have its units died, or are all its probabilities 0 or 1?",
            )
        elif met < 1 and ratio < self.saturation:
            self._warn(
                DeadPenaltyWarning,
                f"{state} the gradient penalty is saturated: its gradient is {ratio:.1e} of that of the vote loss, and "
                "hardly moves the weights. Raise alpha, or lower c or lr, or stop before the probabilities saturate.",
            )

    def _check_shares(self, lol: LoLLoss) -> None:
        if self._predicted is None or self._expected is None or self._num_steps < _FIRST_STEPS:
            return
        predicted, expected = self._predicted.tolist(), self._expected.tolist()
        if (cls := leaves_shares(predicted, expected, self._num_rows)) is None:
            return
        has_shares = lol.class_shares is not None
        self._warn(
            ClassSharesWarning,
            f"the model predicts class {cls} with a mean probability of {predicted[cls]:.2f}, and its share "
            f"{'' if has_shares else 'among the votes '}is {expected[cls]:.2f}. "
            + (
                "Raise shares_weight, lower alpha, or compare with method='lol-simple' on validation rows."
                if has_shares
                else "Give labeled validation rows or Classes(balance=...), lower alpha, or compare with "
                "method='lol-simple'."
            ),
        )

    def _warn(self, category: type[TrainingWarning], message: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            rank_zero_warn(message, category=category, stacklevel=4)


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


def gradient_norm(loss: Float[Tensor, ""], parameters: list[nn.Parameter]) -> Float[Tensor, ""]:
    """Euclidean norm of a loss's gradient over parameters, 0 where it has none; the graph is kept."""
    if not loss.requires_grad:
        return loss.new_zeros(())
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    dense = [summed_rows(g)[1] if g.is_sparse else g for g in gradients if g is not None]
    return torch.stack([g.float().norm() for g in dense]).norm() if dense else loss.new_zeros(())


def _remember(mean: Tensor | None, value: Tensor) -> Tensor:
    return value if mean is None else _MEMORY * mean + (1 - _MEMORY) * value
