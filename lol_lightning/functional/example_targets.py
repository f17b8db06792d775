"""ExampleTargets: what labelers that are networks demand of the model's gradient, on each example by itself."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.gradients import GradientUnit
from lol_lightning.functional.short_repr import short_repr

__all__ = ["ARRAYS", "ExampleTargets"]

ARRAYS = ("index", "value", "scale")
"""Names of the tensors with one row for each example; ``scale`` may be missing."""

_CHUNK = 1024


@dataclass(eq=False)
class ExampleTargets:
    r"""The largest entries of each labeler's input gradient at each example (Sec. 5.6 of Sam and Kolter, 2023).

    Entry ``(x, i, t)`` says that at example x the probability which labeler i gives to the class that it votes has the
    derivative ``value * scale`` with respect to input feature ``index``. A value of 0 makes no demand.

    Args:
        index: int (B, m, k), features in [0, num_features) of the flattened input.
        value: float (B, m, k), half precision as a rule, in units of ``scale``.
        num_features: d, size of the flattened input of one example.
        scale: float (B, m), size of each labeler's gradient at each example; ``None`` stands for 1.
        unit: of ``value * scale``, "probability" or "log-odds" per unit of the input; the model's must be the same.
        typical_magnitude: of a demand, above 0, see ``with_typical_magnitude``; the unit of the mean of penalties.

    Raises:
        TargetsError: if shapes do not fit, an index lies outside its range or a number is not finite.

    Example:
        >>> targets = ExampleTargets(torch.tensor([[[2, 0]]]), torch.tensor([[[1.0, -0.5]]]), num_features=4)
        >>> targets.demands()
        tensor([[[ 1.0000, -0.5000]]])
    """

    index: Int[Tensor, "row lf top"]
    value: Float[Tensor, "row lf top"]
    num_features: int
    scale: Float[Tensor, "row lf"] | None = None
    unit: GradientUnit = "probability"
    typical_magnitude: float = 1.0

    __repr__ = short_repr

    def __post_init__(self) -> None:
        self.check_shapes()
        self.check_values()
        if not 0 < self.typical_magnitude < math.inf:
            raise TargetsError(f"typical_magnitude = {self.typical_magnitude} must be a number above 0.")

    def __len__(self) -> int:
        """Return B, the number of examples."""
        return self.index.shape[0]

    @property
    def num_lfs(self) -> int:
        """Number of labelers, m."""
        return self.index.shape[1]

    @property
    def top_k(self) -> int:
        """Number of entries for each labeler, k."""
        return self.index.shape[2]

    @property
    def num_bytes(self) -> int:
        """Bytes that the entries take, in memory or in a file; what rows share counts once."""
        return sum(tensor.untyped_storage().nbytes() for tensor in self.arrays().values())

    def demands(self, dtype: torch.dtype = torch.float32) -> Float[Tensor, "row lf top"]:
        """Return the labelers' derivatives, float (B, m, k), in ``unit`` per unit of the input."""
        value = self.value.to(dtype)
        return value if self.scale is None else value * self.scale.to(dtype).unsqueeze(-1)

    def with_typical_magnitude(self) -> ExampleTargets:
        """Return the targets with the root mean square of all demands as their ``typical_magnitude``.

        How steep a labeler is depends on the number and the units of its inputs; in this measure the penalty of a model
        that follows no labeler is about the same anywhere.
        """
        total, count = 0.0, 0
        for start in range(0, len(self), _CHUNK):
            demands = self.rows(torch.arange(start, min(start + _CHUNK, len(self)))).demands()
            total += float(demands.square().sum(dtype=torch.double))
            count += int(demands.count_nonzero())
        return self.replaced({"typical_magnitude": (total / count) ** 0.5 if total else 1.0})

    def rows(self, index: Int[Tensor, " selected"]) -> ExampleTargets:
        """Return the targets of the examples at the given positions, in the given order."""
        return self.replaced({name: _take(getattr(self, name), index) for name in ARRAYS})

    def to(self, device: torch.device | str, non_blocking: bool = False) -> ExampleTargets:
        """Return the targets on ``device``."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> ExampleTargets:
        """Return the targets in page-locked memory."""
        return self._map(Tensor.pin_memory)

    def check_fits(self, num_rows: int, num_lfs: int, num_features: int, unit: GradientUnit) -> None:
        """Raise ``TargetsError`` unless these targets are for B rows of d features, m LFs and gradients in ``unit``."""
        have = {"rows": len(self), "LFs": self.num_lfs, "features": self.num_features}
        need = {"rows": num_rows, "LFs": num_lfs, "features": num_features}
        if have != need:
            raise TargetsError(
                f"per-example gradient targets of {have} met a batch of {need}. Compute them on its rows."
            )
        if unit != self.unit:
            raise TargetsError(
                f"the labelers' gradients are in {self.unit} and the model's unit is {unit!r}: give both the same unit."
            )

    def arrays(self) -> dict[str, Tensor]:
        """Return the tensors of ``ARRAYS`` that are there."""
        found = {name: getattr(self, name) for name in ARRAYS}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    def replaced(self, changes: Mapping[str, Tensor | float | None]) -> ExampleTargets:
        """Return a copy with other values of some fields, which are not checked again."""
        changed = copy.copy(self)
        for name, value in changes.items():
            setattr(changed, name, value)
        return changed

    def _map(self, function: Callable[[Tensor], Tensor]) -> ExampleTargets:
        found = {item.name: getattr(self, item.name) for item in fields(self)}
        return self.replaced({name: function(value) for name, value in found.items() if isinstance(value, Tensor)})

    def check_shapes(self) -> None:
        """Raise ``TargetsError`` unless index, value and scale have shapes that fit each other."""
        if self.index.ndim != 3 or self.index.shape != self.value.shape or self.index.is_floating_point():
            raise TargetsError(
                "per-example gradient targets need an integer index and a value of one shape (n, m, k), got "
                f"{self.index.dtype} {tuple(self.index.shape)} and {tuple(self.value.shape)}."
            )
        if self.scale is not None and self.scale.shape != self.index.shape[:2]:
            raise TargetsError(f"scale has shape {tuple(self.scale.shape)}, expected {tuple(self.index.shape[:2])}.")

    def check_values(self) -> None:
        """Raise ``TargetsError`` if an index lies outside its range or a number is not finite, block by block."""
        for start in range(0, len(self), _CHUNK):
            self._check_block(start)

    def _check_block(self, start: int) -> None:
        index = self.index[start : start + _CHUNK]
        low, high = (int(bound) for bound in torch.aminmax(index)) if index.numel() else (0, -1)
        if low < 0 or high >= self.num_features:
            raise TargetsError(
                f"a gradient target has feature {low if low < 0 else high}, outside [0, {self.num_features}). Compute "
                "the targets on the input that the model is trained on."
            )
        for name in ("value", "scale"):
            tensor = getattr(self, name)
            if tensor is None:
                continue
            if not (finite := torch.isfinite(tensor[start : start + _CHUNK])).all():
                row, lf = (~finite).nonzero()[0, :2].tolist()
                raise TargetsError(f"labeler {lf} has a gradient {name} on row {start + row} that is not finite.")


def _take(tensor: Tensor | None, index: Tensor) -> Tensor | None:
    return None if tensor is None else tensor[index]
