"""Means of a loss's terms over the rows of an epoch, without Lightning's bookkeeping in every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from lol_lightning.functional.short_repr import short_repr

__all__ = ["EpochMeans"]


class EpochMeans:
    """Sums of terms, weighted by the number of rows of each batch.

    Args:
        names: of all terms that there may be, the same on all ranks.

    Example:
        >>> means = EpochMeans(("loss", "penalty", "shares_loss"))
        >>> means.add({"loss": torch.tensor(1.0)}, num_rows=3)
        >>> means.add({"loss": torch.tensor(5.0), "penalty": torch.tensor(0.5)}, num_rows=1)
        >>> means.pop()
        {'loss': tensor(2.), 'penalty': tensor(0.5000)}
    """

    __repr__ = short_repr

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._sums: dict[str, Tensor] = {}
        self._rows: dict[str, int] = {}

    def add(self, terms: Mapping[str, Float[Tensor, ""]], num_rows: int) -> None:
        """Take the terms of one batch into account; a term may be missing in some batches."""
        for name, value in terms.items():
            weighted = value.detach().float() * num_rows
            self._sums[name] = self._sums[name] + weighted if name in self._sums else weighted
            self._rows[name] = self._rows.get(name, 0) + num_rows

    def state(self) -> Float[Tensor, "2 name"]:
        """Return the sums, and the numbers of rows that they are over."""
        device = next((value.device for value in self._sums.values()), None)
        zero = torch.zeros((), device=device)
        sums = torch.stack([self._sums.get(name, zero) for name in self.names])
        return torch.stack([sums, sums.new_tensor([self._rows.get(name, 0) for name in self.names])])

    def load(self, state: Float[Tensor, "2 name"]) -> None:
        """Go on from what ``state`` returned."""
        rows = dict(zip(self.names, state[1].tolist(), strict=True))
        self._rows = {name: int(count) for name, count in rows.items() if count}
        self._sums = {name: state[0, i].clone() for i, name in enumerate(self.names) if rows[name]}

    def pop(self, reduce: Callable[[Tensor], Tensor] | None = None) -> dict[str, Float[Tensor, ""]]:
        """Return the means, and start anew.

        Args:
            reduce: returns the sum of a tensor over the ranks of a distributed run.
        """
        state = self.state() if reduce is None else reduce(self.state())
        self._sums, self._rows = {}, {}
        means = state[0] / state[1].clamp(min=1)
        return {name: means[i] for i, name in enumerate(self.names) if state[1, i] > 0}
