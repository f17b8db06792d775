"""InsertionBank: rows with and without an inspected term, of which every batch gets its part."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lol_lightning.data.batch import Features, Insertions, SparseRows
from lol_lightning.exceptions import ConfigurationError, TargetsError
from lol_lightning.functional.short_repr import short_repr

__all__ = ["InsertionBank"]


class InsertionBank:
    r"""P rows with an inspected term and the same rows without it, of which each step draws a few for every LF.

    LFs take turns: in a cycle each LF with insertions is drawn once, in a random order, and each LF goes through its own
    insertions in a random order before one comes again. Over the steps every insertion of an LF is drawn equally often,
    so that the sampled penalty is an unbiased estimate of that over all insertions. What a draw holds depends on the
    seed and the step alone, and is the same on all ranks.

    Args:
        with_term: features of P rows that hold the term: float (P, ...), ``SparseRows``, or rows with a method ``rows``.
        without_term: features of the same rows without it.
        lf: int64 (P,), the LF that inspects the term.
        cls: int64 (P,), the class that it speaks for.
        value: float (P,), what the term adds to the LF's vote for the class, in [-1, 1].
        term: int64 (P,), number of the term, to count an LF's terms.
        num_lfs: m.
        lf_scale: float (m,) in [0, 1], how much the insertions of each LF count: the part of those tried that bring its
            vote. ``None`` counts them alike.
        per_step: how many are drawn in a step; ``None`` for all of them.
        seed: of the draws.

    Raises:
        TargetsError: if the parts differ in length, or a number lies outside its range.
        ConfigurationError: if ``per_step`` is below 1.

    Example:
        >>> bank = InsertionBank(torch.ones(3, 2), torch.zeros(3, 2), torch.tensor([0, 0, 1]), torch.tensor([1, 1, 0]),
        ...     torch.ones(3), torch.tensor([0, 1, 2]), num_lfs=2, per_step=2)
        >>> sorted(bank.draw(step=0).lf.tolist())
        [0, 1]
    """

    __repr__ = short_repr

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
        per_step: int | None = 32,
        seed: int = 0,
    ) -> None:
        if per_step is not None and per_step < 1:
            raise ConfigurationError(f"per_step = {per_step} insertions; at least 1 is needed, or None for all.")
        self.with_term, self.without_term = with_term, without_term
        self.lf, self.cls, self.value, self.term = lf, cls, value, term
        self.num_lfs, self.per_step, self.seed = num_lfs, per_step, seed
        self.lf_scale = torch.ones(num_lfs) if lf_scale is None else lf_scale
        self._check()
        members = [np.flatnonzero(lf.numpy() == i) for i in range(num_lfs)]
        self._members = [(i, pairs) for i, pairs in enumerate(members) if len(pairs)]
        self._sizes = torch.tensor([max(len(pairs), 1) for pairs in members])
        self._num_terms = torch.tensor([len(np.unique(term.numpy()[pairs])) for pairs in members])

    def __len__(self) -> int:
        """Return P, the number of insertions."""
        return self.lf.shape[0]

    def draw(self, step: int) -> Insertions:
        """Return the insertions of a step, float32 weights included; see ``Insertions``.

        Args:
            step: number of the step, at least 0.
        """
        if self.per_step is None or not self._members:
            index = torch.arange(len(self))
            weight = 1 / self._sizes[self.lf].float()
        else:
            index = torch.from_numpy(self._drawn(step, self.per_step))
            # Each slot holds a given LF with the chance 1 / number of LFs.
            weight = torch.full((len(index),), len(self._members) / len(index))
        lf = self.lf[index]
        return Insertions(
            rows_at(self.with_term, index),
            rows_at(self.without_term, index),
            lf,
            self.cls[index],
            self.value[index],
            weight * self.lf_scale[lf],
            self._num_terms[lf],
        )

    def _drawn(self, step: int, number: int) -> Int[np.ndarray, " drawn"]:
        turns = np.arange(step * number, (step + 1) * number)
        drawn = np.empty(number, dtype=np.int64)
        for cycle in np.unique(turns // len(self._members)):
            order = self._permutation(0, cycle, len(self._members))
            of_cycle = turns // len(self._members) == cycle
            for slot in np.flatnonzero(of_cycle):
                lf, pairs = self._members[order[turns[slot] % len(self._members)]]
                of_lf = self._permutation(1 + lf, cycle // len(pairs), len(pairs))
                drawn[slot] = pairs[of_lf[cycle % len(pairs)]]
        return drawn

    def _permutation(self, stream: int, number: int, size: int) -> Int[np.ndarray, " size"]:
        return np.random.default_rng([self.seed % 2**63, stream, int(number)]).permutation(size)

    def _check(self) -> None:
        parts = {name: getattr(self, name) for name in ("with_term", "without_term", "lf", "cls", "value", "term")}
        lengths = {name: num_rows(part) for name, part in parts.items()}
        if len(set(lengths.values())) != 1:
            raise TargetsError(f"the parts of insertions must have one row for each, got {lengths}.")
        if len(self) and not 0 <= int(self.lf.min()) <= int(self.lf.max()) < self.num_lfs:
            raise TargetsError(f"insertions are of the LFs {self.lf.unique().tolist()}, but there are {self.num_lfs}.")
        if not bool((self.value.abs() <= 1).all()):
            raise TargetsError("the values of insertions must lie in [-1, 1].")


def rows_at(features: Any, index: Int[Tensor, " row"]) -> Features:
    """Return some rows of features: of a tensor, or of a container that has a method ``rows``."""
    return features.rows(index) if hasattr(features, "rows") else features[index]


def num_rows(features: Any) -> int:
    """Return the number of rows of features."""
    return int(features.shape[0]) if isinstance(features, Tensor | SparseRows) else len(features)
