"""TokenRows: texts as token ids, ragged until they are a batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from lol_lightning.exceptions import DataError
from lol_lightning.functional.short_repr import short_repr

__all__ = ["Padding", "TokenRows"]


class Padding(NamedTuple):
    """How rows of different lengths become one tensor."""

    token_id: int = 0
    """Id that fills the places behind, or in front of, a row."""
    side: str = "right"
    """"right" or "left": where they are."""
    multiple: int = 1
    """The width of a batch is a multiple of this; tensor cores are fastest with 8."""


_RIGHT = Padding()


@dataclass(eq=False)
class TokenRows:
    """Rows of token ids, one behind the other without padding.

    Row ``b`` holds ``ids[offsets[b]:offsets[b + 1]]``. ``batch`` pads rows to the longest one among them.

    Args:
        ids: int32 (number of tokens,), each at least 0.
        offsets: int64 (n + 1,), ascending from 0.
        type_ids: int32 (number of tokens,), segments as some tokenizers tell them; ``None`` where all are 0.
        padding: how batches are padded.

    Example:
        >>> rows = TokenRows.from_lists([[5, 6, 7], [8]])
        >>> rows.batch(torch.tensor([1, 0]))["input_ids"]
        tensor([[8, 0, 0],
                [5, 6, 7]])
        >>> rows.batch(torch.tensor([1, 0]))["attention_mask"]
        tensor([[1, 0, 0],
                [1, 1, 1]])
    """

    ids: Int[Tensor, " token"]
    offsets: Int[Tensor, " rows_plus_1"]
    type_ids: Int[Tensor, " token"] | None = None
    padding: Padding = _RIGHT

    __repr__ = short_repr

    @classmethod
    def from_lists(
        cls, ids: Sequence[Any], type_ids: Sequence[Any] | None = None, padding: Padding = _RIGHT
    ) -> TokenRows:
        """Put rows of ids, lists or arrays of integers of any lengths, one behind the other."""
        offsets = np.zeros(len(ids) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in ids], out=offsets[1:])
        types = None if type_ids is None else _flat(type_ids)
        if types is not None and not types.any():
            types = None
        return cls(
            torch.from_numpy(_flat(ids)),
            torch.from_numpy(offsets),
            None if types is None else torch.from_numpy(types),
            padding,
        )

    def __len__(self) -> int:
        """Return n, the number of rows."""
        return self.offsets.shape[0] - 1

    @property
    def shape(self) -> tuple[int]:
        """(n,)."""
        return (len(self),)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.ids.device

    @property
    def lengths(self) -> Int[Tensor, " row"]:
        """int64 (n,): number of tokens of each row."""
        return self.offsets.diff()

    def __getitem__(self, index: Any) -> TokenRows:
        """Return the rows at some positions: int64 or bool (b,), an array or tensor, or a slice."""
        index = torch.arange(len(self), device=self.device)[_as_index(index)].reshape(-1)
        lengths = self.lengths[index]
        offsets = torch.zeros(len(index) + 1, dtype=torch.long, device=self.device)
        torch.cumsum(lengths, 0, out=offsets[1:])
        take = torch.repeat_interleave(self.offsets[index] - offsets[:-1], lengths)
        take += torch.arange(len(take), device=self.device)
        type_ids = None if self.type_ids is None else self.type_ids[take]
        return TokenRows(self.ids[take], offsets, type_ids, self.padding)

    def batch(self, index: Int[Tensor, " selected"] | None = None) -> dict[str, Shaped[Tensor, "selected width"]]:
        """Return rows as a network reads them, padded to the longest one.

        Args:
            index: int64 (b,), positions of rows; all by default.

        Returns:
            ``input_ids`` and ``attention_mask``, 1 where there is a token and 0 where there is padding, int64 (b, T);
            ``token_type_ids``, too, where they are not 0 throughout.
        """
        index = torch.arange(len(self), device=self.device) if index is None else index
        starts, lengths = self.offsets[index], self.lengths[index]
        multiple = self.padding.multiple
        width = -(-max(int(lengths.max()) if len(index) else 0, 1) // multiple) * multiple
        place = torch.arange(width, device=self.device).expand(len(index), width)
        if self.padding.side == "left":
            place = place - (width - lengths)[:, None]
        mask = (place >= 0) & (place < lengths[:, None])
        take = (starts[:, None] + place)[mask]
        batch = {"input_ids": self._padded(self.ids, take, mask, self.padding.token_id), "attention_mask": mask.long()}
        if self.type_ids is not None:
            batch["token_type_ids"] = self._padded(self.type_ids, take, mask, 0)
        return batch

    @classmethod
    def concatenate(cls, parts: Sequence[TokenRows]) -> TokenRows:
        """Put rows of the same padding one behind the other.

        Raises:
            DataError: if they differ in their padding.
        """
        if len({part.padding for part in parts}) != 1:
            raise DataError(f"rows of tokens with the paddings {[part.padding for part in parts]} cannot be joined.")
        starts = itertools.accumulate((len(part.ids) for part in parts), initial=0)
        offsets = [part.offsets[:-1] + start for part, start in zip(parts[:-1], starts, strict=False)]
        offsets.append(parts[-1].offsets + next(starts))
        type_ids = None
        if any(part.type_ids is not None for part in parts):
            type_ids = torch.cat([torch.zeros_like(p.ids) if p.type_ids is None else p.type_ids for p in parts])
        return cls(torch.cat([part.ids for part in parts]), torch.cat(offsets), type_ids, parts[0].padding)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> TokenRows:
        """Return the rows on ``device``."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> TokenRows:
        """Return the rows in page-locked memory."""
        return self._map(Tensor.pin_memory)

    def _padded(self, flat: Tensor, take: Tensor, mask: Tensor, fill: int) -> Tensor:
        padded = torch.full(mask.shape, fill, dtype=torch.long, device=self.device)
        padded[mask] = flat[take].long()
        return padded

    def _map(self, function: Callable[[Tensor], Tensor]) -> TokenRows:
        type_ids = None if self.type_ids is None else function(self.type_ids)
        return TokenRows(function(self.ids), function(self.offsets), type_ids, self.padding)


def _flat(rows: Sequence[Any]) -> np.ndarray:
    parts = [np.asarray(row, dtype=np.int32) for row in rows]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int32)


def _as_index(index: Any) -> Any:
    return torch.from_numpy(index) if isinstance(index, np.ndarray) else index
