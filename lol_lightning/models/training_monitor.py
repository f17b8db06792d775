"""Watches a training: terms that are not finite, predictions that leave the class shares, penalties without effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning._lightning import rank_zero_warn
from lol_lightning.data.batch import LoLBatch
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.losses import LoLLoss, LoLTerms
from lol_lightning.losses.penalties.second_derivative import keeping_graphs
from lol_lightning.models.penalty_norms import PenaltyNorms, strongest_norms
from lol_lightning.models.predicted_shares import PredictedShares, leaves_shares
from lol_lightning.models.training_warnings import (
    ClassSharesWarning,
    DeadPenaltyWarning,
    NotFiniteWarning,
    TrainingWarning,
)
from lol_lightning.networks import evaluation_mode

__all__ = [
    "ClassSharesWarning",
    "DeadPenaltyWarning",
    "NotFiniteWarning",
    "TrainingMonitor",
    "TrainingWarning",
    "leaves_shares",
]

Names = Callable[[], Sequence[str]]


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
        self._shares = PredictedShares()
        self._last: tuple[LoLBatch, int] | None = None
        self._measured: tuple[int, float, PenaltyNorms] | None = None

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
        # Asking an accelerator whether a number is finite makes it wait.
        if terms.loss.device.type == "cpu" or self.due(step):
            self._check_finite(terms, step, lf_names)
        self._shares.observe(terms.logits.detach(), batch, lol, step)

    def measure(self, network: nn.Module, terms: LoLTerms, step: int) -> dict[str, Float[Tensor, ""]]:
        """Return what the penalty's gradient is in a step, for its log; after the last step, ``finish`` takes it, too.

        Args:
            network: whose weights are looked at; their ``grad`` is left alone.
            terms: of the step, with a measurement, and a graph.
            step: its number.
        """
        norms = PenaltyNorms.of(network, terms)
        self._measured = step, terms.alpha, norms
        return norms.logs("train_")

    def finish(self, network: nn.Module, lol: LoLLoss) -> dict[str, float]:
        """Measure what the fit ended with, and warn of what is wrong.

        Args:
            network: as it was trained.
            lol: the loss, in training mode.

        Returns:
            ``met_demands`` and ``gradient_ratio`` where there is a penalty, empty otherwise. The ratio is that of the
            norm of the penalty's gradient to that of the vote loss. Where the last step measured them they are those
            that it began with.
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
        with torch.enable_grad(), evaluation_mode(network), keeping_graphs():
            norms = strongest_norms(network, lol, batch, step, self.saturation, self._measured_in(step, lol))
            if norms is not None:
                report = {name: float(value) for name, value in norms.logs().items()}
                self._check_penalty(norms, step)
            departure = self._shares.departure(network, batch, lol)
        if departure is not None:
            self._warn_of_shares(*departure, has_shares=lol.class_shares is not None)
        return report

    def _measured_in(self, step: int, lol: LoLLoss) -> PenaltyNorms | None:
        if self._measured is None or self._measured[0] != step or lol.penalty is None:
            return None
        _, alpha, norms = self._measured
        # ``every`` and ``warmup`` change alpha from step to step.
        return norms._replace(penalty=norms.penalty * (lol.penalty.alpha_ / alpha))

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

    def _check_penalty(self, norms: PenaltyNorms, step: int) -> None:
        met, norm, ratio = float(norms.met), float(norms.penalty), float(norms.ratio)
        state = f"after step {step}, with {100 * met:.3g}% of the demands met,"
        if met < 1 and norm == 0:
            self._warn(
                DeadPenaltyWarning,
                f"{state} the gradient penalty is dead: no gradient of it reaches the weights. Does the "
                "network detach its input, have its units died, or are all its probabilities 0 or 1?",
            )
        elif norms.is_weak(self.saturation):
            self._warn(
                DeadPenaltyWarning,
                f"{state} the gradient penalty is saturated: its gradient is {ratio:.1e} of that of the vote loss, and "
                "hardly moves the weights. Raise alpha, or lower c or lr, or stop before the probabilities saturate.",
            )

    def _warn_of_shares(self, cls: int, predicted: float, expected: float, has_shares: bool) -> None:
        self._warn(
            ClassSharesWarning,
            f"the model predicts class {cls} with a mean probability of {predicted:.2f}, and its share "
            f"{'' if has_shares else 'among the votes '}is {expected:.2f}. "
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
