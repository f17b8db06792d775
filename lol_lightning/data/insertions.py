"""InsertionBank: rows with and without an inspected term, of which every batch gets its part."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lol_lightning.data.batch import Features, Insertions, SparseRows
from lol_lightning.exceptions import TargetsError, check_number

__all__ = ["InsertionBank"]


class InsertionBank:
    r"""P rows with an inspected term and the same rows without it, of which each step draws a few for every LF.

    LFs take turns: in a cycle each LF with insertions is drawn once, in a random order, and each LF goes through its
    own terms in a random order before one comes again. Over the steps every term of an LF is drawn equally often, so
    that the sampled penalty is an unbiased estimate of that over all terms. Of a term, ``rows_per_term`` rows are
    drawn. What a draw holds depends on the seed and the step alone, and is the same on all ranks.

    Args:
        with_term: features of P rows that hold the term: a tensor (P, ...), ``SparseRows`` or ``TokenRows``.
        without_term: features of the same rows without it.
        lf: int64 (P,), the LF that inspects the term.
        cls: int64 (P,), the class that it speaks for.
        value: float (P,), what the term adds to the LF's vote for the class, in [-1, 1].
        term: int64 (P,), number of the term: rows of one number hold the same term for the same LF and class.
        num_lfs: m.
        lf_scale: float (m,) in [0, 1], how much the insertions of each LF count: the part of those tried that bring its
            vote. ``None`` counts them alike.
        terms_per_step: how many terms are drawn in a step; ``None`` for all terms with all their rows.
        rows_per_term: how many rows of a term are drawn; fewer where it has fewer.
        seed: of the draws.

    Raises:
        TargetsError: if the parts differ in length, or a number lies outside its range.
        ConfigurationError: if a number of what is drawn is below 1.

    Example:
        >>> bank = InsertionBank(torch.ones(3, 2), torch.zeros(3, 2), torch.tensor([0, 0, 1]), torch.tensor([1, 1, 0]),
        ...     torch.ones(3), torch.tensor([0, 0, 1]), num_lfs=2, terms_per_step=2)
        >>> bank
        InsertionBank(3 insertions of 2 terms for 2 of 2 LFs, 2 terms a step)
        >>> sorted(bank.draw(step=0).lf.tolist())
        [0, 0, 1]
    """

    def __init__(
        self,
        with_term: Any,
        without_term: Any,
        lf: Int[Tensor, " pair"],
        cls: Int[Tensor, " pair"],
        value: Float[Tensor, " pair"],
        term: Int[Tensor, " pair"],
        num_lfs: int,
        lf_scale: Float[Tensor, " lf"] | None = None,
        terms_per_step: int | None = 12,
        rows_per_term: int = 6,
        seed: int = 0,
    ) -> None:
        if terms_per_step is not None:
            check_number("terms_per_step", terms_per_step, at_least=1, whole=True)
        check_number("rows_per_term", rows_per_term, at_least=1, whole=True)
        self.with_term, self.without_term = with_term, without_term
        self.lf, self.cls, self.value, self.term = lf, cls, value, term
        self.num_lfs, self.terms_per_step, self.rows_per_term, self.seed = num_lfs, terms_per_step, rows_per_term, seed
        self.lf_scale = torch.ones(num_lfs) if lf_scale is None else lf_scale
        self._check()
        self._lf_on_host = lf
        order = np.argsort(term.numpy(), kind="stable")
        numbers, starts = np.unique(term.numpy()[order], return_index=True)
        self._pairs = np.split(order, starts[1:]) if len(order) else []
        """Numbers of the insertions of each term."""
        lf_of_term = lf.numpy()[order[starts]] if len(order) else np.empty(0, dtype=np.int64)
        of_lf = [np.flatnonzero(lf_of_term == i) for i in range(num_lfs)]
        self._voices = [terms for terms in of_lf if len(terms)]
        """Places of the terms of each LF that has some."""
        self._num_terms = torch.tensor([len(terms) for terms in of_lf])
        self._place = torch.from_numpy(np.searchsorted(numbers, term.numpy()))

    def __len__(self) -> int:
        """Return P, the number of insertions."""
        return int(self.lf.shape[0])

    def __repr__(self) -> str:
        step = "all in each step" if self.terms_per_step is None else f"{self.terms_per_step} terms a step"
        return (
            f"InsertionBank({len(self)} insertions of {len(self._pairs)} terms for {len(self._voices)} of "
            f"{self.num_lfs} LFs, {step})"
        )

    def to(self, device: torch.device | str) -> InsertionBank:
        """Return this bank with all of its rows on ``device``."""
        moved = copy.copy(self)
        for name in ("with_term", "without_term", "lf", "cls", "value"):
            setattr(moved, name, getattr(self, name).to(device))
        return moved

    def draw(self, step: int) -> Insertions:
        """Return the insertions of a step, with float32 weights; see ``Insertions``.

        Args:
            step: number of the step, at least 0.
        """
        if self.terms_per_step is None or not len(self):
            index, group = torch.arange(len(self)), self._place
            of_term = 1 / self._num_terms[self._lf_on_host].clamp(min=1).float()
        else:
            pairs = self._drawn(step, self.terms_per_step)
            index = torch.from_numpy(np.concatenate(pairs))
            group = torch.repeat_interleave(torch.arange(len(pairs)), torch.tensor([len(one) for one in pairs]))
            # Each of the terms drawn is of a certain LF with the chance 1 / number of LFs that have terms.
            of_term = torch.full((len(index),), len(self._voices) / len(pairs))
        weight = 1 / torch.bincount(group, minlength=1)[group].float()
        lf = self._lf_on_host[index]
        weight = of_term * self.lf_scale[lf] * weight
        device = self.lf.device
        index, lf, weight, group, num_terms = (
            part.to(device, non_blocking=True) for part in (index, lf, weight, group, self._num_terms[lf])
        )
        return Insertions(
            rows_at(self.with_term, index),
            rows_at(self.without_term, index),
            lf,
            self.cls[index],
            self.value[index],
            weight,
            group,
            num_terms,
        )

    def _drawn(self, step: int, number: int) -> list[Int[np.ndarray, " drawn"]]:
        """Return the insertions of each term of a step."""
        drawn, orders = [], {}
        for turn in range(step * number, (step + 1) * number):
            cycle, place = divmod(turn, len(self._voices))
            if cycle not in orders:
                orders[cycle] = self._permutation(0, cycle, len(self._voices))
            lf = int(orders[cycle][place])
            terms = self._voices[lf]
            round_, of_round = divmod(cycle, len(terms))
            pairs = self._pairs[terms[self._permutation(1 + lf, round_, len(terms))[of_round]]]
            if len(pairs) > self.rows_per_term:
                pairs = pairs[self._permutation(1 + self.num_lfs, turn, len(pairs))[: self.rows_per_term]]
            drawn.append(pairs)
        return drawn

    def _permutation(self, stream: int, number: int, size: int) -> Int[np.ndarray, " size"]:
        return np.random.default_rng([self.seed % 2**63, stream, number]).permutation(size)

    def _check(self) -> None:
        parts = {name: getattr(self, name) for name in ("with_term", "without_term", "lf", "cls", "value", "term")}
        lengths = {name: len(part) for name, part in parts.items()}
        if len(set(lengths.values())) != 1:
            raise TargetsError(f"the parts of insertions must have one row for each, got {lengths}.")
        if len(self) and not 0 <= int(self.lf.min()) <= int(self.lf.max()) < self.num_lfs:
            raise TargetsError(
                f"insertions are of LF {int(self.lf.min())} to LF {int(self.lf.max())}, but there are {self.num_lfs}."
            )
        if len(self.lf_scale) != self.num_lfs:
            raise TargetsError(f"lf_scale has {len(self.lf_scale)} numbers for {self.num_lfs} LFs.")
        if not bool((self.value.abs() <= 1).all()):
            raise TargetsError("the values of insertions must lie in [-1, 1].")


def rows_at(features: Any, index: Int[Tensor, " row"]) -> Features:
    """Return some rows of features."""
    return features.rows(index) if isinstance(features, SparseRows) else features[index]
