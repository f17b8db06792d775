"""InsertionPenalty: Eq. 3 as a difference, what a term adds where it is inserted; for any network that reads."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import Insertions, LoLBatch
from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.insertions import (
    TermMeans,
    added_by_term,
    insertion_margins,
    insertion_penalty,
    means_of_terms,
    rise_within_reach,
)
from lol_lightning.functional.votes import LF_FACTORS
from lol_lightning.losses.penalties.base import Measurement, Penalty, unmet_fraction
from lol_lightning.networks import evaluation_mode, logits_of

__all__ = ["INSERTION_C", "InsertionPenalty"]

INSERTION_C = 0.3
"""c by default: raise the probability by .3, or two thirds of the way to 1 where that is less; see docs/notes.md."""


class InsertionPenalty(Penalty):
    r"""The gradient penalty of Eq. 3 on differences: a term that an LF inspects, inserted, must move the model.

    .. math:: p_i = E_{j \in i} \Big[\, c|v_j| - \mathrm{sign}(v_j)\, E_x\big[
              h_k(x \text{ with } j) - h_k(x \text{ without } j) \big] \,\Big]_+^2

    It reads ``batch.insertions`` and needs first derivatives only, so it works for any network, tokenizer, encoder and
    strategy: transformers trained on tokens, heads on frozen embeddings, bags of words, ``torch.compile``, flash
    attention, FSDP. It takes the arguments of ``Penalty``.

    The rows with and without their term go through the network in evaluation mode, so that dropout does not pass for an
    effect of the term, after the batch went through it in its own mode.

    Raises:
        ConfigurationError: if an argument lies outside its range.

    Example:
        >>> InsertionPenalty(alpha=3.0)
        InsertionPenalty(alpha=3, c=0.3)

    Notes:
        ``hold_factor`` holds the mean softmax Jacobian between the two logits (``added_by_term``) and keeps demands
        within reach (``rise_within_reach``). ``reduction="mean"`` is the mean over the terms of an LF, ``"sum"`` their
        sum as in Eq. 3. The mean over rows stands inside the square (``functional.insertions.insertion_penalty``).
    """

    needs_second_derivative: ClassVar[bool] = False

    @property
    def default_c(self) -> float:
        """``INSERTION_C`` where demands stay within reach, else ``DEFAULT_C``."""
        return INSERTION_C if self._stays_within_reach else super().default_c

    def has_demands(self, batch: LoLBatch) -> bool:
        """Tell whether the batch holds ``insertions``."""
        if batch.insertions is None and batch.example_targets is not None:
            raise TargetsError(
                "the batch has example_targets, which InsertionPenalty does not read: give penalty=ExamplePenalty()."
            )
        if batch.insertions is None and batch.gradient_targets is not None and len(batch.gradient_targets):
            raise TargetsError(
                "the batch has gradient_targets, which InsertionPenalty does not read: give the data module "
                "insertions=True, or penalty=GradientPenalty()."
            )
        return batch.insertions is not None and len(batch.insertions) > 0

    def measure(self, network: nn.Module, batch: LoLBatch, step: int) -> Measurement:
        """Return logits, penalty and the demands met; see ``Penalty.measure``."""
        insertions = batch.insertions
        if insertions is None:
            raise TargetsError("the batch has no insertions; give the data module insertions=True.")
        num_lfs = batch.votes.shape[1]
        logits = logits_of(network, batch.features)
        terms = self._terms(network, insertions)
        factors = LF_FACTORS[self.factors](batch.votes, self.lf_weights)
        each = insertion_penalty(terms, num_lfs, self.hinge)

        def met() -> Float[Tensor, ""]:
            demanded = (factors[terms.lf] > 0) & (terms.weight > 0)
            return 1 - unmet_fraction(insertion_margins(terms).detach() <= 0, demanded)

        def per_lf() -> Float[Tensor, " lf"]:
            return each.detach()

        return Measurement(logits, torch.dot(factors.to(each.dtype), each), met, per_lf)

    def _terms(self, network: nn.Module, insertions: Insertions) -> TermMeans:
        with evaluation_mode(network):
            with_term = logits_of(network, insertions.with_term)
            without_term = logits_of(network, insertions.without_term)
        added = added_by_term(with_term, without_term, insertions.cls, self.unit, self.hold_factor)
        value = insertions.value.to(added.dtype)
        c: float | Tensor = self.c_
        if self._stays_within_reach:
            before = without_term.detach().to(added.dtype).softmax(-1)
            c = rise_within_reach(before.gather(-1, insertions.cls.unsqueeze(-1)).squeeze(-1), self.c_, value.sign())
        return means_of_terms(added, c * value, insertions.lf, self._weight(insertions), insertions.group)

    def _weight(self, insertions: Insertions) -> Float[Tensor, " insertion"]:
        if self.reduction == "mean":
            return insertions.weight
        if insertions.num_terms is None:
            raise TargetsError("reduction='sum' needs insertions with num_terms, the number of terms of each one's LF.")
        return insertions.weight * insertions.num_terms
